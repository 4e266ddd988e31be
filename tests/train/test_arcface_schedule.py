"""Learning rates rise, fall and end where they should."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phiz.train.arcface_schedule import Schedule, falls_of

PLAIN = Schedule(rate=0.4, warm=4, total=10)


def test_the_rate_rises_in_a_line_and_falls_in_a_line_to_nothing() -> None:
    found = [PLAIN.at(step) for step in range(12)]
    assert found[0] == 0.4  # the published quirk
    assert found[1:5] == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert found[4:11] == pytest.approx([0.4 * (10 - step) / 6 for step in range(4, 11)])
    assert found[11] == 0


def test_the_first_step_may_be_part_of_the_warm_up() -> None:
    assert replace(PLAIN, is_first_full=False).at(0) == pytest.approx(0.1)


@pytest.mark.parametrize("warm", [0, -7])
def test_without_a_warm_up_the_rate_falls_from_the_first_step(warm: int) -> None:
    found = [replace(PLAIN, warm=warm).at(step) for step in range(10)]
    assert found == pytest.approx([0.4 * (10 - step) / 10 for step in range(10)])


def test_with_milestones_the_rate_falls_to_a_tenth_at_each() -> None:
    schedule = replace(PLAIN, warm=0, falls=falls_of((3, 5), 10))
    found = [schedule.at(step) for step in (0, 19, 20, 39, 40, 99)]
    assert found == pytest.approx([0.4, 0.4, 0.04, 0.04, 0.004, 0.004])


def test_a_warm_up_longer_than_the_training_is_no_fault() -> None:
    assert replace(PLAIN, warm=20).at(10) == pytest.approx(0.2)
