"""Reading data sets of shards in an exact order, by any number of readers, from any point on.

The order is computed from the index alone, so that going on in the middle of an epoch costs nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Int
from numpy.typing import NDArray

from phiz.errors import DataError
from phiz.world.data import tars
from phiz.world.data.shard_samples import finished
from phiz.world.data.writing import Index

TABLES = 64
"""Shards whose tables of contents stay in memory: more than any sensible `mix`."""


@dataclass(frozen=True)
class Sample:
    """One sample: its number and its files by suffix."""

    number: int
    files: Mapping[str, bytes]


@dataclass
class Tally:
    """What happened while reading; it counts up."""

    read: int = 0
    damaged: int = 0
    """Samples that were skipped because their bytes are not as they were written."""
    numbers: list[int] = field(default_factory=list)
    """The first few that were skipped."""

    def skip(self, number: int) -> None:
        self.damaged += 1
        if len(self.numbers) < 100:
            self.numbers.append(number)


def read_shards(
    folder: Path,
    *,
    seed: int,
    epoch: int = 0,
    seen: int = 0,
    rank: int = 0,
    world: int = 1,
    worker: int = 0,
    of_workers: int = 1,
    mix: int = 4,
    repeat: bool = False,
    tally: Tally | None = None,
) -> Iterator[Sample]:
    """Yield samples in an order that depends on `seed`, `epoch` and `seen` alone.

    The shards are shuffled, then the samples of each `mix` neighbours among them; 0 keeps the order in
    which they were written. All readers (`of_workers` on each of `world` ranks) take turns, so that no
    sample goes to two of them. `seen` counts the samples of this epoch that all of them together have
    had: a run may go on from there, even with another number of ranks. With `repeat` the next epochs
    follow. A sample whose bytes are damaged is skipped and counted in `tally`.
    """
    readers, turn = world * of_workers, rank * of_workers + worker
    if not (0 <= rank < world and 0 <= worker < of_workers and mix >= 0):
        raise ValueError(f"no rank {rank} of {world}, worker {worker} of {of_workers}, or a negative mix")
    index = finished(folder)
    if not 0 <= seen <= index.count:
        raise ValueError(f"an epoch has {index.count} samples; {seen} cannot have been seen")
    tally = tally if tally is not None else Tally()
    # Turns are counted over all epochs, so that every reader gets its share however they divide.
    for number in itertools.count(epoch) if repeat else (epoch,):
        order = epoch_order(index, seed=seed, epoch=number, mix=mix)
        first = seen + (turn - number * index.count - seen) % readers
        before = tally.read
        yield from _read(folder, index, order[first::readers], tally)
        if tally.read == before and first < index.count:
            raise DataError(f"no sample in {folder} can be read: all are damaged. Write the data set anew.")
        seen = 0


def epoch_order(index: Index, *, seed: int, epoch: int, mix: int) -> Int[NDArray[np.int64], " n"]:
    """Return the numbers of all samples in the order in which an epoch wants them."""
    shards = index.shards
    if mix == 0:
        return np.arange(index.count)
    order = [shards[i] for i in shuffle(len(shards), seed, epoch, 0)]
    parts = []
    for place in range(0, len(order), mix):
        numbers = np.concatenate([np.arange(s.first, s.last + 1) for s in order[place : place + mix]])
        parts.append(numbers[shuffle(len(numbers), seed, epoch, 1 + place)])
    return np.concatenate(parts)


def shuffle(count: int, *entropy: int) -> Int[NDArray[np.int64], " n"]:
    """Return a permutation from raw random bits, which numpy promises never to change."""
    bits = np.random.PCG64(np.random.SeedSequence(entropy)).random_raw(count)
    return np.argsort(bits, kind="stable")


def _read(
    folder: Path, index: Index, numbers: Int[NDArray[np.int64], " n"], tally: Tally
) -> Iterator[Sample]:
    """Yield the samples of these numbers; the tables of a few shards are kept, no file stays open."""
    tables: dict[int, dict[int, dict[str, tars.Member]]] = {}
    for number in map(int, numbers):
        place = number // index.per_shard
        path = folder / index.shards[place].name
        try:
            if place not in tables:
                while len(tables) >= TABLES:
                    del tables[next(iter(tables))]
                tables[place] = tars.samples_of(path)
            with path.open("rb") as file:
                files = tars.read_sample(file, tables[place].get(number, {}))
        except FileNotFoundError:
            raise DataError(f"{path} is missing. Write the data set again; the rest is kept.") from None
        if files is None:
            tally.skip(number)
            continue
        tally.read += 1
        yield Sample(number, files)
