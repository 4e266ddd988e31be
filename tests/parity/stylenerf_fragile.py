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

FLOOR = 1e-5
"""What the published network adds to the weight of every interval."""

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
    places, count = rays.depths.coarse, rays.depths.coarse.shape[-1]
    middle, weights = _intervals(config, rays, stretch, is_opaque=is_opaque)
    fine = rays.depths.fine.expand(*weights.shape[:2], -1)
    for chance, weight in NUDGES:
        other = inverse_cdf(middle, weights + weight, even_chances(middle, count) + chance)
        found = score(again(Depths(places, other)))
        is_better = (best > DEVIATES) & (found < best / 2)
        best = torch.where(is_better, found, best)
        fine = torch.where(is_better[..., None], other, fine)
        nudged |= is_better
    return (again(Depths(places, fine)) if nudged.any() else rays), nudged


def misplaced(
    config: GeneratorConfig, rays: Rays, stretch: Tensor, places: Tensor, *, is_opaque: bool
) -> Tensor:
    """Return how much weight lies between fine samples' `places` (b, r, s) and where they belong.

    In an interval that holds next to nothing a place is known to a few digits only, but not so the weight
    before it: evenly spaced parts of all that the coarse samples weigh.
    """
    edges, weights = _intervals(config, rays, stretch, is_opaque=is_opaque)
    weights = weights + FLOOR
    before = torch.cat([torch.zeros_like(weights[..., :1]), weights.cumsum(-1)], dim=-1)
    place = torch.searchsorted(edges, places.contiguous()).clamp(1, edges.shape[-1] - 1)
    start, end = edges.gather(-1, place - 1), edges.gather(-1, place)
    part = (places - start) / (end - start)
    found = before.gather(-1, place - 1).lerp(before.gather(-1, place), part.to(before))
    wanted = torch.linspace(0, 1, places.shape[-1], dtype=before.dtype) * before[..., -1:]
    return found - wanted


def without(places: Tensor, coarse: Tensor) -> Tensor:
    """Return sorted places (b, r, s) without those of the coarse samples among them."""
    nearest = (places[..., None] - coarse[..., None, :]).abs().argmin(-2)
    is_fine = torch.ones_like(places, dtype=torch.bool).scatter(-1, nearest, False)
    return places[is_fine].view(*places.shape[:2], -1)


def _intervals(
    config: GeneratorConfig, rays: Rays, stretch: Tensor, *, is_opaque: bool
) -> tuple[Tensor, Tensor]:
    """Return the edges between coarse samples, and how much each interval weighs."""
    assert rays.samples is not None
    places = rays.depths.coarse
    density = torch.relu(rays.samples.density[..., -places.shape[-1] :])
    lengths = places if config.is_length_relative else to_depth(config, places)
    weights, _ = composite_weights(density, lengths.expand_as(density), stretch, opaque=is_opaque)
    middle = ((places[..., 1:] + places[..., :-1]) / 2).expand(*density.shape[:2], -1).contiguous()
    return middle, weights[..., 1:-1]
