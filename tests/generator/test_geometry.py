"""Rays as a surface: its places agree with depths, its normals with planes and with the density's fall."""

from __future__ import annotations

import copy
from typing import Literal

import pytest
import torch

from phiz.generator import geometry, poses
from phiz.generator.config import TINY
from phiz.generator.field import raw_density
from phiz.generator.generator import Generator, Plan, Prepared, Rays
from phiz.generator.volume import rays_through_pixels
from phiz.graphics.camera import Camera

Marched = tuple[Prepared, Rays, torch.Tensor, torch.Tensor]


def _marched(generator: Generator, shows: Literal["both", "foreground", "background"]) -> Marched:
    """Return rays of two people from two sides, and where those start and go."""
    kind = generator.progress.dtype
    styles = generator.styles(
        torch.randn(2, TINY.z_size, generator=torch.Generator().manual_seed(2)).to(kind)
    )
    prepared = generator.prepare(styles)
    seen = poses.at_units(TINY, torch.tensor([[0.3, -0.5], [-1.0, 0.2]]))
    camera = Camera(world_from_camera=seen.world_from_camera.to(kind), intrinsics=seen.intrinsics.to(kind))
    uv = generator.pixels(TINY.volume_resolution).to(kind)
    rays = generator.march(prepared, camera, uv, plan=Plan(shows=shows))
    return prepared, rays, *rays_through_pixels(camera, uv.expand(2, -1, -1))


def test_opaque_rays_end_at_their_mean_depth(tiny: Generator) -> None:
    _, rays, origins, directions = _marched(tiny, "foreground")
    places = geometry.positions(rays, origins, directions)
    expected = origins[:, None] + directions * rays.depth[..., None]
    torch.testing.assert_close(places, expected, atol=1e-5, rtol=0)


def test_places_are_the_samples_summed_by_weight(tiny: Generator) -> None:
    _, rays, origins, directions = _marched(tiny, "both")
    assert rays.weights is not None
    points = geometry.sample_points(TINY, rays, origins, directions)
    missing = (1 - rays.weights.sum(-1))[..., None] * origins[:, None]
    summed = (rays.weights[..., None] * points).sum(2) + missing
    torch.testing.assert_close(geometry.positions(rays, origins, directions), summed, atol=1e-5, rtol=0)


def test_a_plane_has_one_normal_towards_the_camera() -> None:
    line = torch.linspace(-1, 1, 6)
    up, right = torch.meshgrid(-line, line, indexing="ij")  # the top row first; the camera looks along -x
    points = torch.stack([0.5 * right - 0.25 * up, right, up])[None]
    expected = torch.nn.functional.normalize(torch.tensor([1.0, -0.5, 0.25]), dim=0)
    found = geometry.normals(points)
    assert found.shape == (1, 3, 4, 4)
    torch.testing.assert_close(found, expected[None, :, None, None].expand_as(found))


def test_the_density_falls_along_its_normals(tiny: Generator) -> None:
    generator = copy.deepcopy(tiny).double()
    prepared, rays, origins, directions = _marched(generator, "both")
    points = geometry.sample_points(TINY, rays, origins, directions)
    found = geometry.density_normals(generator, prepared, rays, points)
    assert not found.requires_grad
    step, slopes = 1e-6, []
    for axis in torch.eye(3, dtype=torch.float64):
        after, before = (
            raw_density(prepared.field, generator.foreground.hidden(prepared.field, moved), moved)
            for moved in ((points + step * axis).flatten(1, 2), (points - step * axis).flatten(1, 2))
        )
        slopes.append((after - before) / (2 * step))
    assert rays.weights is not None
    falling = -(rays.weights[..., None] * torch.stack(slopes, dim=-1).reshape(points.shape)).sum(2)
    torch.testing.assert_close(found, torch.nn.functional.normalize(falling, dim=-1), atol=1e-5, rtol=0)


def test_rays_that_saw_no_head_have_no_samples(tiny: Generator) -> None:
    prepared, rays, origins, directions = _marched(tiny, "background")
    with pytest.raises(ValueError, match="background alone"):
        geometry.sample_points(TINY, rays, origins, directions)
    with pytest.raises(ValueError, match="background alone"):
        geometry.density_normals(tiny, prepared, rays, torch.zeros(2, rays.depth.shape[1], 1, 3))
