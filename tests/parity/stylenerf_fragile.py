"""Rays whose fine samples rounding alone can move by a whole interval, taken from the recorded side.

A chance of exactly 0 or 1, or one at the edge of an interval that holds next to nothing, falls on
either side of that edge as the last digit of a sum decides, and so does an interval that holds just
about the 1e-5 below which it is passed over whole; the published network disagrees with itself
there from one machine to another. Where a ray deviates, the same ray is drawn with its chances and weights
a few last digits up or down, and stands if it then agrees. Nothing is left out of the comparison, and hardly
any ray may need this.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from phiz.generator.config import GeneratorConfig
from phiz.generator.generator import Rays
from phiz.generator.volume import Depths, to_depth
from phiz.graphics.rays import composite_weights, even_chances, inverse_cdf

STEPS = (0.0, -1.2e-7, 1.2e-7, -3e-7, 3e-7)
"""A few units of the last digit of numbers just below one."""
NUDGES = tuple((chance, weight) for weight in STEPS for chance in STEPS if (chance, weight) != (0.0, 0.0))
"""What is added to chances and to weights."""
DEVIATES = 3e-5
"""What a ray deviates by before its other side is looked at; upsampling may make five times as much."""
MOST = 0.02
"""Share of rays that may need a nudge before something else is wrong."""

Score = Callable[[Rays], Tensor]
"""How far each ray (b, r) is from what was recorded."""


def settled(
    config: GeneratorConfig,
    rays: Rays,
    stretch: Tensor,
    *,
    is_opaque: bool,
    again: Callable[[Depths], Rays],
    score: Score,
) -> tuple[Rays, Tensor]:
    """Return rays on the recorded side of every edge, and which (b, r) had to be nudged there.

    `again` goes along the same rays with samples at given depths.
    """
    best = score(rays)
    nudged = torch.zeros_like(best, dtype=torch.bool)
    if rays.samples is None or rays.depths.fine is None or not (best > DEVIATES).any():
        return rays, nudged
    places = rays.depths.coarse
    count = places.shape[-1]
    density = torch.relu(rays.samples.density[..., -count:])
    lengths = places if config.is_length_relative else to_depth(config, places)
    weights, _ = composite_weights(density, lengths.expand_as(density), stretch, opaque=is_opaque)
    middle = ((places[..., 1:] + places[..., :-1]) / 2).expand(*density.shape[:2], -1).contiguous()
    fine = rays.depths.fine.expand(*density.shape[:2], -1)
    for chance, weight in NUDGES:
        other = inverse_cdf(middle, weights[..., 1:-1] + weight, even_chances(middle, count) + chance)
        found = score(again(Depths(places, other)))
        is_better = (best > DEVIATES) & (found < best / 2)
        best = torch.where(is_better, found, best)
        fine = torch.where(is_better[..., None], other, fine)
        nudged |= is_better
    return (again(Depths(places, fine)) if nudged.any() else rays), nudged
