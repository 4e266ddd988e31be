"""How a head sways in a stream where no network turns it: slowly by chance, with a nod for what is stressed.

The chance does not depend on the sound, so that it can be drawn ahead: what `idle.sway` does to a whole
clip can be done frame by frame, late by nothing.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.speech import idle

FPS = 25
WIDTH = 0.7 * FPS
"""Frames by which chance is blurred, as in `idle.sway`."""
REACH = math.ceil(4 * WIDTH)
BLOCK = 64
"""Frames that chance is drawn for at once: torch draws other numbers for other counts."""
IN_SILENCE, SETTLING_S = 0.45, 0.8
"""Share of the sway that is left in silence, and how fast it comes to that: to a third."""


class Sway:
    """Pitch, yaw and roll, frame by frame; a class because it remembers the chance it has drawn."""

    def __init__(self, chance: torch.Generator, *, dial: float = 1.0) -> None:
        self._chance = chance
        self._dial = dial
        bell = torch.exp(-0.5 * (torch.arange(-REACH, REACH + 1) / WIDTH).square())
        self._bell = bell / bell.square().sum().sqrt()  # the spread of what is blurred stays one
        self._drawn = torch.zeros(0, 3)
        self._slow = torch.zeros(0, 3)  # blurred, and not used yet
        self._spread = torch.deg2rad(torch.tensor(idle.SWAY_DEG))
        self._talk = 0.0

    def push(self, gate: Float[Tensor, " t"], emphasis: Float[Tensor, " t"]) -> Float[Tensor, "t 3"]:
        """Return how the head is turned in the next frames."""
        frames = len(gate)
        if not frames:
            return gate.new_zeros(0, 3)
        while len(self._slow) < frames:
            self._blur()
        slow, self._slow = self._slow[:frames], self._slow[frames:].clone()
        calm = IN_SILENCE + (1 - IN_SILENCE) * self._settled(gate)
        nod = math.radians(idle.NOD_DEG) * emphasis
        turned = slow * self._spread * calm[:, None]
        turned[:, 0] += nod
        return self._dial * turned

    def _blur(self) -> None:
        """Draw chance for the next block of frames, and blur it."""
        while len(self._drawn) < BLOCK + 2 * REACH:
            self._drawn = torch.cat([self._drawn, torch.randn(BLOCK, 3, generator=self._chance)])
        chance = self._drawn[: BLOCK + 2 * REACH].T[:, None]  # (3, 1, block + 2 * reach)
        slow = torch.nn.functional.conv1d(chance, self._bell[None, None])[:, 0].T
        self._slow = torch.cat([self._slow, slow])
        self._drawn = self._drawn[BLOCK:].clone()

    def _settled(self, gate: Tensor) -> Tensor:
        """Return the gate as the neck follows it."""
        share = 1 - math.exp(-1 / (SETTLING_S * FPS))
        curve = []
        for much in gate.tolist():
            self._talk += share * (much - self._talk)
            curve.append(self._talk)
        return gate.new_tensor(curve)
