"""Learning rate and noise rise and fall where they should."""

from __future__ import annotations

import pytest

from phiz.avatar.schedules import Ramps, noise_at, rate_at

STEPS = 1000


def test_the_rate_rises_stays_and_falls() -> None:
    ramps = Ramps()
    rates = [rate_at(ramps, step, STEPS) for step in range(STEPS + 1)]
    assert rates[0] == 0
    assert rates[25] == pytest.approx(ramps.rate / 2)
    assert set(rates[50:751]) == {ramps.rate}
    assert rates[875] == pytest.approx(ramps.rate / 2)
    assert rates[STEPS] == pytest.approx(0, abs=1e-12)
    assert sorted(rates[:51]) == rates[:51]


def test_noise_falls_to_nothing_and_stays_there() -> None:
    sizes = [noise_at(Ramps(), step, STEPS) for step in range(STEPS)]
    assert sizes[0] == 0.05
    assert sizes[375] == pytest.approx(0.05 / 4)
    assert max(sizes[750:]) == 0


def test_ramps_of_no_length_are_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        Ramps(rise=0.0)
