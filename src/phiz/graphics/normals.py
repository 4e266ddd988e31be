"""Which way the surface faces that a picture of depths shows."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from phiz.graphics import camera as cameras
from phiz.graphics import rays
from phiz.graphics.camera import Camera


def normals_from_depth(
    depth: Float[Tensor, "b h w"], camera: Camera, *, jump: float = math.inf
) -> Float[Tensor, "b 3 h w"]:
    """Return unit normals in the world's frame, towards the camera; zero where they cannot be known.

    A normal stands across the steps from a pixel's point to its neighbours' on both sides. Neighbours
    that show nothing (infinite depth) or lie nearer or farther by more than `jump` do not count; a
    pixel that has none left along its row or along its column, or shows nothing itself, has no normal.
    """
    shown = depth.isfinite()
    depth = torch.where(shown, depth, 1.0)  # any number: infinity would give NaN, and NaN gradients
    points = _points(depth, camera)
    along = []
    for axis in (1, 2):
        tied = _tied(depth, shown, axis, jump)[..., None]
        step = torch.where(tied, points.diff(dim=axis), 0.0)
        along.append(_before(step, axis) + _after(step, axis))
        shown = shown & (_before(tied, axis) | _after(tied, axis))[..., 0]
    down, right = along
    across = torch.nn.functional.normalize(torch.linalg.cross(down, right), dim=-1, eps=1e-30)
    return torch.where(shown[..., None], across, 0.0).permute(0, 3, 1, 2)


def _points(depth: Tensor, camera: Camera) -> Tensor:
    """Return the world point (b, h, w, 3) that each pixel shows."""
    batch, height, width = depth.shape
    uv = rays.pixel_grid(height, width, depth.device).to(depth).expand(batch, height, width, 2)
    uvd = torch.cat([uv, depth[..., None]], dim=-1)
    return cameras.unproject(camera, uvd.flatten(1, 2)).reshape(uvd.shape)


def _tied(depth: Tensor, shown: Bool[Tensor, "b h w"], axis: int, jump: float) -> Tensor:
    """Return for each pair of neighbours along an axis whether they show one surface."""
    count = depth.shape[axis] - 1
    both = shown.narrow(axis, 0, count) & shown.narrow(axis, 1, count)
    return both & (depth.diff(dim=axis).abs() <= jump)


def _before(pairs: Tensor, axis: int) -> Tensor:
    """Return for each pixel the value of its pair with the pixel before; zero for the first."""
    return torch.cat([torch.zeros_like(pairs.narrow(axis, 0, 1)), pairs], dim=axis)


def _after(pairs: Tensor, axis: int) -> Tensor:
    """Return for each pixel the value of its pair with the pixel after; zero for the last."""
    return torch.cat([pairs, torch.zeros_like(pairs.narrow(axis, 0, 1))], dim=axis)
