"""Dials go from nothing to three times as much, and say so where somebody turns them further."""

from __future__ import annotations

import math

import pytest

from phiz.speech.dials import Dials


@pytest.mark.parametrize("value", [-0.1, 3.1, math.nan, math.inf])
def test_no_dial_leaves_its_scale(value: float) -> None:
    with pytest.raises(ValueError, match="'brows' goes from 0 to 3"):
        Dials(brows=value)


def test_both_ends_are_on_the_scale() -> None:
    assert Dials(lips=0, head=3).head == 3
