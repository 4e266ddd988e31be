"""One tar file of samples: the same samples give the same bytes, and damage is found when reading.

A sample is a handful of files that share a number: ``00000012.jpg``, ``00000012.labels.png``, ...;
this is the convention of WebDataset. Each sample ends with ``00000012.crc32``, one line for each of
its files (``jpg 1a2b3c4d``), because tar itself notices damage in its headers only.

This module knows no torch, so that processes that use it start fast.
"""

from __future__ import annotations

import io
import os
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from phiz.errors import DataError

Make = Callable[[int], Mapping[str, bytes]]
"""Sample number -> content by suffix (``jpg``, ``labels.png``, ...); the same number, the same bytes."""

BLOCK = 512
"""Bytes; everything in a tar begins at a multiple of it."""
SUMS = "crc32"
DIGITS = 8


@dataclass(frozen=True, kw_only=True)
class Task:
    """A shard to be made: which samples, and where to put them."""

    make: Make
    path: Path
    first: int
    count: int


@dataclass(frozen=True, kw_only=True)
class Member:
    """Where a file lies in a tar."""

    name: str
    offset: int
    size: int


def make_shard(task: Task) -> Task:
    """Write a shard to `task.path` and return its task; the bytes are on the disk then."""
    numbers = range(task.first, task.first + task.count)
    try:
        with task.path.open("wb") as file:
            write(file, ((number, _produce(task.make, number)) for number in numbers))
            file.flush()
            os.fsync(file.fileno())
        return task
    except BaseException:
        task.path.unlink(missing_ok=True)
        raise


def write(file: BinaryIO, samples: Iterable[tuple[int, Mapping[str, bytes]]]) -> None:
    """Write samples as a tar without anything that differs from run to run (times, users, order)."""
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for number, parts in samples:
            sums = "".join(f"{suffix} {zlib.crc32(parts[suffix]):08x}\n" for suffix in sorted(parts))
            for suffix, data in (*sorted(parts.items()), (SUMS, sums.encode())):
                about = tarfile.TarInfo(f"{number:0{DIGITS}}.{suffix}")
                about.size = len(data)
                about.mode = 0o644
                tar.addfile(about, io.BytesIO(data))


def scan(path: Path) -> Iterator[Member]:
    """Yield the files of a tar from their headers alone; after damage go on at the next good header."""
    with path.open("rb") as file:
        offset = 0
        while len(header := file.read(BLOCK)) == BLOCK:
            offset += BLOCK
            member = _read_header(header, offset)
            if member is not None:
                yield member
                offset += -(-member.size // BLOCK) * BLOCK
                file.seek(offset)


def samples_of(path: Path) -> dict[int, dict[str, Member]]:
    """Return where the files of each sample lie, by number and suffix."""
    samples: dict[int, dict[str, Member]] = {}
    for member in scan(path):
        key, _, suffix = member.name.partition(".")
        if key.isdecimal() and suffix:
            samples.setdefault(int(key), {})[suffix] = member
    return samples


def read_sample(file: BinaryIO, members: Mapping[str, Member]) -> dict[str, bytes] | None:
    """Return the files of a sample, None if any byte of them is not as it was written."""
    if SUMS not in members:
        return None
    parts = {}
    for suffix, member in members.items():
        file.seek(member.offset)
        parts[suffix] = file.read(member.size)
    sums = parts.pop(SUMS)
    expected = "".join(f"{suffix} {zlib.crc32(parts[suffix]):08x}\n" for suffix in sorted(parts))
    return parts if sums == expected.encode() else None


def _produce(make: Make, number: int) -> Mapping[str, bytes]:
    parts = make(number)
    wrong = [suffix for suffix in parts if not suffix or "/" in suffix or suffix == SUMS]
    if wrong or not parts:
        raise DataError(f"sample {number} has no files, or files that cannot be named so: {wrong}")
    return parts


def _read_header(header: bytes, offset: int) -> Member | None:
    """Return the file that a header announces, None if it is not one or is damaged."""
    if header[257:262] != b"ustar":
        return None
    try:
        about = tarfile.TarInfo.frombuf(header, "utf-8", "strict")
    except (tarfile.HeaderError, UnicodeDecodeError):
        return None
    return Member(name=about.name, offset=offset, size=about.size) if about.isreg() else None
