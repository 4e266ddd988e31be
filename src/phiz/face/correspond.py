"""Which point of one head is which point of another."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from phiz.graphics import frames, rotation

CHUNK = 1024
"""Points compared at once; bounds the memory."""


def similarity(source: Float[Tensor, "n 3"], target: Float[Tensor, "n 3"]) -> Float[Tensor, "4 4"]:
    """Return the turn, uniform scale and shift that lay source points onto target points best.

    Least squares in closed form (Umeyama, 1991).
    """
    from_middle, to_middle = source.mean(dim=0), target.mean(dim=0)
    here, there = source - from_middle, target - to_middle
    turn = rotation.nearest(there.transpose(0, 1) @ here)
    scale = (there * (here @ turn.transpose(0, 1))).sum() / here.square().sum().clamp(min=1e-20)
    linear = scale * turn
    return frames.rigid(linear, to_middle - linear @ from_middle)


def nearest(
    points: Float[Tensor, "n 3"], candidates: Float[Tensor, "m 3"]
) -> tuple[Int[Tensor, " n"], Float[Tensor, " n"]]:
    """Return which candidate is nearest to each point, and how far away it is."""
    found = []
    for chunk in torch.split(points, CHUNK):
        # The quick way of torch.cdist by a matrix product loses the distances between near points.
        away = torch.cdist(chunk, candidates, compute_mode="donot_use_mm_for_euclid_dist")
        found.append(away.min(dim=1))
    return torch.cat([each.indices for each in found]), torch.cat([each.values for each in found])
