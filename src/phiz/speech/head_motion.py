"""A head that moves like a speaker's while sound comes in: poses frame by frame, in constant memory.

    head = follow(network, style="lively", chance=torch.Generator().manual_seed(3), delay=3)
    poses = head.push(windows)       # (t, 6): pitch, yaw, roll in radians; x, y, z in metres
    rest = head.finish()

The same seed moves the head the same way; another one otherwise. In silence it comes back to rest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.speech.head_network import DEGREES, HeadConfig, HeadNet, Past, at_start, coloured
from phiz.speech.windows import FPS, silence
from phiz.trained import Kind

HEAD = Kind(name="speech_head", config=HeadConfig, make=HeadNet, trainer="phiz train head-motion")
FARTHEST_DEG, FARTHEST_M = 12.0, 0.04
"""No head goes beyond that; what comes near is bent back."""
MOST = 3.0
"""Largest amount: three times as far as usual."""
BLOCK = 16
"""Frames that chance is drawn for at once: torch draws other numbers for other counts."""
BEFORE = 256
"""Frames of chance before the first, so that slow chance is not zero there."""
DOUBTFUL, SURE = 0.15, 0.5
"""How sure of talk one has to be for a head to begin to move, and to move as it likes."""
IN_SILENCE = 0.4
"""Share of the movement that is left where nobody talks."""
WAKING, SETTLING = 1 - math.exp(-1 / (0.15 * FPS)), 1 - math.exp(-1 / (0.9 * FPS))
"""Shares of the way to that in each frame, and back."""


class HeadStream:
    """Windows of sound in, poses out; a class because it remembers what it heard and what it drew."""

    def __init__(
        self,
        network: HeadNet,
        style: Float[Tensor, "1 s"],
        chance: torch.Generator,
        *,
        amount: float = 1.0,
        delay: int = 3,
    ) -> None:
        if not 0 <= delay <= network.config.sizes.longest:
            raise ValueError(
                f"this network may be told late by 0 to {network.config.sizes.longest} frames, not {delay}"
            )
        if not math.isfinite(amount) or not 0 <= amount <= MOST:
            raise ValueError(f"the amount of movement goes from 0 to {MOST:g}; it cannot be {amount}")
        self.delay = delay
        """Frames by which poses lag behind the windows heard."""
        self._network, self._style, self._amount, self._chance = network, style, amount, chance
        self._late = torch.tensor([delay])
        self._limit = torch.tensor([math.radians(FARTHEST_DEG)] * 3 + [FARTHEST_M] * 3)
        self._heard: Past | None = None
        self._moved: Past | None = None
        self._awake = 0.0
        self._missing = delay  # frames before the first, about which the network says something as well
        size = network.config.sizes.chance
        self._state = at_start(torch.randn(1, BEFORE, size, generator=chance))
        self._drawn = torch.zeros(1, 0, size)

    @torch.no_grad()
    def push(self, windows: Float[Tensor, "t 1 80 16"]) -> Float[Tensor, "n 6"]:
        """Return how far the head is from its rest in the frames that these windows complete."""
        if not len(windows):
            return torch.zeros(0, DEGREES)
        chance = self._draw(len(windows))
        heard, self._heard = self._network.hear(windows[None], self._late, self._heard)
        poses, self._moved = self._network.move(heard, self._style, chance, self._moved)
        much = self._amount * self._calmed(heard.talking[0].sigmoid())[:, None] * poses[0]
        first = min(self._missing, len(windows))
        self._missing -= first
        return limited(much[first:], self._limit)

    def finish(self) -> Float[Tensor, "n 6"]:
        """Return the last frames: what comes after them is silence. The stream is used up."""
        return self.push(silence(self.delay))

    def _calmed(self, talking: Float[Tensor, " t"]) -> Float[Tensor, " t"]:
        """Return what share of its movement a head is left: all in talk, little some time after it."""
        curve = []
        for sure in ((talking - DOUBTFUL) / (SURE - DOUBTFUL)).clamp(0, 1).tolist():
            self._awake += (WAKING if sure > self._awake else SETTLING) * (sure - self._awake)
            curve.append(IN_SILENCE + (1 - IN_SILENCE) * self._awake)
        return talking.new_tensor(curve)

    def _draw(self, frames: int) -> Tensor:
        """Return the next rows of chance."""
        while self._drawn.shape[1] < frames:
            white = torch.randn(1, BLOCK, self._drawn.shape[2], generator=self._chance)
            rows, self._state = coloured(white, self._state)
            self._drawn = torch.cat([self._drawn, rows], dim=1)
        found, self._drawn = self._drawn[:, :frames], self._drawn[:, frames:].clone()
        return found


def follow(
    network: HeadNet,
    style: str | Mapping[str, float] = "",
    chance: torch.Generator | None = None,
    amount: float = 1.0,
    *,
    delay: int = 3,
) -> HeadStream:
    """Return what turns a head to a sound that begins.

    `style` is one of the network's by name, or shares of several; without one it is the usual one. `amount`
    says how far the head moves, 1 as usual. With less `delay` the head hears less ahead: below 3 frames it
    comes a little late.
    """
    shares = network.shares(dict(style) if isinstance(style, Mapping) else style or network.config.styles[0])
    chance = torch.Generator().manual_seed(0) if chance is None else chance
    return HeadStream(network, shares, chance, amount=amount, delay=delay)


def limited(poses: Float[Tensor, "t 6"], limit: Float[Tensor, " 6"]) -> Float[Tensor, "t 6"]:
    """Return poses that never go beyond a limit; those well within it hardly change.

    A curve of slope one at rest: ``x / (1 + (x / limit)^4)^(1/4)`` takes 1% from what is half as far.
    """
    return poses / (1 + (poses / limit) ** 4) ** 0.25
