"""Soft parts that touch, on small made-up meshes: laws, and twins that go point by point."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from phiz.face import contact
from phiz.face.contact import FacingEdges, LidContact, TeethContact

COUNT = 9
ABOVE, BELOW, FAR = torch.arange(COUNT), torch.arange(COUNT) + COUNT, 2 * COUNT
ARCH = {"front": 0.01, "curve": 20.0, "half_width": 0.012, "bottom": -0.008, "top": 0.008, "thick": 0.006}


def two_edges(gap: float, dtype: torch.dtype = torch.float64) -> Tensor:
    """Return an upper and a lower row of points, that far apart, and two points far away from both."""
    x = 0.002 * torch.arange(COUNT, dtype=dtype)
    upper = torch.stack([x, torch.full_like(x, gap / 2), 0.01 * x], dim=1)
    lower = upper * torch.tensor([1.0, -1.0, 1.0], dtype=dtype)
    far = torch.tensor([[0.5, 0.0, 0.0], [0.0, 0.5, 0.0]], dtype=dtype)
    return torch.cat([upper, lower, far])


def edges(dtype: torch.dtype = torch.float64) -> FacingEdges:
    return FacingEdges(two_edges(0.0, dtype), torch.stack([ABOVE, BELOW], dim=1), ABOVE, BELOW)


def rough(points: Tensor, size: float, seed: int = 0, batch: int = 3) -> Tensor:
    """Return a batch of the points, each strewn a little."""
    noise = torch.randn(
        batch, *points.shape, generator=torch.Generator().manual_seed(seed), dtype=points.dtype
    )
    return points + size * noise


# Facing edges


def test_edges_apart_are_left_as_they_are() -> None:
    points = rough(two_edges(0.01), 0.0005)
    assert bool((edges().gaps(points) > 0).all())
    assert torch.equal(edges().apart(points), points)


@pytest.mark.parametrize("closing", [0.0, 0.4, 1.0])
def test_edges_that_have_passed_each_other_are_parted(closing: float) -> None:
    points = rough(two_edges(-0.002), 0.0002)
    assert float(edges().gaps(points).max()) < 0
    parted = edges().gaps(edges().apart(points))
    assert float(parted.min()) > -2e-4
    lids = edges().gaps(edges().shut(points, torch.full((3,), closing, dtype=points.dtype)))
    assert float(lids.min()) > -contact.OVERLAP - 2e-4


def test_shutting_closes_all_and_not_shutting_nothing() -> None:
    points = rough(two_edges(0.004), 0.0002)
    closing = torch.tensor([0.0, 0.5, 1.0], dtype=points.dtype)
    gaps = edges().gaps(edges().shut(points, closing))
    torch.testing.assert_close(gaps[0], edges().gaps(points)[0])
    assert float(gaps[2].max()) < 2e-4
    before, half = edges().gaps(points)[1].mean(), gaps[1].mean()
    assert gaps[2].mean() < half < before


def test_parting_moves_only_heights_of_members_and_each_side_half() -> None:
    points = rough(two_edges(-0.002), 0.0)[:1]
    moved = edges().apart(points) - points
    assert not moved[..., [0, 2]].any()
    assert not moved[:, FAR:].any()
    torch.testing.assert_close(moved[:, ABOVE, 1], -moved[:, BELOW, 1])
    assert bool((moved[:, ABOVE, 1] > 0).all())


def test_the_push_fades_away_from_the_edge() -> None:
    x = torch.zeros(6, dtype=torch.float64)
    deep = 0.002 * torch.arange(6, dtype=torch.float64)
    mean = torch.cat([torch.stack([x, deep, x], 1), torch.stack([x, -deep - 1e-9, x], 1)])
    lips = FacingEdges(mean, torch.tensor([[0, 6]]), torch.arange(6), torch.arange(6, 12))
    points = mean.clone()
    points[:6, 1] -= 0.001
    moved = (lips.apart(points[None]) - points)[0, :6, 1]
    assert bool((moved.diff() < 0).all())
    assert moved[0] > 0
    assert moved[-1] < 0.05 * moved[0]


def slow_spread(
    mean: Tensor, points: Tensor, pairs: Tensor, upper: Tensor, lower: Tensor, rule: Callable[[float], float]
) -> Tensor:
    """Return what `FacingEdges.spread` should: one vertex at a time, with plain numbers."""
    result = points.clone()
    for _ in range(contact.ROUNDS):
        half = [rule(float(result[u, 1] - result[v, 1])) / 2 for u, v in pairs.tolist()]
        heights = result[:, 1].clone()
        for members, column, sign in ((upper, 0, 1), (lower, 1, -1)):
            for member in members.tolist():
                away = [float((mean[member] - mean[source]).norm()) for source in pairs[:, column].tolist()]
                near = [math.exp(-((d / contact.SPREAD) ** 2)) for d in away]
                fade = math.exp(-((min(away) / contact.REACH) ** 2))
                push = sum(n * h for n, h in zip(near, half, strict=True)) / max(sum(near), 1e-12)
                heights[member] += sign * fade * push
        result[:, 1] = heights
    return result


def test_spreading_equals_its_slow_twin() -> None:
    mean, pairs = rough(two_edges(0.001), 0.0005, batch=1)[0], torch.stack([ABOVE[2:7], BELOW[2:7]], dim=1)
    fast = FacingEdges(mean, pairs, ABOVE, BELOW)
    points = rough(two_edges(-0.001), 0.001, seed=1, batch=1)
    slow = slow_spread(mean, points[0], pairs, ABOVE, BELOW, lambda gap: max(-gap, 0.0))
    torch.testing.assert_close(fast.apart(points)[0], slow)
    share = torch.tensor([0.7], dtype=torch.float64)

    def rule(gap: float) -> float:
        return max(-gap - contact.OVERLAP, 0) - 0.7 * max(gap + contact.OVERLAP, 0)

    torch.testing.assert_close(
        fast.shut(points, share)[0], slow_spread(mean, points[0], pairs, ABOVE, BELOW, rule)
    )


def test_parting_has_true_gradients_on_both_sides_of_contact() -> None:
    for gap in (-0.002, 0.002):
        points = rough(two_edges(gap), 0.0001, batch=1).requires_grad_()
        assert torch.autograd.gradcheck(edges().apart, (points,), eps=1e-7)


def test_shutting_has_true_gradients_for_points_and_share() -> None:
    points = rough(two_edges(0.003), 0.0001, batch=1).requires_grad_()
    closing = torch.tensor([0.3], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(edges().shut, (points, closing), eps=1e-7)


def test_a_facing_point_has_to_be_a_member_of_its_edge() -> None:
    with pytest.raises(ValueError, match="not among the vertices"):
        FacingEdges(two_edges(0.0), torch.tensor([[0, COUNT]]), ABOVE[1:], BELOW)


# Lids on an eyeball

RADIUS, BULGE = 0.012, 0.001


def cap(distance: float, count: int = 40, seed: int = 0) -> Tensor:
    """Return points in front of an eyeball at the origin, all that far from its centre."""
    way = torch.randn(1, count, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    way[..., 2] = way[..., 2].abs() + 0.2
    return distance * way / way.norm(dim=-1, keepdim=True)


def lid_contact(points: Tensor, weight: float = 1.0) -> LidContact:
    count = points.shape[1]
    return LidContact(torch.arange(count), torch.full((count,), weight, dtype=torch.float64), BULGE)


def eye(looks: tuple[float, float, float] = (0.0, 0.0, 1.0)) -> tuple[Tensor, Tensor, Tensor]:
    """Return centre, radius and direction of an eyeball."""
    way = torch.tensor([looks], dtype=torch.float64)
    return torch.zeros(1, 3).double(), torch.tensor([RADIUS]).double(), way / way.norm()


def test_lids_outside_the_eyeball_are_left_as_they_are() -> None:
    points = cap(RADIUS + BULGE + contact.LID_MARGIN + 1e-6)
    assert torch.equal(lid_contact(points)(points, *eye()), points)


def test_lids_inside_come_to_lie_on_the_eyeball() -> None:
    points = cap(0.9 * RADIUS)
    moved = lid_contact(points)(points, *eye())
    distance = moved.norm(dim=-1)
    assert float(distance.min()) > RADIUS + contact.LID_MARGIN - 1e-9
    assert float(distance.max()) < RADIUS + BULGE + contact.LID_MARGIN + 1e-9
    torch.testing.assert_close(moved / distance[..., None], points / points.norm(dim=-1, keepdim=True))


def test_a_cornea_lifts_the_lid_that_it_looks_at() -> None:
    points = torch.tensor([[[0.0, 0.006, 0.0104], [0.0, -0.006, 0.0104]]], dtype=torch.float64)
    up, down = lid_contact(points)(points, *eye((0.0, 0.5, 0.87))).norm(dim=-1)[0]
    assert up > down + 0.8 * BULGE


def test_weight_scales_the_push() -> None:
    points = cap(0.9 * RADIUS)
    whole = lid_contact(points)(points, *eye()) - points
    half = lid_contact(points, 0.5)(points, *eye()) - points
    torch.testing.assert_close(half, whole / 2)


def test_lid_contact_equals_its_slow_twin() -> None:
    points, (centre, radius, looks) = cap(RADIUS + 0.0006), eye((0.3, -0.2, 0.9))
    moved = lid_contact(points, 0.8)(points, centre, radius, looks)[0]
    for before, after in zip(points[0].tolist(), moved.tolist(), strict=True):
        length = math.hypot(*before)
        angle = math.acos(sum(p * q for p, q in zip(before, looks[0].tolist(), strict=True)) / length)
        share = min(angle / contact.CORNEA_ANGLE, 1.0)
        needed = RADIUS + contact.LID_MARGIN + BULGE * (1 - share**2) ** 2
        wanted = length + 0.8 * max(needed - length, 0.0)
        assert after == pytest.approx([wanted / length * p for p in before], abs=1e-9)


def test_lid_contact_has_true_gradients() -> None:
    points = cap(0.95 * RADIUS, count=5).requires_grad_()
    centre, radius, looks = (value.requires_grad_() for value in eye((0.2, 0.1, 0.9)))
    assert torch.autograd.gradcheck(lid_contact(points), (points, centre, radius, looks), eps=1e-7)


# Lips before the teeth


def lips_at(depth: float) -> Tensor:
    """Return points that far behind where lips may be, over the middle of an arch."""
    x = torch.linspace(-0.008, 0.008, 11, dtype=torch.float64)
    y = torch.linspace(-0.004, 0.004, 11, dtype=torch.float64)
    z = ARCH["front"] + contact.TEETH_MARGIN - ARCH["curve"] * x**2 - depth
    return torch.stack([x, y, z], dim=1)[None]


def teeth(count: int = 11) -> TeethContact:
    return TeethContact(torch.arange(count), **ARCH)


def still() -> tuple[Tensor, Tensor]:
    return torch.eye(3, dtype=torch.float64)[None], torch.zeros(1, 3, dtype=torch.float64)


def test_lips_before_the_teeth_are_left_as_they_are() -> None:
    points = lips_at(-1e-6)
    assert torch.equal(teeth()(points, *still()), points)


def test_lips_inside_the_teeth_come_out_forwards() -> None:
    points = lips_at(0.002)
    moved = teeth()(points, *still())
    torch.testing.assert_close(moved, lips_at(0.0))
    assert float(teeth().depth(moved).max()) < 1e-9


def test_what_lies_behind_above_or_beside_the_arch_is_left_alone() -> None:
    behind = lips_at(ARCH["thick"] + 1e-4)
    above = lips_at(0.002) + torch.tensor([0.0, 0.013, 0.0], dtype=torch.float64)
    beside = lips_at(0.002) + torch.tensor([0.025, 0.0, 0.0], dtype=torch.float64)
    for points in (behind, above, beside):
        assert torch.equal(teeth()(points, *still()), points)


def test_the_teeth_may_be_anywhere() -> None:
    angle = torch.tensor(0.4, dtype=torch.float64)
    turn = torch.eye(3, dtype=torch.float64)
    turn[1, 1], turn[1, 2], turn[2, 1], turn[2, 2] = angle.cos(), -angle.sin(), angle.sin(), angle.cos()
    shift = torch.tensor([0.1, -0.2, 0.05], dtype=torch.float64)
    moved = teeth()(lips_at(0.002) @ turn.T + shift, turn[None], shift[None])
    torch.testing.assert_close(moved, lips_at(0.0) @ turn.T + shift)


def test_depth_equals_its_slow_twin() -> None:
    spread = 2 * torch.rand(1, 200, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1
    points = spread * torch.tensor([0.014, 0.010, 0.014], dtype=torch.float64)
    for (x, y, z), depth in zip(points[0].tolist(), teeth(200).depth(points)[0].tolist(), strict=True):
        inside = ARCH["front"] + contact.TEETH_MARGIN - ARCH["curve"] * x**2 - z
        fades = [ARCH["half_width"] - abs(x), y - ARCH["bottom"], ARCH["top"] - y]
        wanted = max(inside, 0.0) if inside < ARCH["thick"] else 0.0
        for fade in fades:
            wanted *= min(max(fade / 0.002, 0.0), 1.0)
        assert depth == pytest.approx(wanted, abs=1e-12)


def test_teeth_contact_has_true_gradients() -> None:
    points = lips_at(0.002).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: teeth()(p, *still()), (points,), eps=1e-7)
