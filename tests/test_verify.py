"""``phiz verify``: what is said about a film that is as it was, changed, stripped, or foreign."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch

from phiz.console import Console
from phiz.errors import MediaError
from phiz.media import boxes, image, provenance, signing, video
from phiz.media.provenance import Ingredient, ProvenanceConfig
from phiz.verify import VerifyConfig, verify

PHOTO = Ingredient(title="photo.png", format="image/png", sha256="ab" * 32)


@pytest.fixture
def film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a film that was marked and signed here."""
    monkeypatch.setenv(signing.VARIABLE, str(tmp_path / "keys"))
    plain = [torch.full((3, 144, 144), 0.1)] * 6
    path = tmp_path / "film.mp4"
    video.write(path, provenance.marked(plain, ProvenanceConfig()), fps=25)
    provenance.finish(path, ProvenanceConfig(), [PHOTO])
    return path


def looked_at(path: Path) -> tuple[dict[str, object], str]:
    said = io.StringIO()
    result = verify(VerifyConfig(file=path), Console(output=said, errors=said))
    return dict(result), said.getvalue()


def strip(path: Path) -> None:
    data = path.read_bytes()
    with path.open("rb") as file:
        box = next(box for box in boxes.top(file) if box.is_manifest)
    blank = boxes.C2PA[::-1]  # a box for something else, of the same length, so that the film plays
    path.write_bytes(data[: box.start + 8] + blank + data[box.start + 24 :])


def test_a_film_as_it_was_made_is_valid(film: Path) -> None:
    result, said = looked_at(film)
    assert result["exit_code"] == 0
    assert "manifest: valid" in said
    assert "this machine's own key" in said
    assert "made by a trained model" in said
    assert "photo.png" in said
    assert result["mark"]["payload"] == f"{signing.own().number:08x}"  # type: ignore[index]
    assert result["mark"]["is_signers"]  # type: ignore[index]


def test_a_changed_byte_is_said_in_plain_words(film: Path) -> None:
    data = bytearray(film.read_bytes())
    data[-1] ^= 1
    film.write_bytes(data)
    result, said = looked_at(film)
    assert result["exit_code"] == 1
    assert "changed since it was signed" in said


def test_without_its_manifest_the_mark_still_tells(film: Path) -> None:
    strip(film)
    result, said = looked_at(film)
    assert result["exit_code"] == 1
    assert "manifest: none" in said
    assert result["mark"]["found"]  # type: ignore[index]
    assert "the number of this machine's own key" in said


def test_elsewhere_the_key_is_unknown_but_fits(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(signing.VARIABLE, str(film.parent / "others"))
    result, said = looked_at(film)
    assert result["exit_code"] == 0
    assert "a key that this machine does not know" in said
    assert "of the key that signed" in said
    assert not (film.parent / "others").exists()  # looking makes no key


def test_a_foreign_film_and_a_picture_have_nothing(tmp_path: Path) -> None:
    video.write(tmp_path / "a.mp4", [torch.zeros(3, 64, 64)], fps=25)
    image.write(tmp_path / "a.png", torch.zeros(3, 64, 64))
    for path in (tmp_path / "a.mp4", tmp_path / "a.png"):
        result, said = looked_at(path)
        assert result["exit_code"] == 1
        assert "mark: none found" in said


def test_a_film_that_another_key_signed_anew_is_told_apart(film: Path) -> None:
    provenance.sign(film, ingredients=[], title="mine now", keys=signing.make("a thief"), is_marked=True)
    result, said = looked_at(film)
    assert "a thief" in said
    assert "of this machine's own key, not of the one that signed" in said
    assert not result["mark"]["is_signers"]  # type: ignore[index]


def test_a_stranger_s_words_cannot_steer_the_terminal(film: Path) -> None:
    sly = Ingredient(title="\x1b[2Jphoto\n", format="x" * 1000, sha256="ab" * 32)
    provenance.sign(film, ingredients=[sly], title="a\x1b]0;film\x07\nmanifest: none", is_marked=True)
    result, said = looked_at(film)
    assert result["exit_code"] == 0
    assert "\x1b" not in said
    assert "\x07" not in said
    assert "\nmanifest: none" not in said
    assert max(map(len, said.splitlines())) < 400


def test_bad_files_are_errors(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"nothing")
    for path in (tmp_path / "a.mp4", tmp_path / "missing.mp4", tmp_path):
        with pytest.raises(MediaError):
            looked_at(path)
