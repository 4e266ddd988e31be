"""Shapes against the truth and views against each other, on a ball whose every pixel is known."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from phiz.face.morphable import MorphableModel
from phiz.graphics import camera as cameras
from phiz.graphics import rays
from phiz.graphics.camera import Camera
from phiz.metrics import geometry
from phiz.world import paint
from phiz.world.figure import dress
from phiz.world.people import sample_person
from phiz.world.scene import portrait_scene

SIZE = 48


def _views(yaws: list[float]) -> Camera:
    yaw = torch.tensor(yaws)
    return cameras.from_fov(cameras.orbit(yaw, torch.zeros_like(yaw), 1.0), math.radians(20))


def _ball(views: Camera, radius: float = 0.13) -> tuple[Tensor, Tensor]:
    """Return pictures and depths of a ball in soft colours, before a grey wall that is no part of it."""
    grid = rays.pixel_grid(SIZE, SIZE).flatten(0, 1).expand(views.batch, -1, -1)
    origin, way = rays.rays_through(views, grid)
    a, half = way.square().sum(-1), (way * origin[:, None]).sum(-1)
    inside = half.square() - a * (origin.square().sum(-1)[:, None] - radius**2)
    depth = torch.where(inside > 0, (-half - inside.clamp(min=0).sqrt()) / a, torch.inf)
    points = rays.points_along(origin, way, torch.where(inside > 0, depth, 1)[..., None])[:, :, 0]
    colours = torch.where(inside[..., None] > 0, torch.sin(20 * points), 0)
    return colours.mT.reshape(-1, 3, SIZE, SIZE), depth.reshape(-1, SIZE, SIZE)


def test_views_of_a_ball_agree_with_its_depth_and_not_with_another() -> None:
    views = _views([-0.2, 0.0, 0.2])
    images, depths = _ball(views)
    found = geometry.reprojection_error(images, depths, views)
    assert found.colour.shape == (6,)
    assert float(found.colour.max()) < 0.02
    assert float(found.depth.max()) < 2e-3
    assert float(found.shared.min()) > 0.6
    for by in (0.985, 1.015):
        wrong = geometry.reprojection_error(images, depths * by, views)
        assert float(wrong.colour.mean()) > 3 * float(found.colour.mean())
    flat = torch.where(torch.isfinite(depths), 1.0, depths)
    assert float(geometry.reprojection_error(images, flat, views).colour.mean()) > 3 * float(
        found.colour.mean()
    )


def test_equal_views_agree_exactly() -> None:
    views = _views([0.1, 0.1])
    found = geometry.reprojection_error(*_ball(views), views)
    assert float(found.colour.max()) < 1e-4
    torch.testing.assert_close(found.shared, torch.ones(2))


def test_an_object_that_changes_its_colours_with_the_view_is_found_out() -> None:
    views = _views([0.0, 0.15])
    images, depths = _ball(views)
    found = geometry.reprojection_error(images, depths, views)
    images[1] += 0.3
    torch.testing.assert_close(
        geometry.reprojection_error(images, depths, views).colour,
        found.colour.new_full((2,), 0.3),
        atol=0.02,
        rtol=0,
    )


def test_views_from_opposite_sides_share_nothing() -> None:
    views = _views([0.0, math.pi])
    found = geometry.reprojection_error(*_ball(views), views)
    assert float(found.shared.max()) == 0
    assert bool(found.colour.isnan().all())


def test_one_view_is_refused() -> None:
    views = _views([0.0])
    with pytest.raises(ValueError, match="two or more"):
        geometry.reprojection_error(*_ball(views), views)


def test_rendered_people_agree_with_themselves_from_the_side(model: MorphableModel) -> None:
    person = sample_person(1, model, ("buzz",))
    person = replace(person, glasses="none", hat="none", hair=replace(person.hair, beard="none"))
    scene = portrait_scene(3, person, model)
    scene = replace(scene, develop=replace(scene.develop, noise=0.0, blur=0.0, jpeg_quality=0))
    outfit, pictures, views = dress(person, model), [], []
    for yaw in (-0.1, 0.1):
        turn = torch.tensor([[math.cos(yaw), 0, math.sin(yaw), 0], [0, 1, 0, 0]])
        turn = torch.cat([turn, torch.tensor([[-math.sin(yaw), 0, math.cos(yaw), 0], [0, 0, 0, 1.0]])])
        views.append(cameras.move(scene.camera, turn))
        pictures.append(paint.paint(person, replace(scene, camera=views[-1]), model, size=64, outfit=outfit))
    both = Camera(
        world_from_camera=torch.cat([v.world_from_camera for v in views]),
        intrinsics=torch.cat([v.intrinsics for v in views]),
    )
    images, depths = torch.stack([p.image for p in pictures]), torch.stack([p.depth for p in pictures])
    right = geometry.reprojection_error(images, depths, both)
    swapped = Camera(world_from_camera=both.world_from_camera.flip(0), intrinsics=both.intrinsics.flip(0))
    wrong = geometry.reprojection_error(images, depths, swapped)
    assert float(right.shared.min()) > 0.6
    assert float(right.colour.mean()) < 0.7 * float(wrong.colour.nan_to_num(2).mean())


def test_depth_error_is_the_mean_distance_inside_the_mask() -> None:
    truth = torch.full((2, 4, 4), 2.0)
    depth = truth.clone()
    depth[0, 0], depth[1, 3] = 2.5, 100.0
    mask = torch.ones(2, 1, 4, 4)
    mask[1, :, 3] = 0
    torch.testing.assert_close(geometry.depth_error(depth, truth, mask), torch.tensor([0.125, 0.0]))
    truth[0, 0, 0] = depth[0, 0, 1] = torch.inf
    torch.testing.assert_close(geometry.depth_error(depth, truth, mask)[0], torch.tensor(1.0 / 14))
    assert bool(geometry.depth_error(depth, truth, 0 * mask).isnan().all())


def test_a_scale_free_error_does_not_see_the_scale_and_finds_the_best_one() -> None:
    generator = torch.Generator().manual_seed(0)
    truth = 1 + torch.rand(2, 5, 5, generator=generator)
    mask = torch.ones(2, 1, 5, 5)
    torch.testing.assert_close(
        geometry.depth_error(3 * truth, truth, mask, scale_free=True), torch.zeros(2), atol=1e-6, rtol=0
    )
    depth = truth + 0.1 * torch.randn(truth.shape, generator=generator)
    best = geometry.best_scale(depth, truth, mask[:, 0])[:, None, None]
    least = (best * depth - truth).square().sum((1, 2))
    for by in (0.99, 1.01):
        assert bool((least < (by * best * depth - truth).square().sum((1, 2))).all())
