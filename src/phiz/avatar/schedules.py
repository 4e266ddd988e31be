"""How learning rate and noise change while a picture is projected, as StyleGAN2-ADA's projector has it."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Ramps:
    """What rises and falls over the steps; shares are of all steps."""

    rate: float = 0.01
    """Highest learning rate. The published code is given another one (0.005), which never counts: each step
    writes this one over it."""
    rise: float = 0.05
    """Share over which the rate rises along a line; it is zero at the first step."""
    fall: float = 0.25
    """Share over which it falls along a cosine, the last ones."""
    noise: float = 0.05
    """Noise on the style at the first step, in spreads of styles."""
    quiet: float = 0.75
    """Share after which there is no such noise."""

    def __post_init__(self) -> None:
        """Refuse shares that nothing can be divided by."""
        if min(self.rise, self.fall, self.quiet) <= 0:
            raise ValueError("rise, fall and quiet are shares above 0")


RAMPS = Ramps()
"""As published."""


def rate_at(ramps: Ramps, step: int, steps: int) -> float:
    """Return the learning rate of a step."""
    done = step / steps
    falling = 0.5 - 0.5 * math.cos(math.pi * min(1.0, (1.0 - done) / ramps.fall))
    return ramps.rate * falling * min(1.0, done / ramps.rise)


def noise_at(ramps: Ramps, step: int, steps: int) -> float:
    """Return the spread of the noise on the style at a step, in spreads of styles."""
    return ramps.noise * max(0.0, 1.0 - step / steps / ramps.quiet) ** 2
