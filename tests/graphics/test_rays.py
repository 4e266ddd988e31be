"""Rays: they pass through their pixels, keep their order and never add up to more than one."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from phiz.graphics import camera, rays


def some_depths(count: int = 14) -> Tensor:
    return rays.linear_depths(0.88, 1.12, count).double()


def some_density(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=generator, dtype=torch.float64) * 30


def test_points_on_a_ray_show_at_its_pixel_and_at_their_depth() -> None:
    yaw = torch.tensor([0.3, -0.5])
    cameras = camera.from_fov(camera.orbit(yaw, yaw / 2, 1.0, (0.1, 0.0, 0.0)), 0.5)
    uv = rays.pixel_grid(4, 6).reshape(1, 24, 2).expand(2, 24, 2)
    origins, directions = rays.rays_through(cameras, uv)
    depths = rays.linear_depths(0.5, 1.5, 3).expand(2, 24, 3)
    points = rays.points_along(origins, directions, depths)
    seen = camera.project(cameras, points.reshape(2, 72, 3)).reshape(2, 24, 3, 3)
    torch.testing.assert_close(seen[..., :2], uv[:, :, None].expand(2, 24, 3, 2), atol=1e-5, rtol=0)
    torch.testing.assert_close(seen[..., 2], depths)


def test_the_pixel_grid_holds_the_centres_with_the_top_row_first() -> None:
    grid = rays.pixel_grid(32, 32)
    torch.testing.assert_close(grid[0, 0], torch.tensor([-1 + 1 / 32, -1 + 1 / 32]))
    torch.testing.assert_close(grid[-1, 0], torch.tensor([-1 + 1 / 32, 1 - 1 / 32]))


def test_the_published_frontal_ray_is_where_the_facts_say() -> None:
    """A point of the frontal view is (1 - d, t u d, -t v d) with t = tan 6 degrees."""
    made = camera.generator_camera(torch.eye(3)[None])
    origins, directions = rays.rays_through(made, torch.tensor([[[0.5, -0.25]]]))
    point = rays.points_along(origins, directions, torch.tensor([[[0.9]]]))[0, 0, 0]
    t = math.tan(math.radians(6))
    expected = torch.tensor([1 - 0.9, 0.5 * t * 0.9, 0.25 * t * 0.9])
    torch.testing.assert_close(point, expected, atol=1e-6, rtol=1e-5)


def test_jittered_depths_keep_their_order_and_their_strata() -> None:
    depths = some_depths().expand(100, 14)
    moved = rays.jitter(depths, torch.Generator().manual_seed(0))
    assert (moved.diff(dim=-1) >= 0).all()
    assert moved.min() >= depths.min()
    assert moved.max() <= depths.max()
    again = rays.jitter(depths, torch.Generator().manual_seed(0))
    torch.testing.assert_close(moved, again, atol=0, rtol=0)


def test_opaque_weights_add_up_to_one() -> None:
    density = some_density(5, 14)
    weights, left = rays.composite_weights(
        density, some_depths().expand(5, 14), torch.ones(5).double(), opaque=True
    )
    torch.testing.assert_close(weights.sum(-1), torch.ones(5, dtype=torch.float64))
    assert (left == 0).all()


def test_what_the_weights_leave_is_what_passes() -> None:
    density, stretch = some_density(5, 14), torch.linspace(1, 2, 5, dtype=torch.float64)
    weights, left = rays.composite_weights(density, some_depths().expand(5, 14), stretch, opaque=False)
    torch.testing.assert_close(weights.sum(-1) + left, torch.ones(5, dtype=torch.float64))
    assert (weights >= 0).all()
    assert (weights[:, -1] == 0).all()


def test_weights_are_those_of_the_equation_written_out() -> None:
    density, depths = some_density(3, 6), some_depths(6).expand(3, 6)
    stretch = torch.tensor([1.0, 1.1, 1.3], dtype=torch.float64)
    weights, left = rays.composite_weights(density, depths, stretch, opaque=False)
    for r in range(3):
        passing = 1.0
        for s in range(5):
            step = float(depths[r, s + 1] - depths[r, s]) * float(stretch[r])
            alpha = 1 - math.exp(-float(density[r, s]) * step)
            assert weights[r, s].item() == pytest.approx(passing * alpha)
            passing *= 1 - alpha
        assert left[r].item() == pytest.approx(passing)


def test_thicker_fog_lets_less_light_pass() -> None:
    density, depths, one = some_density(5, 14), some_depths().expand(5, 14), torch.ones(5).double()
    _, thin = rays.composite_weights(density, depths, one, opaque=False)
    _, thick = rays.composite_weights(density * 2, depths, one, opaque=False)
    assert (thick < thin).all()


def test_compositing_has_the_gradients_of_finite_differences() -> None:
    density = some_density(2, 5).requires_grad_()
    depths = some_depths(5).expand(2, 5).clone().requires_grad_()
    stretch = torch.tensor([1.0, 1.2], dtype=torch.float64, requires_grad=True)
    for opaque in (False, True):
        assert torch.autograd.gradcheck(
            lambda a, b, c, o=opaque: rays.composite_weights(a, b, c, opaque=o), (density, depths, stretch)
        )


def test_even_chances_in_an_even_density_give_even_samples() -> None:
    edges = torch.linspace(2, 4, 9, dtype=torch.float64).expand(3, 9)
    chances = rays.even_chances(edges, 5)
    samples = rays.inverse_cdf(edges, torch.ones(3, 8, dtype=torch.float64), chances)
    torch.testing.assert_close(samples, torch.linspace(2, 4, 5, dtype=torch.float64).expand(3, 5))


def test_samples_gather_where_the_weight_is() -> None:
    edges = torch.linspace(0, 1, 11, dtype=torch.float64)[None]
    weights = torch.zeros(1, 10, dtype=torch.float64)
    weights[0, 6] = 1
    chance = torch.rand(1, 500, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    samples = rays.inverse_cdf(edges, weights, chance)
    inside = (samples >= 0.6) & (samples <= 0.7)
    assert inside.double().mean() > 0.99


def test_finer_depths_stay_between_the_outer_middles_and_in_order() -> None:
    depths = some_depths().expand(4, 14)
    chances = rays.even_chances(depths, 14)
    finer = rays.finer_depths(depths, some_density(4, 14, seed=2), chances)
    assert (finer.diff(dim=-1) >= -1e-12).all()
    assert finer.min() >= (depths[0, 0] + depths[0, 1]) / 2 - 1e-12
    assert finer.max() <= (depths[0, -1] + depths[0, -2]) / 2 + 1e-12


def test_no_gradient_flows_through_finer_depths() -> None:
    weights = some_density(2, 14).requires_grad_()
    depths = some_depths().expand(2, 14).clone().requires_grad_()
    finer = rays.finer_depths(depths, weights, rays.even_chances(depths, 4))
    assert not finer.requires_grad
