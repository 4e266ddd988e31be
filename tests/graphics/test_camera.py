"""Cameras and frames: what is in front of what, and that every way there has a way back."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from phiz.graphics import camera, frames, rotation


def some_cameras(count: int = 4, seed: int = 0) -> camera.Camera:
    generator = torch.Generator().manual_seed(seed)
    angles = torch.randn(count, 3, generator=generator, dtype=torch.float64) * 0.4
    shift = torch.randn(count, 3, generator=generator, dtype=torch.float64)
    made = camera.from_fov(frames.rigid(rotation.from_euler(angles), shift), 0.6)
    return camera.crop(made, torch.tensor([[-0.5, -0.9, 0.8, 0.7]], dtype=torch.float64).expand(count, 4))


def some_uvd(count: int = 4, points: int = 20, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    uvd = torch.rand(count, points, 3, generator=generator, dtype=torch.float64) * 2 - 1
    return uvd + torch.tensor([0.0, 0.0, 2.0])


def frontal(distance: float = 2.0, fov: float = 0.3) -> camera.Camera:
    return camera.from_fov(camera.orbit(torch.zeros(1), torch.zeros(1), distance), fov)


def test_project_undoes_unproject() -> None:
    cameras, uvd = some_cameras(), some_uvd()
    torch.testing.assert_close(camera.project(cameras, camera.unproject(cameras, uvd)), uvd)


def test_the_inverse_of_a_camera_matrix_inverts() -> None:
    cameras = some_cameras()
    eye = torch.eye(4, dtype=torch.float64).expand(4, 4, 4)
    torch.testing.assert_close(cameras.camera_from_world @ cameras.world_from_camera, eye)


def test_the_inverse_of_a_scaled_motion_inverts() -> None:
    matrix = frames.generator_from_head(0.7, (0.1, -0.2, 0.3))
    torch.testing.assert_close(frames.invert(matrix) @ matrix, torch.eye(4))
    assert frames.scale_of(matrix).item() == pytest.approx(0.7)


def test_a_frontal_camera_sees_the_persons_left_at_the_right_and_up_above() -> None:
    points = torch.tensor([[[0.1, 0.0, 0.0], [0.0, 0.1, 0.0], [0.0, 0.0, 0.1]]])
    u, v, depth = camera.project(frontal(), points)[0].unbind(-1)
    assert u[0] > 0
    assert v[0] == pytest.approx(0, abs=1e-6)
    assert v[1] < 0
    assert depth[2] < depth[0]


def test_the_field_of_view_reaches_from_edge_to_edge() -> None:
    half = 2.0 * math.tan(0.15)
    points = torch.tensor([[[half, 0.0, 0.0], [0.0, -half, 0.0]]])
    uvd = camera.project(frontal(), points)[0]
    torch.testing.assert_close(uvd, torch.tensor([[1.0, 0.0, 2.0], [0.0, 1.0, 2.0]]), atol=1e-5, rtol=0)


def test_look_at_puts_the_target_in_the_middle_with_up_above() -> None:
    eye = torch.tensor([[1.0, 2.0, 3.0], [-2.0, 0.5, 0.1]])
    target = torch.tensor([[0.1, 0.2, 0.3], [0.0, 0.0, 0.0]])
    cameras = camera.from_fov(camera.look_at(eye, target), 0.5)
    middle = camera.project(cameras, target[:, None])
    torch.testing.assert_close(middle[:, 0, :2], torch.zeros(2, 2), atol=1e-5, rtol=0)
    torch.testing.assert_close(middle[:, 0, 2], (eye - target).norm(dim=-1))
    above = camera.project(cameras, target[:, None] + torch.tensor([0.0, 0.1, 0.0]))
    assert (above[:, 0, 1] < 0).all()


@pytest.mark.parametrize("up", [(0.0, 1.0, 0.0), (1.0, 1.0, 1.0)])
def test_look_at_straight_along_up_is_still_a_rotation(up: tuple[float, float, float]) -> None:
    eye = 3 * torch.nn.functional.normalize(torch.tensor([up]), dim=-1)
    axes = camera.look_at(eye, torch.zeros(1, 3), up)[0, :3, :3]
    torch.testing.assert_close(axes @ axes.T, torch.eye(3), atol=1e-6, rtol=0)
    assert torch.linalg.det(axes).item() == pytest.approx(1, abs=1e-5)


def test_a_head_looks_straight_into_the_camera_of_its_own_angles() -> None:
    yaw, pitch = torch.tensor([0.4, -0.2]), torch.tensor([0.1, 0.3])
    cameras = camera.from_fov(camera.orbit(yaw, pitch, 2.0, (0.0, 0.1, 0.0)), 0.4)
    turn = rotation.from_euler(torch.stack([pitch, yaw, torch.zeros(2)], dim=-1))
    nose = torch.tensor([0.0, 0.1, 0.0]) + 0.1 * turn[..., 2]
    uvd = camera.project(cameras, nose[:, None])[:, 0]
    torch.testing.assert_close(uvd, torch.tensor([[0.0, 0.0, 1.9]]).expand(2, 3), atol=1e-5, rtol=0)


def test_pixels_count_from_the_corner_and_have_centres_at_halves() -> None:
    first, last = torch.tensor([1 / 8 - 1, 1 / 4 - 1]), torch.tensor([1.0, 1.0])
    torch.testing.assert_close(camera.to_pixels(first, 4, 8), torch.tensor([0.5, 0.5]))
    torch.testing.assert_close(camera.to_pixels(last, 4, 8), torch.tensor([8.0, 4.0]))
    torch.testing.assert_close(camera.from_pixels(camera.to_pixels(first, 4, 8), 4, 8), first)


def test_a_crop_shows_the_box_edge_to_edge() -> None:
    cameras, uvd = some_cameras(1), some_uvd(1)
    box = torch.tensor([[-0.2, -0.6, 0.4, 0.9]], dtype=torch.float64)
    seen = camera.project(camera.crop(cameras, box), camera.unproject(cameras, uvd))
    expected = (uvd[..., :2] - box[:, :2]) / (box[:, 2:] - box[:, :2]) * 2 - 1
    torch.testing.assert_close(seen[..., :2], expected)
    torch.testing.assert_close(seen[..., 2], uvd[..., 2])


def test_zoom_magnifies_about_the_middle() -> None:
    cameras, uvd = some_cameras(1), some_uvd(1)
    seen = camera.project(camera.zoom(cameras, 2.0), camera.unproject(cameras, uvd))
    torch.testing.assert_close(seen[..., :2], uvd[..., :2] * 2)


def test_a_scene_that_moves_with_its_camera_looks_the_same() -> None:
    cameras, uvd = some_cameras(), some_uvd()
    points = camera.unproject(cameras, uvd)
    matrix = frames.generator_from_head(0.9, (0.3, 0.1, -0.2)).double()
    moved = camera.project(camera.move(cameras, matrix), frames.transform(matrix, points))
    torch.testing.assert_close(moved[..., :2], uvd[..., :2])
    torch.testing.assert_close(moved[..., 2], uvd[..., 2] * 0.9)


def test_the_frontal_generator_camera_is_the_published_one() -> None:
    made = camera.generator_camera(torch.eye(3)[None])
    right, up, back, position = made.world_from_camera[0, :3].unbind(-1)
    assert right.tolist() == [0, 1, 0]
    assert up.tolist() == [0, 0, 1]
    assert back.tolist() == [1, 0, 0]
    assert position.tolist() == [1, 0, 0]
    assert made.intrinsics[0, 0, 0].item() == pytest.approx(9.5144, abs=1e-4)


def test_a_frontal_head_camera_and_a_frontal_generator_camera_give_the_same_picture() -> None:
    scale = frames.GENERATOR_UNITS_PER_METRE
    generator = torch.Generator().manual_seed(0)
    head = torch.randn(1, 50, 3, generator=generator) * 0.1
    ours = camera.project(frontal(1 / scale, math.radians(12)), head)
    placed = frames.transform(frames.generator_from_head(), head)
    theirs = camera.project(camera.generator_camera(torch.eye(3)[None]), placed)
    torch.testing.assert_close(ours[..., :2], theirs[..., :2], atol=2e-5, rtol=0)
    torch.testing.assert_close(ours[..., 2] * scale, theirs[..., 2])


def test_a_turned_generator_camera_shows_the_head_as_if_it_had_turned() -> None:
    turn = rotation.from_euler(torch.tensor([[0.2, -0.4, 0.1]]))
    head = torch.randn(1, 30, 3, generator=torch.Generator().manual_seed(3)) * 0.1
    matrix = frames.generator_from_head()
    held = camera.project(camera.generator_camera(turn), frames.transform(matrix, head))
    turned = frames.transform(matrix, head @ turn[0].T)
    expected = camera.project(camera.generator_camera(torch.eye(3)[None]), turned)
    torch.testing.assert_close(held, expected, atol=2e-5, rtol=0)


def test_the_units_of_both_frames_meet_where_the_published_mapping_says() -> None:
    """One decimetre at the head's middle shows 1015 / 10 pixels of 224, which span 0.2 units."""
    assert pytest.approx(1015 / 10 / 224 * 0.2 * 10) == frames.GENERATOR_UNITS_PER_METRE


def test_projection_has_the_gradients_of_finite_differences() -> None:
    cameras = some_cameras(2)
    points = camera.unproject(cameras, some_uvd(2, 3)).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: camera.project(cameras, p), points)
    box = torch.tensor([[-0.5, -0.4, 0.3, 0.6]] * 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda b: camera.crop(cameras, b).intrinsics, box)


def test_cameras_are_cut_and_sent_as_one() -> None:
    cameras = some_cameras(4)
    assert cameras[1:3].batch == 2
    torch.testing.assert_close(cameras.to("cpu").position, cameras.position)
