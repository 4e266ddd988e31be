"""Labelled pictures in an exact order, changed anew each time: batches without end.

Which picture comes when, and how it is changed, follows from the seed and from how many pictures all
processes together have seen, and from nothing else; so an interrupted training goes on as if nothing had
happened, with any number of workers.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from phiz.console import Console
from phiz.errors import DataError, MediaError, PhizError
from phiz.train import photo_changes
from phiz.train.labelled_sources import LabelledSource, check_classes, open_source
from phiz.train.photo_changes import PhotoChanges
from phiz.train.picture_reading import behave, same
from phiz.world.data.reading import shuffle

AHEAD = 2
"""Batches that each worker may have ready; this bounds memory."""
EPOCHS, CHANGES = 10, 11
"""What random bits are for; the same seed gives others for each."""


class Item(NamedTuple):
    """A picture that is due: its place in the order, from which its changes follow, and its number."""

    place: int
    number: int


@dataclass(frozen=True, kw_only=True)
class LabelledBatch:
    """Pictures to learn from, as bytes."""

    images: UInt8[Tensor, "b 3 h w"]
    labels: UInt8[Tensor, "b h w"]
    damaged: tuple[tuple[int, str], ...] = ()
    """Pictures found damaged on the way, that others took the place of, with the reason."""


@dataclass(frozen=True, kw_only=True)
class StreamConfig:
    """Which labelled pictures are read, and how they are changed."""

    data: Path
    size: int
    """What the longer side of a picture would have, in pixels."""
    crop: int
    """Height and width of the window that is learned from."""
    changes: PhotoChanges
    classes: int
    """How many there are; a picture with labels beyond is refused."""
    mirrored: tuple[tuple[int, int], ...]
    """Labels that change places in a mirrored picture."""
    workers: int
    seed: int


class LabelledReader(Dataset["LabelledBatch | PhizError"]):
    """Gives batches for lists of items; it works in worker processes."""

    def __init__(self, config: StreamConfig, source: LabelledSource) -> None:
        self.config = config
        self.source = source
        self.swap = photo_changes.swapped(config.mirrored)
        self._known: set[int] = set()  # damaged pictures, which are tried once

    def __getitem__(self, items: Sequence[Item]) -> LabelledBatch | PhizError:
        """Return a batch, or what is wrong: raised in a worker, an error would arrive as a page of text."""
        damaged: list[tuple[int, str]] = []
        try:
            pictures = [self._read(item, damaged) for item in items]
        except PhizError as error:
            return error
        images, labels = (torch.stack(list(parts)) for parts in zip(*pictures, strict=True))
        return LabelledBatch(images=images, labels=labels, damaged=tuple(damaged))

    def _read(self, item: Item, damaged: list[tuple[int, str]]) -> tuple[Tensor, Tensor]:
        """Return a changed picture and its labels; the next takes the place of one that cannot be read."""
        entropy = (self.config.seed, CHANGES, item.place)
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))
        for ahead in range(self.source.count):
            number = (item.number + ahead) % self.source.count
            if number in self._known:
                continue
            try:
                found = self.source.read(number)
            except MediaError as error:
                self._known.add(number)
                damaged.append((number, str(error)))
                continue
            config = self.config
            check_classes(found, config.classes, self.source.name(number))
            return photo_changes.changed(
                found, config.changes, size=config.size, crop=config.crop, swap=self.swap, rng=rng
            )
        raise DataError(f"none of the {self.source.count} pictures can be read. Copy or make them again.")


class LabelledStream:
    """Batches of labelled pictures; a class because it counts what is damaged and holds processes."""

    def __init__(
        self,
        config: StreamConfig,
        *,
        batch: int,
        rank: int = 0,
        world: int = 1,
        seen: int = 0,
        console: Console | None = None,
    ) -> None:
        """Open the pictures; process `rank` has every `world`-th, after `seen` that all have had together."""
        if not (0 <= rank < world and batch >= 1 and seen >= 0):
            raise ValueError(f"no rank {rank} of {world}, batch of {batch}, or {seen} pictures seen")
        self.source = open_source(config.data)
        self.damaged: dict[int, str] = {}
        """Pictures that cannot be read, by number, with the reason."""
        self._console = console if console is not None else Console()
        items = draw(self.source.count, seed=config.seed, first=seen + rank, step=world)
        loader = DataLoader(
            LabelledReader(config, self.source),
            batch_size=None,
            sampler=_lists(items, batch),
            num_workers=config.workers,
            collate_fn=same,
            worker_init_fn=behave,
            prefetch_factor=AHEAD if config.workers else None,
            # Forking a process in which torch has threads can hang.
            multiprocessing_context="spawn" if config.workers else None,
            generator=torch.Generator(),  # or else it would draw from everybody's
        )
        self._batches: Iterator[LabelledBatch | PhizError] = iter(loader)

    def __iter__(self) -> "LabelledStream":
        """Return itself."""
        return self

    def __next__(self) -> LabelledBatch:
        """Return the next batch; raise what makes all others pointless, too."""
        batch = next(self._batches)
        if isinstance(batch, PhizError):
            self.close()
            raise batch
        for number, reason in batch.damaged:
            if number not in self.damaged and not self.damaged:
                self._console.warn(f"a picture cannot be read, and others take its place: {reason}")
            self.damaged[number] = reason
        return batch

    def close(self) -> None:
        """Stop reading ahead."""
        self._batches = iter(())  # the loader ends its processes when nobody holds it


def draw(count: int, *, seed: int, first: int = 0, step: int = 1) -> Iterator[Item]:
    """Yield the items at places `first`, `first + step`, ...; in each epoch every picture comes once."""
    order, epoch = shuffle(count, seed, EPOCHS, 0), 0
    for place in itertools.count(first, step):
        if place // count != epoch:
            epoch = place // count
            order = shuffle(count, seed, EPOCHS, epoch)
        yield Item(place, int(order[place % count]))


def _lists(items: Iterator[Item], batch: int) -> Iterator[list[Item]]:
    while True:
        yield list(itertools.islice(items, batch))
