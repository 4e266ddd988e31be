"""Foreign pickles, read without running anything in them.

A pickle is a program for a small machine that may call any function of Python by name. Here that machine
knows a short list of names, each of which stands for something inert of ours; whatever else a file names
is refused before anything of it is looked at. Nothing is imported, nothing called, nothing executed.
"""

from __future__ import annotations

import io
import itertools
import math
import pickle
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from phiz.errors import CheckpointError
from phiz.importers import steps, storage
from phiz.importers.steps import refused
from phiz.importers.storage import Storage, View

LARGEST = 2 * 2**30
"""Bytes; published files have 200 MB."""
MOST_SETTINGS, DEEPEST = 100_000, 100
NUMBERS = ("f8", "f4", "i8", "i4", "b1", "u1")
"""Kinds of single numbers, in numpy's words."""


@dataclass(eq=False)
class Thing:
    """An object of a kind that we do not have: what it is called, and what it holds."""

    kind: str
    state: Any = None

    def __setstate__(self, state: object) -> None:
        """Keep what a pickle hands over, as it is."""
        self.state = state


@dataclass(frozen=True, eq=False)
class NumberKind:
    """What numpy calls a dtype."""

    name: str

    def __setstate__(self, state: object) -> None:
        """Accept what numpy adds to a kind of number, as long as it is the byte order of this machine."""
        if not isinstance(state, tuple) or len(state) < 2 or state[1] not in ("<", "|", "="):
            raise ValueError(f"numbers of the kind {self.name} come in another byte order")


@dataclass(frozen=True, eq=False)
class Stub:
    """What stands for a function that a pickle names: to be called, never to be changed."""

    made: Callable[..., Any]

    def __call__(self, *arguments: object) -> Any:
        """Return what is made of arguments."""
        return self.made(*arguments)

    def __setstate__(self, state: object) -> NoReturn:
        """Refuse to become something else."""
        raise ValueError("it changes what its names stand for")


def inert(kind: str) -> type:
    """Return what stands for a class that a pickle names: what is made of it is a `Thing` of that name.

    It is made of nothing, as in all published files, and filled afterwards. Things that kept arguments
    would each keep a copy, and a small file could ask for all memory.
    """

    class Inert:
        def __new__(cls, *arguments: object) -> Thing:  # type: ignore[misc]
            if arguments:
                raise ValueError(f"it makes a {kind} of something, which files of this kind never do")
            return Thing(kind)

        @staticmethod
        def __setstate__(state: object) -> NoReturn:
            raise ValueError("it changes what its names stand for")

    return Inert


def read_pickle(path: Path) -> Any:
    """Return what is in a foreign pickle as plain Python, `View`s and `Thing`s; refuse all else."""
    return parse(_bytes_of(path), path)


def parse(data: bytes, path: Path) -> Any:
    """Return what is in the bytes of a foreign pickle; `path` is what errors call it."""
    try:
        steps.check(io.BytesIO(data), path, allowed=steps.PLAIN | steps.MAKING)
        return _Reader(io.BytesIO(data), path, room=len(data)).load()
    except CheckpointError:
        raise
    except RecursionError:
        raise refused(path, "it is nested too deeply") from None
    except MemoryError:
        raise refused(path, "it claims to hold more than there is memory for") from None
    except Exception as error:  # whatever a broken file makes the machine stumble over
        raise refused(path, f"it is damaged or cut short ({type(error).__name__}: {error})") from error


class _Reader(pickle.Unpickler):
    """The machine that knows a short list of names; pickle offers no other way than inheritance."""

    def __init__(self, file: io.BytesIO, path: Path, *, room: int) -> None:
        super().__init__(file)
        self._path = path
        self._room = room  # bytes that all rows of numbers may still have; together they fit into the file
        self._names: Mapping[tuple[str, str], Callable[..., Any]] = {
            ("torch_utils.persistence", "_reconstruct_persistent_obj"): Stub(_persistent),
            ("torch._utils", "_rebuild_tensor_v2"): Stub(self._tensor),
            ("torch._utils", "_rebuild_parameter"): Stub(_parameter),
            ("torch.storage", "_load_from_bytes"): Stub(self._storage),
            ("torch.nn.modules.container", "Sequential"): inert("Sequential"),
            ("torch.nn.modules.container", "ModuleList"): inert("ModuleList"),
            ("numpy", "dtype"): Stub(_number_kind),
            ("numpy.core.multiarray", "scalar"): Stub(_scalar),
            ("numpy._core.multiarray", "scalar"): Stub(_scalar),
            ("collections", "OrderedDict"): Stub(_empty),
            ("collections", "defaultdict"): Stub(_empty),
            # The containers of settings say of what kind they are; nothing is ever made of these.
            ("builtins", "list"): inert("list"),
            ("builtins", "dict"): inert("dict"),
            ("builtins", "int"): inert("int"),
            ("typing", "Any"): inert("Any"),
            ("omegaconf.dictconfig", "DictConfig"): inert("DictConfig"),
            ("omegaconf.listconfig", "ListConfig"): inert("ListConfig"),
            ("omegaconf.nodes", "AnyNode"): inert("AnyNode"),
            ("omegaconf.base", "ContainerMetadata"): inert("ContainerMetadata"),
            ("omegaconf.base", "Metadata"): inert("Metadata"),
        }

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands for a name; refuse names that are not on the list."""
        if (module, name) not in self._names:
            raise refused(self._path, f"it names {module}.{name}, which files of this kind never do")
        return self._names[module, name]

    def persistent_load(self, pid: object) -> NoReturn:
        """Refuse references to things outside of the file."""
        raise refused(self._path, "it refers to things outside of it")

    def _storage(self, data: object) -> Storage:
        if not isinstance(data, bytes):
            raise refused(self._path, "one of its tensors is no data")
        self._room -= len(data)
        if self._room < 0:
            raise refused(self._path, "it reads the same numbers over and over")
        return storage.read(data, self._path)

    def _tensor(self, held: object, offset: Any, size: Any, stride: Any, *_: object) -> View:
        if not isinstance(held, Storage):
            raise refused(self._path, "one of its tensors has no storage")
        if not isinstance(size, tuple) or not isinstance(stride, tuple):
            raise refused(self._path, "one of its tensors has no shape")
        return storage.view(held, offset, size, stride, self._path)


def plain(value: Any) -> Any:
    """Return settings as plain dicts, lists and numbers, without the containers they were kept in."""
    return _plain(value, itertools.count(), 0)


def _plain(value: Any, seen: Iterator[int], depth: int) -> Any:
    if next(seen) > MOST_SETTINGS or depth > DEEPEST:
        raise ValueError("its settings have no end")
    if isinstance(value, Thing) and value.kind in ("DictConfig", "ListConfig", "AnyNode"):
        held = value.state if isinstance(value.state, dict) else {}
        return _plain(held.get("_content", held.get("_val")), seen, depth + 1)
    if isinstance(value, dict):
        return {key: _plain(item, seen, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, seen, depth + 1) for item in value]
    return value


def _persistent(meta: object) -> Thing:
    """Return an object whose class came along as source text; the text is never looked at."""
    if not isinstance(meta, dict) or not isinstance(meta.get("state"), dict):
        raise ValueError("a persistent object is not what it should be")
    name = meta.get("class_name")
    return Thing(name if isinstance(name, str) else "object", meta["state"])


def _parameter(tensor: object, *_: object) -> View:
    if not isinstance(tensor, View):
        raise ValueError("a parameter is no tensor")
    return tensor


def _number_kind(name: object, *_: object) -> NumberKind:
    if not isinstance(name, str) or name not in NUMBERS:
        raise ValueError("it has numbers of a kind that is not expected")
    return NumberKind(name)


def _scalar(kind: object, data: object = b"") -> Any:
    if not isinstance(kind, NumberKind):
        raise ValueError("a number has no kind")
    dtype = np.dtype(kind.name).newbyteorder("<")
    if not isinstance(data, bytes) or len(data) != dtype.itemsize:
        raise ValueError("a number has the wrong length")
    found = np.frombuffer(data, dtype=dtype)[0].item()
    if isinstance(found, float) and not math.isfinite(found):
        raise ValueError("a number is not finite")
    return found


def _empty(*_: object) -> dict[Any, Any]:
    """Return a dict to be filled by the steps that follow, as files of protocol 4 do."""
    return {}


def _bytes_of(path: Path) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            raise refused(path, "it is no ordinary file")
        if status.st_size > LARGEST:
            raise refused(path, f"it has {status.st_size} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}. Check the name.") from error
    if not data:
        raise refused(path, "it is empty")
    if data.startswith(b"version https://"):
        raise CheckpointError(
            f"{path} is only a pointer to a file in Git LFS. Fetch the file itself with: git lfs pull"
        )
    if data.startswith(b"PK\x03\x04"):
        raise refused(path, "it is a zip of torch, not the plain pickle that StyleNeRF writes")
    if data[0] != 0x80:
        raise refused(path, "it is no pickle")
    return data
