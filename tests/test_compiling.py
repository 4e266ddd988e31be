from __future__ import annotations

import functools
from typing import Any

import numpy as np

from phiz.compiling import compiled


def _total(values: Any) -> Any:
    total = 0.0
    for value in values:
        total += value
    return total


def test_a_compiled_loop_counts_like_the_plain_one() -> None:
    values = np.random.default_rng(0).random(100)
    assert compiled(_total)(values) == _total(values)


def test_the_plain_function_is_compiled_not_what_it_is_wrapped_in() -> None:
    @functools.wraps(_total)
    def wrapped(values: Any) -> Any:
        raise AssertionError("the wrapping must not run")

    assert compiled(wrapped)(np.ones(3)) == 3


def test_nothing_is_compiled_before_the_first_call() -> None:
    assert compiled(_total).signatures == []
