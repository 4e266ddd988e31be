"""How much a data set varies: angles, expressions and light, measured in memory that does not grow.

Everything is judged over the whole set: a generator is trained on all of it, and one recording
seldom has more than one light.
"""

from __future__ import annotations

import hashlib
import math
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from phiz.prepare.pictures import Light
from phiz.prepare.problems import Problem


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Below these a data set is said to vary too little. Spans reach from the 5th to the 95th percentile."""

    yaw_span_deg: float = 30.0
    pitch_span_deg: float = 10.0
    distinct_share: float = 0.1
    """Expressions that differ, as a share of the pictures."""
    active_modes: int = 3
    """Expression modes whose standard deviation is at least `active_deviation`."""
    active_deviation: float = 0.05
    """In the basis's own unit: a share of full strength, or a standard deviation of its people."""
    brightness_span: float = 0.1
    """Of mean brightness, 0 to 1; the light varies if this or `sideways_span` is reached."""
    sideways_span: float = 0.05
    """Of the difference between the right and the left half."""


THRESHOLDS = Thresholds()
DISTINCT_STEP = 0.05
"""Expressions count as one if all their numbers round to the same multiples of this."""


@dataclass
class Histogram:
    """How often values occurred, in equal bins; what lies beyond the ends counts into the last bin."""

    low: float
    high: float
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(720, np.int64))

    def add(self, value: float) -> None:
        place = (value - self.low) / (self.high - self.low) * len(self.counts)
        self.counts[min(max(int(place), 0), len(self.counts) - 1)] += 1

    def span(self) -> float | None:
        """Return the distance from the 5th to the 95th percentile, None without values."""
        total = int(self.counts.sum())
        if not total:
            return None
        ends = np.searchsorted(np.cumsum(self.counts), [0.05 * total, 0.95 * total])
        return float(ends[1] - ends[0]) * (self.high - self.low) / len(self.counts)


@dataclass
class Variety:
    """Measurements of a data set so far; it grows, but not with the number of pictures."""

    yaw: Histogram = field(default_factory=lambda: Histogram(-180.0, 180.0))
    pitch: Histogram = field(default_factory=lambda: Histogram(-180.0, 180.0))
    brightness: Histogram = field(default_factory=lambda: Histogram(0.0, 1.0))
    sideways: Histogram = field(default_factory=lambda: Histogram(-1.0, 1.0))
    expressions: int = 0
    _mean: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    _squares: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    _hashes: array[int] = field(default_factory=lambda: array("Q"))

    def add_pose(self, numbers: NDArray[np.float64]) -> None:
        self.pitch.add(math.degrees(math.remainder(numbers[0], math.tau)))
        self.yaw.add(math.degrees(math.remainder(numbers[1], math.tau)))

    def add_light(self, light: Light) -> None:
        self.brightness.add(light.brightness)
        self.sideways.add(light.sideways)

    def add_expression(self, numbers: NDArray[np.float64]) -> None:
        """Take an expression in; mean and variance by Welford (1962). Eight bytes are kept of each."""
        if not self.expressions:
            self._mean, self._squares = np.zeros(len(numbers)), np.zeros(len(numbers))
        self.expressions += 1
        off = numbers - self._mean
        self._mean += off / self.expressions
        self._squares += off * (numbers - self._mean)
        rounded = np.rint(numbers / DISTINCT_STEP) + 0.0  # + 0.0 turns -0.0 into 0.0
        self._hashes.append(hashed(rounded.tobytes()))

    def distinct(self) -> int:
        """Return how many expressions differ."""
        return len(np.unique(np.frombuffer(self._hashes, np.uint64))) if self._hashes else 0

    def deviations(self) -> NDArray[np.float64]:
        """Return the standard deviation of each expression mode."""
        return np.sqrt(self._squares / max(self.expressions, 1))

    def measured(self, wanted: Thresholds = THRESHOLDS) -> dict[str, float | None]:
        """Return what was measured; None where nothing could be."""
        some = self.expressions > 0
        return {
            "yaw_span_deg": self.yaw.span(),
            "pitch_span_deg": self.pitch.span(),
            "distinct_share": self.distinct() / self.expressions if some else None,
            "active_modes": int((self.deviations() >= wanted.active_deviation).sum()) if some else None,
            "brightness_span": self.brightness.span(),
            "sideways_span": self.sideways.span(),
        }


def judge(measured: Mapping[str, float | None], wanted: Thresholds = THRESHOLDS) -> list[Problem]:
    """Return in which ways a data set varies too little; what was not measured is not judged."""
    lacking = {
        name: f"{name} is {value:.3g}, below {getattr(wanted, name):g}"
        for name, value in measured.items()
        if value is not None and value < getattr(wanted, name)
    }
    problems = [
        Problem(kind, ".", lacking[name])
        for kind, names in (
            ("few angles", ("yaw_span_deg", "pitch_span_deg")),
            ("few expressions", ("distinct_share", "active_modes")),
        )
        for name in names
        if name in lacking
    ]
    if {"brightness_span", "sideways_span"} <= lacking.keys():
        both = f"{lacking['brightness_span']}; {lacking['sideways_span']}"
        problems.append(Problem("few lights", ".", both))
    return problems


def hashed(data: bytes) -> int:
    """Return 64 bits of a hash; among a million values two meet with a chance of one in 37 million."""
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")
