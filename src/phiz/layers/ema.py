"""A network's slow twin: the running average of its parameters, which draws better than the network."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import nn

N = TypeVar("N", bound=nn.Module)


def twin(network: N) -> N:
    """Return a copy that does not learn by itself and is always in evaluation mode."""
    return copy.deepcopy(network).eval().requires_grad_(False)


@torch.no_grad()
def follow(slow: nn.Module, fast: nn.Module, share: float) -> None:
    """Move the twin towards its network: keep `share` of its parameters; buffers are copied."""
    for mine, theirs in zip(slow.parameters(), fast.parameters(), strict=True):
        mine.lerp_(theirs.to(mine.dtype), 1 - share)
    for own, other in zip(slow.buffers(), fast.buffers(), strict=True):
        own.copy_(other)


def share_kept(batch: int, half_life: float, images: int = 0, ramp_up: float = 0.0) -> float:
    """Return what share of the average survives a step of `batch` pictures.

    After `half_life` pictures half of it is new. With a `ramp_up` the half-life is at most that share
    of the pictures seen so far, so that the average is of some use from the beginning.
    """
    life = min(half_life, images * ramp_up) if ramp_up > 0 else half_life
    return float(0.5 ** (batch / max(life, 1e-8)))
