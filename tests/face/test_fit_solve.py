"""Second-order steps: they reach the bottom, keep within limits and never go up."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from phiz.face import fit_solve
from phiz.face.fit_solve import POSE, Limits, Quadratic, State
from phiz.graphics import rotation

SHAPE = 3
COUNT = POSE + SHAPE


@dataclass(frozen=True)
class Bowl:
    """A quadratic about a place in all numbers but the turn."""

    middle: Float[Tensor, " p"]
    bend: Float[Tensor, "p p"]

    def cost(self, state: State) -> Float[Tensor, " b"]:
        away = self._away(state)
        return 0.5 * torch.einsum("bp,pq,bq->b", away, self.bend, away)

    def quadratic(self, state: State) -> Quadratic:
        slope = self._away(state) @ self.bend
        return Quadratic(cost=self.cost(state), slope=slope, bend=self.bend.expand(len(slope), -1, -1))

    def _away(self, state: State) -> Tensor:
        parts = [torch.zeros_like(state.place), state.place, state.focal[:, None], state.shape]
        return torch.cat(parts, dim=1) - self.middle


@pytest.fixture
def bowl() -> Bowl:
    chance = torch.Generator().manual_seed(0)
    root = torch.randn(COUNT, COUNT, generator=chance, dtype=torch.float64)
    middle = 0.4 * torch.randn(COUNT, generator=chance, dtype=torch.float64)
    middle[:3] = 0
    return Bowl(middle, root @ root.T + torch.eye(COUNT))


def _start(batch: int = 2) -> State:
    return State(
        turn=torch.eye(3, dtype=torch.float64).expand(batch, 3, 3),
        place=torch.zeros(batch, 3, dtype=torch.float64),
        focal=torch.zeros(batch, dtype=torch.float64),
        shape=torch.zeros(batch, SHAPE, dtype=torch.float64),
        paint=torch.zeros(batch, 0, dtype=torch.float64),
    )


def _limits(low: float = -9.0, high: float = 9.0, held: tuple[int, ...] = ()) -> Limits:
    free = torch.ones(COUNT, dtype=torch.bool)
    free[list(held)] = False
    numbers = torch.ones(SHAPE, dtype=torch.float64)
    return Limits(free=free, low=low * numbers, high=high * numbers)


def test_the_bottom_of_a_bowl_is_found(bowl: Bowl) -> None:
    found = fit_solve.minimise(_start(), [bowl], _limits(held=(0, 1, 2)), 12)
    torch.testing.assert_close(found.shape[1], bowl.middle[POSE:], atol=1e-4, rtol=0)
    torch.testing.assert_close(found.place[0], bowl.middle[3:6], atol=1e-4, rtol=0)


def test_limits_hold_and_the_rest_makes_the_best_of_it(bowl: Bowl) -> None:
    limits = _limits(0.0, 0.1, held=(0, 1, 2))
    found = fit_solve.minimise(_start(), [bowl], limits, 30)
    assert found.shape.min() >= 0
    assert found.shape.max() <= 0.1
    slope = bowl.quadratic(found).slope
    inside = (found.shape > 0) & (found.shape < 0.1)
    assert slope[:, 3:POSE].abs().max() < 1e-5
    assert (slope[:, POSE:][inside].abs() < 1e-5).all()


def test_what_is_held_stays(bowl: Bowl) -> None:
    found = fit_solve.minimise(_start(), [bowl], _limits(held=(0, 1, 2, 6)), 8)
    assert (found.focal == 0).all()
    assert (found.place != 0).all()


def test_no_step_goes_up(bowl: Bowl) -> None:
    state, least = _start(1), torch.inf
    for _ in range(6):
        state = fit_solve.minimise(state, [bowl], _limits(), 1)
        cost = float(fit_solve.total(state, [bowl])[0])
        assert cost <= least
        least = cost


def test_uncertainty_is_the_inverse_of_the_curvature(bowl: Bowl) -> None:
    found = fit_solve.covariance(_start(1), [bowl], _limits(held=(0, 1, 2)))[0]
    expected = torch.linalg.inv(bowl.bend[3:, 3:])
    torch.testing.assert_close(found[3:, 3:], expected, atol=1e-6, rtol=1e-6)
    assert not found[:3].any()


def test_a_step_turns_the_head_about_the_cameras_axes() -> None:
    step = torch.zeros(2, COUNT, dtype=torch.float64)
    step[:, 1], step[:, 5], step[:, 8] = 0.3, 0.2, 0.5
    moved = _start().moved(step)
    expected = rotation.from_euler(torch.tensor([0.0, 0.3, 0.0], dtype=torch.float64))
    torch.testing.assert_close(moved.turn[0], expected)
    assert moved.place[0, 2] == 0.2
    assert moved.shape[1].tolist() == [0.0, 0.5, 0.0]


def test_pictures_are_chosen_one_by_one() -> None:
    start = _start()
    moved = start.moved(torch.ones(2, COUNT, dtype=torch.float64))
    mixed = moved.chosen(start, torch.tensor([True, False]))
    assert mixed.shape.tolist() == [[1.0] * SHAPE, [0.0] * SHAPE]
    assert torch.equal(mixed.rows(torch.tensor([1])).turn, start.turn[:1])
