"""From results to a data set: pictures and sounds in the guide's layout, with their metadata.

One person is held at a time. Pictures are second names (hard links) of the crops in the store where the disk
knows such a thing, so that they take no room twice.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from phiz import checkpoint
from phiz.errors import DataError
from phiz.media import audio
from phiz.prepare import person_sound, survey, written
from phiz.prepare.jobs import Item
from phiz.prepare.judge import HASH_SIDE
from phiz.prepare.report import Report
from phiz.prepare.store import Store
from phiz.prepare.work import CROP, MASK
from phiz.prepare.written import Written
from phiz.world.data import guide
from phiz.world.data.guide import MetadataWriter

MASKS = "masks"
SOUND_FACTS = "sounds"
"""The metadata file about sounds: ``metadata/sounds.json``."""
DIGITS = 5
"""Of the numbers that pictures are called, at least."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a data set goes, and what it is like."""

    folder: Path
    store: Store
    fps: float
    duplicate: int
    """Bits; see `phiz.prepare.judge.Limits`."""
    basis: str
    """The head model's name."""


@dataclass
class Person:
    """What was found of one person, in order."""

    name: str
    pictures: list[Item] = field(default_factory=list)
    sounds: list[Item] = field(default_factory=list)


class Judged(NamedTuple):
    """A picture after it was compared with the others, and why it is dropped if it is for that."""

    item: Item
    detail: str = ""


def assemble(items: Iterable[Item], target: Target, report: Report) -> None:
    """Write the data set that items make up, person by person, and tell the report what became of each."""
    lists: set[Path] = set()
    metadata = target.folder / guide.METADATA
    with contextlib.ExitStack() as stack:
        entries = dict(
            stack.enter_context(guide.metadata_writers(metadata, basis=target.basis, fps=target.fps))
        )
        entries[SOUND_FACTS] = stack.enter_context(_sound_facts(metadata / f"{SOUND_FACTS}.json"))
        for name, some in groupby(items, key=lambda item: item.person):
            person = Person(name=name)
            for item in some:
                (person.sounds if item.kind == "sound" else person.pictures).append(item)
            lists.add(written.list_of(target.store.folder, name))
            _write_person(person, target, entries, report)
    written.remove_others(target.folder, target.store.folder, lists)


def without_doubles(person: Person, target: Target) -> Iterator[Judged]:
    """Yield a person's pictures; those that are there already become dropped ones.

    Frames of a film belong together, and so do pictures that last as long as the person's sound: there a face
    that keeps still is no duplicate.
    """
    pictures = person_sound.in_order(person.pictures, person.sounds)
    are_frames = person_sound.are_frames(pictures, person.sounds, target.store, target.fps)
    known = np.zeros((0 if are_frames else len(pictures), HASH_SIDE**2), np.uint8)
    names: list[str] = []
    for item in pictures:
        if item.reason or item.kind != "picture" or target.duplicate < 0 or are_frames:
            yield Judged(item)
            continue
        bits = np.unpackbits(np.frombuffer(bytes.fromhex(_result(target, item)["hash"]), np.uint8))
        apart = (known[: len(names)] ^ bits).sum(axis=1)
        if len(apart) and apart.min() <= target.duplicate:
            yield Judged(item._replace(reason="duplicate"), f"of {names[int(apart.argmin())]}")
            continue
        known[len(names)] = bits
        names.append(item.source)
        yield Judged(item)


def _write_person(
    person: Person, target: Target, entries: Mapping[str, MetadataWriter], report: Report
) -> None:
    files = Written(target.folder, target.store.folder, person.name)
    judged = list(without_doubles(person, target))
    digits = max(DIGITS, len(str(len(judged))))
    count = 0
    for item, detail in judged:
        found = _result(target, item)
        if item.reason:
            report.drop(person.name, item, detail or found["detail"], found["measures"])
            continue
        count += 1
        name = f"{person.name}/{count:0{digits}d}"
        files.link(f"{guide.IMAGES}/{name}{CROP}", target.store.path(item.key, CROP))
        if MASK in found["parts"]:
            files.link(f"{MASKS}/{name}{MASK}", target.store.path(item.key, MASK))
        key = survey.composed(name)
        entries["poses"].add(key, found["pose"])
        entries["expressions"].add(key, found["expression"])
        entries["landmarks"].add(key, found["landmarks"])
        report.keep(person.name, item, key, found)
    _write_sounds(person, [one.item for one in judged], target, files, entries[SOUND_FACTS], report)
    files.finish()


def _write_sounds(
    person: Person,
    pictures: list[Item],
    target: Target,
    files: Written,
    entries: MetadataWriter,
    report: Report,
) -> None:
    for item in person.sounds:
        if item.reason:
            report.drop(person.name, item, _result(target, item)["detail"], {})
    for item in person_sound.without_pictures(pictures, person.sounds):
        report.drop(person.name, item._replace(reason="sound of nobody"), "", {})
    sounds = person_sound.parts(pictures, person.sounds, target.store, target.fps)
    for number, sound in enumerate(sounds, 1):
        name = f"{person.name}/{number:0{DIGITS}d}"
        waveform = sound.waveform()
        audio.write(files.make_room(f"{guide.AUDIO}/{name}.wav"), waveform)
        seconds = len(waveform) / audio.RATE
        entries.add(survey.composed(name), {**sound.facts, "seconds": seconds, "fits": sound.fits})
        report.hear(person.name, sound, seconds)


@contextlib.contextmanager
def _sound_facts(path: Path) -> Iterator[MetadataWriter]:
    """Yield a writer for what is known about the sounds, which the guide does not ask for."""
    header = {"format": guide.FORMAT, "kind": SOUND_FACTS, "rate": audio.RATE}
    with checkpoint.atomic(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        writer = MetadataWriter(file, header)
        yield writer
        writer.close()


def _result(target: Target, item: Item) -> dict[str, Any]:
    found = target.store.read(item.key)
    if found is None:
        raise DataError(
            f"the result of {item.source} disappeared from {target.store.folder}. Run the same command again."
        )
    return {"detail": "", "measures": {}, **found}
