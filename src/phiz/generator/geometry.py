"""What rays met, as a surface: where it lies and which way it faces."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.generator.config import GeneratorConfig
from phiz.generator.field import raw_density
from phiz.generator.generator import Generator, Prepared, Rays
from phiz.generator.volume import to_depth
from phiz.graphics.rays import points_along


def sample_points(
    config: GeneratorConfig, rays: Rays, origins: Float[Tensor, "b 3"], directions: Float[Tensor, "b r 3"]
) -> Float[Tensor, "b r s 3"]:
    """Return the points at which rays were sampled, before any warp."""
    if rays.samples is None:
        raise ValueError("rays that saw the background alone have no samples of the head")
    return points_along(origins, directions, to_depth(config, rays.samples.places))


def positions(
    rays: Rays, origins: Float[Tensor, "b 3"], directions: Float[Tensor, "b r 3"]
) -> Float[Tensor, "b r 3"]:
    """Return where rays end: at their samples' depths summed by weight.

    parity: what the head lets through counts as lying at the camera, so that a ray through its edge
    ends in front of it; divide by `opacity` where that matters.
    """
    covered = rays.opacity if rays.weights is None else rays.weights.sum(-1)
    return origins[:, None] + directions * (rays.depth * covered)[..., None]


def normals(points: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h2 w2"]:
    """Return unit normals towards the camera of a map of points; two rows and columns fewer.

    Across the steps from a pixel's left to its right and from below to above it.
    """
    right = points[:, :, 1:-1, 2:] - points[:, :, 1:-1, :-2]
    up = points[:, :, :-2, 1:-1] - points[:, :, 2:, 1:-1]
    return torch.nn.functional.normalize(torch.linalg.cross(right, up, dim=1), dim=1)


@torch.enable_grad()
def density_normals(
    generator: Generator, prepared: Prepared, rays: Rays, points: Float[Tensor, "b r s 3"]
) -> Float[Tensor, "b r 3"]:
    """Return unit vectors along which the density falls, of each ray's samples summed by weight."""
    if rays.weights is None:
        raise ValueError("rays that saw the background alone have no normals")
    flat = points.detach().flatten(1, 2).requires_grad_()
    density = raw_density(prepared.field, generator.foreground.hidden(prepared.field, flat), flat)
    (steepest,) = torch.autograd.grad(density.sum(), flat)
    falling = -(rays.weights[..., None] * steepest.reshape(points.shape)).sum(2)
    return torch.nn.functional.normalize(falling, dim=-1).detach()
