"""Losses of a regressor: nothing where all is right, and as published elsewhere."""

from __future__ import annotations

import math

import pytest
import torch

from phiz.graphics import rotation
from phiz.train import regress_losses as losses


def chance(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_colours_count_inside_the_mask_alone() -> None:
    one, other = chance(2, 3, 4, 4), chance(2, 3, 4, 4, seed=1)
    mask = torch.zeros(2, 1, 4, 4)
    mask[0, :, 1, 1] = mask[1, :, 2, 3] = 1
    expected = (
        (one[0, :, 1, 1] - other[0, :, 1, 1]).norm() + (one[1, :, 2, 3] - other[1, :, 2, 3]).norm()
    ) / 2
    assert float(losses.photo_loss(one, other, mask)) == pytest.approx(float(expected), rel=1e-5)
    assert float(losses.photo_loss(one, other, torch.zeros(2, 1, 4, 4))) == 0


def test_some_landmarks_weigh_twenty_times_and_hidden_ones_nothing() -> None:
    wanted = chance(1, 68, 2)
    for point, weight in ((0, 1), (28, 20), (48, 1), (65, 20)):
        found = wanted.clone()
        found[0, point, 0] += 3
        assert float(losses.landmark_loss(found, wanted)) == pytest.approx(weight * 9 / 68, rel=1e-4)
        counts = torch.ones(1, 68)
        counts[0, point] = 0
        assert float(losses.landmark_loss(found, wanted, counts)) == 0


def test_likeness_goes_from_nothing_to_two() -> None:
    one = chance(3, 8)
    assert float(losses.perceptual_loss(one, 5 * one)) == pytest.approx(0, abs=1e-6)
    assert float(losses.perceptual_loss(one, -one)) == pytest.approx(2, abs=1e-6)


def test_numbers_light_and_skin_are_kept_plain() -> None:
    found = losses.coefficient_loss(
        torch.ones(2, 3), torch.ones(2, 5), torch.ones(2, 7), weights=(1.0, 0.8, 0.017)
    )
    assert float(found) == pytest.approx(3 + 0.8 * 5 + 0.017 * 7)
    white = chance(2, 9, 1).expand(-1, -1, 3)
    assert float(losses.gamma_loss(white)) == pytest.approx(0, abs=1e-12)
    assert float(losses.gamma_loss(chance(2, 9, 3))) > 0.1
    skin = torch.tensor([1.0, 1.0, 0.0])
    albedo = torch.tensor([[[0.2] * 3, [0.4] * 3, [9.0] * 3]])
    assert float(losses.reflectance_loss(albedo, skin)) == pytest.approx(2 * 3 * 0.1**2 / 2)


def test_turns_are_angles_however_they_wind() -> None:
    small = torch.tensor([[0.0, 0.02, 0.0]])
    assert float(losses.turn_loss(small, torch.zeros(1, 3))) == pytest.approx(0.02**2 / 2, rel=1e-3)
    assert float(losses.turn_loss(small + torch.tensor([0.0, 2 * math.pi, 0.0]), small)) < 1e-10


def test_surfaces_are_laid_on_each_other_but_not_scaled() -> None:
    cloud = chance(2, 30, 3)
    turned = cloud @ rotation.from_euler(chance(2, 3)).mT + chance(2, 1, 3)
    assert float(losses.rigidly_apart(cloud, turned).max()) < 1e-5
    assert float(losses.rigidly_apart(cloud, 2 * turned).mean()) > 0.5


def test_points_that_do_not_show_have_no_colour() -> None:
    one, other = torch.zeros(1, 2, 3), torch.tensor([[[3.0, 4.0, 0.0], [9.0, 9.0, 9.0]]])
    assert float(losses.colour_loss(one, other, torch.tensor([[1.0, 0.0]]))) == pytest.approx(5, rel=1e-4)
    assert float(losses.distance(one, other[:, :1].expand(-1, 2, -1))) == pytest.approx(5)
