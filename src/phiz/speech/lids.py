"""Blinks of a stream: the pace, length and place of `phiz.speech.blink`, decided frame by frame.

What comes next is not known, so that a blink at the end of a phrase cannot drive away one that was before
it; it puts off the next one instead.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.speech import blink
from phiz.speech.blink import Blink

FPS = 25
PHRASE_S = 0.4
"""Talk that is shorter has no phrase to end."""
TALKS, ENDED = 0.6, 0.5
"""How far the gate is open when a phrase has begun, and when it has ended."""
NEAR = 0.4
"""Share of the mean time between blinks within which a blink at a phrase's end stands for the next one."""


class Blinks:
    """How far lids are closed, frame by frame; a class because blinks take several frames."""

    def __init__(self, chance: torch.Generator, *, dial: float = 1.0) -> None:
        self._chance = chance
        self._dial = dial
        self._frame = 0
        self._talked = 0  # frames of this phrase so far
        self._next = self._mean * self._number()
        self._last = -math.inf  # when the last one began
        self._running: list[Blink] = []

    def push(self, gate: Float[Tensor, " t"]) -> Float[Tensor, "t 2"]:
        """Return how far the left and the right lid are closed; `gate` says where somebody talks."""
        lids = [self._step(much) if self._dial else 0.0 for much in gate.tolist()]
        return gate.new_tensor(lids)[:, None].repeat(1, 2)

    @property
    def _mean(self) -> float:
        return 60 / blink.A_MINUTE / self._dial if self._dial else math.inf

    def _step(self, gate: float) -> float:
        now = self._frame / FPS
        self._frame += 1
        if gate >= TALKS:
            self._talked += 1
        elif gate < ENDED:
            if self._talked >= PHRASE_S * FPS:
                self._end_phrase(now)
            self._talked = 0
        if now >= self._next:
            self._begin(self._next)
        self._running = [one for one in self._running if now - one.start_s < 1.0]
        return max((closed(now - one.start_s, one.slowness) for one in self._running), default=0.0)

    def _end_phrase(self, now: float) -> None:
        """Decide whether the end of a phrase comes with a blink."""
        is_one, start = self._number(), now + self._between(*blink.DELAY_S)
        if is_one < blink.AT_PHRASE_END * min(self._dial, 1.0) and start - self._last >= blink.LEAST_S:
            self._next = start if start < self._next + NEAR * self._mean else self._next

    def _begin(self, start: float) -> None:
        slowness = self._between(blink.QUICKEST, blink.SLOWEST)
        self._running.append(Blink(start_s=start, slowness=slowness))
        self._last = start
        spread = blink.LOOSENESS * float(torch.randn((), generator=self._chance)) - blink.LOOSENESS**2 / 2
        self._next = start + max(blink.LEAST_S, self._mean * min(math.exp(spread), blink.LONGEST))

    def _number(self) -> float:
        return float(torch.rand((), generator=self._chance))

    def _between(self, low: float, high: float) -> float:
        return low + (high - low) * self._number()


def closed(seconds: float, slowness: float) -> float:
    """Return how far a lid is closed so long after its blink began: quickly down, slowly up, softly both."""
    closing, opening = blink.CLOSING_S * slowness, blink.OPENING_S * slowness
    shut = max(blink.SHUT_S, 1 / FPS)  # one frame at least shows the eye closed
    return _soft(seconds / closing) - _soft((seconds - closing - shut) / opening)


def _soft(x: float) -> float:
    x = min(max(x, 0.0), 1.0)
    return x * x * (3 - 2 * x)
