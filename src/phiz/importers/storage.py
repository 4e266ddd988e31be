"""Tensors inside foreign pickles: blobs of torch's old format, which are pickles themselves.

The published loader hands each blob back to torch, which would run what is in it: a forbidden name hidden
there is the classic way around a list of allowed ones. Here a blob goes through a reader that knows one
kind of name, the kinds of numbers.
"""

from __future__ import annotations

import io
import math
import pickle
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import torch
from jaxtyping import Shaped
from torch import Tensor

from phiz.errors import CheckpointError
from phiz.importers import steps
from phiz.importers.steps import refused

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
ALLOWED = steps.PLAIN | {"BINPERSID", "SHORT_BINSTRING", "BINSTRING"}
"""Steps of a blob: nothing is made, and one reference tells what follows."""
MOST_AXES = 8


@dataclass(frozen=True, eq=False)
class Storage:
    """A row of numbers."""

    values: Shaped[Tensor, " n"]

    def __setstate__(self, state: object) -> NoReturn:
        """Refuse what a pickle may want to put in place of the numbers."""
        raise ValueError("it changes numbers after they were read")


@dataclass(frozen=True, eq=False)
class View:
    """A tensor over a row of numbers, as yet not made.

    A pickle can call `__setstate__`, `__setitem__`, `add` and the like on whatever it holds. Those of torch
    would reserve memory as the file says and show what was in it before, so no tensor is made while a file
    is being read.
    """

    held: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def __setstate__(self, state: object) -> NoReturn:
        """Refuse what a pickle may want to put in place of a shape that was checked."""
        raise ValueError("it changes a tensor after it was read")

    def tensor(self) -> Shaped[Tensor, "..."]:
        """Return the tensor; it shares its memory with others over the same numbers."""
        return torch.as_strided(self.held.values, self.size, self.stride, self.offset)


@dataclass(frozen=True)
class Kind:
    """A kind of numbers, by the name of its storage."""

    name: str


def read(data: bytes, path: Path) -> Storage:
    """Return the numbers in a blob of torch's old format."""
    file = io.BytesIO(data)
    if _next(file, path) != MAGIC or _next(file, path) != VERSION:
        raise refused(path, "a blob of numbers is not in torch's old format")
    about = _next(file, path)
    if not isinstance(about, dict) or about.get("little_endian") is not True or sys.byteorder != "little":
        raise refused(path, "numbers are stored in another byte order")
    found, keys = _next(file, path), _next(file, path)
    if not (isinstance(found, tuple) and len(found) == 6 and isinstance(found[1], Kind)):
        raise refused(path, "a blob of numbers does not say what it holds")
    kind, count = KINDS[found[1].name], found[4]
    is_sound = found[0] == "storage" and isinstance(found[2], str) and keys == [found[2]]
    if not is_sound or found[5] is not None or type(count) is not int or count < 0:
        raise refused(path, "a blob of numbers contradicts itself")
    stored = int.from_bytes(file.read(8), "little", signed=True)
    rest = file.read()
    if stored != count or len(rest) != count * kind.itemsize:
        raise refused(path, f"a blob should hold {count} numbers and holds {len(rest) // kind.itemsize}")
    if not count:
        return Storage(torch.zeros(0, dtype=kind))
    return Storage(torch.frombuffer(bytearray(rest), dtype=kind))


def view(held: Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...], path: Path) -> View:
    """Return a tensor to be laid over a row of numbers, after making sure that it stays within."""
    numbers = (offset, *size, *stride)
    if (
        not all(type(n) is int and 0 <= n < 2**62 for n in numbers)
        or len(size) != len(stride)
        or len(size) > MOST_AXES
    ):
        raise refused(path, "a tensor has a shape that cannot be")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if offset > len(held.values) or (0 not in size and last >= len(held.values)):
        raise refused(path, f"a tensor reaches beyond its {len(held.values)} numbers")
    if math.prod(size) > max(len(held.values), 1):
        raise refused(path, "a tensor is larger than what it is made of")
    return View(held, offset, size, stride)


def _next(file: io.BytesIO, path: Path) -> Any:
    """Return what the next of the pickles in a blob holds."""
    start = file.tell()
    try:
        steps.check(file, path, allowed=ALLOWED, what="a blob of numbers")
        file.seek(start)
        return _BlobReader(file, path).load()
    except CheckpointError:
        raise
    except Exception as error:  # whatever a broken blob makes the machine stumble over
        raise refused(path, f"a blob of numbers cannot be read ({type(error).__name__})") from error


class _BlobReader(pickle.Unpickler):
    """The machine that knows kinds of numbers; pickle offers no other way than inheritance."""

    def __init__(self, file: io.BytesIO, path: Path) -> None:
        super().__init__(file)
        self._path = path

    def find_class(self, module: str, name: str) -> Kind:
        """Return a kind of numbers; refuse all other names."""
        if module != "torch" or name not in KINDS:
            raise refused(self._path, f"a blob of numbers names {module}.{name}")
        return Kind(name)

    def persistent_load(self, pid: Any) -> Any:
        """Return what is said about the numbers that follow."""
        return pid
