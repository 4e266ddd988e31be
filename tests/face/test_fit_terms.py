"""Terms of a fit: their slopes are those of their costs."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from phiz.face.fit_shading import LIGHTS, Corners, Shading, paint_prior, shade_slope, with_slopes
from phiz.face.fit_solve import POSE, State, Term
from phiz.face.fit_terms import Marks, Points, Prior
from phiz.graphics import rotation, shade

BATCH, COUNT, SHAPE, TEXTURE = 2, 12, 4, 3
STEP = 1e-3


def _chance() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _normal(*shape: int, generator: torch.Generator) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def _state(paint: int = 0) -> State:
    chance = _chance()
    far = torch.tensor([[0.05, -0.03, 0.2], [-0.1, 0.02, 0.5]], dtype=torch.float64)
    return State(
        turn=rotation.from_euler(0.3 * _normal(BATCH, 3, generator=chance)),
        place=far,
        focal=torch.full((BATCH,), 6.0, dtype=torch.float64),
        shape=0.3 * _normal(BATCH, SHAPE, generator=chance),
        paint=0.3 * _normal(BATCH, paint, generator=chance) + 0.1,
    )


def _points(generator: torch.Generator) -> Points:
    return Points(
        origin=0.08 * _normal(BATCH, COUNT, 3, generator=generator),
        modes=0.01 * _normal(COUNT, 3, SHAPE, generator=generator),
    )


def _assert_slopes(term: Term, state: State, tolerance: float) -> None:
    quadratic = term.quadratic(state)
    torch.testing.assert_close(quadratic.cost, term.cost(state))
    for k in range(state.count):
        step = torch.zeros(BATCH, state.count, dtype=torch.float64)
        step[:, k] = STEP * (0.1 if k < POSE else 1.0)
        up, down = (term.cost(state.moved(sign * step)) for sign in (1, -1))
        expected = (up - down) / (2 * step[:, k])
        scale = max(1.0, float(expected.abs().max()))
        torch.testing.assert_close(
            quadratic.slope[:, k], expected, atol=tolerance * scale, rtol=0, msg=str(k)
        )
    assert (torch.linalg.eigvalsh(quadratic.bend) > -1e-6 * quadratic.bend.abs().max()).all()


def _marks() -> Marks:
    chance = _chance()
    sigma = torch.full((BATCH, COUNT), 2.0, dtype=torch.float64)
    sigma[:, -1] = torch.inf
    return Marks(
        points=_points(chance),
        xy=128 + 40 * _normal(BATCH, COUNT, 2, generator=chance),
        sigma=sigma,
        centre=torch.full((BATCH, 2), 128.0, dtype=torch.float64),
        nu=4.0,
    )


def test_points_slope_as_their_cost_changes() -> None:
    _assert_slopes(_marks(), _state(), 1e-4)


def test_points_that_do_not_count_change_nothing() -> None:
    marks = _marks()
    moved = marks.xy.clone()
    moved[:, -1] += 1e4
    other = Marks(points=marks.points, xy=moved, sigma=marks.sigma, centre=marks.centre, nu=marks.nu)
    assert torch.equal(other.quadratic(_state()).slope, marks.quadratic(_state()).slope)


def test_what_is_likely_slopes_as_its_cost_changes() -> None:
    chance = _chance()
    state = _state(2)
    root = _normal(state.count, state.count, generator=chance)
    root[:3] = 0
    prior = Prior(mean=_normal(state.count, generator=chance), precision=root @ root.T)
    quadratic = prior.quadratic(state)
    assert (quadratic.slope[:, :3] == 0).all()
    _assert_slopes(prior, state, 1e-4)


@pytest.fixture
def shading() -> Shading:
    chance = _chance()
    waves = torch.stack(torch.meshgrid(torch.linspace(0, 6, 64), torch.linspace(0, 5, 64), indexing="ij"))
    picture = 0.5 + 0.2 * torch.stack([waves[0].sin(), waves[1].cos(), (waves[0] + waves[1]).sin()])
    points = _points(chance)
    shares = torch.rand(BATCH, COUNT, 3, generator=chance)
    return Shading(
        points=Points(origin=points.origin.float(), modes=points.modes.float()[None].repeat(BATCH, 1, 1, 1)),
        corners=Corners(
            shares=shares / shares.sum(-1, keepdim=True),
            normals=Points(
                origin=_normal(BATCH, 3 * COUNT, 3, generator=chance).float(),
                modes=0.3 * _normal(BATCH, 3 * COUNT, 3, SHAPE, generator=chance).float(),
            ),
            skin=0.5 + 0.1 * _normal(BATCH, COUNT, 3, 3, generator=chance).float(),
            skin_modes=0.1 * _normal(BATCH, COUNT, 3, 3, TEXTURE, generator=chance).float(),
        ),
        picture=with_slopes(picture[None].repeat(BATCH, 1, 1, 1)),
        slope=torch.zeros(BATCH, COUNT, 3, 2),
        weight=torch.ones(BATCH, COUNT),
        centre=torch.full((BATCH, 2), 32.0),
        tolerance=torch.full((BATCH,), 0.3),
    )


def test_light_and_skin_slope_as_their_cost_changes(shading: Shading) -> None:
    state = _state(LIGHTS + TEXTURE)
    quadratic = shading.quadratic(state)
    for k in range(POSE + SHAPE, state.count):
        step = torch.zeros(BATCH, state.count, dtype=torch.float64)
        step[:, k] = 1e-2
        expected = (shading.cost(state.moved(step)) - shading.cost(state.moved(-step))) / 2e-2
        torch.testing.assert_close(quadratic.slope[:, k], expected, atol=2e-2, rtol=2e-2)


def test_normals_slope_as_their_cost_changes(shading: Shading) -> None:
    still = replace(shading, picture=with_slopes(torch.full((BATCH, 3, 64, 64), 0.5)))
    state = _state(LIGHTS + TEXTURE)
    quadratic = still.quadratic(state)
    for k in (0, 1, 2):
        step = torch.zeros(BATCH, state.count, dtype=torch.float64)
        step[:, k] = 1e-2
        expected = (still.cost(state.moved(step)) - still.cost(state.moved(-step))) / 2e-2
        torch.testing.assert_close(quadratic.slope[:, k], expected, atol=2e-2, rtol=2e-2)


def test_shapes_slope_as_their_normals_turn(shading: Shading) -> None:
    state = replace(_state(LIGHTS + TEXTURE), shape=torch.zeros(BATCH, SHAPE, dtype=torch.float64))
    normals = shading.corners.normals
    upright = torch.nn.functional.normalize(normals.origin, dim=-1)
    across = normals.modes - upright[..., None] * (upright[..., None, :] @ normals.modes)
    corners = replace(shading.corners, normals=Points(origin=upright, modes=across))
    flat = with_slopes(torch.full((BATCH, 3, 64, 64), 0.5))
    still = replace(shading, picture=flat, corners=corners)
    quadratic = still.quadratic(state)
    for k in range(POSE, POSE + SHAPE):
        step = torch.zeros(BATCH, state.count, dtype=torch.float64)
        step[:, k] = 1e-2
        expected = (still.cost(state.moved(step)) - still.cost(state.moved(-step))) / 2e-2
        torch.testing.assert_close(quadratic.slope[:, k], expected, atol=2e-2, rtol=2e-2)


def test_a_picture_slopes_as_its_neighbours_differ() -> None:
    ramp = torch.arange(8.0).expand(1, 3, 8, 8) * 0.1
    slopes = with_slopes(ramp)
    torch.testing.assert_close(slopes[0, 3:6, :, 1:-1], torch.full((3, 8, 6), 0.1))
    assert slopes[0, 6:].abs().max() < 1e-6


def test_light_slopes_as_its_basis_changes() -> None:
    normals = torch.nn.functional.normalize(_normal(5, 3, generator=_chance()), dim=-1)
    expected = torch.func.vmap(torch.func.jacrev(shade.sh_basis))(normals)
    torch.testing.assert_close(shade_slope(normals), expected)


def test_tinted_light_is_less_likely_than_bright_light() -> None:
    mean, precision = paint_prior(TEXTURE, torch.zeros(1, dtype=torch.float64))
    bright, tinted = torch.zeros_like(mean), torch.zeros_like(mean)
    bright[[0, 9, 18]] = 0.3
    tinted[0], tinted[9] = 0.3, -0.3
    assert tinted @ precision @ tinted > 5 * (bright @ precision @ bright)
    assert (torch.linalg.eigvalsh(precision) > 0).all()
