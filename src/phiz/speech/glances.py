"""Where eyes look in a stream: on whom they talk to, with small glances, now and then aside.

Eyes fixate and jump: at 25 frames a second a jump of a few degrees is over within a frame (Bahill et al.,
1975). They stay where they look while the head sways under them, and meet there. Who speaks looks away more
than who listens (Kendon, 1967).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.speech import idle

FPS = 25
SHORTEST_S = 0.3
"""Of a fixation."""
LONGEST = 3.0
"""Times the mean length of a fixation."""
ASIDE, ASIDE_TIMES, ASIDE_S = 0.12, 3.5, (0.4, 0.9)
"""How often a glance of somebody who talks goes aside, how many times as far, and for how long."""
TALKS = 0.5
WIDEST = 0.5
"""Radians; eyes that turn further look mad."""


class Glances:
    """Yaw and pitch of both eyes, frame by frame; a class because a glance lasts several frames."""

    def __init__(self, chance: torch.Generator, *, dial: float = 1.0) -> None:
        self._chance = chance
        self._dial = dial
        self._frame = 0
        self._aim = (0.0, 0.0)
        self._next = self._wait()
        self._is_aside = False

    def push(self, gate: Float[Tensor, " t"], head: Float[Tensor, "t 3"]) -> Float[Tensor, "t 2 2"]:
        """Return how the left and the right eye are turned in a head that is turned like this."""
        aims = head.new_tensor([self._step(much) for much in gate.tolist()]).reshape(-1, 2)
        usual = min(self._dial, 1.0)
        aim = self._dial * aims - usual * head[:, [1, 0]]
        inwards = usual * head.new_tensor([[-idle.VERGENCE, 0.0], [idle.VERGENCE, 0.0]])
        return (aim[:, None] + inwards).clamp(-WIDEST, WIDEST)

    def _step(self, gate: float) -> tuple[float, float]:
        now = self._frame / FPS
        self._frame += 1
        if now >= self._next:
            self._look(now, is_talking=gate > TALKS)
        return self._aim

    def _look(self, now: float, *, is_talking: bool) -> None:
        """Choose where to look, and for how long."""
        goal = torch.randn(2, generator=self._chance).clamp(-2, 2) * torch.tensor(idle.GLANCE_DEG)
        is_drawn = self._number() < ASIDE
        wait, length = self._wait(), ASIDE_S[0] + (ASIDE_S[1] - ASIDE_S[0]) * self._number()
        # Nobody looks aside twice in a row; the same draws are made in any case.
        self._is_aside = is_drawn and is_talking and not self._is_aside
        if self._is_aside:
            goal, wait = ASIDE_TIMES * goal, length
        yaw, pitch = torch.deg2rad(goal).tolist()
        self._aim = (yaw, pitch)
        self._next = now + wait

    def _wait(self) -> float:
        mean = idle.GLANCE_EVERY_S - SHORTEST_S
        drawn = float(torch.empty(()).exponential_(1 / mean, generator=self._chance))
        return SHORTEST_S + min(drawn, LONGEST * mean)

    def _number(self) -> float:
        return float(torch.rand((), generator=self._chance))
