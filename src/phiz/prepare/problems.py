"""What can be wrong with a data set, how bad it is and what to do about it; and the list of what is.

The list may be long (every file of a large set can be wrong), so the ledger counts, keeps a few
examples of each kind, and writes everything else straight to the report.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TextIO

Severity = Literal["error", "warning"]

EXAMPLES = 100
"""Problems of each kind that stay in memory."""


class Kind(NamedTuple):
    """A sort of problem."""

    severity: Severity
    meaning: str
    advice: str


KINDS: Mapping[str, Kind] = {
    # folders and names
    "folder missing": Kind("error", "a part of the layout is not there", "see docs/data.md for the layout"),
    "folder unreadable": Kind("error", "a folder may not be read", "change its permissions (chmod +rx)"),
    "link loop": Kind("error", "a link leads back to itself or to a folder around it", "remove the link"),
    "link broken": Kind("error", "a link leads nowhere", "remove the link or restore its target"),
    "not a file": Kind("error", "something that is neither file nor folder", "move it out of the data set"),
    "stray": Kind("warning", "a file or folder where none belongs; it is ignored", "move it elsewhere"),
    "name undecodable": Kind("error", "a name is not valid Unicode", "rename the file"),
    "name not portable": Kind("warning", "a name that Windows cannot store", "rename the file"),
    "name taken twice": Kind("error", "two files differ in suffix or case only", "rename one"),
    "no pictures": Kind("error", "a person has no pictures", "add pictures or remove the folder"),
    "too few pictures": Kind("error", "a person has fewer pictures than wanted", "record more"),
    # pictures
    "picture unreadable": Kind("error", "the file is damaged, cut short or no picture", "make it anew"),
    "picture size": Kind("error", "width or height is not as wanted", "cut it out again"),
    "picture colours": Kind("error", "not 8-bit RGB", "save it as RGB"),
    "picture turned": Kind("warning", "its EXIF tag asks for turning", "turn the pixels; few read tags"),
    "picture blank": Kind("error", "all pixels are nearly the same", "remove it with its entries"),
    # sound
    "no sound": Kind("error", "a person with pictures has no sound", "add it under audio/<person>"),
    "sound without pictures": Kind("error", "a person with sound has no pictures", "add them or remove it"),
    "sound unreadable": Kind("error", "the file is damaged, cut short or no wav", "export it again as wav"),
    "sound empty": Kind("error", "there are no samples in it", "export it again"),
    "sound silent": Kind("error", "nothing is to be heard", "check the microphone or the export"),
    "sound rate": Kind("error", "neither 16 nor 22.05 kHz", "convert it, for example to 16 kHz"),
    "sound channels": Kind("warning", "more than one channel; they are averaged", "export it in mono"),
    "sound clipped": Kind("warning", "much of it is at the limit of the numbers", "record at a lower level"),
    "sound length": Kind("error", "sound and pictures differ in length", "cut both alike, at 25 fps"),
    # metadata
    "metadata missing": Kind("error", "a metadata file is not there", "fit the pictures to make it"),
    "metadata unreadable": Kind("error", "not what docs/data.md describes", "make it anew"),
    "metadata rate": Kind("error", "its header states other frames a second", "extract the frames anew"),
    "entry wrong": Kind("error", "its numbers are not as they should be", "fit this picture anew"),
    "entry missing": Kind("error", "a picture has no entry", "fit this picture"),
    "entry without picture": Kind("error", "an entry has no picture", "remove it, or restore the picture"),
    "entry twice": Kind("error", "a picture has two entries in one file", "remove one of them"),
    "landmarks outside": Kind("warning", "points lie far outside the picture", "check the detection"),
    # variety
    "few angles": Kind("warning", "heads hardly turn", "record turning and nodding heads"),
    "few expressions": Kind("warning", "faces hardly move", "record speech and different moods"),
    "few lights": Kind("warning", "the light hardly changes", "record in other places and light"),
}


class Problem(NamedTuple):
    """One thing that is wrong, and where."""

    kind: str
    where: str
    """A file or folder relative to the data set, or ``<person>/<stem>`` in a metadata file."""
    detail: str = ""


@dataclass
class Ledger:
    """All problems so far; it grows."""

    report: TextIO | None = None
    """Where every problem goes, one JSON object after the other, parted by commas."""
    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[Problem]] = field(default_factory=dict)

    def add(self, problem: Problem) -> None:
        kind = KINDS[problem.kind]
        kept = self.examples.setdefault(problem.kind, [])
        if len(kept) < EXAMPLES:
            kept.append(problem)
        if self.report is not None:
            between = ",\n" if self.counts else "\n"
            self.report.write(between + json.dumps({"severity": kind.severity, **described(problem)}))
        self.counts[problem.kind] += 1

    def total(self, severity: Severity) -> int:
        return sum(count for kind, count in self.counts.items() if KINDS[kind].severity == severity)

    def found(self) -> list[str]:
        """Return the kinds that occurred: errors first, each in the order of `KINDS`."""
        kinds = [kind for kind in KINDS if self.counts[kind]]
        return sorted(kinds, key=lambda kind: KINDS[kind].severity != "error")


def described(problem: Problem) -> dict[str, str]:
    """Return a problem as plain JSON."""
    return {"kind": problem.kind, "where": shown(problem.where), "detail": shown(problem.detail)}


def shown(name: str) -> str:
    """Return a name that any terminal can print: what it cannot becomes an escape like ``\\udcff``."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)
