"""What makes a warm start sharp: a critic that tells small windows of drawn pictures from true ones.

Regression alone answers with the mean of all pictures that a code may stand for, and the mean of many heads
of hair is a soft cap. A window of a mean looks like no window of a picture.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.generator.config import DiscriminatorConfig
from phiz.generator.discriminator import Discriminator
from phiz.train import ranks
from phiz.train.gan_losses import discriminator_loss, generator_loss, r1_penalty

PENALTY_EVERY = 16
"""Steps between penalties for steepness."""
RIM = 6
"""No window begins in the outer sixth of where it could: there is background alone."""


class Critic:
    """A discriminator of windows, and what trains it; a class because both change while it learns."""

    def __init__(self, size: int, base: float, rate: float, gamma: float, device: torch.device | str) -> None:
        """Make a critic of windows of so many pixels; `gamma` weighs the penalty."""
        shape = DiscriminatorConfig(resolution=size, channel_base=base, channel_most=128, group=4)
        self.network = Discriminator(shape).to(device).train()
        self.size, self.gamma = size, gamma
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=rate, betas=(0.0, 0.99), eps=1e-8)
        self._seen: tuple[Tensor, Tensor] | None = None

    def loss(
        self, drawn: Float[Tensor, "b 3 h w"], true: Float[Tensor, "b 3 h w"], chance: torch.Generator
    ) -> Float[Tensor, ""]:
        """Return how much of drawn pictures the critic sees through; it remembers the windows for `learn`."""
        places = window_places(len(drawn), drawn.shape[-1] - self.size, chance)
        shown, real = windows(drawn, places, self.size), windows(true, places, self.size)
        self._seen = shown.detach(), real
        self.network.requires_grad_(False)
        return generator_loss(self.network(shown)).mean()

    def learn(self, step: int) -> dict[str, Tensor]:
        """Take a step on the windows that were last judged; return what it cost."""
        assert self._seen is not None
        shown, real = self._seen
        self.network.requires_grad_(True)
        self.optimiser.zero_grad(set_to_none=True)
        is_due = step % PENALTY_EVERY == 0
        real = real.detach().requires_grad_(is_due)
        of_real, of_drawn = self.network(real), self.network(shown)
        loss = discriminator_loss(of_real, are_real=True) + discriminator_loss(of_drawn, are_real=False)
        found = {"critic/loss": loss.mean(), "critic/real": of_real.mean(), "critic/drawn": of_drawn.mean()}
        total = found["critic/loss"]
        if is_due:
            found["critic/penalty"] = r1_penalty(of_real, real, self.gamma).mean()
            total = total + PENALTY_EVERY * found["critic/penalty"]
        total.backward()
        ranks.average_gradients(self.network.parameters())
        self.optimiser.step()
        self._seen = None
        return {name: value.detach() for name, value in found.items()}


def window_places(count: int, room: int, chance: torch.Generator) -> list[tuple[int, int]]:
    """Return where windows begin, one a picture, away from the rim."""
    if room < 0:
        raise ValueError(f"the critic's windows are {-room} pixels larger than the pictures")
    rim = room // RIM
    drawn = torch.randint(rim, room - rim + 1, (count, 2), generator=chance, device=chance.device)
    return [(top, left) for top, left in drawn.tolist()]


def windows(
    images: Float[Tensor, "b 3 h w"], places: list[tuple[int, int]], size: int
) -> Float[Tensor, "b 3 s s"]:
    """Return a window of each picture."""
    cut = (image[:, y : y + size, x : x + size] for image, (y, x) in zip(images, places, strict=True))
    return torch.stack(list(cut))
