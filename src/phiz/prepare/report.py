"""What became of everything: counted, listed in a file piece by piece, some of it remembered for a sheet."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

from phiz import checkpoint
from phiz.prepare.jobs import Item
from phiz.prepare.judge import REASONS
from phiz.prepare.person_sound import Sound
from phiz.prepare.problems import shown

NAME = "report.json"
CELLS = 96
"""Kept and dropped pictures that a sheet shows, at most."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A picture for the sheet."""

    key: str
    """Of its result in the store, where its small picture is."""
    title: str
    reason: str


@dataclass
class Few:
    """Evenly spread examples of a stream whose length nobody knows: every 1st, 2nd, 4th ... that comes."""

    most: int = CELLS
    step: int = 1
    count: int = 0
    cells: list[Cell] = field(default_factory=list)

    def add(self, cell: Cell) -> None:
        """Take a cell in, or not."""
        if self.count % self.step == 0:
            if len(self.cells) == self.most:
                self.cells = self.cells[::2]
                self.step *= 2
            if self.count % self.step == 0:
                self.cells.append(cell)
        self.count += 1


@dataclass
class Tally:
    """Numbers of one person."""

    pictures: int = 0
    kept: int = 0
    sounds: int = 0
    seconds: float = 0.0
    dropped: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass
class Report:
    """Everything that is told about a run; it grows by people, not by pictures."""

    file: TextIO
    """What is dropped goes there at once."""
    spool: TextIO
    """What is kept waits there."""
    people: dict[str, Tally] = field(default_factory=dict)
    kept: Few = field(default_factory=Few)
    dropped: Few = field(default_factory=Few)
    is_first: bool = True

    def keep(self, person: str, item: Item, key: str, found: Mapping[str, Any]) -> None:
        """Note a picture that is in the data set now, under its key in the metadata."""
        tally = self.people.setdefault(person, Tally())
        tally.pictures += 1
        tally.kept += 1
        facts = {**_place(item), "measures": found["measures"]}
        between = ",\n" if self.kept.count else "\n"
        self.spool.write(f"{between}{json.dumps(key)}: {json.dumps(facts, allow_nan=False)}")
        self.kept.add(Cell(key=item.key, title=key, reason=""))

    def drop(self, person: str, item: Item, detail: str, measures: Mapping[str, float]) -> None:
        """Note a picture or sound that is left out, and why."""
        tally = self.people.setdefault(person, Tally())
        tally.dropped[item.reason] = tally.dropped.get(item.reason, 0) + 1
        facts = {"person": person, **_place(item), "reason": item.reason, "detail": detail}
        if measures:
            facts["measures"] = dict(measures)
        self.file.write(("\n" if self.is_first else ",\n") + json.dumps(facts, allow_nan=False))
        self.is_first = False
        if item.kind != "sound" and item.reason != "film unreadable":
            tally.pictures += 1
            self.dropped.add(Cell(key=item.key, title=named(item), reason=item.reason))

    def hear(self, person: str, sound: Sound, seconds: float) -> None:
        """Note a sound that is in the data set now."""
        tally = self.people.setdefault(person, Tally())
        tally.sounds += 1
        tally.seconds += seconds
        if not sound.fits:
            tally.notes.append(f"{', '.join(sound.sources)} does not last as long as the pictures")

    def summary(self) -> dict[str, Any]:
        """Return the numbers of all people together."""
        reasons: Counter[str] = Counter()
        for tally in self.people.values():
            reasons.update(tally.dropped)
        tallies = self.people.values()
        return {
            "people": sum(tally.kept > 0 for tally in tallies),
            "pictures": sum(tally.pictures for tally in tallies),
            "kept": sum(tally.kept for tally in tallies),
            "dropped": {reason: reasons[reason] for reason in REASONS if reasons[reason]},
            "sounds": sum(tally.sounds for tally in tallies),
            "seconds_of_sound": round(sum(tally.seconds for tally in tallies), 3),
        }

    def finish(self) -> None:
        """Write what waited, the people and the summary."""
        self.file.write('\n],\n"kept": {')
        self.spool.seek(0)
        while piece := self.spool.read(1 << 20):
            self.file.write(piece)
        people = {name: asdict(tally) for name, tally in self.people.items()}
        self.file.write(f'\n}},\n"people": {json.dumps(people, indent=1, allow_nan=False)},\n')
        self.file.write(f'"summary": {json.dumps(self.summary(), indent=1, allow_nan=False)}}}\n')


@contextlib.contextmanager
def opened(folder: Path, settings: Mapping[str, object]) -> Iterator[Report]:
    """Yield a report; its file appears when the block has succeeded."""
    with (
        checkpoint.atomic(folder / NAME) as temporary,
        temporary.open("w", encoding="utf-8") as file,
        tempfile.TemporaryFile("w+", encoding="utf-8") as spool,
    ):
        about = json.dumps(dict(settings), indent=1, allow_nan=False, sort_keys=True)
        file.write(f'{{"settings": {about},\n"dropped": [')
        report = Report(file=file, spool=spool)
        yield report
        report.finish()


def rows(report: Report, most: int = 12) -> list[Sequence[object]]:
    """Return a table of people: name, pictures, kept, sound, and what was dropped; the worst first."""
    order = sorted(report.people.items(), key=lambda one: one[1].kept - one[1].pictures)
    found: list[Sequence[object]] = []
    for name, tally in order[:most]:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(tally.dropped.items()))
        found.append((shown(name), tally.pictures, tally.kept, f"{tally.seconds:.1f} s", reasons))
    return found


def named(item: Item) -> str:
    """Return what to call a picture or frame."""
    return item.source if item.number < 0 else f"{item.source} {item.number}"


def _place(item: Item) -> dict[str, object]:
    return {"source": item.source} if item.number < 0 else {"source": item.source, "frame": item.number}
