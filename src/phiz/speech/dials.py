"""How much of everything: one dial for each thing that a face does while it speaks."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

MOST = 3.0
"""Beyond this a face is no longer one."""


@dataclass(frozen=True, kw_only=True)
class Dials:
    """0 is none at all, 1 as usual, and up to 3 times as much; each leaves what the others do alone.

    Eyes stay on whom they look at while the head turns, so that they move against it: `head` does not change
    where in the room they look.
    """

    lips: float = 1.0
    """How far the mouth moves; closed lips stay closed."""
    brows: float = 1.0
    """How far brows rise with what is stressed."""
    blink: float = 1.0
    """How often eyes blink."""
    gaze: float = 1.0
    """How far eyes look about; at 0 they stay straight in the head."""
    head: float = 1.0
    """How far the head sways and nods."""
    smoothing: float = 1.0
    """How much mouth and brows are smoothed from frame to frame."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not math.isfinite(value) or not 0 <= value <= MOST:
                raise ValueError(f"the dial {name!r} goes from 0 to {MOST:g}; it cannot be {value}")
