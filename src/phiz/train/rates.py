"""Learning rates over the steps of a training."""

from __future__ import annotations

import math


def rise_and_fall(highest: float, step: int, steps: int, *, warm: int) -> float:
    """Return the rate of a step: it rises along a line to the highest, then falls along a cosine."""
    if step < warm:
        return highest * (step + 1) / warm
    share = (step - warm) / max(steps - warm, 1)
    return highest * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))


def rise_stay_and_fall(highest: float, step: int, steps: int, *, warm: int, cool_share: float) -> float:
    """Return the same for one that stays in between, and falls over a share of the steps, the last ones."""
    rising = min((step + 1) / max(warm, 1), 1.0)
    cooling = max(round(cool_share * steps), 1)
    left = min((steps - step) / cooling, 1.0)
    return highest * rising * 0.5 * (1 - math.cos(math.pi * max(left, 0.0)))
