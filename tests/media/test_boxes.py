"""The boxes of an mp4 and its index."""

from __future__ import annotations

import io
import struct

import pytest

from phiz.media import boxes
from phiz.media.jumbf import box

FTYP = box(b"ftyp", b"isom\0\0\0\0")


def table(kind: bytes, width: int, offsets: list[int]) -> bytes:
    """Return a table of chunks."""
    packed = b"".join(offset.to_bytes(width, "big") for offset in offsets)
    return box(kind, bytes(4) + len(offsets).to_bytes(4, "big") + packed)


def index(inner: bytes) -> bytes:
    """Return an index with tables where they lie in a film."""
    for kind in (b"stbl", b"minf", b"mdia", b"trak", b"moov"):
        inner = box(b"free", b"before") + inner if kind != b"stbl" else inner
        inner = box(kind, inner)
    return inner


def test_boxes_of_all_lengths_are_found() -> None:
    long = struct.pack(">I4sQ", 1, b"mdat", 20) + b"data"
    signed = box(b"uuid", boxes.C2PA + b"x")
    open_end = struct.pack(">I4s", 0, b"free") + b"until the end"
    found = boxes.top(io.BytesIO(FTYP + long + signed + open_end))
    assert [(b.kind, b.start, b.header, b.size) for b in found] == [
        (b"ftyp", 0, 8, 16),
        (b"mdat", 16, 16, 20),
        (b"uuid", 36, 8, 25),
        (b"free", 61, 8, 21),
    ]
    assert [b.is_manifest for b in found] == [False, False, True, False]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"RIFF",
        b"RIFF\0\0\0\0WAVEfmt ",
        FTYP + b"\0\0",
        FTYP + box(b"mdat", b"12345")[:-1],
        box(b"moov", b""),
    ],
)
def test_what_is_no_whole_film_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"empty|box|begin"):
        boxes.top(io.BytesIO(data))


@pytest.mark.parametrize(("kind", "width"), [(b"stco", 4), (b"co64", 8)])
def test_only_chunks_behind_the_place_move(kind: bytes, width: int) -> None:
    moved = boxes.shifted(index(table(kind, width, [10, 100, 5000])), 7, 100)
    assert moved == index(table(kind, width, [10, 107, 5007]))


def test_an_index_without_room_is_refused_not_broken() -> None:
    with pytest.raises(ValueError, match="4 GiB"):
        boxes.shifted(index(table(b"stco", 4, [2**32 - 5])), 7, 0)
    broken = bytearray(index(table(b"stco", 4, [5])))
    at = broken.index(b"stco") + 8
    broken[at : at + 4] = b"\0\0\1\0"
    with pytest.raises(ValueError, match="table is longer"):
        boxes.shifted(bytes(broken), 7, 0)
