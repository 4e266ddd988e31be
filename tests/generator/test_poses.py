"""Cameras stand where the published ones stand, and where our heads' angles say."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from phiz.generator import poses
from phiz.generator.config import FFHQ_256, GeneratorConfig
from phiz.graphics import rotation
from phiz.graphics.camera import generator_camera, project
from phiz.world.portrait import view_camera

EVEN = replace(FFHQ_256, is_gaussian=False, radius=(1.0, 2.0))


def _angles(eye: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return azimuth and polar angle of places."""
    return torch.atan2(eye[:, 1], eye[:, 0]), (eye[:, 2] / eye.norm(dim=1)).acos()


def test_the_frontal_camera_is_the_published_one() -> None:
    pose = poses.at(FFHQ_256, (0.5, 0.5, 0.5)).world_from_camera[0]
    expected = torch.tensor([[0.0, 0, 1, 1], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    torch.testing.assert_close(pose, expected, atol=1e-7, rtol=0)
    assert float(1 / poses.at(FFHQ_256, (0.5, 0.5)).intrinsics[0, 0, 0]) == pytest.approx(0.1051042)


def test_places_are_those_of_the_published_formula() -> None:
    for a, b, c in ((0.0, 1.0, 0.5), (-0.4, 0.2, 1.5), (1.7, 0.5, 0.0)):
        u = -0.3 + 0.6 * a
        v = math.pi / 2 - 0.155 + 0.31 * b
        r = 1 + c  # of the range from 1 to 2
        expected = [r * math.sin(v) * math.cos(u), r * math.sin(v) * math.sin(u), r * math.cos(v)]
        torch.testing.assert_close(
            poses.at(EVEN, (a, b, c)).position[0], torch.tensor(expected), atol=1e-6, rtol=0
        )


def test_every_camera_has_the_origin_in_its_middle_and_up_above() -> None:
    cameras = poses.sample(FFHQ_256, 20, torch.Generator().manual_seed(1))
    points = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 0.05]]).expand(20, 2, 3)
    seen = project(cameras, points)
    torch.testing.assert_close(seen[:, 0, :2], torch.zeros(20, 2), atol=1e-5, rtol=0)
    torch.testing.assert_close(seen[:, 0, 2], cameras.position.norm(dim=1))
    torch.testing.assert_close(seen[:, 1, 0], torch.zeros(20), atol=1e-5, rtol=0)
    assert float(seen[:, 1, 1].max()) < 0  # v grows downwards


def test_the_prior_has_its_mean_and_spread() -> None:
    eye = poses.sample(FFHQ_256, 4000, torch.Generator().manual_seed(0)).position
    azimuth, polar = _angles(eye)
    assert float(azimuth.std()) == pytest.approx(0.3, rel=0.05)
    assert float(polar.std()) == pytest.approx(0.155, rel=0.05)
    assert abs(float(azimuth.mean())) < 0.02
    assert float(polar.mean()) == pytest.approx(math.pi / 2, abs=0.01)
    torch.testing.assert_close(eye.norm(dim=1), torch.ones(4000))
    assert abs(float(torch.corrcoef(torch.stack([azimuth, polar]))[0, 1])) < 0.05


def test_an_even_prior_fills_its_ranges() -> None:
    eye = poses.sample(EVEN, 4000, torch.Generator().manual_seed(0)).position
    ranges = (EVEN.azimuth, EVEN.polar, EVEN.radius)
    for found, (low, high) in zip((*_angles(eye), eye.norm(dim=1)), ranges, strict=True):
        margin = (high - low) / 100
        assert low - 1e-5 <= float(found.min()) < low + margin
        assert high - margin < float(found.max()) <= high + 1e-5
        assert float(found.mean()) == pytest.approx((low + high) / 2, abs=3 * margin)


def test_the_same_chance_draws_the_same_cameras() -> None:
    one, same, other = (
        poses.sample(FFHQ_256, 3, torch.Generator().manual_seed(k)).world_from_camera for k in (0, 0, 1)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.parametrize(("config", "units"), [(FFHQ_256, [1.0, -1.0]), (EVEN, [1.0, 0.0])])
def test_places_and_units_name_the_same_cameras(config: GeneratorConfig, units: list[float]) -> None:
    by_place = poses.at(config, (1.0, 0.0))
    by_units = poses.at_units(config, torch.tensor([units]))
    torch.testing.assert_close(by_place.world_from_camera, by_units.world_from_camera)
    torch.testing.assert_close(by_place.intrinsics, by_units.intrinsics)


def test_a_scale_moves_the_camera_away() -> None:
    far = poses.at(FFHQ_256, (0.5, 0.5, 0.5, 1.5)).position
    torch.testing.assert_close(far, torch.tensor([[1.5, 0.0, 0.0]]), atol=1e-6, rtol=0)


def test_angles_of_a_head_are_those_of_the_portraits() -> None:
    yaw, pitch = torch.tensor([0.4, -0.3, 0.0]), torch.tensor([0.1, -0.2, 0.3])
    found = poses.turned(FFHQ_256, yaw, pitch).world_from_camera
    torch.testing.assert_close(found, view_camera(yaw, pitch).world_from_camera, atol=1e-6, rtol=0)


def test_angles_of_a_head_are_those_of_the_published_camera() -> None:
    """That one turns the other way: it is what a frontal camera becomes when the head is held still."""
    yaw, pitch = torch.tensor([0.4, -0.3, 0.0, 0.7]), torch.tensor([0.0, 0.2, 0.3, -0.4])
    found = poses.turned(FFHQ_256, yaw, pitch)
    turn = rotation.from_euler(torch.stack([pitch, yaw, torch.zeros(4)], dim=-1))
    published = generator_camera(rotation.invert(turn))
    torch.testing.assert_close(found.world_from_camera, published.world_from_camera, atol=1e-6, rtol=0)
    torch.testing.assert_close(found.intrinsics, published.intrinsics)


def test_roll_turns_the_picture_and_moves_nothing() -> None:
    plain, rolled = (poses.at(FFHQ_256, (0.2, 0.7), roll=roll) for roll in (0.0, 0.5))
    torch.testing.assert_close(plain.world_from_camera[:, :3, 2:], rolled.world_from_camera[:, :3, 2:])
    point = plain.position[:, None] * 0.1 + torch.tensor([[[0.0, 0.03, 0.02]]])
    (u, v, _), (x, y, _) = (project(camera, point)[0, 0] for camera in (plain, rolled))
    # The camera turns anticlockwise, so what it sees turns clockwise; v points down.
    turned = [u * math.cos(0.5) - v * math.sin(0.5), u * math.sin(0.5) + v * math.cos(0.5)]
    torch.testing.assert_close(torch.stack([x, y]), torch.stack(turned), atol=1e-5, rtol=0)


def test_a_background_that_stays_is_seen_from_a_little_below() -> None:
    azimuth, polar = _angles(poses.frozen(FFHQ_256).position)
    assert float(polar) == pytest.approx(math.pi / 2 + 0.2)
    assert float(azimuth) == 0


def test_angles_of_a_head_are_seen_from_the_middle_of_the_distances() -> None:
    eye = poses.turned(EVEN, torch.tensor([0.0, 0.4]), torch.tensor([0.0, -0.2])).position
    torch.testing.assert_close(eye.norm(dim=1), torch.full((2,), 1.5))
