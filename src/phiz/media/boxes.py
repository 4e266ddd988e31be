"""The boxes of an mp4 file (ISO base media file format): where they lie, and an index that can be shifted."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from io import BufferedIOBase

C2PA = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
"""The UUID of a box that holds a signed manifest."""

LARGEST_INDEX = 1 << 28
"""Bytes; an index of a quarter of a gigabyte would belong to a film of months."""

_NESTED = frozenset((b"moov", b"trak", b"mdia", b"minf", b"stbl"))
_ENTRY = {b"stco": 4, b"co64": 8}


@dataclass(frozen=True, kw_only=True)
class Box:
    """A box at the top of a file."""

    kind: bytes
    start: int
    header: int
    """Bytes in front of the content."""
    size: int
    """Bytes in all."""
    user_kind: bytes = b""
    """The UUID of a ``uuid`` box."""

    @property
    def is_manifest(self) -> bool:
        return self.user_kind == C2PA


def top(file: BufferedIOBase) -> list[Box]:
    """Return the boxes at the top of a file in order; `ValueError` if it is no mp4 or is cut short."""
    end = file.seek(0, os.SEEK_END)
    boxes: list[Box] = []
    at = 0
    while at < end:
        file.seek(at)
        start = file.read(32)
        if len(start) < 8:
            raise ValueError("it ends within a box")
        size, kind = struct.unpack_from(">I4s", start)
        header = 8
        if size == 1 and len(start) >= 16:
            size, header = struct.unpack_from(">Q", start, 8)[0], 16
        elif size == 0:
            size = end - at  # to the end of the file
        if size < header or at + size > end:
            raise ValueError(f"its box {kind!r} is longer than the file, or has no length")
        user = start[header : header + 16] if kind == b"uuid" else b""
        boxes.append(Box(kind=kind, start=at, header=header, size=size, user_kind=user))
        at += size
        if boxes[0].kind != b"ftyp":
            raise ValueError("it does not begin as an mp4 does")
    if not boxes:
        raise ValueError("it is empty")
    return boxes


def read(file: BufferedIOBase, box: Box) -> bytes:
    """Return the whole of a box that fits into memory."""
    if box.size > LARGEST_INDEX:
        raise ValueError(f"its box {box.kind!r} has {box.size} bytes")
    file.seek(box.start)
    return file.read(box.size)


def shifted(moov: bytes, by: int, after: int) -> bytes:
    """Return an index whose chunks lie `by` bytes further on, if they lay behind byte `after`."""
    index = bytearray(moov)
    _shift(index, 0, len(index), by, after)
    return bytes(index)


def _shift(index: bytearray, start: int, end: int, by: int, after: int) -> None:
    at = start
    while at + 8 <= end:
        size, kind = struct.unpack_from(">I4s", index, at)
        if size < 8 or at + size > end:
            raise ValueError(f"its index is damaged at {kind!r}")
        if kind in _NESTED:
            _shift(index, at + 8, at + size, by, after)
        elif kind in _ENTRY:
            _shift_table(index, at, size, _ENTRY[kind], by, after)
        at += size


def _shift_table(index: bytearray, at: int, size: int, width: int, by: int, after: int) -> None:
    count = struct.unpack_from(">I", index, at + 12)[0] if size >= 16 else 0
    if 16 + count * width > size:
        raise ValueError("its index is damaged: a table is longer than its box")
    form = f">{count}{'Q' if width == 8 else 'I'}"
    offsets = struct.unpack_from(form, index, at + 16)
    moved = [offset + by if offset >= after else offset for offset in offsets]
    if moved and max(moved) >= 1 << 8 * width:
        raise ValueError("it is so close to 4 GiB that its index has no room for a manifest")
    struct.pack_into(form, index, at + 16, *moved)
