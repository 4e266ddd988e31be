"""Foreign pickles, read without running anything in them.

A pickle is a program for a small machine that may call any function of Python by name. Here that machine
knows a short list of names, each of which stands for something inert of ours; whatever else a file names
is refused before anything of it is looked at. Nothing is imported, nothing called, nothing executed.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch

from phiz.errors import CheckpointError
from phiz.importers import storage
from phiz.importers.storage import Storage

LARGEST = 4 * 2**30
"""Bytes; published files have 200 MB."""
MOST_STEPS = 20_000_000
PROTOCOLS = (2, 3, 4, 5)
FORBIDDEN = frozenset({"EXT1", "EXT2", "EXT4", "INST", "OBJ", "PERSID", "BINPERSID", "NEXT_BUFFER"})
"""Steps that no published file takes: they call things in older ways, or ask for things from outside."""


@dataclass
class Thing:
    """An object of a kind that we do not have: what it is called, and what it holds."""

    kind: str
    state: Any = None

    def __setstate__(self, state: object) -> None:
        """Keep what a pickle hands over, as it is."""
        self.state = state


def inert(kind: str) -> type:
    """Return what stands for a class that a pickle names: what is made of it is a `Thing` of that name."""

    class Inert:
        def __new__(cls, *arguments: object) -> Thing:  # type: ignore[misc]
            return Thing(kind, list(arguments) or None)

    return Inert


def read_pickle(path: Path) -> Any:
    """Return what is in a foreign pickle as plain Python, tensors and `Thing`s; refuse all else."""
    data = _bytes_of(path)
    try:
        check_steps(data, path)
        return _Reader(io.BytesIO(data), path).load()
    except CheckpointError:
        raise
    except RecursionError:
        raise refused(path, "it is nested too deeply") from None
    except MemoryError:
        raise refused(path, "it claims to hold more than there is memory for") from None
    except Exception as error:  # whatever a broken file makes the machine stumble over
        raise refused(path, f"it is damaged or cut short ({type(error).__name__}: {error})") from error


def refused(path: Path, why: str) -> CheckpointError:
    """Return the error for a file that is not read."""
    return CheckpointError(
        f"{path} is not read: {why}. Nothing in it was run. Get the file again from those who published it."
    )


def check_steps(data: bytes, path: Path) -> None:
    """Refuse a pickle that takes steps which no published file takes, before any is taken."""
    for count, (step, argument, _) in enumerate(pickletools.genops(data)):
        if step.name in FORBIDDEN:
            raise refused(path, f"it takes the step {step.name}, which files of this kind never do")
        if step.name == "PROTO" and argument not in PROTOCOLS:
            raise refused(path, f"it has protocol {argument}")
        if count > MOST_STEPS:
            raise refused(path, "it is longer than any file of this kind")


class _Reader(pickle.Unpickler):
    """The machine that knows a short list of names; pickle offers no other way than inheritance."""

    def __init__(self, file: io.BytesIO, path: Path) -> None:
        super().__init__(file)
        self._path = path
        self._names: Mapping[tuple[str, str], Callable[..., Any]] = {
            ("torch_utils.persistence", "_reconstruct_persistent_obj"): _persistent,
            ("torch._utils", "_rebuild_tensor_v2"): self._tensor,
            ("torch._utils", "_rebuild_parameter"): _parameter,
            ("torch.storage", "_load_from_bytes"): self._storage,
            ("torch.nn.modules.container", "Sequential"): inert("Sequential"),
            ("torch.nn.modules.container", "ModuleList"): inert("ModuleList"),
            ("numpy", "dtype"): _number_kind,
            ("numpy.core.multiarray", "scalar"): _scalar,
            ("numpy._core.multiarray", "scalar"): _scalar,
            ("collections", "OrderedDict"): _ordered,
            ("collections", "defaultdict"): _default,
            ("builtins", "list"): _list,
            ("builtins", "dict"): _dict,
            ("builtins", "int"): _int,
            ("builtins", "set"): _set,
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
        return storage.read(data, self._path)

    def _tensor(self, held: object, offset: int, size: Any, stride: Any, *_: object) -> torch.Tensor:
        if not isinstance(held, Storage):
            raise refused(self._path, "one of its tensors has no storage")
        return storage.view(held, offset, tuple(size), tuple(stride), self._path)


def plain(value: Any) -> Any:
    """Return settings as plain dicts, lists and numbers, without the containers they were kept in."""
    if isinstance(value, Thing) and value.kind in ("DictConfig", "ListConfig", "AnyNode"):
        held = value.state if isinstance(value.state, dict) else {}
        return plain(held.get("_content", held.get("_val")))
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def _persistent(meta: object) -> Thing:
    """Return an object whose class came along as source text; the text is never looked at."""
    if not isinstance(meta, dict) or not isinstance(meta.get("state"), dict):
        raise ValueError("a persistent object is not what it should be")
    return Thing(str(meta.get("class_name")), meta["state"])


def _parameter(tensor: torch.Tensor, *_: object) -> torch.Tensor:
    return tensor


def _number_kind(name: object, *_: object) -> Thing:
    text = name if isinstance(name, str) else ""
    if text not in ("f8", "f4", "i8", "i4", "b1", "u1"):
        raise ValueError(f"numbers of the kind {name!r} are not expected")
    return Thing("dtype", text)


def _scalar(kind: object, data: object = b"") -> Any:
    text = _kind_text(kind)
    if not isinstance(data, bytes) or len(data) != np.dtype(text).itemsize:
        raise ValueError("a number has the wrong length")
    found = np.frombuffer(data, dtype=f"<{text}" if text[-1] != "1" else text)[0].item()
    if isinstance(found, float) and not math.isfinite(found):
        raise ValueError("a number is not finite")
    return found


def _kind_text(kind: object) -> str:
    """Return the short name of a kind of number; its state (byte order and the like) does not matter."""
    if isinstance(kind, Thing) and kind.kind == "dtype":
        for part in (kind.state, *(kind.state if isinstance(kind.state, (list, tuple)) else ())):
            if isinstance(part, str) and part in ("f8", "f4", "i8", "i4", "b1", "u1"):
                return part
        return "f8"  # a state has taken the place of the name: the only kind that the files hold
    raise ValueError("a number has no kind")


def _ordered(*pairs: Any) -> OrderedDict[Any, Any]:
    return OrderedDict(*pairs)


def _default(*_: object) -> dict[Any, Any]:
    return {}


def _list(*values: Any) -> list[Any]:
    return list(*values)


def _dict(*values: Any) -> dict[Any, Any]:
    return dict(*values)


def _set(*values: Any) -> set[Any]:
    return set(*values)


def _int(value: object = 0, *_: object) -> int:
    if not isinstance(value, (int, float, str)):
        raise ValueError("a whole number is made of something else")
    return int(value)


def _bytes_of(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise refused(path, f"it has {size} bytes")
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
