"""Curves lie where their numbers are, between round numbers that one can read."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phiz.train import plot
from phiz.train.plot import Axes, Curve


def curve(values: list[float], name: str = "loss") -> Curve:
    return Curve(name=name, steps=np.arange(1.0, len(values) + 1), values=np.array(values, dtype=np.float64))


def points(svg: str, kind: str) -> list[tuple[float, float]]:
    (shape,) = (part for part in ElementTree.fromstring(svg).iter() if part.get("class") == kind)
    return [tuple(map(float, pair.split(","))) for pair in str(shape.get("points")).split()]


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_few_round_and_inside(low: float, width: float) -> None:
    high = low + width
    found = plot.ticks(low, high)
    assert 2 <= len(found) <= 8
    assert low - 1e-6 * width <= found[0]
    assert found[-1] <= high + 1e-6 * width
    assert np.allclose(np.diff(found), found[1] - found[0])


@given(st.floats(1e-9, 1e6), st.floats(3.0, 1e12))
def test_ticks_of_a_logarithmic_axis_are_few_and_inside(low: float, ratio: float) -> None:
    found = plot.log_ticks(low, low * ratio)
    assert 1 <= len(found) <= 9
    assert low <= found[0] * 1.001
    assert found[-1] <= low * ratio * 1.001


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (780_000, "780k"), (9_000, "9000"), (1.5e6, "1.5M"), (0.025, "0.025"), (2e-6, "2e-6")],
)
def test_labels_are_short(number: float, text: str) -> None:
    assert plot.short(number) == text


def test_a_constant_stays_itself_when_smoothed_and_noise_becomes_less() -> None:
    assert np.allclose(plot.smooth(np.full(500, 3.0)), 3.0)
    noise = np.random.default_rng(1).normal(size=4000)
    assert plot.smooth(noise)[1000:].std() < 0.25 * noise.std()


def test_points_lie_where_the_axes_say() -> None:
    svg = plot.draw([curve([0.0, 1.0, 2.0])])
    axes = plot.choose_axes([curve([0.0, 1.0, 2.0])], is_log=False)
    wanted = [(axes.x(step), axes.y(value)) for step, value in ((1, 0), (2, 1), (3, 2))]
    assert np.allclose(points(svg, "raw"), wanted, atol=0.06)
    assert wanted[0][0] == plot.LEFT
    assert wanted[2][0] == plot.WIDTH - plot.RIGHT
    assert wanted[0][1] == plot.HEIGHT - plot.BOTTOM


def test_equal_ratios_are_equal_distances_on_a_logarithmic_axis() -> None:
    axes = plot.choose_axes([curve([1.0, 10.0, 100.0])], is_log=True)
    assert axes.is_log
    assert axes.y(1) - axes.y(10) == pytest.approx(axes.y(10) - axes.y(100))
    for impossible in ([0.0, 1.0, 10.0], [-1.0, 5.0], [5.0, 5.1]):
        assert not plot.choose_axes([curve(impossible)], is_log=True).is_log


def test_one_spike_does_not_flatten_the_rest() -> None:
    values = [1.0 + 0.1 * (number % 3) for number in range(300)]
    values[100] = 1e6
    axes = plot.choose_axes([curve(values)], is_log=False)
    assert axes.high < 2
    assert axes == Axes(first=0, last=300, low=axes.low, high=axes.high, is_log=False)


def test_a_long_curve_keeps_its_extremes_and_becomes_small() -> None:
    values = np.sin(np.arange(50_000) / 700).tolist()
    values[25_000] = 1.02
    svg = plot.draw([curve(values)])
    assert len(svg) < 60_000
    axes = plot.choose_axes([curve(values)], is_log=False)
    assert min(y for _, y in points(svg, "band")) == pytest.approx(axes.y(1.02), abs=0.06)


@pytest.mark.parametrize("values", [[0.0], [5.0], [-2.0, -2.0], [1e-30, 2e-30], [1e30, -1e30]])
@pytest.mark.parametrize("is_log", [False, True])
def test_any_curve_can_be_drawn(values: list[float], is_log: bool) -> None:
    svg = plot.draw([curve(values, name='<"&')], unit="images / s", is_log=is_log)
    shown = ElementTree.fromstring(svg)
    texts = [part.text for part in shown.iter() if part.tag.endswith("text")]
    assert "steps" in texts
    assert any("images / s" in str(text) for text in texts)
    assert "nan" not in svg
    assert "inf" not in svg
