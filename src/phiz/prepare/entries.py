"""Pictures against their entries in the metadata: which lack one, which entries lack a picture."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from phiz.prepare import metadata, survey
from phiz.prepare.problems import Problem
from phiz.prepare.variety import Variety, hashed
from phiz.world.data import guide

KINDS = tuple(guide.UNITS)
OUTSIDE = 0.1
"""Landmarks may lie outside the picture by this share of its side: a chin, an ear cut off."""


@dataclass(frozen=True)
class Register:
    """All pictures, nine bytes each: a hash of the key, and which metadata files know it."""

    hashes: NDArray[np.uint64]
    """In ascending order."""
    known: NDArray[np.uint8]
    """One bit a metadata file; it changes while they are read."""

    def place(self, key: str) -> int | None:
        """Return where a picture stands, None if there is no such picture."""
        wanted = np.uint64(hashed(key.encode("utf-8", "surrogatepass")))
        place = int(np.searchsorted(self.hashes, wanted))
        return place if place < len(self.hashes) and self.hashes[place] == wanted else None


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the metadata is held against."""

    side: int
    fps: float


def register(keys: Iterable[str]) -> Register:
    """Return the register of all pictures, by their keys."""
    hashes = array("Q", (hashed(key.encode("utf-8", "surrogatepass")) for key in keys))
    ordered = np.sort(np.frombuffer(hashes, np.uint64)) if hashes else np.zeros(0, np.uint64)
    return Register(ordered, np.zeros(len(ordered), np.uint8))


def check_file(
    root: Path, kind: str, pictures: Register, variety: Variety, wanted: Wanted, report: survey.Report
) -> bool:
    """Hold one metadata file against the pictures; return whether it was there and could be read."""
    path = metadata.find(root / guide.METADATA, kind)
    if path is None:
        report(Problem("metadata missing", f"{guide.METADATA}/{kind}.json"))
        return False
    where = f"{guide.METADATA}/{path.name}"
    try:
        with metadata.opened(path, kind) as (header, entries):
            if abs(header.fps - wanted.fps) > 1e-3:
                report(Problem("metadata rate", where, f"{header.fps:g} frames a second, not {wanted.fps:g}"))
            _check_entries(where, kind, entries, pictures, variety, wanted, report)
    except metadata.BadMetadataError as error:
        report(Problem("metadata unreadable", where, str(error)))
        return False
    return True


def report_missing(
    person: survey.Person, pictures: Register, read: Sequence[str], report: survey.Report
) -> None:
    """Report the pictures of a person that the metadata files that could be read do not know."""
    for name in person.files:
        key = survey.key(person.name, name)
        place = pictures.place(key)
        if place is None:
            continue  # appeared while the check was running
        absent = [kind for kind in read if not pictures.known[place] & _bit(kind)]
        if absent:
            where = f"{guide.IMAGES}/{person.name}/{name}"
            report(Problem("entry missing", where, f"in {', '.join(absent)}"))


def _check_entries(
    where: str,
    kind: str,
    entries: Iterable[metadata.Entry],
    pictures: Register,
    variety: Variety,
    wanted: Wanted,
    report: survey.Report,
) -> None:
    take = _TAKE[kind]
    length = 0
    for key, numbers in entries:
        place = pictures.place(survey.composed(key))
        if place is None:
            report(Problem("entry without picture", f"{where}: {key}"))
            continue
        if pictures.known[place] & _bit(kind):
            report(Problem("entry twice", f"{where}: {key}"))
            continue
        pictures.known[place] |= _bit(kind)
        values = _numbers(numbers)
        wrong = "not a list of finite numbers" if values is None else _wrong_shape(kind, values, length)
        if wrong or values is None:
            report(Problem("entry wrong", f"{where}: {key}", wrong))
            continue
        length = length or len(values)
        detail = take(values, variety, wanted)
        if detail:
            report(Problem(detail[0], f"{where}: {key}", detail[1]))


def _numbers(value: object) -> NDArray[np.float64] | None:
    try:
        values = np.asarray(value)
    except (ValueError, OverflowError):
        return None  # lists of unequal length
    if values.dtype.kind not in "iuf" or not np.isfinite(values).all():
        return None
    return values.astype(np.float64)


def _wrong_shape(kind: str, values: NDArray[np.float64], length: int) -> str:
    """Return what is wrong with the shape of an entry, "" if nothing is."""
    free = (length or values.size,)  # the first entry says how many modes the basis has
    expected = {"poses": (6,), "landmarks": (guide.LANDMARKS, 2), "expressions": free}[kind]
    if values.shape == expected and values.size:
        return ""
    return f"its shape is {values.shape}, not {expected}" if values.size else "it is empty"


def _take_pose(values: NDArray[np.float64], variety: Variety, wanted: Wanted) -> tuple[str, str] | None:
    largest = float(np.abs(values[:3]).max())
    if largest > 2 * np.pi:
        return "entry wrong", f"an angle of {largest:.4g} radians; are these degrees?"
    variety.add_pose(values)
    return None


def _take_expression(values: NDArray[np.float64], variety: Variety, wanted: Wanted) -> tuple[str, str] | None:
    variety.add_expression(values)
    return None


def _take_landmarks(values: NDArray[np.float64], variety: Variety, wanted: Wanted) -> tuple[str, str] | None:
    margin = OUTSIDE * wanted.side
    outside = int(((values < -margin) | (values > wanted.side + margin)).any(axis=1).sum())
    return ("landmarks outside", f"{outside} of {len(values)} points") if outside else None


_TAKE: dict[str, Callable[[NDArray[np.float64], Variety, Wanted], tuple[str, str] | None]] = {
    "poses": _take_pose,
    "expressions": _take_expression,
    "landmarks": _take_landmarks,
}


def _bit(kind: str) -> int:
    return 1 << KINDS.index(kind)
