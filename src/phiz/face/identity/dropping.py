"""Putting out a part of a signal at random while a network learns; the rest grows to make up for it."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def dropped(x: Float[Tensor, "*any"], share: float, chance: torch.Generator | None) -> Float[Tensor, "*any"]:
    """Return a signal without a random share of its numbers."""
    if share <= 0:
        return x
    return x * _kept(x, x.shape, share, chance)


def passed_over(
    x: Float[Tensor, "b *any"], share: float, chance: torch.Generator | None
) -> Float[Tensor, "b *any"]:
    """Return the signals of a batch, a random share of them put out as a whole (Huang et al., 2016)."""
    if share <= 0:
        return x
    return x * _kept(x, torch.Size([len(x), *[1] * (x.dim() - 1)]), share, chance)


def _kept(x: Tensor, shape: torch.Size, share: float, chance: torch.Generator | None) -> Tensor:
    draws = torch.rand(shape, generator=chance, device=x.device)
    return (draws >= share).to(x.dtype) / (1 - share)
