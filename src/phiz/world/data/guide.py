"""The folder that training starts from: pictures and sound by person, poses and the like beside them.

    images/<person>/00001.jpg ...      frames in order, 25 a second
    audio/<person>/00001.wav ...       the sound of those frames, end to end in the order of the names
    metadata/poses.json                head pose: 6 numbers a picture
    metadata/expressions.json          as many as the basis has modes
    metadata/landmarks.json            68 points

Each metadata file is a header and one entry a picture; `docs/data.md` describes it to the letter.
It is written entry by entry, so that its size never shows in memory.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from phiz import checkpoint
from phiz.console import Console
from phiz.errors import DataError
from phiz.media import audio
from phiz.world.data import tars, workers

FORMAT = 1
FPS = 25.0
IMAGES, AUDIO, METADATA = "images", "audio", "metadata"
UNITS: Mapping[str, Mapping[str, str]] = {
    "poses": {"rotation": "radians", "translation": "metres"},
    "expressions": {"values": "basis"},
    "landmarks": {"points": "pixels"},
}
"""The three metadata files and what their numbers are."""
LANDMARKS = 68
AT_ONCE = 8
"""Samples a task."""


@dataclass(frozen=True, kw_only=True)
class Few:
    """A task for another process: a few samples, as many as may wait in memory."""

    make: tars.Make
    numbers: range


def produce(task: Few) -> list[Mapping[str, bytes]]:
    """Return the samples that a task asks for."""
    return [task.make(number) for number in task.numbers]


def write_guide(
    make: tars.Make,
    folder: Path,
    *,
    count: int,
    per_person: int,
    seed: int,
    processes: int = 1,
    console: Console,
) -> int:
    """Write `count` samples as a training folder and return how many people it has.

    Samples 0 to `per_person` - 1 are the first person, and so on; each sample needs the files
    ``jpg`` and ``json`` of `phiz.world.data.layout`. The voice is made up and says nothing.
    """
    if count < 1 or per_person < 1:
        raise ValueError(f"count and per_person must be positive, not {count} and {per_person}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder} is there already and not empty. Choose a new folder.")
    starts = range(0, count, AT_ONCE)
    tasks = (Few(make=make, numbers=range(start, min(start + AT_ONCE, count))) for start in starts)
    samples = itertools.chain.from_iterable(workers.spread(produce, tasks, workers=processes))
    first = next(samples)
    with metadata_writers(folder / METADATA, basis=json.loads(first["json"])["basis"]) as entries:
        pictures = enumerate(itertools.chain([first], samples))
        for number, files in console.progress(pictures, total=count, label="pictures"):
            person, frame = divmod(number, per_person)
            _write_picture(folder, f"{person + 1:04d}", f"{frame + 1:05d}", files, entries)
    people = -(-count // per_person)
    for person in range(people):
        frames = min(per_person, count - person * per_person)
        (folder / AUDIO / f"{person + 1:04d}").mkdir(parents=True, exist_ok=True)
        voice = murmur(frames / FPS, seed=seed + person)
        audio.write(folder / AUDIO / f"{person + 1:04d}" / "00001.wav", voice)
    return people


class MetadataWriter:
    """One metadata file while it is being written; a class because it remembers whether it is empty."""

    def __init__(self, file: TextIO, header: Mapping[str, object]) -> None:
        self._file = file
        self._between = "\n"
        file.write(f'{{"header": {json.dumps(header, allow_nan=False)},\n"frames": {{')

    def add(self, key: str, numbers: object) -> None:
        """Write the numbers of one picture, whose key is ``<person>/<stem>``."""
        self._file.write(f"{self._between}{json.dumps(key)}: {json.dumps(numbers, allow_nan=False)}")
        self._between = ",\n"

    def close(self) -> None:
        self._file.write("\n}}\n")


@contextlib.contextmanager
def metadata_writers(folder: Path, *, basis: str, fps: float = FPS) -> Iterator[dict[str, MetadataWriter]]:
    """Yield a writer for each metadata file; the files appear when the block has succeeded."""
    with contextlib.ExitStack() as stack:
        writers = {}
        for kind, units in UNITS.items():
            temporary = stack.enter_context(checkpoint.atomic(folder / f"{kind}.json"))
            file = stack.enter_context(temporary.open("w", encoding="utf-8"))
            header: dict[str, object] = {"format": FORMAT, "kind": kind, "fps": fps, "units": units}
            if kind == "expressions":
                header["basis"] = basis
            writers[kind] = MetadataWriter(file, header)
        yield writers
        for writer in writers.values():
            writer.close()


def murmur(seconds: float, *, seed: int, rate: int = audio.RATE) -> Float[Tensor, " n"]:
    """Return a voice that says nothing: a gliding hum through three wandering vowel resonances."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    pitch = rng.uniform(95, 210) * (1 + 0.08 * np.sin(2 * np.pi * 0.7 * time + rng.uniform(0, 6)))
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    first, second, third = (
        middle * (1 + 0.25 * np.sin(2 * np.pi * speed * time + rng.uniform(0, 6)))
        for middle, speed in ((500, 2.1), (1500, 1.3), (2500, 0.9))
    )
    voice = np.zeros_like(time)
    for harmonic in range(1, 24):
        height = harmonic * pitch
        loud = sum(1 / (1 + ((height - peak) / 120) ** 2) for peak in (first, second, third))
        voice += (0.1 + loud) / harmonic * np.sin(harmonic * phase) * (height < 0.45 * rate)
    syllables = 0.55 + 0.45 * np.sin(2 * np.pi * rng.uniform(3.5, 5) * time)
    voice *= syllables / max(np.abs(voice).max(initial=0), 1e-9) * 0.5
    return torch.from_numpy(voice.astype(np.float32))


def _write_picture(
    folder: Path, person: str, stem: str, files: Mapping[str, bytes], entries: Mapping[str, MetadataWriter]
) -> None:
    facts = json.loads(files["json"])
    path = folder / IMAGES / person / f"{stem}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(files["jpg"])
    key = f"{person}/{stem}"
    entries["poses"].add(key, [*facts["rotation"], *facts["translation"]])
    entries["expressions"].add(key, facts["coeffs"]["expression"])
    entries["landmarks"].add(key, facts["landmarks68"])
