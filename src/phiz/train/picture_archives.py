"""What lies where in zips and tars of pictures: their tables of contents as arrays.

Tars follow WebDataset's convention: files that follow each other and have the same name up to the first
dot belong together. Our own shards are such tars, with checksums.
"""

from __future__ import annotations

import re
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from phiz.errors import DataError
from phiz.train.picture_sources import (
    DEFLATED,
    LABELS,
    PLAIN,
    STORED,
    ArchiveSource,
    Labels,
    Place,
    collect_labels,
    is_picture,
    label_in,
    labels_from_json,
    no_labels,
    pack_names,
)
from phiz.world.data import shard_samples, tars
from phiz.world.data.writing import INDEX

IN_TARS = ("jpg", "jpeg", "png", "webp")
"""Suffixes of pictures in tars; of several with the same name the first of these counts."""
BESIDE = ("cls", "json")
"""Suffixes of labels in tars."""
LARGEST_LABEL = 1 << 20
"""Bytes."""
BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")


@dataclass(frozen=True)
class Sample:
    """Files of a tar that belong together, each with its offset and size."""

    key: str
    files: Mapping[str, tuple[int, int]]


def open_zip(path: Path, *, use_labels: bool) -> ArchiveSource:
    """Return the pictures in a zip, in the order of their names."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = sorted(archive.infolist(), key=lambda member: member.filename)
            members = [one for one in members if not one.is_dir() and is_picture(one.filename)]
            text = archive.read(LABELS) if use_labels and LABELS in archive.namelist() else None
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError) as error:
        raise DataError(f"{path} cannot be read as a zip ({error}). Copy or make it again.") from error
    if not members:
        raise DataError(f"{path} has no pictures. A zip of PNG, JPEG or WebP files is expected.")
    for one in members:
        if one.flag_bits & 1 or one.compress_type not in (STORED, DEFLATED):
            raise DataError(
                f"{one.filename} in {path} is encrypted, or packed in a way that is not read here. "
                "Make the zip again with ordinary packing or, faster to read, none (zip -0)."
            )
    names = pack_names(one.filename for one in members)
    if use_labels and text is None:
        raise no_labels(path)
    places = [
        Place(0, one.header_offset, one.compress_size, one.file_size, one.compress_type, one.CRC)
        for one in members
    ]
    return ArchiveSource(
        paths=(path,),
        places=np.array(places, dtype=np.int64),
        names=names,
        table=Labels() if text is None else labels_from_json(text, names, path),
    )


def open_tars(paths: Sequence[Path], *, use_labels: bool) -> ArchiveSource:
    """Return the pictures in tars of any maker, in the order in which they lie there."""
    places: list[Place] = []
    names: list[str] = []
    raw: list[object] = []
    for archive, path in enumerate(paths):
        for sample in samples_of(path):
            suffix = next((one for one in IN_TARS if one in sample.files), None)
            if suffix is None:
                continue
            offset, size = sample.files[suffix]
            places.append(Place(archive, offset, size, size, PLAIN, -1))
            names.append(f"{sample.key}.{suffix}")
            if use_labels:
                raw.append(label_in(_read_labels(path, sample), f"{names[-1]} in {path}"))
    where = paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"
    if not places:
        raise DataError(
            f"{where}: no pictures. Tars of files such as 000012.jpg (or {', '.join(IN_TARS[1:])}) "
            "are expected."
        )
    if use_labels and all(label is None for label in raw):
        raise no_labels(where)
    packed = pack_names(names)
    return ArchiveSource(
        paths=tuple(paths),
        places=np.array(places, dtype=np.int64),
        names=packed,
        table=collect_labels(raw, packed, where) if use_labels else Labels(),
    )


def open_shards(folder: Path, *, use_labels: bool) -> ArchiveSource:
    """Return the pictures in shards that phiz wrote, by their numbers; damage is found by their checksums."""
    index = shard_samples.finished(folder)
    if use_labels:
        raise DataError(f"{folder} holds rendered people, who have no labels. Use no labels.")
    paths = tuple(folder / shard.name for shard in index.shards)
    places = np.full((index.count, len(Place._fields)), -1, dtype=np.int64)
    for archive, (path, shard) in enumerate(zip(paths, index.shards, strict=True)):
        places[shard.first : shard.last + 1, 0] = archive
        for sample in samples_of(path):
            is_ours = sample.key.isdecimal() and shard.first <= int(sample.key) <= shard.last
            if is_ours and "jpg" in sample.files:
                offset, size = sample.files["jpg"]
                places[int(sample.key)] = Place(archive, offset, size, size, PLAIN, _read_sum(path, sample))
    names = pack_names(f"{number:0{tars.DIGITS}}.jpg" for number in range(index.count))
    return ArchiveSource(paths=paths, places=places, names=names)


def is_shards(folder: Path) -> bool:
    """Return whether phiz wrote this folder of shards."""
    return (folder / INDEX).is_file() and any(folder.glob("*.tar"))


def expand(pattern: str) -> list[Path]:
    """Return the paths that a pattern such as ``faces-{0000..0007}.tar`` stands for, in order."""
    found = BRACES.search(pattern)
    if not found:
        return [Path(pattern)]
    first, last = found.groups()
    if int(first) > int(last):
        raise DataError(
            f"{found[0]} in {pattern} counts from {first} to {last}. Put the smaller number first."
        )
    width = len(first) if first.startswith("0") else 0
    numbers = range(int(first), int(last) + 1)
    return [
        path
        for number in numbers
        for path in expand(f"{pattern[: found.start()]}{number:0{width}}{pattern[found.end() :]}")
    ]


def samples_of(path: Path) -> Iterator[Sample]:
    """Yield the files of a tar that belong together; after damage go on at the next good header."""
    key, files = "", dict[str, tuple[int, int]]()
    for name, offset, size in _members(path):
        folder, slash, file = name.rpartition("/")
        stem, _, suffix = file.partition(".")
        suffix = suffix.lower()
        if not stem or not suffix:
            continue
        own = f"{folder}{slash}{stem}"
        if own != key or suffix in files:
            if files:
                yield Sample(key, files)
            key, files = own, {}
        files[suffix] = offset, size
    if files:
        yield Sample(key, files)


def _members(path: Path) -> Iterator[tuple[str, int, int]]:
    """Yield name, offset and size of the ordinary files in a tar."""
    try:
        with path.open("rb") as file:
            if file.read(2) == b"\x1f\x8b":
                raise DataError(
                    f"{path} is packed with gzip, which cannot be read from the middle. Unpack it: gunzip"
                )
            file.seek(0)
            with tarfile.TarFile(fileobj=file, ignore_zeros=True) as tar:
                while (member := tar.next()) is not None:
                    tar.members = []  # type: ignore[attr-defined]  # it would remember all of them
                    if member.isreg():
                        yield member.name, member.offset_data, member.size
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing. Check the name, or copy it again.") from error
    except tarfile.TarError:
        return  # cut short: what came before is there, and the last file turns out too short when read
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}.") from error


def _read_labels(path: Path, sample: Sample) -> dict[str, bytes]:
    return {suffix: _read(path, *sample.files[suffix]) for suffix in BESIDE if suffix in sample.files}


def _read_sum(path: Path, sample: Sample) -> int:
    """Return the checksum that a sample has for its picture; one that fits nothing if it has none."""
    text = _read(path, *sample.files[tars.SUMS]) if tars.SUMS in sample.files else b""
    found = re.search(rb"^jpg ([0-9a-f]{8})$", text, re.MULTILINE)
    return int(found[1], 16) if found else -2


def _read(path: Path, offset: int, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(min(size, LARGEST_LABEL))
