"""Crowds without end, in an exact order: batches for a detector to learn from.

Who is in a picture, and all that happens to it, follows from the seed and from how many pictures all
processes together have seen, and from nothing else.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.utils.data import Dataset

from phiz.console import Console
from phiz.errors import DataError, MediaError, PhizError
from phiz.train import crowds
from phiz.train.crowd_people import PeopleShards, Person, open_people
from phiz.train.crowds import CrowdConfig
from phiz.train.ordered_stream import Damaged, Item, Order, OrderedStream, chance_of
from phiz.train.photo_changes import PhotoChanges


@dataclass(frozen=True, kw_only=True)
class DetectorBatch:
    """Pictures to learn from, as bytes, and what their faces are; see `phiz.train.crowds.Crowd`."""

    images: UInt8[Tensor, "b 3 s s"]
    boxes: Float[Tensor, "b m 4"]
    points: Float[Tensor, "b m 5 2"]
    sorts: Int[Tensor, "b m"]
    damaged: Damaged = ()


@dataclass(frozen=True, kw_only=True)
class CrowdStreamConfig:
    """Which people are read, and how crowds of them look."""

    data: Path
    crowds: CrowdConfig
    changes: PhotoChanges
    sides: tuple[int, ...]
    """Sides of the pictures; batches take turns."""
    whole: int
    """Pictures of a batch of all processes together."""
    remembered: int
    workers: int
    seed: int


class CrowdReader(Dataset["DetectorBatch | PhizError"]):
    """Gives batches for lists of items; it works in worker processes."""

    def __init__(self, config: CrowdStreamConfig, source: PeopleShards) -> None:
        self.config = config
        self.source = source
        self._known: set[int] = set()  # damaged people, who are tried once

    def __getitem__(self, items: Sequence[Item]) -> DetectorBatch | PhizError:
        """Return a batch, or what is wrong: raised in a worker, an error would arrive as a page of text."""
        damaged: list[tuple[int, str]] = []
        sides = self.config.sides
        side = sides[items[0].place // self.config.whole % len(sides)]
        try:
            found = [self._crowd(item, side, damaged) for item in items]
        except PhizError as error:
            return error
        images, boxes, points, sorts = (torch.stack(list(parts)) for parts in zip(*found, strict=True))
        return DetectorBatch(images=images, boxes=boxes, points=points, sorts=sorts, damaged=tuple(damaged))

    def _crowd(self, item: Item, side: int, damaged: list[tuple[int, str]]) -> crowds.Crowd:
        """Return a picture; the item's person comes first, the others by chance."""
        rng = chance_of(self.config.seed, item.place)
        first = itertools.chain([item.number], itertools.repeat(-1))

        def somebody() -> Person:
            number = next(first)
            return self._read(int(rng.integers(self.source.count)) if number < 0 else number, damaged)

        return crowds.crowd(somebody, self.config.crowds, self.config.changes, side, rng)

    def _read(self, number: int, damaged: list[tuple[int, str]]) -> Person:
        """Return somebody; the next takes the place of one who cannot be read."""
        for ahead in range(self.source.count):
            other = (number + ahead) % self.source.count
            if other in self._known:
                continue
            try:
                return self.source.read(other)
            except MediaError as error:
                self._known.add(other)
                damaged.append((other, str(error)))
        raise DataError(f"nobody of {self.source.count} people can be read. Copy or make them again.")


def crowd_stream(
    config: CrowdStreamConfig,
    *,
    rank: int = 0,
    world: int = 1,
    seen: int = 0,
    console: Console | None = None,
) -> OrderedStream[DetectorBatch]:
    """Return batches; process `rank` has every `world`-th picture, after `seen` that all have had."""
    source = open_people(config.data, remembered=config.remembered)
    order = Order(
        count=source.count,
        batch=config.whole // world,
        seed=config.seed,
        workers=config.workers,
        rank=rank,
        world=world,
        seen=seen,
    )
    return OrderedStream(CrowdReader(config, source), order, console)
