from __future__ import annotations

import math
import operator
import os
from collections.abc import Iterator

import pytest

from phiz.errors import DataError
from phiz.world.data import workers


@pytest.mark.parametrize("processes", [1, 2])
def test_results_come_in_the_order_of_the_tasks(processes: int) -> None:
    assert list(workers.spread(math.factorial, range(30), workers=processes)) == [
        math.factorial(n) for n in range(30)
    ]


def test_only_a_few_tasks_are_taken_ahead() -> None:
    taken = []

    def tasks() -> Iterator[int]:
        for n in range(1000):
            taken.append(n)
            yield n

    results = workers.spread(operator.neg, tasks(), workers=2)
    assert [next(results) for _ in range(5)] == [0, -1, -2, -3, -4]
    results.close()
    assert len(taken) <= 5 + 2 * workers.AHEAD


def test_an_exception_arrives_as_it_was_raised() -> None:
    with pytest.raises(ValueError, match="not defined for negative"):
        list(workers.spread(math.factorial, [3, -1, 4], workers=2))


def test_a_dead_process_is_explained() -> None:
    with pytest.raises(DataError, match="fewer --workers"):
        list(workers.spread(os._exit, [1, 1], workers=2))


def test_zero_workers_means_one_a_core() -> None:
    assert workers.count_workers(3) == 3
    assert workers.count_workers(0) >= 1
    with pytest.raises(ValueError, match="cannot be -1"):
        workers.count_workers(-1)
