"""Streams of faces go on where they stopped, on any number of processes; changes are what they say."""

from __future__ import annotations

import contextlib
import io
import math
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image

from phiz.console import Console
from phiz.errors import DataError
from phiz.train import face_stream
from phiz.train.face_stream import FaceStream, blurred, coarse, lightness, tinted, varied
from phiz.train.faces import Faces, open_faces
from phiz.train.picture_reading import PictureBatch, Reader

CPU = torch.device("cpu")
FACES = open_faces("synthetic:5:15", size=16)


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@contextlib.contextmanager
def stream(data: Faces = FACES, *, batch: int = 4, **more: int) -> Iterator[FaceStream]:
    given = {"workers": 0, "seed": 1, **more}
    one = FaceStream(data, size=16, batch=batch, console=Console(quiet=True), **given)
    with contextlib.closing(one):
        yield one


def labels(one: FaceStream, count: int) -> list[int]:
    return [int(label) for _ in range(count) for label in one.next(CPU)[1]]


def test_faces_come_with_their_people() -> None:
    with stream() as one:
        crops, people = one.next(CPU)
    assert crops.shape == (4, 3, 16, 16)
    assert crops.min() >= -1
    assert crops.max() <= 1
    assert people.dtype == torch.int64
    patterns = {n: FACES.source.read(n).image.float() / 127.5 - 1 for n in range(15)}
    for crop, person in zip(crops, people, strict=True):
        away = [min(float((x - crop).abs().max()) for x in (p, p.flip(-1))) for p in patterns.values()]
        nearest = min(range(15), key=lambda number: away[number])
        assert away[nearest] < 1e-6
        assert nearest % 5 == int(person)


def test_a_stream_goes_on_where_it_stopped_and_is_shared_fairly() -> None:
    with stream() as whole:
        everything = labels(whole, 8)
    with stream(seen=12) as rest:
        assert labels(rest, 5) == everything[12:]
    shares = []
    for rank in range(2):
        with stream(rank=rank, world=2, seen=4, batch=2) as part:
            shares.append(labels(part, 7))
    assert [label for pair in zip(*shares, strict=True) for label in pair] == everything[4:]


def test_what_workers_hold_travels_to_them_and_reads_the_same() -> None:
    here = Reader(FACES.source, resolution=16, crop="centre")
    there = pickle.loads(pickle.dumps(here))
    one, other = here[[3, 8, 21]], there[[3, 8, 21]]
    assert isinstance(one, PictureBatch)
    assert torch.equal(one.images, other.images)
    assert torch.equal(one.labels, other.labels)


def test_damaged_faces_are_counted_and_replaced(tmp_path: Path) -> None:
    for person in ("ann", "bo"):
        (tmp_path / person).mkdir()
        for number in range(3):
            Image.new("RGB", (16, 12), (9, 9, 9)).save(tmp_path / person / f"{number}.png")
    (tmp_path / "bo" / "1.png").write_bytes(b"nothing")
    errors = io.StringIO()
    told = Console(quiet=True, errors=errors)
    data = open_faces(str(tmp_path), size=16)
    with contextlib.closing(FaceStream(data, size=16, batch=6, seed=1, workers=0, console=told)) as one:
        crops, people = one.next(CPU)
    assert crops.shape == (6, 3, 16, 16)  # the middle of pictures that are not square
    assert len(people) == 6
    assert one.damaged == {4}
    assert "1 of the faces cannot be read" in errors.getvalue()


def test_what_makes_all_faces_pointless_is_raised(tmp_path: Path) -> None:
    for person in ("ann", "bo"):
        (tmp_path / person).mkdir()
        (tmp_path / person / "0.png").write_bytes(b"nothing")
    with stream(open_faces(str(tmp_path), size=16)) as one, pytest.raises(DataError, match="can be read"):
        one.next(CPU)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RuntimeError("DataLoader worker (pid 1) is killed by signal"), DataError),
        (ConnectionResetError(), DataError),
        (RuntimeError("a fault in phiz"), RuntimeError),
    ],
)
def test_only_a_dead_worker_is_the_user_s_to_mend(error: Exception, expected: type[Exception]) -> None:
    def dying() -> Iterator[object]:
        raise error
        yield

    with stream() as one:
        one._batches = dying()  # type: ignore[assignment]
        with pytest.raises(expected):
            one.next(CPU)


def crops(count: int = 6) -> torch.Tensor:
    return torch.rand(count, 3, 24, 24, generator=chance(7)) * 1.6 - 0.8


def test_each_change_is_made_to_its_share_of_the_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    many = crops(400)
    found = varied(many, chance(1))
    touched = (found != many).flatten(1).any(1).float().mean()
    expected = 1 - 0.9 * 0.8 * 0.8 * 0.9
    assert float(touched) == pytest.approx(expected, abs=0.08)
    assert found.abs().max() <= 1
    assert torch.equal(found, varied(many, chance(1)))
    for name in ("SHRUNK", "BLURRED", "TINTED"):
        monkeypatch.setattr(face_stream, name, 0.0)
    monkeypatch.setattr(face_stream, "GREY", 1.0)
    grey = varied(many, chance(1))
    assert torch.allclose(grey, lightness(many).expand_as(many))


def test_coarse_and_blurred_faces_lose_what_is_fine() -> None:
    whole = crops()
    for made in (coarse(whole, 0.3), blurred(whole, 1.2)):
        assert made.shape == whole.shape
        assert float(made.mean()) == pytest.approx(float(whole.mean()), abs=0.02)
        assert made.std() < 0.7 * whole.std()
    flat = torch.full((1, 3, 24, 24), 0.25)
    assert torch.allclose(coarse(flat, 0.2), flat, atol=1e-5)
    assert torch.allclose(blurred(flat, 1.0), flat, atol=1e-5)


def one_of(value: float) -> torch.Tensor:
    return torch.full((6, 1, 1, 1), value)


def test_colours_turn_without_a_change_of_lightness() -> None:
    whole = crops() * 0.3
    assert torch.allclose(tinted(whole, one_of(0.0), one_of(1.0), one_of(1.0)), whole, atol=1e-5)
    turned = tinted(whole, one_of(math.pi / 6), one_of(1.0), one_of(1.0))
    assert torch.allclose(lightness(turned), lightness(whole), atol=1e-4)
    assert not torch.allclose(turned, whole, atol=0.05)
    grey = tinted(whole, one_of(0.3), one_of(0.0), one_of(1.0))
    assert torch.allclose(grey, lightness(whole).expand_as(whole), atol=1e-5)
    assert tinted(whole, one_of(0.0), one_of(1.0), one_of(1.2)).mean() > whole.mean()
