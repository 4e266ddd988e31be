"""Batches without end in an exact order, read ahead by other processes.

Which picture comes when, and how it is changed, follows from the seed and from how many pictures all
processes together have seen, and from nothing else; so an interrupted training goes on as if nothing had
happened, with any number of workers.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from phiz.console import Console
from phiz.errors import DataError, MediaError, PhizError
from phiz.train.picture_reading import behave, same
from phiz.train.ranks import Ranks
from phiz.world.data.reading import shuffle

AHEAD = 2
"""Batches that each worker may have ready; this bounds memory."""
EPOCHS, CHANGES = 10, 11
"""What random bits are for; the same seed gives others for each."""
Damaged = tuple[tuple[int, str], ...]
"""Pictures found damaged, that others took the place of, with the reason."""


class Item(NamedTuple):
    """A picture that is due: its place in the order, from which its changes follow, and its number."""

    place: int
    number: int


@runtime_checkable
class Batch(Protocol):
    """What a stream gives: anything that says what was found damaged on the way."""

    @property
    def damaged(self) -> Damaged: ...


B = TypeVar("B", bound=Batch)


@runtime_checkable
class Shared(Protocol):
    """What the settings of a training say about its batches."""

    @property
    def batch(self) -> int:
        """Return how many examples all processes learn from together."""
        ...

    @property
    def seed(self) -> int: ...

    @property
    def workers(self) -> int: ...


@dataclass(frozen=True, kw_only=True)
class Order:
    """Which items a process reads, and how."""

    count: int
    """How many pictures there are."""
    batch: int
    """Of this process."""
    seed: int
    workers: int = 0
    rank: int = 0
    world: int = 1
    """This process has every `world`-th picture, from place `rank` on,"""
    seen: int = 0
    """after so many that all have had together."""

    @staticmethod
    def shared(count: int, config: Shared, here: Ranks, seen: int) -> Order:
        """Return the order of one of many processes, which share each batch evenly."""
        return Order(
            count=count,
            batch=config.batch // here.world,
            seed=config.seed,
            workers=config.workers,
            rank=here.rank,
            world=here.world,
            seen=seen,
        )

    def __post_init__(self) -> None:
        if not (0 <= self.rank < self.world and self.batch >= 1 and self.seen >= 0):
            raise ValueError(
                f"no rank {self.rank} of {self.world}, batch of {self.batch}, or {self.seen} pictures seen"
            )


class Reader(Dataset[Any]):
    """Gives batches for lists of items; it works in worker processes and remembers what is damaged."""

    def __init__(
        self,
        count: int,
        make: Callable[[int, np.random.Generator], Any],
        join: Callable[[Sequence[Any], Damaged], Batch],
        seed: int,
    ) -> None:
        """`make` returns an example for a number; where it raises a `MediaError`, the next is taken."""
        self.count = count
        self.make = make
        self.join = join
        self.seed = seed
        self._known: dict[int, str] = {}  # damaged pictures, which are tried once

    def __getitem__(self, items: Sequence[Item]) -> Any:
        """Return a batch, or what is wrong: raised in a worker, an error would arrive as a page of text."""
        damaged: list[tuple[int, str]] = []
        try:
            made = [self._read(item, damaged) for item in items]
        except PhizError as error:
            return error
        return self.join(made, tuple(damaged))

    def _read(self, item: Item, damaged: list[tuple[int, str]]) -> Any:
        for ahead in range(self.count):
            number = (item.number + ahead) % self.count
            if number in self._known:
                continue
            try:
                return self.make(number, chance_of(self.seed, item.place))
            except MediaError as error:
                self._known[number] = str(error)
                damaged.append((number, str(error)))
        first = next(iter(self._known.values()), "there are none")
        raise DataError(f"none of the {self.count} pictures can be read: {first}")


class OrderedStream(Generic[B]):
    """Batches without end; a class because it counts what is damaged and holds processes."""

    def __init__(self, reader: Dataset[Any], order: Order, console: Console | None = None) -> None:
        """Begin to read ahead."""
        self.damaged: dict[int, str] = {}
        """Pictures that cannot be read, by number, with the reason."""
        self._console = console if console is not None else Console()
        first = order.seen + order.rank
        items = draw(order.count, seed=order.seed, first=first, step=order.world)
        loader = DataLoader(
            reader,
            batch_size=None,
            sampler=_lists(items, order.batch),
            num_workers=order.workers,
            collate_fn=same,
            worker_init_fn=behave,
            prefetch_factor=AHEAD if order.workers else None,
            # Forking a process in which torch has threads can hang.
            multiprocessing_context="spawn" if order.workers else None,
            generator=torch.Generator(),  # or else it would draw from everybody's
        )
        self._batches: Iterator[B | PhizError] = iter(loader)

    def __iter__(self) -> "OrderedStream[B]":
        """Return itself."""
        return self

    def __next__(self) -> B:
        """Return the next batch; raise what makes all others pointless, too."""
        batch = next(self._batches)
        if isinstance(batch, PhizError):
            self.close()
            raise batch
        for number, reason in batch.damaged:
            if not self.damaged:
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


def chance_of(seed: int, place: int) -> np.random.Generator:
    """Return the chance that decides on the changes at a place of the order."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, CHANGES, place))))


def _lists(items: Iterator[Item], batch: int) -> Iterator[list[Item]]:
    while True:
        yield list(itertools.islice(items, batch))
