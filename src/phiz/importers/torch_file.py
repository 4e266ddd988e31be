"""Files of `torch.save`, read without running anything in them: both its zips and the format before those.

Such a file is a pickle of nested dicts and rows of numbers beside it, to which the pickle refers by name. The
pickle goes through a machine that knows a dozen names, as in `phiz.importers.unpickle`; the rows are read as
they are. What comes out are plain dicts, lists and numbers, and a `View` for every tensor.
"""

from __future__ import annotations

import io
import itertools
import math
import pickle
import stat
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import torch
from jaxtyping import Shaped
from torch import Tensor

from phiz.errors import CheckpointError
from phiz.importers import steps, storage
from phiz.importers.steps import refused, shown
from phiz.importers.storage import KINDS, MAGIC, VERSION, Kind, Storage, View
from phiz.importers.unpickle import Stub, Thing

LARGEST = 8 * 2**30
"""Bytes; the largest published recogniser has 3 GB."""
MOST_FILES, MOST_VALUES, DEEPEST = 100_000, 100_000, 20
"""Rows of numbers in a zip, values in all, and dicts in each other."""
ALLOWED = steps.PLAIN | steps.MAKING | {"BINPERSID", "SHORT_BINSTRING", "BINSTRING"}
INERT = {
    ("torch", "Size"): "Size",
    ("torch", "device"): "device",
    ("torch.serialization", "_get_layout"): "layout",
    ("collections", "Counter"): "Counter",
}
"""Names that stand beside the tensors, in states of optimisers and schedules; nothing is made of them."""

Rows = Callable[[str, torch.dtype, int], Storage]


@dataclass(eq=False)
class Words:
    """A dict that a pickle fills; beside its items it may be told of its `_metadata`, which nobody needs."""

    items: dict[Any, Any]

    def __setitem__(self, key: object, value: object) -> None:
        """Keep an item."""
        self.items[key] = value

    def __setstate__(self, state: object) -> None:
        """Overlook what torch notes about versions; refuse anything else."""
        if not isinstance(state, dict) or set(state) - {"_metadata"}:
            raise ValueError("a dict in it becomes something else")


def read(path: Path) -> Any:
    """Return what is in a file of `torch.save` as plain Python and `View`s; refuse all else."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:
            raise refused(path, "it is no ordinary file, or larger than any that was published")
        with path.open("rb") as file:
            start = file.read(64)
            file.seek(0)
            if start.startswith(b"version https://"):
                raise CheckpointError(
                    f"{path} is only a pointer to a file in Git LFS. Fetch the file itself with: git lfs pull"
                )
            found = _from_zip(file, path) if start.startswith(b"PK\x03\x04") else _from_rows(file, path)
            return _plain(found, path, itertools.count())
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror or error}. Check the name.") from error


def tensors_of(found: object, path: Path) -> dict[str, Shaped[Tensor, "..."]]:
    """Return a state dict's tensors by name; refuse one that holds anything else."""
    if not isinstance(found, Mapping) or not found:
        raise refused(path, "it holds no tensors by name")
    room = path.stat().st_size
    tensors = {}
    for name, value in found.items():
        if not isinstance(name, str) or not isinstance(value, View):
            raise refused(path, f"its {name!r} is no tensor")
        room -= math.prod(value.size) * value.held.values.itemsize
        if room < 0:
            raise refused(path, "its tensors take more room than the file has")
        tensors[name] = value.tensor()
    return tensors


def _from_zip(file: BinaryIO, path: Path) -> Any:
    """Return what is in a zip: ``NAME/data.pkl`` and the rows ``NAME/data/0``, ``NAME/data/1``, ..."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = {info.filename: info for info in archive.infolist()}
            pickles = [name for name in members if name.endswith("/data.pkl") or name == "data.pkl"]
            if len(pickles) != 1 or len(members) > MOST_FILES or len(members) < len(archive.infolist()):
                raise refused(path, "it is a zip, but not one that torch writes")
            prefix = pickles[0].removesuffix("data.pkl")
            if any(one.compress_type != zipfile.ZIP_STORED for one in members.values()):
                raise refused(path, "parts of it are compressed, which torch never does")
            if sum(one.file_size for one in members.values()) > path.stat().st_size:
                raise refused(path, "it claims to hold more than it has")
            order = members.get(f"{prefix}byteorder")
            if sys.byteorder != "little" or (order and archive.read(order) != b"little"):
                raise refused(path, "numbers are stored in another byte order")

            def rows(key: str, kind: torch.dtype, count: int) -> Storage:
                member = members.get(f"{prefix}data/{key}")
                if member is None or member.file_size != count * kind.itemsize:
                    raise refused(path, f"its row of numbers {shown(key)} is missing or of another length")
                return _row(archive.read(member), kind)

            return _parsed(io.BytesIO(archive.read(pickles[0])), path, rows)
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError) as error:
        raise refused(path, f"it is damaged or cut short ({error})") from error


def _from_rows(file: BinaryIO, path: Path) -> Any:
    """Return what is in the older format: four pickles, a list of names, and the rows in that order.

    The pickle refers to rows that come behind it, so it is read twice: first for what it says about them.
    """
    data = io.BytesIO(file.read())
    if not data.getbuffer():
        raise refused(path, "it is empty")
    if data.getbuffer()[0] != 0x80:
        raise refused(path, "it is no file of torch.save")
    if _parsed(data, path) != MAGIC or _parsed(data, path) != VERSION:
        raise refused(path, "it is a pickle, but not one that torch.save writes")
    about = _parsed(data, path)
    if not isinstance(about, dict) or about.get("little_endian") is not True or sys.byteorder != "little":
        raise refused(path, "numbers are stored in another byte order")
    start = data.tell()
    wanted: dict[str, tuple[torch.dtype, int]] = {}

    def note(key: str, kind: torch.dtype, count: int) -> Storage:
        if wanted.setdefault(key, (kind, count)) != (kind, count):
            raise refused(path, "a row of numbers contradicts itself")
        return Storage(torch.zeros(1, dtype=kind).expand(count))

    _parsed(data, path, note)
    keys = _parsed(data, path)
    if not isinstance(keys, list) or sorted(map(str, keys)) != sorted(wanted):
        raise refused(path, "its rows of numbers are not those that it names")
    found = {}
    for key in keys:
        kind, count = wanted[key]
        stored, row = int.from_bytes(data.read(8), "little", signed=True), data.read(count * kind.itemsize)
        if stored != count or len(row) != count * kind.itemsize:
            raise refused(path, "it is cut short")
        found[key] = _row(row, kind)
    if data.read(1):
        raise refused(path, "there is something behind its last row of numbers")
    data.seek(start)
    return _parsed(data, path, lambda key, kind, count: found[key])


def _parsed(file: io.BytesIO, path: Path, rows: Rows | None = None) -> Any:
    """Return what the next pickle of a file holds."""
    start = file.tell()
    try:
        steps.check(file, path, allowed=ALLOWED)
        file.seek(start)
        return _Reader(file, path, rows).load()
    except CheckpointError:
        raise
    except RecursionError:
        raise refused(path, "it is nested too deeply") from None
    except MemoryError:
        raise refused(path, "it claims to hold more than there is memory for") from None
    except Exception as error:  # whatever a broken file makes the machine stumble over
        raise refused(path, f"it is damaged or cut short ({type(error).__name__}: {error})") from error


class _Reader(pickle.Unpickler):
    """The machine that knows a dozen names; pickle offers no other way than inheritance."""

    def __init__(self, file: io.BytesIO, path: Path, rows: Rows | None) -> None:
        super().__init__(file)
        self._path = path
        self._rows = rows
        self._held: dict[str, tuple[torch.dtype, int, Storage]] = {}
        self._names: Mapping[tuple[str, str], Callable[..., Any]] = {
            ("torch._utils", "_rebuild_tensor_v2"): Stub(self._tensor),
            ("torch._utils", "_rebuild_parameter"): Stub(_parameter),
            ("collections", "OrderedDict"): Stub(_words),
            ("collections", "defaultdict"): Stub(_words),
            **{names: Stub(partial(_nothing, kind)) for names, kind in INERT.items()},
        }

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands for a name; refuse names that are not on the list."""
        if module == "torch" and name in KINDS:
            return Kind(name)
        if (module, name) not in self._names:
            raise refused(self._path, f"it names {module}.{name}, which files of this kind never do")
        return self._names[module, name]

    def persistent_load(self, pid: object) -> Storage:
        """Return the row of numbers that a pickle refers to."""
        if (
            self._rows is None
            or not isinstance(pid, tuple)
            or len(pid) not in (5, 6)
            or pid[0] != "storage"
            or not isinstance(pid[1], Kind)
            or not isinstance(pid[2], str)
            or type(pid[4]) is not int
            or not 0 <= pid[4] <= LARGEST
            or (len(pid) == 6 and pid[5] is not None)
        ):
            raise refused(self._path, "it refers to things that are no rows of numbers")
        key, kind, count = pid[2], KINDS[pid[1].name], pid[4]
        if key not in self._held:
            self._held[key] = (kind, count, self._rows(key, kind, count))
        if self._held[key][:2] != (kind, count):
            raise refused(self._path, "a row of numbers contradicts itself")
        return self._held[key][2]

    def _tensor(self, held: object, offset: Any, size: Any, stride: Any, *_: object) -> View:
        if not isinstance(held, Storage) or not isinstance(size, tuple) or not isinstance(stride, tuple):
            raise refused(self._path, "one of its tensors has no numbers or no shape")
        return storage.view(held, offset, size, stride, self._path)


def _words(*arguments: object) -> Words:
    if arguments and arguments != ([],):
        raise ValueError("it makes a dict of something, which files of this kind never do")
    return Words({})


def _nothing(kind: str, *_: object) -> Thing:
    """Return what stands for a thing that nobody needs; what it is made of is not kept."""
    return Thing(kind)


def _parameter(tensor: object, *_: object) -> View:
    if not isinstance(tensor, View):
        raise ValueError("a parameter is no tensor")
    return tensor


def _row(data: bytes, kind: torch.dtype) -> Storage:
    if not data:
        return Storage(torch.zeros(0, dtype=kind))
    return Storage(torch.frombuffer(bytearray(data), dtype=kind))


def _plain(value: Any, path: Path, seen: Iterator[int], depth: int = 0) -> Any:
    if depth > DEEPEST or next(seen) > MOST_VALUES:
        raise refused(path, "what it holds has no end")
    if isinstance(value, (Words, dict)):
        items = value.items if isinstance(value, Words) else value
        return {key: _plain(item, path, seen, depth + 1) for key, item in items.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, path, seen, depth + 1) for item in value]
    return value
