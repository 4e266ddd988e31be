"""How true a shape is: depth against the truth, and views of one thing against each other."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from phiz.graphics import camera as cameras
from phiz.graphics import rays
from phiz.graphics.camera import Camera

TOLERANCE = 0.02
"""Share of the depth by which a point may lie off what another view shows; beyond, it counts as hidden."""


def depth_error(
    depth: Float[Tensor, "b h w"],
    truth: Float[Tensor, "b h w"],
    mask: Float[Tensor, "b 1 h w"],
    *,
    scale_free: bool = False,
) -> Float[Tensor, " b"]:
    """Return the mean distance of depth from the truth inside the mask, in the truth's unit.

    With `scale_free` each depth map is multiplied by the number that suits it best (least squares)
    first. Only pixels where both are finite count; NaN where none is left.
    """
    weight = mask[:, 0] * (torch.isfinite(depth) & torch.isfinite(truth))
    depth, truth = (torch.where(weight > 0, x, 0) for x in (depth, truth))
    if scale_free:
        depth = depth * best_scale(depth, truth, weight)[:, None, None]
    return ((depth - truth).abs() * weight).sum((1, 2)) / weight.sum((1, 2))


def best_scale(
    depth: Float[Tensor, "b h w"], truth: Float[Tensor, "b h w"], weight: Float[Tensor, "b h w"]
) -> Float[Tensor, " b"]:
    """Return the number by which each depth map is multiplied to be nearest to the truth."""
    return (weight * depth * truth).sum((1, 2)) / (weight * depth.square()).sum((1, 2))


@dataclass(frozen=True, kw_only=True)
class Reprojection:
    """How well views of one thing agree, one number a pair of views; NaN where they share nothing."""

    colour: Float[Tensor, " p"]
    """Mean difference of the colours of points that both views show; pictures reach from -1 to 1."""
    depth: Float[Tensor, " p"]
    """Mean distance between where one view has a point and where the other has its surface, as a share of
    the depth. At most the tolerance: points beyond it count as hidden."""
    shared: Float[Tensor, " p"]
    """Share of the first view's surface that the second shows too; low where shapes disagree."""


def reprojection_error(
    images: Float[Tensor, "v 3 h w"],
    depths: Float[Tensor, "v h w"],
    views: Camera,
    *,
    tolerance: float = TOLERANCE,
) -> Reprojection:
    """Return how well pictures of one thing from several sides fit together, for all ordered pairs.

    Points of the first view are put into space by its depth, and looked at by the second. A wrong shape
    shows other colours there, or other depths. Infinite depth is background, which does not count.
    """
    first, second = (~torch.eye(len(images), dtype=torch.bool)).nonzero().T
    if not len(first):
        raise ValueError("one view agrees with itself; give two or more")
    first, second = first.to(images.device), second.to(images.device)
    height, width = images.shape[-2:]
    depth = depths[first].flatten(1)
    exists = torch.isfinite(depth)
    grid = rays.pixel_grid(height, width, images.device).flatten(0, 1).expand(len(first), -1, -1)
    points = torch.cat([grid, torch.where(exists, depth, 1)[..., None]], dim=-1)
    seen = cameras.project(_pick(views, second), cameras.unproject(_pick(views, first), points))
    surface, is_there = _surface(depths[second], seen, exists)
    off = (surface - seen[..., 2]).abs() / seen[..., 2].clamp(min=1e-6)
    both = is_there & (off <= tolerance)
    colours = _look_up(images[second], seen)  # (p, 3, n)
    apart = (colours - images[first].flatten(2)).abs().mean(1)
    return Reprojection(colour=_mean(apart, both), depth=_mean(off, both), shared=both.sum(1) / exists.sum(1))


def _pick(views: Camera, index: Int[Tensor, " p"]) -> Camera:
    return Camera(world_from_camera=views.world_from_camera[index], intrinsics=views.intrinsics[index])


def _surface(
    depths: Float[Tensor, "p h w"], seen: Float[Tensor, "p n 3"], exists: Bool[Tensor, "p n"]
) -> tuple[Float[Tensor, "p n"], Bool[Tensor, "p n"]]:
    """Return the depth that a view has at the points' places, and where it has one.

    A place between pixels of which one is background has no depth.
    """
    solid = torch.isfinite(depths)
    depth = _look_up(torch.where(solid, depths, 0)[:, None], seen)[:, 0]
    is_solid = _look_up(solid.to(depth)[:, None], seen)[:, 0] > 1 - 1e-4
    inside = (seen[..., :2].abs() <= 1).all(-1) & (seen[..., 2] > 0)
    return depth, exists & is_solid & inside


def _look_up(maps: Float[Tensor, "p c h w"], seen: Float[Tensor, "p n 3"]) -> Float[Tensor, "p c n"]:
    """Return the values of maps at (u, v), mixed between pixels; beyond the edge those of the edge."""
    place = torch.nan_to_num(seen[..., :2]).clamp(-2, 2)[:, None]
    found = functional.grid_sample(maps, place, mode="bilinear", padding_mode="border", align_corners=False)
    return found[:, :, 0]


def _mean(x: Float[Tensor, "p n"], where: Bool[Tensor, "p n"]) -> Float[Tensor, " p"]:
    return torch.where(where, x, 0).sum(1) / where.sum(1)
