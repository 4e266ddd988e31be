"""Pictures by number, wherever they lie: the parts that a worker process holds.

A source knows no order and keeps no list of Python objects: what tells where a picture lies are a few
arrays, some dozens of bytes a picture. Files are opened for one read and closed again, so nothing grows
and nothing is shared between processes. `phiz.train.picture_archives` and `phiz.train.pictures` make sources.
"""

from __future__ import annotations

import json
import math
import os
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64, UInt8
from numpy.typing import NDArray
from torch import Tensor

from phiz.errors import DataError, MediaError
from phiz.media import image

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif"})
"""Files that count as pictures, in small letters or capitals."""
LABELS = "dataset.json"
"""``{"labels": [["00000/a.png", 3], ...]}`` beside the pictures: a class, or a list of numbers, for each."""


class Picture(NamedTuple):
    """A picture as files hold it, bytes but channels first, and what is known about it."""

    image: UInt8[Tensor, "3 h w"]
    label: Float[Tensor, " n"]


@runtime_checkable
class Source(Protocol):
    """Something that has pictures by number."""

    @property
    def count(self) -> int | None:
        """Return how many pictures there are; None where they never end."""
        ...

    @property
    def labels(self) -> int:
        """Return how many numbers a label has; 0 where there are none."""
        ...

    def name(self, number: int) -> str:
        """Return what a picture is called, for messages."""
        ...

    def read(self, number: int) -> Picture:
        """Return a picture; raise a `MediaError` where this one cannot be read, though others may."""
        ...


@dataclass(frozen=True)
class Names:
    """Many names in one piece of memory, which costs a fifth of a list of them."""

    joined: bytes
    ends: Int64[NDArray[np.int64], " n"]

    def __len__(self) -> int:
        """Return how many names there are."""
        return len(self.ends)

    def __getitem__(self, number: int) -> str:
        """Return one name."""
        first = int(self.ends[number - 1]) if number else 0
        return os.fsdecode(self.joined[first : int(self.ends[number])])


def pack_names(names: Iterable[str]) -> Names:
    """Return names in their order, packed."""
    parts = [os.fsencode(name) for name in names]
    return Names(b"".join(parts), np.cumsum([len(part) for part in parts], dtype=np.int64))


@dataclass(frozen=True, kw_only=True)
class Labels:
    """The label of each picture: a class, an array of numbers, or nothing at all."""

    size: int = 0
    classes: Int64[NDArray[np.int64], " n"] | None = None
    values: Float32[NDArray[np.float32], "n l"] | None = None

    def of(self, number: int) -> Float[Tensor, " l"]:
        """Return the label of one picture; a class is 1 in its place and 0 elsewhere."""
        if self.values is not None:
            return torch.from_numpy(self.values[number].copy())
        label = torch.zeros(self.size)
        if self.classes is not None:
            label[int(self.classes[number])] = 1
        return label


def collect_labels(raw: Sequence[object], names: Names, where: object) -> Labels:
    """Return labels as arrays: whole numbers are classes, lists of numbers are taken as they are."""
    for number, label in enumerate(raw):
        if label is None:
            raise DataError(f"{names[number]} in {where} has no label. Label all pictures, or use no labels.")
    if all(isinstance(label, int) and not isinstance(label, bool) and label >= 0 for label in raw):
        classes = np.array(raw, dtype=np.int64)
        return Labels(size=int(classes.max()) + 1, classes=classes)
    lengths = {len(label) if _are_numbers(label) else -1 for label in raw}  # type: ignore[arg-type]
    if len(lengths) != 1 or not min(lengths) > 0:
        raise DataError(
            f"labels in {where} differ in kind. All have to be classes (0, 1, 2, ...), or all lists of "
            "equally many finite numbers."
        )
    return Labels(size=lengths.pop(), values=np.array(raw, dtype=np.float32))


def labels_from_json(text: bytes, names: Names, where: object) -> Labels:
    """Return the labels that a dataset.json has for these pictures."""
    try:
        pairs = json.loads(text)["labels"]
        known = {str(name).replace("\\", "/"): label for name, label in pairs or ()}
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(
            f"the {LABELS} in {where} is damaged ({error!r}). It should read "
            '{"labels": [["a.png", 0], ...]}.'
        ) from error
    if not known:
        raise DataError(f"the {LABELS} in {where} has no labels. Fill it, or use no labels.")
    return collect_labels([known.get(names[number]) for number in range(len(names))], names, where)


def is_picture(name: str) -> bool:
    """Return whether a file with this path counts as a picture; hidden ones do not."""
    parts = name.split("/")
    is_hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    return not is_hidden and os.path.splitext(parts[-1])[1].lower() in SUFFIXES  # noqa: PTH122


@dataclass(frozen=True, kw_only=True)
class FolderSource:
    """Pictures in a folder and the folders in it."""

    folder: Path
    names: Names
    table: Labels = field(default_factory=Labels)

    @property
    def count(self) -> int:
        """Return how many pictures there are."""
        return len(self.names)

    @property
    def labels(self) -> int:
        """Return how many numbers a label has."""
        return self.table.size

    def name(self, number: int) -> str:
        """Return the path of a picture."""
        return str(self.folder / self.names[number])

    def read(self, number: int) -> Picture:
        """Return a picture."""
        picture = image.read(self.name(number))
        return Picture(_channels_first(picture), self.table.of(number))


class Place(NamedTuple):
    """Where a picture lies in one of several archives: a row of `ArchiveSource.places`."""

    archive: int
    offset: int
    """Of the bytes in a tar; of the header before them in a zip."""
    stored: int
    """Bytes in the archive; -1 where a picture should be and is not."""
    size: int
    """Bytes of the file when unpacked."""
    method: int
    """PLAIN, or a zip's method: 0 stored, 8 deflated."""
    crc: int
    """CRC-32 of the file, -1 where nobody knows it."""


PLAIN, STORED, DEFLATED = -1, 0, 8
ZIP_HEADER, ZIP_MAGIC = 30, b"PK\x03\x04"


@dataclass(frozen=True, kw_only=True)
class ArchiveSource:
    """Pictures in zips or tars, which are never unpacked as a whole."""

    paths: tuple[Path, ...]
    places: Int64[NDArray[np.int64], "n 6"]
    names: Names
    table: Labels = field(default_factory=Labels)

    @property
    def count(self) -> int:
        """Return how many pictures there are."""
        return len(self.places)

    @property
    def labels(self) -> int:
        """Return how many numbers a label has."""
        return self.table.size

    def name(self, number: int) -> str:
        """Return what a picture is called, and where it lies."""
        return f"{self.names[number]} in {self.paths[int(self.places[number, 0])]}"

    def read(self, number: int) -> Picture:
        """Return a picture."""
        place = Place(*self.places[number].tolist())
        path = self.paths[place.archive]
        name = self.name(number)
        try:
            with path.open("rb", buffering=0) as file:
                data = _read_place(file, place)
        except OSError as error:
            raise DataError(
                f"cannot read {path}: {error.strerror or error}. Check that it is there."
            ) from error
        if data is None:
            raise MediaError(f"{name} is damaged or cut short. Make or copy {path.name} again.")
        return Picture(_channels_first(image.decode(data, name=name)), self.table.of(number))


@dataclass(frozen=True, kw_only=True)
class Subset:
    """Some of another source's pictures."""

    whole: Source
    numbers: Int64[NDArray[np.int64], " n"]

    @property
    def count(self) -> int:
        """Return how many pictures there are."""
        return len(self.numbers)

    @property
    def labels(self) -> int:
        """Return how many numbers a label has."""
        return self.whole.labels

    def name(self, number: int) -> str:
        """Return what a picture is called, for messages."""
        return self.whole.name(int(self.numbers[number]))

    def read(self, number: int) -> Picture:
        """Return a picture."""
        return self.whole.read(int(self.numbers[number]))


def open_folder(folder: Path, names: Sequence[str], *, use_labels: bool) -> FolderSource:
    """Return the pictures of a folder, in the order of `names` (see `find_pictures`)."""
    packed = pack_names(names)
    if not use_labels:
        return FolderSource(folder=folder, names=packed)
    try:
        text = (folder / LABELS).read_bytes()
    except OSError as error:
        raise no_labels(folder) from error
    return FolderSource(folder=folder, names=packed, table=labels_from_json(text, packed, folder))


def find_pictures(folder: Path) -> list[str]:
    """Return the pictures below a folder as paths from there with slashes, sorted.

    Links are followed; a folder that can be reached in two ways counts once.
    """
    found, known = [], set()
    for where, folders, files in os.walk(folder, followlinks=True):
        status = Path(where).stat()
        if (status.st_dev, status.st_ino) in known:
            folders.clear()
            continue
        known.add((status.st_dev, status.st_ino))
        folders.sort()
        below = Path(where).relative_to(folder)
        found += [name for file in files if is_picture(name := (below / file).as_posix())]
    return sorted(found)


def no_labels(where: object) -> DataError:
    """Return the error of a source that should have labels."""
    return DataError(
        f"{where} has no labels. Put a {LABELS} beside the pictures (in tars, a .cls or .json with each), "
        "or use no labels."
    )


def label_in(files: Mapping[str, bytes], name: str) -> object:
    """Return what the .cls or the .json beside a picture in a tar says, None if there is neither."""
    try:
        if "cls" in files:
            return int(files["cls"])
        about: Any = json.loads(files["json"]) if "json" in files else None
        return about.get("label") if isinstance(about, dict) else about
    except ValueError as error:
        raise DataError(f"the label of {name} is damaged ({error}). Mend it, or use no labels.") from error


def _are_numbers(label: object) -> bool:
    return isinstance(label, list) and all(
        isinstance(value, (int, float)) and math.isfinite(value) for value in label
    )


def _channels_first(picture: Float[Tensor, "3 h w"]) -> UInt8[Tensor, "3 h w"]:
    return image.to_bytes(picture).movedim(-1, 0)


def _read_place(file: BinaryIO, place: Place) -> bytes | None:
    """Return a file out of an archive, None if it is not as it was put there."""
    if place.stored < 0:
        return None
    offset = place.offset
    if place.method != PLAIN:
        file.seek(offset)
        header = file.read(ZIP_HEADER)
        if len(header) < ZIP_HEADER or not header.startswith(ZIP_MAGIC):
            return None
        name, extra = header[26:28], header[28:30]
        offset += ZIP_HEADER + int.from_bytes(name, "little") + int.from_bytes(extra, "little")
    file.seek(offset)
    data = file.read(place.stored)
    if place.method == DEFLATED:
        try:
            data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, place.size + 1)
        except zlib.error:
            return None
    is_whole = len(data) == place.size and place.crc in (-1, zlib.crc32(data))
    return data if is_whole else None
