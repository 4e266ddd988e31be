"""Rows of numbers inside foreign files are taken for what they are, and tensors stay within them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from importers import snapshots

from phiz.errors import CheckpointError
from phiz.importers import storage
from phiz.importers.storage import Storage

NOWHERE = Path("foreign.pkl")
BLOB = snapshots.blob(torch.arange(5.0))


@pytest.mark.parametrize("kind", list(storage.KINDS.values()))
def test_every_kind_of_numbers_comes_back(kind: torch.dtype) -> None:
    numbers = torch.tensor([0, 1, 1, 0]).to(kind)
    assert torch.equal(storage.read(snapshots.blob(numbers), NOWHERE).values, numbers)


def test_a_blob_that_lies_about_its_length_is_refused() -> None:
    assert storage.read(BLOB, NOWHERE).values.tolist() == [0, 1, 2, 3, 4]
    for changed, words in ((BLOB[:-4], "holds 4"), (BLOB + b"0000", "holds 6"), (BLOB[:-21], "holds")):
        with pytest.raises(CheckpointError, match=f"should hold 5 numbers and {words}"):
            storage.read(changed, NOWHERE)


@pytest.mark.parametrize(
    ("place", "part", "words"),
    [
        (0, 5, "not in torch's old format"),
        (1, 7, "not in torch's old format"),
        (2, {"little_endian": False}, "another byte order"),
        (2, [], "another byte order"),
        (3, ("storage", 3, "0", "cpu", 5, None), "does not say what it holds"),
        (3, None, "does not say what it holds"),
        (4, ["other"], "contradicts itself"),
        (4, [], "contradicts itself"),
    ],
)
def test_a_blob_in_another_shape_is_refused(place: int, part: Any, words: str) -> None:
    pieces = snapshots.pieces(BLOB)
    pieces[place] = pickle.dumps(part, 2)
    with pytest.raises(CheckpointError, match=words):
        storage.read(b"".join(pieces), NOWHERE)


def test_names_in_a_blob_are_kinds_of_numbers_only() -> None:
    for name in ("FloatTensor", "load", "Storage"):
        changed = BLOB.replace(b"FloatStorage", name.encode())
        with pytest.raises(CheckpointError, match=f"names torch.{name}"):
            storage.read(changed, NOWHERE)


@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [
        (0, (7,), (1,)),
        (4, (3,), (1,)),
        (-1, (2,), (1,)),
        (0, (2,), (-1,)),
        (0, (-2,), (1,)),
        (0, (2, 2), (1,)),
        (0, (9,), (0,)),
        (0, (1,) * 9, (1,) * 9),
        (0, (2,), (2**62,)),
        (2**70, (0,), (1,)),
        (0, (True,), (1,)),
        (7, (0,), (1,)),
    ],
)
def test_views_beyond_their_numbers_are_refused(
    offset: int, size: tuple[int, ...], stride: tuple[int, ...]
) -> None:
    with pytest.raises(CheckpointError, match="a tensor"):
        storage.view(Storage(torch.arange(6.0)), offset, size, stride, NOWHERE)


sizes = st.lists(st.integers(0, 4), max_size=3).map(tuple)


@given(st.integers(-1, 8), sizes, st.data())
def test_a_view_is_what_torch_would_make_or_refused(
    offset: int, size: tuple[int, ...], data: st.DataObject
) -> None:
    stride = tuple(data.draw(st.lists(st.integers(-1, 4), min_size=len(size), max_size=len(size))))
    held = Storage(torch.arange(8.0))
    try:
        found = storage.view(held, offset, size, stride, NOWHERE).tensor()
    except CheckpointError:
        return
    assert torch.equal(found, torch.as_strided(held.values, size, stride, offset))
    assert found.numel() == 0 or {float(n) for n in found.flatten()} <= set(range(8))
