"""Signed films: they play as before, and whatever is changed in them is noticed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from phiz import options
from phiz.errors import MediaError
from phiz.media import audio, boxes, image, mark, provenance, signing, video
from phiz.media.provenance import Ingredient, ProvenanceConfig

PHOTO = Ingredient(title="photo.png", format="image/png", sha256="ab" * 32)
KEYS = signing.make()


def frames(count: int = 8) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(3, 64, 64, generator=generator) * 2 - 1 for _ in range(count)]


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Return a film with sound that nobody signed."""
    path = tmp_path / "film.mp4"
    video.write(path, frames(), fps=25, audio=0.1 * torch.sin(torch.arange(5120) * 0.1))
    return path


def sign(path: Path) -> None:
    provenance.sign(path, ingredients=[PHOTO], title="a film", keys=KEYS)


def manifest_box(path: Path) -> boxes.Box:
    with path.open("rb") as file:
        return next(box for box in boxes.top(file) if box.is_manifest)


def test_a_signed_film_plays_as_before_and_is_valid(film: Path) -> None:
    seen, heard = list(video.read(film)), audio.read(film)
    sign(film)
    report = provenance.read(film)
    assert report.state == "valid"
    assert report.claimed is not None
    assert report.claimed.ingredients == (PHOTO,)
    assert report.claimed.signer.fingerprint == KEYS.fingerprint
    assert all(map(torch.equal, seen, video.read(film)))
    assert torch.equal(heard, audio.read(film))
    assert manifest_box(film).start == 32  # right behind the first box, so that streams tell it at once


def test_signing_again_takes_the_old_manifest_s_place(film: Path) -> None:
    seen = list(video.read(film))
    sign(film)
    size = film.stat().st_size
    sign(film)
    assert film.stat().st_size == size
    assert provenance.read(film).state == "valid"
    assert all(map(torch.equal, seen, video.read(film)))


def test_a_film_whose_index_lies_at_the_end_is_signed_as_well(film: Path) -> None:
    data = film.read_bytes()
    with film.open("rb") as file:
        found = {box.kind: box for box in boxes.top(file)}
    moov, mdat = found[b"moov"], found[b"mdat"]
    index = boxes.shifted(data[moov.start : moov.start + moov.size], -moov.size, moov.start)
    rest = data[moov.start + moov.size :]
    film.write_bytes(data[: moov.start] + rest + index)
    seen = list(video.read(film))
    assert mdat.size > 0
    sign(film)
    assert all(map(torch.equal, seen, video.read(film)))
    assert provenance.read(film).state == "valid"


def test_every_part_of_the_film_is_covered(film: Path) -> None:
    sign(film)
    whole = film.read_bytes()
    box = manifest_box(film)
    for at in range(box.start + box.size + 8, len(whole), 199):
        film.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert provenance.read(film).state in ("changed", "none")  # none: its boxes no longer fit
    film.write_bytes(whole + b"\0\0\0\x0cfreemore")
    assert provenance.read(film).state == "changed"


def test_a_changed_byte_of_the_pictures_is_said_in_words(film: Path) -> None:
    sign(film)
    data = bytearray(film.read_bytes())
    data[-100] ^= 1
    film.write_bytes(data)
    report = provenance.read(film)
    assert report.state == "changed"
    assert report.problem == "the film was changed since it was signed"


def test_a_changed_manifest_is_damaged_and_a_stripped_one_is_none(film: Path) -> None:
    sign(film)
    data, box = film.read_bytes(), manifest_box(film)
    at = data.index(b"a film")
    film.write_bytes(data[:at] + b"A" + data[at + 1 :])
    assert provenance.read(film).state == "damaged"
    film.write_bytes(data[: box.start] + data[box.start + box.size :])
    assert provenance.read(film).state == "none"
    twice = data[: box.start + box.size] + data[box.start :]
    film.write_bytes(twice)
    assert provenance.read(film).state == "damaged"


def test_a_signature_that_leaves_the_pictures_out_is_worth_nothing(
    film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provenance, "_PICTURES", frozenset())
    monkeypatch.setattr(provenance, "_EXCLUDED", (*provenance._EXCLUDED, {"xpath": "/mdat"}))
    sign(film)
    assert provenance.read(film).state == "valid"
    monkeypatch.undo()
    report = provenance.read(film)
    assert report.state == "damaged"
    assert "leaves the pictures out" in report.problem


@pytest.mark.parametrize(
    "rule",
    [
        {"xpath": "/uuid", "data": [{"value": boxes.C2PA}]},
        {"xpath": "/uuid", "data": [{"offset": 8}]},
        {"xpath": "/uuid", "data": [{"offset": -1, "value": b""}]},
        {"xpath": "/uuid", "data": ["text"]},
        {"xpath": "/moov/trak"},
        "text",
    ],
)
def test_a_foreign_manifest_of_another_layout_is_damaged_and_no_crash(
    film: Path, monkeypatch: pytest.MonkeyPatch, rule: object
) -> None:
    binding = provenance._binding
    monkeypatch.setattr(provenance, "_binding", lambda digest: {**binding(digest), "exclusions": [rule]})
    monkeypatch.setattr(provenance, "_digest", lambda *_: bytes(32))
    sign(film)
    monkeypatch.undo()
    report = provenance.read(film)
    assert report.state == "damaged"
    assert report.claimed is not None  # the signature itself is right


def test_a_file_that_is_hashed_piece_by_piece_is_not_called_changed(
    film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binding = provenance._binding
    monkeypatch.setattr(
        provenance, "_binding", lambda digest: {**binding(digest), "hash": None, "merkle": []}
    )
    sign(film)
    assert provenance.read(film).state == "damaged"


def test_what_cannot_be_signed_is_said_and_stays_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no film at all")
    with pytest.raises(MediaError, match=r"cannot be signed.*Write it again"):
        sign(tmp_path / "a.mp4")
    assert (tmp_path / "a.mp4").read_bytes() == b"no film at all"
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    with pytest.raises(MediaError, match="no film"):
        sign(tmp_path / "b.mp4")
    with pytest.raises(MediaError, match="no file"):
        provenance.read(tmp_path / "b.mp4")
    assert provenance.read(tmp_path / "a.mp4").state == "none"


def test_frames_are_marked_and_labelled_as_one_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(signing.VARIABLE, str(tmp_path))
    plain = [torch.zeros(3, 128, 128)] * 2
    default = list(provenance.marked(plain, ProvenanceConfig()))
    assert mark.detect(default).payload == signing.own().number
    assert mark.detect(list(provenance.marked(plain, ProvenanceConfig(), 77))).payload == 77
    off = ProvenanceConfig(is_marked=False, is_signed=False)
    assert all(map(torch.equal, provenance.marked(plain, off), plain))
    labelled = next(provenance.marked(plain, ProvenanceConfig(is_marked=False, label="synthetic")))
    assert (image.to_bytes(labelled) > 200).any()


def test_the_options_are_flat_and_each_can_be_switched_off(film: Path) -> None:
    assert options.parse(ProvenanceConfig, []) == ProvenanceConfig()
    config = options.parse(ProvenanceConfig, "--no-sign --no-mark --label synthetic".split())
    assert config == ProvenanceConfig(is_signed=False, is_marked=False, label="synthetic")
    before = film.read_bytes()
    provenance.finish(film, config, [PHOTO])
    assert film.read_bytes() == before


def test_finishing_signs_with_this_machine_s_key(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(signing.VARIABLE, str(tmp_path / "keys"))
    provenance.finish(film, ProvenanceConfig(), [PHOTO])
    report = provenance.read(film)
    assert report.claimed is not None
    assert report.claimed.signer.fingerprint == signing.own().fingerprint
    assert report.claimed.actions[-1] == "c2pa.watermarked.unbound"
