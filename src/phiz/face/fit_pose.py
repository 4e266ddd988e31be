"""Where a head stands before a camera, from a few points, without a first guess.

Seen from afar a head is a scaled, turned and flattened copy of itself: an affine map of its points, found by
linear least squares whatever way the head is turned. Points that are wrong by far are left out by drawing
many small groups and believing the one that most others agree with.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.graphics import rotation

GROUPS, GROUP = 48, 10
"""How many groups of points are tried, and how many points each has."""
ROUNDS = 12
"""Of reweighting."""
NU = 4.0
"""Degrees of freedom of Student's distribution: how tolerant the weights are of outliers."""


@dataclass(frozen=True, kw_only=True)
class Flat:
    """A head seen from afar, one or several guesses a picture."""

    rotation: Float[Tensor, "b g 3 3"]
    """Camera from head."""
    scale: Float[Tensor, "b g"]
    """Pixels a metre."""
    middle: Float[Tensor, "b g 2"]
    """Where the head's origin shows, in pixels."""


def flat_pose(points: Float[Tensor, "n 3"], xy: Float[Tensor, "b n 2"], sigma: Float[Tensor, "b n"]) -> Flat:
    """Return two guesses a picture of how a head stands: the likely one, and the one turned inside out.

    The nearer a head is to a flat picture of itself, the less the two differ in what they show; perspective
    tells them apart later. Points of infinite `sigma` do not count.
    """
    weight = torch.where(sigma.isfinite(), 1 / sigma.square(), 0.0)
    centre = points.mean(0)
    local = points - centre
    affine = _agreed(local, xy, weight)
    for _ in range(ROUNDS):
        affine = _solve(local, xy, weight * _tolerance(local, xy, affine, weight))
    flip = affine.new_tensor([[1.0], [-1.0]])
    rows = affine[..., :3] * flip  # pictures count downwards
    turned, scale = _turn(rows)
    thin = torch.linalg.svd(local, full_matrices=False).Vh[-1]
    mirror = torch.eye(3, dtype=thin.dtype) - 2 * thin[:, None] * thin
    inside_out = turned.new_tensor([1.0, 1.0, -1.0])[:, None] * turned @ mirror.to(turned)
    both = torch.stack([turned, inside_out], dim=1)
    shift = (both[:, :, :2] @ -centre) * scale[:, None, None] * flip[:, 0]
    return Flat(
        rotation=both,
        scale=scale[:, None].expand(-1, 2),
        middle=affine[:, None, :, 3] + shift,
    )


def _agreed(local: Tensor, xy: Tensor, weight: Tensor) -> Float[Tensor, "b 2 4"]:
    """Return the affine map of the group of points from which the others deviate least, by the median."""
    chance = torch.Generator().manual_seed(0)
    count = len(local)
    picks = torch.stack([torch.randperm(count, generator=chance)[:GROUP] for _ in range(GROUPS)])
    picks = picks.to(local.device)
    groups = torch.cat([torch.zeros_like(local[:1, 0]).expand(GROUPS, count), local.new_ones(1, count)])
    groups[:GROUPS] = groups[:GROUPS].scatter(1, picks, 1.0)  # the last group is everybody
    maps = _solve(local, xy[:, None], weight[:, None] * groups)  # (b, g, 2, 4)
    apart = _deviation(local, xy[:, None], maps)
    apart = torch.where(weight[:, None] > 0, apart, torch.nan)
    best = apart.nanmedian(-1).values.nan_to_num(torch.inf).argmin(1)
    return maps[torch.arange(len(xy)), best]


def _tolerance(local: Tensor, xy: Tensor, affine: Tensor, weight: Tensor) -> Float[Tensor, "b n"]:
    apart = _deviation(local, xy, affine)
    seen = torch.where(weight > 0, apart, torch.nan)
    typical = seen.nanmedian(-1, keepdim=True).values.clamp_min(1e-9)
    return (NU + 2) / (NU + (apart / typical).square())


def _deviation(local: Tensor, xy: Tensor, affine: Tensor) -> Tensor:
    away = xy - local @ affine[..., :3].mT - affine[..., None, :, 3]
    apart: Tensor = away.norm(dim=-1)
    return apart


def _solve(local: Tensor, xy: Tensor, weight: Tensor) -> Float[Tensor, "*b 2 4"]:
    """Return the affine map from heads to pixels, by weighted least squares."""
    rows = torch.cat([local, torch.ones_like(local[:, :1])], dim=-1)
    total = weight.sum(-1)[..., None, None].clamp_min(1e-12)
    weighted = (rows * weight[..., None] / total).mT  # (*b, 4, n)
    ridge = 1e-9 * torch.eye(4, dtype=local.dtype, device=local.device)
    solved: Tensor = torch.linalg.solve(weighted @ rows + ridge, weighted @ xy)
    return solved.mT


def _turn(rows: Float[Tensor, "b 2 3"]) -> tuple[Float[Tensor, "b 3 3"], Float[Tensor, " b"]]:
    """Return the rotation whose first two rows are nearest to those of an affine map, and its scale."""
    scale = torch.linalg.svdvals(rows).mean(-1)
    first, second = rows[:, 0], rows[:, 1]
    third = torch.linalg.cross(first, second) / scale[:, None]
    return rotation.nearest(torch.stack([first, second, third], dim=1)), scale
