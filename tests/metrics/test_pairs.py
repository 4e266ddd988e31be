"""Files of pairs are read whatever wrote them, and never run."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from phiz.errors import DataError
from phiz.metrics import pairs
from phiz.metrics.pairs import Pairs, open_pairs, read_bin

NOWHERE = Path("set.bin")


def picture(value: int, size: int = 8) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (size, size), (value, 0, 0)).save(data, "PNG")
    return data.getvalue()


PICTURES = [picture(value) for value in (0, 50, 100, 150)]
CLAIMS = [True, False]


def as_python_two(pictures: list[bytes], claims: list[bool]) -> bytes:
    """Return a pickle as Python 2 wrote it: its strings are bytes."""
    out = b"\x80\x02]q\x00("
    for one in pictures:
        out += b"T" + len(one).to_bytes(4, "little") + one
    out += b"e](" + b"".join(b"\x88" if claim else b"\x89" for claim in claims) + b"e\x86q\x01."
    return out


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_pairs_of_every_protocol_are_read(protocol: int) -> None:
    found = read_bin(pickle.dumps((PICTURES, CLAIMS), protocol), NOWHERE)
    assert found.pictures == PICTURES
    assert found.are_same.tolist() == CLAIMS
    assert found.name == "set"


def test_pairs_of_python_two_are_read(tmp_path: Path) -> None:
    path = tmp_path / "lfw.bin"
    path.write_bytes(as_python_two(PICTURES, CLAIMS))
    found = open_pairs(path)
    assert found.pictures == PICTURES
    crops = list(found.batches(3))
    assert [tuple(part.shape) for part in crops] == [(3, 3, 8, 8), (1, 3, 8, 8)]
    assert torch.allclose(torch.cat(crops)[1, :, 0, 0], torch.tensor([50 / 127.5 - 1, -1, -1]))


def test_claims_may_be_numbers_and_the_rest_may_be_tuples() -> None:
    found = read_bin(pickle.dumps([PICTURES, [1, 0]], 2), NOWHERE)
    assert found.are_same.tolist() == CLAIMS


class Hostile:
    """Calls what it should not."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, ("ran",)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_nothing_in_a_file_is_run(protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"names posix\.mkdir|names nt\.mkdir"):
        read_bin(pickle.dumps((PICTURES, [Hostile()]), protocol), NOWHERE)
    assert list(tmp_path.iterdir()) == []


def test_encoding_is_the_only_call_and_only_of_text() -> None:
    wrong = b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x04\x00\x00\x00utf8\x86R."
    with pytest.raises(DataError, match="calls something"):
        read_bin(wrong, NOWHERE)


@pytest.mark.parametrize(
    "content",
    [
        (PICTURES, [True]),
        (PICTURES[:3], CLAIMS),
        (["a", "b"], [True]),
        ([], []),
        (PICTURES, ["yes", "no"]),
        {"a": 1},
        PICTURES,
    ],
)
def test_other_content_is_refused(content: object) -> None:
    with pytest.raises(DataError, match=r"set\.bin"):
        read_bin(pickle.dumps(content), NOWHERE)


@given(st.integers(0, 400), st.integers(0, 255))
def test_damaged_files_are_refused_with_words_or_read(place: int, value: int) -> None:
    data = bytearray(as_python_two(PICTURES, CLAIMS))
    data[place % len(data)] = value
    with contextlib.suppress(DataError):
        assert isinstance(read_bin(bytes(data), NOWHERE), Pairs)


@given(st.binary(max_size=60))
def test_noise_is_refused_with_words(data: bytes) -> None:
    with pytest.raises(DataError, match=r"set\.bin"):
        read_bin(data, NOWHERE)


def people(folder: Path) -> Path:
    for name, count in (("Ann_Lee", 2), ("Bo", 3)):
        (folder / name).mkdir(parents=True)
        for turn in range(1, count + 1):
            (folder / name / f"{name}_{turn:04d}.png").write_bytes(picture(turn))
    return folder


def test_a_folder_of_people_with_a_list_is_read(tmp_path: Path) -> None:
    folder = people(tmp_path / "faces")
    (folder / pairs.LIST).write_text("10\t300\nBo\t1\t3\n\nAnn_Lee\t2\tBo\t2\n")
    found = open_pairs(folder)
    assert [path.name for path in found.pictures if isinstance(path, Path)] == [
        "Bo_0001.png",
        "Bo_0003.png",
        "Ann_Lee_0002.png",
        "Bo_0002.png",
    ]
    assert found.are_same.tolist() == [True, False]
    assert torch.cat(list(found.batches(2))).shape == (4, 3, 8, 8)
    assert len(found.first(1).pictures) == 2
    assert found.first(0) is found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Bo 1\n", "names no pair"),
        ("Bo 1 two\n", "no number"),
        ("Bo 1 9\n", "no picture"),
        ("300\n", "no pairs"),
    ],
)
def test_a_list_that_cannot_be_is_refused(text: str, words: str, tmp_path: Path) -> None:
    folder = people(tmp_path / "faces")
    (folder / pairs.LIST).write_text(text)
    with pytest.raises(DataError, match=words):
        open_pairs(folder)


def test_what_is_not_there_or_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read"):
        open_pairs(tmp_path / "none.bin")
    with pytest.raises(DataError, match="cannot read"):
        open_pairs(tmp_path)
    with pytest.raises(ValueError, match="no 2 pairs"):
        Pairs(name="x", pictures=PICTURES[:2], are_same=np.array([True, False]))
    mixed = Pairs(name="x", pictures=[picture(0), picture(0, 9)], are_same=np.array([True]))
    with pytest.raises(DataError, match="differ in size"):
        list(mixed.batches(2))
