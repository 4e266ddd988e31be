"""Rotations: group laws, round trips between spellings, gradients that are never NaN."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from phiz.graphics import rotation

ANGLE = st.floats(-math.pi, math.pi, allow_nan=False)
VECTOR = st.tuples(ANGLE, ANGLE, ANGLE).map(lambda v: torch.tensor(v, dtype=torch.float64))
QUICK = settings(max_examples=40, deadline=None, derandomize=True)


def some(count: int = 32, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    quaternion = torch.randn(count, 4, generator=generator, dtype=torch.float64)
    return rotation.from_quaternion(quaternion)


@QUICK
@given(VECTOR)
def test_every_spelling_makes_a_proper_rotation(vector: Tensor) -> None:
    quaternion = torch.cat([vector, torch.ones(1, dtype=torch.float64)])
    apart = torch.tensor([5.0, 0.0, 0.0, 0.0, 9.0, 0.0])  # keeps the two columns from being parallel
    six = torch.cat([vector, vector.flip(0)]) + apart
    for matrix in (
        rotation.from_euler(vector),
        rotation.from_axis_angle(vector),
        rotation.from_quaternion(quaternion),
        rotation.from_6d(six),
    ):
        torch.testing.assert_close(matrix @ rotation.invert(matrix), torch.eye(3, dtype=torch.float64))
        assert torch.linalg.det(matrix) == pytest.approx(1)


@QUICK
@given(VECTOR)
def test_every_spelling_survives_a_round_trip(vector: Tensor) -> None:
    matrix = rotation.from_axis_angle(vector)
    for there, back in (
        (rotation.to_euler, rotation.from_euler),
        (rotation.to_axis_angle, rotation.from_axis_angle),
        (rotation.to_quaternion, rotation.from_quaternion),
        (rotation.to_6d, rotation.from_6d),
    ):
        torch.testing.assert_close(back(there(matrix)), matrix, atol=1e-7, rtol=0)


@QUICK
@given(st.floats(-3.1, 3.1), st.floats(-1.55, 1.55), st.floats(-3.1, 3.1))
def test_angles_come_back_themselves(pitch: float, yaw: float, roll: float) -> None:
    angles = torch.tensor([pitch, yaw, roll], dtype=torch.float64)
    torch.testing.assert_close(rotation.to_euler(rotation.from_euler(angles)), angles)


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_quarter_turn_of_yaw_still_gives_angles_of_the_same_rotation(sign: int) -> None:
    matrix = rotation.from_euler(torch.tensor([0.3, sign * math.pi / 2, -0.8], dtype=torch.float64))
    angles = rotation.to_euler(matrix)
    assert angles[0] == 0
    torch.testing.assert_close(rotation.from_euler(angles), matrix, atol=1e-6, rtol=0)


def test_pitch_turns_about_x_first_and_roll_about_z_last() -> None:
    angles = torch.tensor([0.2, 0.5, -0.7], dtype=torch.float64)
    x, y, z = (rotation.from_axis_angle(angles[k] * torch.eye(3, dtype=torch.float64)[k]) for k in range(3))
    torch.testing.assert_close(rotation.from_euler(angles), z @ y @ x)


def test_a_positive_yaw_turns_the_face_to_its_own_left() -> None:
    turned = rotation.from_euler(torch.tensor([0.0, 0.4, 0.0])) @ torch.tensor([0.0, 0.0, 1.0])
    assert turned[0] > 0


def test_a_positive_pitch_makes_the_face_look_down() -> None:
    turned = rotation.from_euler(torch.tensor([0.4, 0.0, 0.0])) @ torch.tensor([0.0, 0.0, 1.0])
    assert turned[1] < 0


def test_quaternions_multiply_as_matrices_do() -> None:
    a, b = some(seed=1), some(seed=2)
    product = rotation.multiply(rotation.to_quaternion(a), rotation.to_quaternion(b))
    torch.testing.assert_close(rotation.from_quaternion(product), a @ b)


def test_quaternions_are_unit_and_point_to_the_positive_side() -> None:
    quaternion = rotation.to_quaternion(some(200))
    torch.testing.assert_close(quaternion.norm(dim=-1), torch.ones(200, dtype=torch.float64))
    assert (quaternion[:, 0] >= 0).all()


@QUICK
@given(st.floats(1e-9, math.pi))
def test_the_angle_between_rotations_is_the_angle_of_the_turn(angle: float) -> None:
    axis = torch.nn.functional.normalize(torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64), dim=0)
    start = some(1)[0]
    end = start @ rotation.from_axis_angle(axis * angle)
    assert rotation.angle_between(start, end).item() == pytest.approx(angle, abs=1e-8, rel=1e-6)


def test_slerp_begins_at_the_start_ends_at_the_end_and_keeps_its_speed() -> None:
    start, end = some(8, seed=3), some(8, seed=4)
    torch.testing.assert_close(rotation.slerp(start, end, 0.0), start)
    torch.testing.assert_close(rotation.slerp(start, end, 1.0), end)
    part = rotation.slerp(start, end, torch.full((8,), 0.25, dtype=torch.float64))
    whole = rotation.angle_between(start, end)
    torch.testing.assert_close(rotation.angle_between(start, part), whole / 4)


def test_the_nearest_rotation_of_a_rotation_is_itself_and_never_a_mirror() -> None:
    matrix = some(16)
    torch.testing.assert_close(rotation.nearest(matrix * 1.7), matrix)
    torch.testing.assert_close(torch.linalg.det(rotation.nearest(-matrix)), torch.ones(16).double())


def test_the_mean_of_a_turn_and_the_turn_back_is_no_turn() -> None:
    vector = torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64)
    both = rotation.from_axis_angle(torch.stack([vector, -vector]))
    torch.testing.assert_close(rotation.mean(both), torch.eye(3, dtype=torch.float64))


@pytest.mark.parametrize("scale", [0.0, 1e-12, 1e-4, 9.99e-4, 1.01e-3, 1.0, math.pi - 1e-7, math.pi])
def test_no_gradient_is_nan_at_no_turn_and_at_half_a_turn(scale: float) -> None:
    axis = torch.nn.functional.normalize(torch.tensor([1.0, 2.0, -2.0], dtype=torch.float64), dim=0)
    vector = (axis * scale).requires_grad_()
    matrix = rotation.from_axis_angle(vector)
    pieces = [
        rotation.to_axis_angle(matrix),
        rotation.to_euler(matrix),
        rotation.to_quaternion(matrix),
        rotation.to_6d(matrix),
        rotation.angle_between(torch.eye(3, dtype=torch.float64), matrix)[None],
        rotation.slerp(torch.eye(3, dtype=torch.float64), matrix, 0.3).flatten(),
    ]
    for piece in pieces:
        (gradient,) = torch.autograd.grad(piece.sum(), vector, retain_graph=True)
        assert gradient.isfinite().all()


@pytest.mark.parametrize("scale", [1e-5, 9.9e-4, 1.1e-3, 0.1, 3.0])
def test_gradients_are_those_of_finite_differences(scale: float) -> None:
    vector = (torch.tensor([0.5, -0.7, 0.4], dtype=torch.float64) * scale).requires_grad_()
    assert torch.autograd.gradcheck(rotation.from_axis_angle, vector)
    assert torch.autograd.gradcheck(
        lambda v: rotation.to_axis_angle(rotation.from_axis_angle(v)), vector, atol=1e-4
    )
    assert torch.autograd.gradcheck(rotation.from_euler, vector)
    assert torch.autograd.gradcheck(lambda v: rotation.to_euler(rotation.from_euler(v)), vector)


def test_leading_axes_are_kept() -> None:
    angles = torch.zeros(2, 3, 4, 3)
    matrix = rotation.from_euler(angles)
    assert matrix.shape == (2, 3, 4, 3, 3)
    assert rotation.to_quaternion(matrix).shape == (2, 3, 4, 4)
    assert rotation.to_6d(matrix).shape == (2, 3, 4, 6)
    assert rotation.angle_between(matrix, matrix).shape == (2, 3, 4)
