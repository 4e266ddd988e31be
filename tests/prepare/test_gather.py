"""What a folder holds is found in a firm order, without what does not belong to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from phiz.errors import DataError
from phiz.prepare import gather


def _touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_folders_are_people_and_names_stand_in_natural_order(tmp_path: Path) -> None:
    _touch(tmp_path, "bob/10.png", "bob/2.JPG", "bob/b/1.jpg", "bob/a.MOV", "bob/a.wav", "bob/notes.txt")
    _touch(tmp_path, "alice/x.webp", "bob/.hidden.jpg", "bob/Thumbs.db", "person10/a.jpg", "person9/a.jpg")
    found = list(gather.people(tmp_path, tmp_path / "out"))
    assert [one.person for one in found] == ["alice", "bob", "person9", "person10"]
    bob = found[1]
    assert bob.pictures == ("bob/b/1.jpg", "bob/2.JPG", "bob/10.png")
    assert (bob.films, bob.sounds, bob.strays) == (("bob/a.MOV",), ("bob/a.wav",), 1)


def test_loose_files_are_one_person_or_many(tmp_path: Path) -> None:
    root = tmp_path / "eve"
    _touch(root, "a.mp4", "a.wav", "b.jpg", "b/1.jpg")
    one = {found.person: found for found in gather.people(root, tmp_path / "out")}
    assert set(one) == {"eve", "b"}
    each = {found.person: found for found in gather.people(root, tmp_path / "out", "each")}
    assert set(each) == {"a", "b"}
    assert each["a"].sounds == ("a.wav",)
    assert set(each["b"].pictures) == {"b.jpg", "b/1.jpg"}


def test_the_output_and_links_in_circles_are_passed_over(tmp_path: Path) -> None:
    _touch(tmp_path, "bob/1.jpg", "out/images/bob/00001.jpg")
    (tmp_path / "bob" / "around").symlink_to(tmp_path)
    (tmp_path / "bob" / "lost.jpg").symlink_to(tmp_path / "nowhere.jpg")
    found = list(gather.people(tmp_path, tmp_path / "out"))
    assert [(one.person, one.pictures) for one in found] == [("bob", ("bob/1.jpg",))]


def test_people_without_anything_are_no_people(tmp_path: Path) -> None:
    _touch(tmp_path, "bob/notes.txt")
    assert list(gather.people(tmp_path, tmp_path / "out")) == []


@pytest.mark.parametrize("output", [".", ".."])
def test_reading_and_writing_do_not_mix(output: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="another folder"):
        gather.refuse_odd(tmp_path, tmp_path / output)


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        list(gather.people(tmp_path / "nowhere", tmp_path / "out"))
