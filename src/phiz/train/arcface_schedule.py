"""The learning rate of a recogniser's training, step by step: it rises, then falls in a line or in steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FALL = 0.1
"""What is left of the rate after a milestone."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How the rate goes; steps are those of the optimiser."""

    rate: float
    """The highest."""
    warm: int
    """Steps in which it rises from nothing; negative counts as none."""
    total: int
    """Steps after which it is nothing, where it falls steadily."""
    power: float = 1.0
    """1 falls along a line, 2 along a parabola."""
    falls: tuple[int, ...] = ()
    """Steps at which it falls to a tenth; with any, it falls at these alone."""
    is_first_full: bool = True
    """Take the very first step at the full rate, whatever the warm-up says, as the published trainer does."""

    def at(self, step: int) -> float:
        """Return the rate of a step; the first is 0."""
        warm = max(self.warm, 0)
        if step == 0 and warm > 0:
            return self.rate if self.is_first_full else self.rate / warm
        if step <= warm and warm > 0:
            return self.rate * step / warm
        if self.falls:
            return self.rate * FALL ** sum(step >= place for place in self.falls)
        left = self.total - min(step, self.total)
        return float(self.rate * (left / max(self.total - warm, 1)) ** self.power)


def falls_of(epochs: Sequence[int], steps: int) -> tuple[int, ...]:
    """Return the steps at which epochs begin, counted from one, of so many steps each."""
    return tuple((epoch - 1) * steps for epoch in epochs)
