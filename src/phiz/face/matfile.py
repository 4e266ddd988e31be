"""Numbers out of MATLAB 5 files (``.mat``), without MATLAB and without scipy.

Reads real, dense arrays of numbers, compressed or not, little endian; everything else in a file
(text, cells, structures, objects) is passed over. Nothing in a file is ever run. The format is
described in MathWorks' "MAT-File Format", level 5.
"""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from phiz.errors import HeadError

Array = npt.NDArray[np.generic]

HEADER_BYTES = 128
LARGEST_ARRAY = 1 << 30
"""Bytes; no head model comes near, and a forged size should not fill the memory."""

DTYPES = {1: "i1", 2: "u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 7: "<f4", 9: "<f8", 12: "<i8", 13: "<u8"}
"""How numbers are stored, by the type of a data element."""
MATRIX, COMPRESSED = 14, 15

CLASSES = {
    6: "f8",
    7: "f4",
    8: "i1",
    9: "u1",
    10: "i2",
    11: "u2",
    12: "i4",
    13: "u4",
    14: "i8",
    15: "u8",
}
"""What an array is to MATLAB, by the class in its flags. It often stores whole numbers shorter."""
COMPLEX = 0x0800


def read(path: Path) -> dict[str, Array]:
    """Return the arrays of numbers in a MATLAB 5 file by name."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise HeadError(f"cannot read {path}: {error.strerror}. Check the name.") from error
    _check_header(data, path)
    arrays: dict[str, Array] = {}
    view = memoryview(data)[HEADER_BYTES:]
    try:
        while len(view):
            kind, body, view = _element(view)
            if kind == COMPRESSED:
                kind, body = _inflate(body)
            if kind == MATRIX and (found := _matrix(body)) is not None:
                arrays[found[0]] = found[1]
    except (struct.error, ValueError, zlib.error, UnicodeDecodeError) as error:
        raise HeadError(f"{path} is damaged ({error}). Copy it anew.") from error
    return arrays


def _check_header(data: bytes, path: Path) -> None:
    if data.startswith(b"version https://"):
        raise HeadError(f"{path} is only a pointer to a file in Git LFS. Fetch the file with: git lfs pull")
    if data[:8] == b"\x89HDF\r\n\x1a\n" or data[:10] == b"MATLAB 7.3":
        raise HeadError(f"{path} is a MATLAB 7.3 file. Save it in MATLAB with the option -v7.")
    if data[126:128] == b"MI":
        raise HeadError(f"{path} is big endian, which is not supported. Save it anew on a present machine.")
    if len(data) < HEADER_BYTES or data[126:128] != b"IM" or data[124:126] != b"\x00\x01":
        raise HeadError(f"{path} is not a MATLAB 5 file. Give a .mat file with a head model.")


def _element(view: memoryview) -> tuple[int, memoryview, memoryview]:
    """Return the type and the body of the first data element, and what follows it."""
    kind, size = struct.unpack_from("<II", view)
    if short := kind >> 16:  # up to four bytes stand inside the tag itself
        if short > 4:
            raise ValueError("a short element is too long")
        return kind & 0xFFFF, view[4 : 4 + short], view[8:]
    if size > len(view) - 8:
        raise ValueError("it ends too early")
    # Compressed elements are the only ones that are not padded to eight bytes.
    end = 8 + size if kind == COMPRESSED else 8 + -(-size // 8) * 8
    return kind, view[8 : 8 + size], view[end:]


def _inflate(body: memoryview) -> tuple[int, memoryview]:
    """Return the one element inside a compressed one; never more bytes than it claims to have."""
    stream = zlib.decompressobj()
    tag = stream.decompress(body, 8)
    kind, size = struct.unpack("<II", tag)
    if kind >> 16 or size > LARGEST_ARRAY:
        raise ValueError(f"an array claims {size} bytes")
    content = stream.decompress(stream.unconsumed_tail, size) if size else b""
    if len(content) < size:
        raise ValueError("a compressed array ends too early")
    return kind, memoryview(content)


def _matrix(body: memoryview) -> tuple[str, Array] | None:
    """Return name and values of an array, None where it does not hold plain numbers."""
    _, flags, rest = _element(body)
    about = struct.unpack_from("<I", flags)[0]
    if about & 0xFF not in CLASSES or about & COMPLEX:
        return None
    _, sizes, rest = _element(rest)
    shape = struct.unpack(f"<{len(sizes) // 4}i", sizes)
    _, name, rest = _element(rest)
    kind, numbers, _ = _element(rest) if len(rest) else (1, rest, rest)
    if kind not in DTYPES:
        raise ValueError(f"an array of numbers holds elements of type {kind}")
    stored = np.frombuffer(numbers, DTYPES[kind])
    if min(shape) < 0 or len(stored) != math.prod(shape):
        raise ValueError(f"an array of size {shape} holds {len(stored)} numbers")
    # MATLAB counts down the columns first.
    values = stored.reshape(shape, order="F").astype(CLASSES[about & 0xFF])
    return bytes(name).decode("ascii"), values
