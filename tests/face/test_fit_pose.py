"""How a head stands, from points alone."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from phiz.face import fit_pose
from phiz.face.fit_surface import anchors68, chart
from phiz.face.head import Head
from phiz.graphics import rotation


@pytest.fixture
def points(head: Head) -> Tensor:
    return anchors68(head).on(chart(head).mean[None])[0].double()


def _far(points: Tensor, turn: Tensor, scale: float = 900.0) -> Tensor:
    """Return the points as seen from afar."""
    return 128 + scale * (points @ turn.mT)[..., :2] * torch.tensor([1.0, -1.0], dtype=torch.float64)


@pytest.mark.parametrize(
    "angles", [(0, 0, 0), (0.5, -1.4, 0.2), (-0.6, 0.8, math.pi), (0.2, 3.0, 1.6)], ids=str
)
def test_a_head_seen_from_afar_is_found_any_way_it_is_turned(
    points: Tensor, angles: tuple[float, float, float]
) -> None:
    turn = rotation.from_euler(torch.tensor([angles], dtype=torch.float64))
    flat = fit_pose.flat_pose(points, _far(points, turn), torch.ones(1, 68, dtype=torch.float64))
    torch.testing.assert_close(flat.rotation[0, 0], turn[0], atol=1e-4, rtol=0)
    assert abs(float(flat.scale[0, 0]) - 900) < 0.01
    assert (flat.middle[0, 0] - 128).abs().max() < 0.01


def test_the_head_turned_inside_out_is_a_rotation_that_shows_nearly_the_same(points: Tensor) -> None:
    turn = rotation.from_euler(torch.tensor([[0.1, 0.4, 0.0]], dtype=torch.float64))
    flat = fit_pose.flat_pose(points, _far(points, turn), torch.ones(1, 68, dtype=torch.float64))
    other = flat.rotation[0, 1]
    torch.testing.assert_close(other @ other.mT, torch.eye(3, dtype=torch.float64))
    assert torch.linalg.det(other) > 0
    local = points - points.mean(0)
    shown, again = (local @ flat.rotation[0, k].mT for k in (0, 1))
    assert (shown - again)[:, :2].norm(dim=1).mean() < 0.8 * local.norm(dim=1).mean()


def test_a_third_of_wrong_points_is_left_out(points: Tensor) -> None:
    turn = rotation.from_euler(torch.tensor([[0.2, 0.5, 1.0]], dtype=torch.float64))
    xy = _far(points, turn)
    wrong = torch.rand(68, generator=torch.Generator().manual_seed(0)) < 0.35
    xy[0, wrong] = xy[0, wrong].flip(0) + 70
    flat = fit_pose.flat_pose(points, xy, torch.ones(1, 68, dtype=torch.float64))
    assert torch.rad2deg(rotation.angle_between(flat.rotation[0, 0], turn[0])) < 1.0


def test_points_that_do_not_count_are_not_looked_at(points: Tensor) -> None:
    turn = rotation.from_euler(torch.tensor([[0.2, 0.5, 1.0]], dtype=torch.float64))
    xy, sigma = _far(points, turn), torch.ones(1, 68, dtype=torch.float64)
    xy[0, :40] = 1e4
    sigma[0, :40] = torch.inf
    flat = fit_pose.flat_pose(points, xy, sigma)
    torch.testing.assert_close(flat.rotation[0, 0], turn[0], atol=1e-4, rtol=0)
