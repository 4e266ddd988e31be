"""Reading metadata files of any size, entry by entry; `docs/data.md` describes what they look like.

Python's own reader wants the whole text and builds the whole tree. Here a window slides over the file:
the header, then one entry at a time, is cut out and handed to it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from phiz.world.data import guide

WINDOW = 1 << 18
"""Characters read at a time."""
LONGEST = 1 << 24
"""Characters of one entry or of the header; beyond this the file is something else."""


class Header(NamedTuple):
    """What a metadata file says about itself."""

    kind: str
    fps: float
    basis: str
    """Whose expression modes these are; empty for poses and landmarks."""


class Entry(NamedTuple):
    """The numbers of one picture, as they stand in the file."""

    key: str
    numbers: Any


class BadMetadataError(Exception):
    """A metadata file is not what it should be; the message says why and about where."""


def find(folder: Path, kind: str) -> Path | None:
    """Return the metadata file of a kind, JSON or JSON Lines; None if there is none."""
    found = [folder / f"{kind}{suffix}" for suffix in (".json", ".jsonl")]
    return next((path for path in found if path.exists()), None)


@contextmanager
def opened(path: Path, kind: str) -> Iterator[tuple[Header, Iterator[Entry]]]:
    """Yield the header and the entries of a file; memory does not grow with the file.

    Raises `BadMetadataError`, then or while the entries are taken, where the file is not as described.
    """
    try:
        with path.open(encoding="utf-8") as file:
            parts = _lines(file) if path.suffix == ".jsonl" else _parts(file)
            header = _read_header(next(parts, None), kind)
            yield header, _entries(parts)
    except UnicodeDecodeError as error:
        raise BadMetadataError(f"it is not UTF-8 text ({error.reason})") from error
    except OSError as error:
        raise BadMetadataError(error.strerror or str(error)) from error


def _entries(parts: Iterator[Any]) -> Iterator[Entry]:
    try:
        for key, numbers in parts:
            yield Entry(key, numbers)
    except UnicodeDecodeError as error:
        raise BadMetadataError(f"it is not UTF-8 text ({error.reason})") from error


def _read_header(value: Any, kind: str) -> Header:
    if not isinstance(value, dict):
        raise BadMetadataError("it has no header")
    if not _is_number(value.get("format")) or value["format"] > guide.FORMAT:
        raise BadMetadataError(f"its format is {value.get('format')!r}, not {guide.FORMAT}")
    if value.get("kind") != kind:
        raise BadMetadataError(f"its header says {value.get('kind')!r}, not {kind!r}")
    if not _is_number(value.get("fps")):
        raise BadMetadataError("its header states no fps")
    units = value.get("units")
    if units != guide.UNITS[kind]:
        raise BadMetadataError(f"its units are {units}, not {dict(guide.UNITS[kind])}")
    basis = value.get("basis", "")
    if kind == "expressions" and not (isinstance(basis, str) and basis):
        raise BadMetadataError("its header names no basis, so nobody knows what its numbers mean")
    return Header(kind, float(value["fps"]), str(basis))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _lines(file: TextIO) -> Iterator[Any]:
    """Yield the header, then ``(key, numbers)`` of each line of a JSON Lines file."""
    number = 0
    while line := file.readline(LONGEST):
        number += 1
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadMetadataError(f"line {number} cannot be read ({error})") from error
        if not isinstance(value, dict):
            raise BadMetadataError(f"line {number} is no JSON object")
        if number == 1:
            yield value.get("header")
        else:
            yield from value.items()


def _parts(file: TextIO) -> Iterator[Any]:
    """Yield the header, then ``(key, numbers)`` of each entry of a JSON file."""
    window = _Window(file)
    window.expect("{")
    if window.value() != "header":
        raise window.complaint("it does not begin with a header")
    window.expect(":")
    yield window.value()
    window.expect(",")
    if window.value() != "frames":
        raise window.complaint('after the header no "frames" follow')
    window.expect(":")
    window.expect("{")
    if window.peek() == "}":
        window.expect("}")
    else:
        separator = ","
        while separator == ",":
            key = window.value()
            if not isinstance(key, str):
                raise window.complaint("a key is no text")
            window.expect(":")
            yield key, window.value()
            separator = window.expect(",}")
    window.expect("}")
    if window.peek():
        raise window.complaint("something follows after its end")


class _Window:
    """A piece of text that slides over a file; a class because the position in it changes."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._text = ""
        self._at = 0
        self._gone = 0  # characters that the window has left behind
        self._decode = json.JSONDecoder().raw_decode

    def peek(self) -> str:
        """Return the next character that is no white space, "" at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in " \t\r\n":
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._slide():
                return ""

    def expect(self, among: str) -> str:
        """Take the next character, which must be one of these, and return it."""
        character = self.peek()
        if not character:
            raise self.complaint("it ends too early")
        if character not in among:
            raise self.complaint(f"{character!r} stands where {' or '.join(among)} is expected")
        self._at += 1
        return character

    def value(self) -> Any:
        """Take a text, list or object and return it; such values show where they end."""
        if self.peek() not in ('"', "[", "{"):
            raise self.complaint("a text, a list or an object is expected")
        while True:
            try:
                value, self._at = self._decode(self._text, self._at)
                return value
            except RecursionError:
                raise self.complaint("lists lie in lists too deep") from None
            except ValueError as error:
                # Half a value, or a wrong one? The end of the window is not far in the first case.
                if len(self._text) - self._at > LONGEST or not self._slide():
                    raise self.complaint(f"it cannot be read ({error})") from error

    def complaint(self, why: str) -> BadMetadataError:
        return BadMetadataError(f"{why}, about character {self._gone + self._at}")

    def _slide(self) -> bool:
        """Read on; return whether there was anything. More is read the longer a value proves to be."""
        more = self._file.read(max(WINDOW, len(self._text) - self._at))
        self._gone += self._at
        self._text = self._text[self._at :] + more
        self._at = 0
        return bool(more)
