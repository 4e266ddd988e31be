"""Cameras stand where the published ones stand, and where our heads' angles say."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from phiz.generator import poses
from phiz.generator.config import FFHQ_256
from phiz.world.portrait import view_camera


def test_the_frontal_camera_is_the_published_one() -> None:
    pose = poses.at(FFHQ_256, (0.5, 0.5, 0.5)).world_from_camera[0]
    expected = torch.tensor([[0.0, 0, 1, 1], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    torch.testing.assert_close(pose, expected, atol=1e-7, rtol=0)
    assert float(1 / poses.at(FFHQ_256, (0.5, 0.5)).intrinsics[0, 0, 0]) == pytest.approx(0.1051042)


def test_the_prior_has_its_mean_and_spread() -> None:
    eye = poses.sample(FFHQ_256, 4000, torch.Generator().manual_seed(0)).position
    azimuth, polar = torch.atan2(eye[:, 1], eye[:, 0]), eye[:, 2].acos()
    assert float(azimuth.std()) == pytest.approx(0.3, rel=0.05)
    assert float(polar.std()) == pytest.approx(0.155, rel=0.05)
    assert abs(float(azimuth.mean())) < 0.02
    torch.testing.assert_close(eye.norm(dim=1), torch.ones(4000))
    even = replace(FFHQ_256, is_gaussian=False, radius=(1.0, 2.0))
    eye = poses.sample(even, 4000, torch.Generator().manual_seed(0)).position
    azimuth = torch.atan2(eye[:, 1], eye[:, 0])
    assert -0.3 <= float(azimuth.min()) < -0.29 < 0.29 < float(azimuth.max()) <= 0.3
    assert float(eye.norm(dim=1).mean()) == pytest.approx(1.5, abs=0.02)


def test_places_and_units_name_the_same_cameras() -> None:
    by_place = poses.at(FFHQ_256, (1.0, 0.0))
    by_units = poses.at_units(FFHQ_256, torch.tensor([[1.0, -1.0]]))
    torch.testing.assert_close(by_place.world_from_camera, by_units.world_from_camera)
    far = poses.at(FFHQ_256, (0.5, 0.5, 0.5, 1.5)).position
    torch.testing.assert_close(far, torch.tensor([[1.5, 0.0, 0.0]]), atol=1e-6, rtol=0)


def test_angles_of_a_head_are_those_of_the_portraits() -> None:
    yaw, pitch = torch.tensor([0.4, -0.3, 0.0]), torch.tensor([0.1, -0.2, 0.3])
    found = poses.turned(FFHQ_256, yaw, pitch).world_from_camera
    torch.testing.assert_close(found, view_camera(yaw, pitch).world_from_camera, atol=1e-6, rtol=0)


def test_roll_turns_the_picture_and_moves_nothing() -> None:
    plain, rolled = (poses.at(FFHQ_256, (0.2, 0.7), roll=roll).world_from_camera[0] for roll in (0.0, 0.5))
    torch.testing.assert_close(plain[:3, 2:], rolled[:3, 2:])
    assert float((plain[:3, 0] * rolled[:3, 0]).sum()) == pytest.approx(math.cos(0.5))


def test_a_background_that_stays_is_seen_from_a_little_below() -> None:
    eye = poses.frozen(FFHQ_256).position[0]
    assert float(eye[2].acos()) == pytest.approx(math.pi / 2 + 0.2)
