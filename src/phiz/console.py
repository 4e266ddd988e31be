"""What phiz says while it works: words, warnings, tables, and how far it is.

Results go to the standard output; progress and warnings go to the standard error. With ``--json``
the standard output carries one JSON object and nothing else, so words move to the standard error.
"""

from __future__ import annotations

import json as json_text
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

T = TypeVar("T")

PATIENCE_S = 2.0
"""Work that is done sooner gets no bar."""
REDRAW_S = 0.1
LINE_EVERY_S = 10.0
"""How often a log file, unlike a terminal, hears about progress."""
BAR = 24
"""Characters of a full bar."""


@runtime_checkable
class Stream(Protocol):
    """Where text can be written; files and terminals are such."""

    def write(self, text: str, /) -> int:
        """Write text; return how many characters."""
        ...

    def flush(self) -> None:
        """Hand on what was written."""
        ...

    def isatty(self) -> bool:
        """Return whether somebody is looking at it."""
        ...


class Console:
    """Where words go; a class because a half-drawn bar has to be wiped before the next word."""

    def __init__(
        self,
        *,
        json: bool = False,
        quiet: bool = False,
        output: Stream | None = None,
        errors: Stream | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.json = json
        self.quiet = quiet
        self._output = output
        self._errors = errors
        self._clock = clock
        self._drawn = 0  # characters of the bar that stands on the screen

    def say(self, text: str) -> None:
        """Tell the user something worth knowing."""
        if not self.quiet:
            self._write(self._error_stream() if self.json else self._output_stream(), text)

    def warn(self, text: str) -> None:
        """Tell the user, even a quiet one, that something is not as it should be."""
        self._write(self._error_stream(), f"warning: {text}")

    def complain(self, text: str) -> None:
        """Tell the user why the work stopped."""
        self._write(self._error_stream(), f"phiz: {text}")

    def table(self, headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Show rows under headers; numbers stand at the right of their columns."""
        for line in tabulate(headers, list(rows)):
            self.say(line)

    def result(self, values: Mapping[str, object]) -> None:
        """Print the one JSON object of ``--json``; do nothing without it."""
        if self.json:
            self._write(self._output_stream(), json_text.dumps(values, default=_plain, allow_nan=False))

    def progress(self, work: Iterable[T], *, total: int | None = None, label: str = "") -> Iterator[T]:
        """Yield what `work` holds and show how far it is, once that takes long enough to ask."""
        if total is None and isinstance(work, Sized):
            total = len(work)
        stream = self._error_stream()
        is_screen = stream.isatty()
        start = self._clock()
        due = start + (PATIENCE_S if is_screen else LINE_EVERY_S)
        try:
            for done, item in enumerate(work, start=1):
                yield item
                now = self._clock()
                if self.quiet or now < due:
                    continue
                text = describe(label, done, total, now - start)
                if is_screen:
                    self._draw(stream, text)
                else:
                    self._write(stream, text)
                due = now + (REDRAW_S if is_screen else LINE_EVERY_S)
        finally:
            self._wipe()

    def _output_stream(self) -> Stream:
        return self._output if self._output is not None else sys.stdout

    def _error_stream(self) -> Stream:
        return self._errors if self._errors is not None else sys.stderr

    def _write(self, stream: Stream, text: str) -> None:
        self._wipe()
        stream.write(text + "\n")
        stream.flush()

    def _draw(self, stream: Stream, text: str) -> None:
        text = text[: shutil.get_terminal_size().columns - 1]
        stream.write("\r" + text.ljust(self._drawn))
        stream.flush()
        self._drawn = len(text)

    def _wipe(self) -> None:
        if self._drawn:
            stream = self._error_stream()
            stream.write("\r" + " " * self._drawn + "\r")
            stream.flush()
            self._drawn = 0


def describe(label: str, done: int, total: int | None, elapsed_s: float) -> str:
    """Return one line that says how far a work is and how long the rest will take."""
    label = f"{label} " if label else ""
    if not total:
        return f"{label}{done}, {done / max(elapsed_s, 1e-9):.3g} a second"
    filled = min(BAR * done // total, BAR)
    left = elapsed_s / done * max(total - done, 0)
    return f"{label}[{'#' * filled}{'.' * (BAR - filled)}] {done}/{total}, {duration(left)} left"


def duration(seconds: float) -> str:
    """Return a time span as ``42 s``, ``3:05`` (minutes) or ``2:03:05`` (hours)."""
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02}:{rest:02}"
    return f"{minutes}:{rest:02}" if minutes else f"{rest} s"


def tabulate(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Return the lines of a table in plain text."""
    cells = [[_cell(value) for value in row] for row in rows]
    for row in cells:
        if len(row) != len(headers):
            raise ValueError(f"a row has {len(row)} cells under {len(headers)} headers")
    columns = list(zip(headers, *cells, strict=True))
    widths = [max(map(len, column)) for column in columns]
    at_right = [
        bool(rows) and all(isinstance(row[i], (int, float)) for row in rows) for i in range(len(headers))
    ]

    def line(row: Sequence[str]) -> str:
        padded = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, at_right, strict=True)
        ]
        return "  ".join(padded).rstrip()

    return [line(headers), line(["-" * width for width in widths]), *map(line, cells)]


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON; return plain values")
