"""Triangles to pixels: the twins agree, nothing overlaps, nothing leaks, gradients flow."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from phiz.graphics import camera, raster, raster_cpu, raster_torch

INF = math.inf


def soup(count: int, size: int, seed: int, reach: float = 12.0) -> tuple[Tensor, Tensor]:
    """Return unconnected triangles of all sizes, some of them partly or wholly out of the picture."""
    generator = torch.Generator().manual_seed(seed)
    centre = torch.rand(count, 1, 2, generator=generator) * (size + 8) - 4
    offset = torch.randn(count, 3, 2, generator=generator) * torch.rand(count, 1, 1, generator=generator)
    depth = 1 + torch.rand(count, 3, 1, generator=generator)
    screen = torch.cat([centre + reach * offset, depth], dim=-1).reshape(-1, 3)
    return screen, torch.arange(3 * count).reshape(count, 3)


def ball(size: int, rings: int = 12, around: int = 16) -> tuple[Tensor, Tensor]:
    """Return a closed sphere on the screen, corners anticlockwise seen from outside."""
    polar = torch.linspace(0, math.pi, rings + 1)[:, None].expand(rings + 1, around)
    turn = torch.arange(around)[None].expand(rings + 1, around) * (2 * math.pi / around)
    points = [polar.sin() * turn.sin(), polar.cos(), polar.sin() * turn.cos()]
    i = torch.arange((rings + 1) * around).reshape(rings + 1, around)
    a, b, c, d = i[:-1], i[:-1].roll(-1, 1), i[1:], i[1:].roll(-1, 1)
    triangles = torch.stack([torch.stack([a, c, b], -1), torch.stack([b, c, d], -1)]).reshape(-1, 3)
    made = camera.from_fov(camera.orbit(torch.tensor([0.3]), torch.tensor([0.2]), 4.0), 0.6)
    screen = camera.to_screen(made, torch.stack(points, dim=-1).reshape(1, -1, 3), size, size)[0]
    return screen, triangles


def naive(screen: Tensor, triangles: Tensor, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return triangle, weights and depth from the definition, pixel by pixel, without snapping."""
    points = screen.double().numpy()
    triangle = np.full((size, size), -1)
    weights, depth = np.zeros((size, size, 3)), np.full((size, size), INF)
    for y in range(size):
        for x in range(size):
            for number, corners in enumerate(triangles.tolist()):
                a, b, c = points[corners]
                system = np.array([[a[0], b[0], c[0]], [a[1], b[1], c[1]], [1, 1, 1]])
                if abs(np.linalg.det(system)) < 1e-12:
                    continue
                flat = np.linalg.solve(system, np.array([x + 0.5, y + 0.5, 1]))
                mixed = flat / np.array([a[2], b[2], c[2]])
                if flat.min() >= 0 and 1 / mixed.sum() < depth[y, x]:
                    triangle[y, x], depth[y, x] = number, 1 / mixed.sum()
                    weights[y, x] = mixed / mixed.sum()
    return triangle, weights, depth


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("cull", [False, True])
def test_the_twins_agree_bit_for_bit(seed: int, cull: bool) -> None:
    screen, triangles = soup(400, 64, seed)
    found = raster_cpu.rasterise(screen, triangles, 64, 64, cull)
    twin = raster_torch.rasterise(screen, triangles, 64, 64, cull)
    assert (found[0] >= 0).float().mean() > 0.5
    for one, other in zip(found, twin, strict=True):
        assert torch.equal(one, other)


def test_the_twins_agree_on_pictures_that_are_not_square() -> None:
    screen, triangles = soup(300, 60, 9)
    found = raster_cpu.rasterise(screen, triangles, 33, 57, False)
    twin = raster_torch.rasterise(screen, triangles, 33, 57, False)
    assert all(torch.equal(one, other) for one, other in zip(found, twin, strict=True))


def test_small_portions_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    screen, triangles = soup(100, 48, 5, reach=60)
    whole = raster_torch.rasterise(screen, triangles, 48, 48, False)
    monkeypatch.setattr(raster_torch, "PORTION", 40)
    parts = raster_torch.rasterise(screen, triangles, 48, 48, False)
    assert all(torch.equal(one, other) for one, other in zip(whole, parts, strict=True))


def test_the_answer_is_that_of_the_definition() -> None:
    screen, triangles = soup(25, 16, 3)
    hits = raster.rasterise(screen, triangles, 16, 16)
    triangle, weights, depth = naive(screen, triangles, 16)
    assert (hits.triangle.numpy() == triangle).all()
    np.testing.assert_allclose(hits.barycentric.numpy(), weights, atol=2e-4)
    covered = triangle >= 0
    np.testing.assert_allclose(hits.depth.numpy()[covered], depth[covered], rtol=1e-4)
    assert np.isinf(hits.depth.numpy()[~covered]).all()


def test_a_shadow_map_holds_the_same_depths() -> None:
    screen, triangles = soup(200, 40, 6)
    hits = raster.rasterise(screen, triangles, 40, 40)
    assert torch.equal(raster.rasterise_depth(screen, triangles, 40, 40), hits.depth)
    assert torch.equal(raster_torch.rasterise_depth(screen, triangles, 40, 40, False), hits.depth)


@pytest.mark.parametrize("twin", [raster_cpu, raster_torch])
def test_a_fan_covers_each_pixel_exactly_once(twin: object) -> None:
    """Corners on pixel centres and on a finer grid: the hard cases for the rule of shared edges."""
    draw = twin.rasterise  # type: ignore[attr-defined]
    turn = torch.arange(9) * (2 * math.pi / 9)
    rim = (10.5 + 9 * torch.stack([turn.cos(), turn.sin()], dim=-1)).floor() + 0.5
    for centre in ([10.5, 10.5], [9.0, 11.25], [12.345, 8.765]):
        screen = torch.cat([torch.tensor([centre]), rim])
        screen = torch.cat([screen, torch.ones(10, 1)], dim=-1)
        triangles = torch.tensor([[0, k + 1, (k + 1) % 9 + 1] for k in range(9)])
        times = torch.zeros(21, 21, dtype=torch.int64)
        for one in triangles:
            times += draw(screen, one[None], 21, 21, False)[0] >= 0
        assert times.max() == 1
        whole = draw(screen, triangles, 21, 21, False)[0] >= 0
        assert torch.equal(whole, times == 1)
        assert times[6:15, 6:15].min() == 1


@pytest.mark.parametrize("twin", [raster_cpu, raster_torch])
def test_a_square_on_pixel_centres_owns_its_top_and_left_only(twin: object) -> None:
    draw = twin.rasterise  # type: ignore[attr-defined]
    screen = torch.tensor([[1.5, 1.5, 1.0], [4.5, 1.5, 1.0], [1.5, 4.5, 1.0], [4.5, 4.5, 1.0]])
    for triangles in ([[0, 1, 2], [1, 3, 2]], [[0, 2, 1], [1, 2, 3]], [[0, 1, 3], [0, 2, 3]]):
        covered = draw(screen, torch.tensor(triangles), 6, 6, False)[0] >= 0
        assert covered.nonzero().tolist() == [[y, x] for y in (1, 2, 3) for x in (1, 2, 3)]


def test_a_closed_surface_shows_as_often_in_front_as_behind() -> None:
    """Every ray that enters a closed surface leaves it: fronts and backs have one silhouette."""
    screen, triangles = ball(48)
    times = torch.zeros(2, 48, 48, dtype=torch.int64)
    for one in triangles:
        front = raster.rasterise(screen, one[None], 48, 48, cull=True).covered
        times[0] += front
        times[1] += raster.rasterise(screen, one[None], 48, 48).covered & ~front
    assert torch.equal(times[0], times[1])
    assert times.max() == 1
    assert torch.equal(times[0] == 1, raster.rasterise(screen, triangles, 48, 48).covered)


def test_culling_a_closed_surface_changes_nothing() -> None:
    screen, triangles = ball(64)
    every = raster.rasterise(screen, triangles, 64, 64)
    front = raster.rasterise(screen, triangles, 64, 64, cull=True)
    assert torch.equal(every.triangle, front.triangle)
    inside_out = raster.rasterise(screen, triangles.flip(1), 64, 64, cull=True)
    assert (inside_out.depth[front.covered] > front.depth[front.covered]).all()


@pytest.mark.parametrize("twin", [raster_cpu, raster_torch])
def test_of_equally_near_triangles_the_first_wins(twin: object) -> None:
    draw = twin.rasterise  # type: ignore[attr-defined]
    screen = torch.tensor([[1.0, 1.0, 2.0], [9.0, 1.0, 2.0], [1.0, 9.0, 2.0]])
    triangles = torch.tensor([[0, 1, 2], [2, 1, 0], [1, 2, 0]])
    triangle = draw(screen, triangles, 10, 10, False)[0]
    assert set(triangle.unique().tolist()) == {-1, 0}


@pytest.mark.parametrize("twin", [raster_cpu, raster_torch])
@pytest.mark.parametrize(
    "corner",
    [
        (5.0, 5.0, 0.0),
        (5.0, 5.0, -1.0),
        (5.0, 5.0, INF),
        (math.nan, 5.0, 1.0),
        (INF, 5.0, 1.0),
        (1e5, 5.0, 1.0),
    ],
)
def test_triangles_that_cannot_be_drawn_are_left_out(twin: object, corner: tuple[float, ...]) -> None:
    draw = twin.rasterise  # type: ignore[attr-defined]
    screen = torch.tensor([[1.0, 1.0, 1.0], [9.0, 1.0, 1.0], corner, [1.0, 9.0, 2.0]])
    triangle, weights, depth = draw(screen, torch.tensor([[0, 1, 2], [0, 1, 3]]), 10, 10, False)
    assert set(triangle.unique().tolist()) == {-1, 1}
    assert weights.isfinite().all()
    assert (depth[triangle >= 0] > 0).all()


@pytest.mark.parametrize("twin", [raster_cpu, raster_torch])
def test_an_empty_scene_is_an_empty_picture(twin: object) -> None:
    draw = twin.rasterise  # type: ignore[attr-defined]
    triangle, weights, depth = draw(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.int64), 4, 5, False)
    assert triangle.shape == (4, 5)
    assert (triangle == -1).all()
    assert (weights == 0).all()
    assert (depth == INF).all()


def test_a_triangle_with_a_missing_corner_is_an_error() -> None:
    with pytest.raises(IndexError, match="not among the 2 points"):
        raster.rasterise(torch.ones(2, 3), torch.tensor([[0, 1, 2]]), 4, 4)
    with pytest.raises(ValueError, match="each side"):
        raster.rasterise(torch.ones(3, 3), torch.tensor([[0, 1, 2]]), 0, 4)


def test_weights_add_up_to_one_and_mix_the_screen_to_pixel_centres() -> None:
    screen, triangles = soup(200, 40, 7)
    hits = raster.rasterise(screen, triangles, 40, 40)
    covered = hits.covered
    total = hits.barycentric.sum(-1)
    torch.testing.assert_close(total, covered.float(), atol=1e-6, rtol=0)
    assert hits.barycentric.min() >= 0
    # x / d and 1 / d are linear on the screen, so x mixes with weights over depth
    live = raster.interpolate(torch.cat([screen[:, :2] * screen[:, 2:], screen[:, 2:]], -1), triangles, hits)
    y, x = torch.meshgrid(torch.arange(40) + 0.5, torch.arange(40) + 0.5, indexing="ij")
    seen = live[covered][:, :2] / live[covered][:, 2:]
    torch.testing.assert_close(seen, torch.stack([x, y], -1)[covered], atol=2e-3, rtol=0)
    torch.testing.assert_close(live[covered][:, 2], hits.depth[covered], rtol=1e-5, atol=0)


def test_interpolated_points_project_back_to_their_pixels() -> None:
    made = camera.from_fov(camera.orbit(torch.tensor([0.2]), torch.tensor([0.1]), 2.0), 0.5)
    points = torch.tensor([[[-0.3, -0.3, 0.3], [0.4, -0.2, -0.5], [0.0, 0.4, 0.1]]])
    triangles = torch.tensor([[0, 1, 2]])
    hits = raster.rasterise(camera.to_screen(made, points, 32, 48)[0], triangles, 32, 48)
    world = raster.interpolate(points[0], triangles, hits)[hits.covered]
    seen = camera.to_screen(made, world[None], 32, 48)[0]
    line, column = hits.covered.nonzero().unbind(-1)
    expected = torch.stack([column + 0.5, line + 0.5, hits.depth[hits.covered]], dim=-1)
    torch.testing.assert_close(seen, expected, atol=1e-3, rtol=1e-5)


def test_fresh_barycentrics_are_the_found_ones() -> None:
    screen, triangles = ball(64)
    hits = raster.rasterise(screen, triangles, 64, 64)
    fresh = raster.with_gradients(screen, triangles, hits)
    torch.testing.assert_close(fresh.barycentric, hits.barycentric, atol=2e-4, rtol=0)
    torch.testing.assert_close(fresh.depth, hits.depth, atol=1e-5, rtol=1e-5)


def test_several_pictures_are_drawn_as_one_by_one() -> None:
    screens = torch.stack([soup(60, 24, seed)[0] for seed in range(3)])
    triangles = soup(60, 24, 0)[1]
    hits = raster.rasterise_batch(screens, triangles, 24, 20)
    colours = torch.rand(3, 180, 2, generator=torch.Generator().manual_seed(0))
    mixed = raster.interpolate(colours, triangles, hits)
    shared = raster.interpolate(colours[0], triangles, hits)
    fresh = raster.barycentric(screens, triangles, hits)
    for k in range(3):
        alone = raster.rasterise(screens[k], triangles, 24, 20)
        assert torch.equal(hits[k].triangle, alone.triangle)
        assert torch.equal(mixed[k], raster.interpolate(colours[k], triangles, alone))
        assert torch.equal(shared[k], raster.interpolate(colours[0], triangles, alone))
        assert torch.equal(fresh[k], raster.barycentric(screens[k], triangles, alone))
    assert hits[1:].triangle.shape == (2, 24, 20)


def test_gradients_reach_attributes_and_geometry() -> None:
    screen, triangles = soup(6, 8, 2, reach=6)
    screen = screen.double().requires_grad_()
    hits = raster.rasterise(screen, triangles, 8, 8)
    assert hits.covered.any()
    double = replace(hits, barycentric=hits.barycentric.double())
    colours = torch.rand(18, 2, generator=torch.Generator().manual_seed(0)).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda c: raster.interpolate(c, triangles, double), colours)
    assert torch.autograd.gradcheck(lambda s: raster.barycentric(s, triangles, hits), screen)
    depth = raster.with_gradients(screen, triangles, hits).depth
    (gradient,) = torch.autograd.grad(depth[hits.covered].sum(), screen)
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0


def test_a_triangle_without_area_gives_no_nan() -> None:
    """Snapping can lend an area to corners on one line; fresh weights must not divide by nothing."""
    screen = torch.tensor([[0.25, 0.5, 1.0], [3.5, 0.5, 1.0], [7.0, 0.5 + 1e-7, 1.0]], requires_grad=True)
    triangles = torch.tensor([[0, 1, 2]])
    hits = replace(
        raster.rasterise(screen, triangles, 8, 8),
        triangle=torch.zeros(8, 8, dtype=torch.int32),
        barycentric=torch.full((8, 8, 3), 1 / 3),
    )
    fresh = raster.barycentric(screen, triangles, hits)
    (gradient,) = torch.autograd.grad(fresh.sum(), screen)
    assert fresh.isfinite().all()
    assert gradient.isfinite().all()


def test_moving_a_wall_back_moves_its_depth_one_for_one() -> None:
    screen = torch.tensor([[0.0, 0.0, 2.0], [16.0, 0.0, 2.0], [0.0, 16.0, 2.0]], requires_grad=True)
    triangles = torch.tensor([[0, 1, 2]])
    hits = raster.rasterise(screen, triangles, 8, 8)
    depth = raster.with_gradients(screen, triangles, hits).depth
    (gradient,) = torch.autograd.grad(depth.mean(), screen)
    torch.testing.assert_close(gradient[:, 2].sum(), torch.tensor(1.0))
