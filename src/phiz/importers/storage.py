"""Tensors inside foreign pickles: blobs of torch's old format, which are pickles themselves.

The published loader hands each blob back to torch, which would run what is in it: a forbidden name hidden
there is the classic way around a list of allowed ones. Here a blob goes through a reader that knows one
kind of name, the kinds of numbers.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor

from phiz.errors import CheckpointError

MAGIC, VERSION = 119547037146038801333356, 1001
KINDS = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
ALLOWED = frozenset(
    "PROTO STOP MARK INT BININT BININT1 BININT2 LONG LONG1 LONG4 NONE NEWTRUE NEWFALSE BINUNICODE "
    "SHORT_BINUNICODE BINUNICODE8 SHORT_BINSTRING BINSTRING BINBYTES SHORT_BINBYTES EMPTY_TUPLE TUPLE TUPLE1 "
    "TUPLE2 TUPLE3 EMPTY_LIST APPEND APPENDS LIST EMPTY_DICT SETITEM SETITEMS DICT BINPUT LONG_BINPUT "
    "MEMOIZE BINGET LONG_BINGET GLOBAL STACK_GLOBAL BINPERSID FRAME".split()
)
"""Steps of a blob: numbers, words, lists, and the one reference that tells what follows."""


@dataclass(frozen=True)
class Storage:
    """A row of numbers."""

    values: Shaped[Tensor, " n"]


@dataclass(frozen=True)
class Kind:
    """A kind of numbers, by the name of its storage."""

    name: str


def read(data: bytes, path: Path) -> Storage:
    """Return the numbers in a blob of torch's old format."""
    file = io.BytesIO(data)
    if _next(file, path) != MAGIC or _next(file, path) != VERSION:
        raise _damaged(path, "a blob of numbers is not in torch's old format")
    about = _next(file, path)
    if not isinstance(about, dict) or about.get("little_endian") is not True or sys.byteorder != "little":
        raise _damaged(path, "numbers are stored in another byte order")
    found, keys = _next(file, path), _next(file, path)
    if not (
        isinstance(found, tuple) and len(found) == 6 and found[0] == "storage" and isinstance(found[1], Kind)
    ):
        raise _damaged(path, "a blob of numbers does not say what it holds")
    kind, count = KINDS[found[1].name], found[4]
    if keys != [found[2]] or found[5] is not None or not isinstance(count, int) or count < 0:
        raise _damaged(path, "a blob of numbers contradicts itself")
    stored = int.from_bytes(file.read(8), "little", signed=True)
    rest = file.read()
    if stored != count or len(rest) != count * kind.itemsize:
        raise _damaged(path, f"a blob should hold {count} numbers and holds {len(rest) // kind.itemsize}")
    if not count:
        return Storage(torch.zeros(0, dtype=kind))
    return Storage(torch.frombuffer(bytearray(rest), dtype=kind))


def view(
    held: Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...], path: Path
) -> Shaped[Tensor, "..."]:
    """Return a tensor laid over a row of numbers, after making sure that it stays within."""
    numbers = (offset, *size, *stride)
    if not all(type(n) is int and n >= 0 for n in numbers) or len(size) != len(stride) or len(size) > 8:
        raise _damaged(path, "a tensor has a shape that cannot be")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if 0 not in size and last >= len(held.values):
        raise _damaged(path, f"a tensor reaches beyond its {len(held.values)} numbers")
    count = 1
    for n in size:
        count *= n
    if count > max(len(held.values), 1):
        raise _damaged(path, "a tensor is larger than what it is made of")
    return torch.as_strided(held.values, size, stride, offset).clone()


def _next(file: io.BytesIO, path: Path) -> Any:
    """Return what the next of the pickles in a blob holds."""
    start = file.tell()
    try:
        for step, _, _ in pickletools.genops(file):
            if step.name not in ALLOWED:
                raise _damaged(path, f"a blob of numbers takes the step {step.name}")
        file.seek(start)
        return _BlobReader(file, path).load()
    except CheckpointError:
        raise
    except Exception as error:  # whatever a broken blob makes the machine stumble over
        raise _damaged(path, f"a blob of numbers cannot be read ({type(error).__name__})") from error


class _BlobReader(pickle.Unpickler):
    """The machine that knows kinds of numbers; pickle offers no other way than inheritance."""

    def __init__(self, file: io.BytesIO, path: Path) -> None:
        super().__init__(file)
        self._path = path

    def find_class(self, module: str, name: str) -> Kind:
        """Return a kind of numbers; refuse all other names."""
        if module != "torch" or name not in KINDS:
            raise _damaged(self._path, f"a blob of numbers names {module}.{name}")
        return Kind(name)

    def persistent_load(self, pid: Any) -> Any:
        """Return what is said about the numbers that follow."""
        return pid


def _damaged(path: Path, why: str) -> CheckpointError:
    return CheckpointError(
        f"{path} is not read: {why}. Nothing in it was run. Get the file again from those who published it."
    )
