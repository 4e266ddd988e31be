"""What was written is known, and nothing else is touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from phiz.errors import DataError
from phiz.prepare import written
from phiz.prepare.written import Written


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "work" / "crop.jpg"
    path.parent.mkdir()
    path.write_bytes(b"crop")
    return path


def _files(tmp_path: Path, person: str = "a") -> Written:
    return Written(tmp_path / "set", tmp_path / "work", person)


def test_linked_files_take_no_room_and_are_replaced_when_they_change(source: Path, tmp_path: Path) -> None:
    files = _files(tmp_path)
    files.link("images/a/1.jpg", source)
    target = tmp_path / "set" / "images" / "a" / "1.jpg"
    assert target.samefile(source)
    files.finish()
    other = source.with_name("other.jpg")
    other.write_bytes(b"other")
    files = _files(tmp_path)
    files.link("images/a/1.jpg", other)
    files.finish()
    assert target.read_bytes() == b"other"
    assert source.read_bytes() == b"crop"


def test_where_there_are_no_links_files_are_copied(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("this disk knows no links")

    monkeypatch.setattr(os, "link", refuse)
    files = _files(tmp_path)
    files.link("images/a/1.jpg", source)
    copied = tmp_path / "set" / "images" / "a" / "1.jpg"
    assert copied.read_bytes() == b"crop"
    assert not copied.samefile(source)
    assert [path.name for path in copied.parent.iterdir()] == ["1.jpg"]


def test_what_is_not_written_again_goes_and_strangers_stay(source: Path, tmp_path: Path) -> None:
    files = _files(tmp_path)
    for name in ("images/a/1.jpg", "images/a/2.jpg", "masks/a/1.png"):
        files.link(name, source)
    files.finish()
    stranger = tmp_path / "set" / "images" / "a" / "mine.jpg"
    stranger.write_bytes(b"mine")
    files = _files(tmp_path)
    files.link("images/a/1.jpg", source)
    files.finish()
    found = sorted(str(p.relative_to(tmp_path / "set")) for p in (tmp_path / "set").rglob("*.*"))
    assert found == ["images/a/1.jpg", "images/a/mine.jpg"]
    assert not (tmp_path / "set" / "masks" / "a").exists()
    with pytest.raises(DataError, match="not written by phiz prepare"):
        files.link("images/a/mine.jpg", source)


def test_an_interrupted_run_knows_its_files_again(source: Path, tmp_path: Path) -> None:
    _files(tmp_path).link("images/a/1.jpg", source)  # killed before it is finished
    with written.list_of(tmp_path / "work", "a").open("a", encoding="utf-8") as file:
        file.write('"images/a/2.j')  # and in the middle of a line
    files = _files(tmp_path)
    files.link("images/a/1.jpg", source)
    files.finish()
    assert (tmp_path / "set" / "images" / "a" / "1.jpg").exists()


def test_people_who_left_take_their_files_along(source: Path, tmp_path: Path) -> None:
    for person in ("a", "b/../b", "c\udcff"):
        files = _files(tmp_path, person)
        files.link(f"images/{ord(person[0])}/1.jpg", source)
        files.finish()
    work = tmp_path / "work"
    written.remove_others(tmp_path / "set", work, {written.list_of(work, "a")})
    assert [p.parent.name for p in (tmp_path / "set").rglob("*.jpg")] == [str(ord("a"))]
    assert len(list((work / written.LISTS).iterdir())) == 1
