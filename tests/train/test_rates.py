"""Learning rates rise, stay and fall where they should."""

from __future__ import annotations

import pytest

from phiz.train import rates


def test_a_rate_rises_along_a_line_and_falls_to_nothing() -> None:
    found = [rates.rise_and_fall(2.0, step, 100, warm=10) for step in range(101)]
    assert found[:10] == pytest.approx([0.2 * (k + 1) for k in range(10)])
    assert found[10] == 2.0
    assert found[55] == pytest.approx(1.0)
    assert found[100] == pytest.approx(0.0)
    assert sorted(found[10:], reverse=True) == found[10:]


def test_a_rate_stays_before_it_falls() -> None:
    found = [rates.rise_stay_and_fall(1.0, step, 100, warm=10, cool_share=0.5) for step in range(101)]
    assert found[0] == pytest.approx(0.1)
    assert found[10:50] == [1.0] * 40
    assert found[75] == pytest.approx(0.5)
    assert found[100] == pytest.approx(0.0)
