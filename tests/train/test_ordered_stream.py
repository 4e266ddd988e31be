"""Every item comes in its turn, changed by chance of its own place; damaged ones are passed over and told."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from phiz.console import Console
from phiz.errors import DataError, MediaError
from phiz.train.ordered_stream import Batch, Damaged, Order, OrderedStream, Reader, chance_of, draw


@dataclass(frozen=True)
class Numbers:
    """Which pictures came, and the first draw of each one's chance."""

    numbers: list[int]
    draws: list[float]
    damaged: Damaged = ()


def make(number: int, rng: np.random.Generator) -> tuple[int, float]:
    if number in (3, 4):
        raise MediaError(f"picture {number} is torn")
    return number, float(rng.random())


def join(made: Sequence[tuple[int, float]], damaged: Damaged = ()) -> Numbers:
    return Numbers([number for number, _ in made], [value for _, value in made], damaged)


def stream(
    batch: int = 4, console: Console | None = None, count: int = 8, **where: int
) -> OrderedStream[Numbers]:
    order = Order(count=count, batch=batch, seed=5, **where)
    return OrderedStream(Reader(count, make, join, 5), order, console or Console(quiet=True))


def test_all_come_once_an_epoch_but_for_those_that_are_torn() -> None:
    made = stream(batch=8)
    first, second = next(made), next(made)
    assert isinstance(first, Batch)
    assert set(first.numbers) == {0, 1, 2, 5, 6, 7}
    assert first.numbers != second.numbers
    assert len(set(first.draws + second.draws)) == 16
    assert set(made.damaged) == {3, 4}
    assert second.damaged == ()  # tried once, told once


def test_order_and_chance_do_not_depend_on_who_reads() -> None:
    whole = list(itertools.islice(stream(batch=4), 3))
    parts = [list(itertools.islice(stream(batch=2, rank=rank, world=2), 3)) for rank in (0, 1)]
    for step, batch in enumerate(whole):
        for rank in (0, 1):
            assert batch.numbers[rank::2] == parts[rank][step].numbers
            assert batch.draws[rank::2] == parts[rank][step].draws
    rest = list(itertools.islice(stream(batch=4, seen=4), 2))
    assert [one.draws for one in rest] == [one.draws for one in whole[1:]]
    apart = list(itertools.islice(stream(batch=4, workers=1), 2))
    assert [one.draws for one in apart] == [one.draws for one in whole[:2]]


def test_a_torn_picture_is_warned_of_once() -> None:
    told = io.StringIO()
    made = stream(batch=8, console=Console(quiet=True, errors=told))
    next(made), next(made)
    assert told.getvalue().count("is torn") == 1
    made.close()
    with pytest.raises(StopIteration):
        next(made)


def nothing(number: int, rng: np.random.Generator) -> tuple[int, float]:
    raise MediaError(f"picture {number} is torn")


def test_a_set_of_which_nothing_can_be_read_ends_everything() -> None:
    made: OrderedStream[Numbers] = OrderedStream(
        Reader(2, nothing, join, 0), Order(count=2, batch=2, seed=0), Console(quiet=True)
    )
    with pytest.raises(DataError, match="none of the 2 pictures can be read: picture"):
        next(made)


def test_places_that_cannot_be_are_refused() -> None:
    for wrong in ({"rank": 1}, {"batch": 0}, {"seen": -1}):
        with pytest.raises(ValueError, match="no rank"):
            Order(**{"count": 3, "batch": 1, "seed": 0, **wrong})


def test_chance_belongs_to_the_place() -> None:
    assert chance_of(1, 7).random() == chance_of(1, 7).random() != chance_of(1, 8).random()
    assert [item.place for item in itertools.islice(draw(3, seed=0, first=2, step=2), 3)] == [2, 4, 6]
