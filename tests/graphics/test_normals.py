"""Normals of depth pictures of surfaces whose normals are known."""

from __future__ import annotations

import torch
from torch import Tensor

from phiz.graphics import camera as cameras
from phiz.graphics import rays
from phiz.graphics.camera import Camera
from phiz.graphics.normals import normals_from_depth

SIZE = 48
RADIUS = 0.4


def some_cameras() -> Camera:
    yaw = torch.tensor([0.0, 0.7, -2.5], dtype=torch.float64)
    return cameras.from_fov(cameras.orbit(yaw, yaw / 3, 2.0), 0.6)


def beams(camera: Camera, height: int = SIZE, width: int = SIZE) -> tuple[Tensor, Tensor]:
    """Return the start (b, 1, 1, 3) and the direction (b, h, w, 3) of each pixel's ray."""
    uv = rays.pixel_grid(height, width).double().reshape(1, -1, 2).expand(camera.batch, -1, 2)
    origins, directions = rays.rays_through(camera, uv)
    return origins[:, None, None], directions.reshape(camera.batch, height, width, 3)


def ball_depth(camera: Camera) -> Tensor:
    """Return the depths of a sphere around the world's origin."""
    start, way = beams(camera)
    a, b = way.square().sum(-1), (start * way).sum(-1)
    inner = b.square() - a * (start.square().sum(-1) - RADIUS**2)
    return torch.where(inner > 0, (-b - inner.clamp(min=0).sqrt()) / a, torch.inf)


def test_a_sphere_faces_away_from_its_middle() -> None:
    camera = some_cameras()
    depth = ball_depth(camera)
    start, way = beams(camera)
    true = torch.where(depth.isfinite()[..., None], (start + depth[..., None] * way) / RADIUS, 0)
    found = normals_from_depth(depth, camera).permute(0, 2, 3, 1)
    facing = -(true * way).sum(-1) / way.norm(dim=-1) > 0.5  # not near the outline, where depth runs away
    assert facing.double().mean() > 0.2
    assert (found - true)[facing].norm(dim=-1).max() < 0.02
    assert (found[facing].norm(dim=-1) - 1).abs().max() < 1e-9


def test_a_plane_faces_the_same_way_in_every_pixel_of_a_wide_picture() -> None:
    camera = some_cameras()
    normal = torch.nn.functional.normalize(camera.position + torch.tensor([0.2, -0.5, 0.3]), dim=-1)
    start, way = beams(camera, 20, 31)
    depth = ((-start) * normal[:, None, None]).sum(-1) / (way * normal[:, None, None]).sum(-1)
    assert (depth > 0).all()
    found = normals_from_depth(depth, camera)
    torch.testing.assert_close(found, normal[:, :, None, None].expand_as(found))


def test_what_is_not_there_has_no_normal() -> None:
    camera = some_cameras()
    depth = ball_depth(camera)
    found = normals_from_depth(depth, camera)
    assert found.isfinite().all()
    assert (found.permute(0, 2, 3, 1)[depth.isinf()] == 0).all()
    lone = torch.full((1, 5, 5), torch.inf, dtype=torch.float64)
    lone[0, 2, 1:4] = 1.0  # a row alone says nothing about up and down
    assert (normals_from_depth(lone, camera[:1]) == 0).all()


def test_a_jump_does_not_bend_the_surface_beside_it() -> None:
    camera = some_cameras()[:1]
    depth = torch.full((1, 8, 8), 1.0, dtype=torch.float64)
    depth[..., 4:] = 1.5
    expected = camera.world_from_camera[:, :3, 2, None, None].expand(1, 3, 8, 8)  # towards the camera
    torch.testing.assert_close(normals_from_depth(depth, camera, jump=0.1), expected)
    bent = (normals_from_depth(depth, camera) - expected).norm(dim=1)[0, 0]
    assert (bent > 0.1).tolist() == [False] * 3 + [True] * 2 + [False] * 3


def test_holes_do_not_spoil_gradients() -> None:
    camera = some_cameras()
    depth = ball_depth(camera).requires_grad_()
    normals_from_depth(depth, camera)[:, 0].sum().backward()
    assert depth.grad is not None
    assert depth.grad.isfinite().all()
    assert (depth.grad != 0).any()
