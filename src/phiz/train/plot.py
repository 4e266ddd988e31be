"""Curves as SVG, drawn by ourselves, so that a report is one file that needs nothing else.

Colours are CSS variables (``--ink``, ``--grid``, ``--c0`` to ``--c5``) of the page that a plot stands in.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

Numbers = Float[np.ndarray, " n"]

COLOURS = 6
"""How many curves can be told apart in one plot."""
WIDTH, HEIGHT = 560, 264
LEFT, RIGHT, TOP, BOTTOM = 62, 16, 24, 40
FINEST = 400
"""Points of a curve; of a longer one, the lowest and the highest of each stretch are shown."""
SPAN = 40
"""A curve is smoothed over this fraction of its length."""
OUTSIDE = 1.0
"""Percent at each end that may lie beyond the axis, so that one spike does not flatten all the rest."""
FROM_ZERO = 0.1
"""An axis of steps begins at zero if the first one stands within this fraction of the last."""
SMALLEST_LOG = 3.0
"""A range, as a ratio, below which a logarithmic axis shows nothing new."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Finite values over steps."""

    name: str
    steps: Numbers
    values: Numbers


@dataclass(frozen=True, kw_only=True)
class Axes:
    """Where numbers lie in a plot."""

    first: float
    last: float
    low: float
    high: float
    is_log: bool

    def x(self, step: float) -> float:
        """Return how far right a step stands."""
        return LEFT + (step - self.first) / (self.last - self.first) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Return how far down a value stands."""
        low, high, at = (math.log10(v) if self.is_log else v for v in (self.low, self.high, value))
        return HEIGHT - BOTTOM - (at - low) / (high - low) * (HEIGHT - TOP - BOTTOM)


def draw(curves: Sequence[Curve], *, unit: str = "", is_log: bool = False) -> str:
    """Return one plot of a few curves: pale as measured, strong as smoothed, with both axes."""
    axes = choose_axes(curves, is_log=is_log)
    shapes = [shape for number, curve in enumerate(curves) for shape in _shapes(curve, axes, number)]
    title = html.escape(", ".join(curve.name for curve in curves))
    inner = f'x="{LEFT}" y="{TOP}" width="{WIDTH - LEFT - RIGHT}" height="{HEIGHT - TOP - BOTTOM}"'
    return "\n".join(
        [
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">',
            *_axis_lines(axes, unit),
            f'<svg {inner} viewBox="{LEFT} {TOP} {WIDTH - LEFT - RIGHT} {HEIGHT - TOP - BOTTOM}">',
            *shapes,
            "</svg>",
            "</svg>",
        ]
    )


def choose_axes(curves: Sequence[Curve], *, is_log: bool) -> Axes:
    """Return axes on which the curves are seen well; logarithmic ones only where that is possible."""
    steps = np.concatenate([curve.steps for curve in curves])
    values = np.concatenate([curve.values for curve in curves])
    ends = [np.percentile(curve.values, [OUTSIDE, 100 - OUTSIDE]) for curve in curves]
    ends += [np.array([smooth(curve.values)[-1]]) for curve in curves]
    low, high = float(np.concatenate(ends).min()), float(np.concatenate(ends).max())
    first, last = float(steps.min()), float(steps.max())
    if 0 < first < FROM_ZERO * last:
        first = 0.0
    if last == first:
        first, last = first - 1, last + 1
    if is_log and values.min() > 0 and high > SMALLEST_LOG * low:
        return Axes(first=first, last=last, low=low / 1.1, high=high * 1.1, is_log=True)
    room = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    from_zero = 0 <= low < 0.3 * high
    low = 0.0 if from_zero else low - room
    return Axes(first=first, last=last, low=low, high=high + room, is_log=False)


def smooth(values: Numbers) -> Numbers:
    """Return the running mean of a curve, older values counting less and less; it does not start at zero."""
    keep = 1 - 2 / (max(len(values) / SPAN, 1) + 1)
    total = weight = 0.0
    means = np.empty(len(values))
    for number, value in enumerate(values.tolist()):
        total, weight = keep * total + (1 - keep) * value, keep * weight + (1 - keep)
        means[number] = total / weight
    return means


def ticks(low: float, high: float, *, most: int = 6) -> list[float]:
    """Return round numbers between two others, at even distances of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Return round numbers between two positive ones: powers of ten, and 2 and 5 times them if few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1,), (1, 3), (1, 2, 5)):
        found = [factor * 10.0**power for power in powers for factor in factors]
        found = [tick for tick in found if low <= tick <= high]
        if len(found) >= 3:
            stride = math.ceil(len(found) / 8)
            return found[::stride]
    return found or ticks(low, high)


def short(number: float) -> str:
    """Return a number as a label has room for: 780k, 1.5M, 0.025, 2e-6."""
    size = abs(number)
    for suffix, unit in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if size >= unit * (1 - 1e-9) and size >= 1e4 * (1 - 1e-9):
            return f"{number / unit:.4g}{suffix}"
    if size < 1e-12:
        return "0"
    text = f"{number:.4g}"
    mantissa, e, power = text.partition("e")
    return f"{mantissa}e{int(power)}" if e else text


def _axis_lines(axes: Axes, unit: str) -> list[str]:
    """Return grid, tick labels and the names of the axes."""
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    lines = []
    for tick in log_ticks(axes.low, axes.high) if axes.is_log else ticks(axes.low, axes.high):
        y = axes.y(tick)
        lines.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        lines.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{short(tick)}</text>')
    for tick in ticks(axes.first, axes.last):
        x = axes.x(tick)
        lines.append(f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{bottom}" y2="{bottom + 4}"/>')
        lines.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{short(tick)}</text>')
    lines.append(f'<line class="axis" x1="{LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>')
    lines.append(f'<text class="name" x="{right}" y="{HEIGHT - 6}" text-anchor="end">steps</text>')
    name = ", ".join(word for word in (unit, "logarithmic" if axes.is_log else "") if word)
    lines.append(f'<text class="name" x="{LEFT}" y="14">{html.escape(name)}</text>')
    return lines


def _shapes(curve: Curve, axes: Axes, number: int) -> list[str]:
    """Return a curve, twice: as it was measured and smoothed."""
    colour = f"var(--c{number % COLOURS})"
    smoothed = smooth(curve.values)
    if len(curve.values) == 1:
        x, y = axes.x(float(curve.steps[0])), axes.y(float(curve.values[0]))
        return [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>']
    if len(curve.values) <= FINEST:
        points = _points(curve.steps, curve.values, axes)
        raw = f'<polyline class="raw" points="{points}" stroke="{colour}"/>'
        line = _points(curve.steps, smoothed, axes)
    else:
        stretches = np.array_split(np.arange(len(curve.values)), FINEST)
        ends = np.array([part[-1] for part in stretches])
        highest = np.array([curve.values[part].max() for part in stretches])
        lowest = np.array([curve.values[part].min() for part in stretches])
        around = np.concatenate([curve.steps[ends], curve.steps[ends][::-1]])
        points = _points(around, np.concatenate([highest, lowest[::-1]]), axes)
        raw = f'<polygon class="band" points="{points}" fill="{colour}"/>'
        line = _points(curve.steps[ends], smoothed[ends], axes)
    return [raw, f'<polyline class="smooth" points="{line}" stroke="{colour}"/>']


def _points(steps: Numbers, values: Numbers, axes: Axes) -> str:
    pairs = zip(steps.tolist(), values.tolist(), strict=True)
    return " ".join(f"{axes.x(step):.1f},{axes.y(value):.1f}" for step, value in pairs)
