"""MXNet's RecordIO, in which the large face data sets are published: ``train.rec`` and ``train.idx``.

A file of records, one behind the other, each with a magic number and a length in front and padded to four
bytes; a picture whose bytes contain the magic number is cut there into several. The index lists where each
record begins. The first record says how many pictures there are; record ``n`` holds a label and a JPEG.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from jaxtyping import Int64
from numpy.typing import NDArray

from phiz.errors import DataError, MediaError
from phiz.media import image
from phiz.train.picture_sources import Picture

MAGIC = 0xCED7230A
WHOLE, FIRST, MIDDLE, LAST = range(4)
"""What part of a picture a record is."""
LENGTH_BITS = 29
HEADER = struct.Struct("<IfQQ")
"""How many labels follow, the label if none do, and two numbers that nobody uses."""
LARGEST = 64 * 2**20
"""Bytes of a picture."""
RECORDS, INDEX = "train.rec", "train.idx"


@dataclass(frozen=True, kw_only=True)
class RecordSource:
    """Faces in a file of records; the file is opened for one read and closed again."""

    path: Path
    places: Int64[NDArray[np.int64], " n"]
    """Where the record of each picture begins."""
    labels: int = 1

    @property
    def count(self) -> int:
        """Return how many pictures there are."""
        return len(self.places)

    def name(self, number: int) -> str:
        """Return what a picture is called, for messages."""
        return f"picture {number} of {self.path}"

    def read(self, number: int) -> Picture:
        """Return a picture and whom it shows."""
        label, data = self.record(number)
        shown = image.decode(data, name=self.name(number))
        return Picture(image.to_bytes(shown).movedim(-1, 0), torch.tensor([float(label)]))

    def record(self, number: int) -> tuple[int, bytes]:
        """Return whom a picture shows, and the bytes of its file."""
        found = self._bytes(number)
        if len(found) < HEADER.size:
            raise MediaError(f"{self.name(number)} is cut short. Get the file again.")
        flag, label, _, _ = HEADER.unpack_from(found)
        if flag:
            (label,) = struct.unpack_from("<f", found, HEADER.size)
        person = int(label)
        if person != label or person < 0 or flag > len(found) // 4:
            raise MediaError(f"{self.name(number)} has the label {label}, which is no person.")
        return person, found[HEADER.size + 4 * flag :]

    def _bytes(self, number: int) -> bytes:
        try:
            with self.path.open("rb") as file:
                file.seek(int(self.places[number]))
                return read_record(file)
        except OSError as error:
            raise DataError(f"cannot read {self.path}: {error.strerror}. Check that it is there.") from error
        except ValueError as error:
            raise MediaError(f"{self.name(number)} is damaged ({error}). Get the file again.") from error


def read_record(file: BinaryIO | io.BytesIO) -> bytes:
    """Return the record at the place where a file stands, put together if it is in several."""
    parts: list[bytes] = []
    while True:
        head = file.read(8)
        if len(head) < 8:
            raise ValueError("it ends too early")
        magic, word = struct.unpack("<II", head)
        kind, length = word >> LENGTH_BITS, word & (1 << LENGTH_BITS) - 1
        if magic != MAGIC or length > LARGEST:
            raise ValueError("no record begins there")
        if (kind in (WHOLE, FIRST)) == bool(parts) or kind > LAST:
            raise ValueError("its parts are out of order")
        data = file.read(length)
        if len(data) < length:
            raise ValueError("it ends too early")
        file.seek(-length % 4, 1)
        parts.append(data)
        if kind in (WHOLE, LAST):
            return struct.pack("<I", MAGIC).join(parts)


def open_records(folder: Path) -> RecordSource:
    """Return the faces in a folder with train.rec and train.idx; those of other names will do if alone."""
    path = _only(folder, RECORDS)
    index = path.with_suffix(".idx")
    try:
        table = np.loadtxt(index, dtype=np.int64, ndmin=2, delimiter="\t", usecols=(0, 1))
    except OSError as error:
        raise DataError(f"{path} needs its index {index.name} beside it. Get both files.") from error
    except ValueError as error:
        raise DataError(f"{index} is no index of records ({error}). Get it again.") from error
    if len(table) < 2:
        raise DataError(f"{index} lists no pictures. Get it again.")
    order = np.argsort(table[:, 0], kind="stable")
    numbers, places = table[order, 0], table[order, 1]
    whole = RecordSource(path=path, places=places)
    head = whole._bytes(0)
    flag, _, _, _ = HEADER.unpack_from(head) if len(head) >= HEADER.size else (0, 0, 0, 0)
    if numbers[0] != 0 or not flag:  # no first record that tells of the others: all are pictures
        return whole
    (end,) = struct.unpack_from("<f", head, HEADER.size)
    # Behind the pictures come records that list each person's; float32 holds these counts exactly.
    return RecordSource(path=path, places=places[(numbers >= 1) & (numbers < int(end))])


def people_in(source: RecordSource) -> int:
    """Return how many people there are: one more than the largest label."""
    listed = source.path.with_name("property")
    if listed.is_file():
        words = listed.read_text(encoding="ascii", errors="replace").split(",")
        if words and words[0].strip().isdecimal():
            return int(words[0])
    return 1 + max(source.record(number)[0] for number in range(source.count))


def _only(folder: Path, wanted: str) -> Path:
    if (folder / wanted).is_file():
        return folder / wanted
    found = sorted(folder.glob("*.rec"))
    if len(found) != 1:
        raise DataError(f"{folder} holds {len(found)} files of records. Name the one to use {wanted}.")
    return found[0]
