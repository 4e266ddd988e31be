"""Smooth curves come without lag, as a plain solution has them, and bridge what is missing."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from phiz.face import smooth

FPS = 25.0


def plain(target: np.ndarray, weight: np.ndarray, strength: float) -> np.ndarray:
    """Return the same by solving all equations at once."""
    count = len(target)
    second = np.zeros((count - 2, count))
    for k in range(count - 2):
        second[k, k : k + 3] = 1, -2, 1
    solved: np.ndarray = np.linalg.solve(np.diag(weight) + strength * second.T @ second, weight * target)
    return solved


def test_it_solves_what_it_should() -> None:
    values = torch.randn(50, 3, generator=torch.Generator().manual_seed(0)).double()
    weights = torch.rand(50, generator=torch.Generator().manual_seed(1)).double()
    weights[20:26] = 0
    cutoffs = torch.tensor([2.0, 7.0, 20.0])
    found = smooth.smoothed(values, weights, cutoffs, FPS)
    target = smooth.bridged(values, weights > 0).numpy()
    weight = np.where(weights > 0, weights, smooth.FAINT)  # the gap lies inside
    for k, hz in enumerate(cutoffs.tolist()):
        expected = plain(target[:, k], weight, smooth._strength(hz, FPS))
        np.testing.assert_allclose(found[:, k].numpy(), expected, atol=1e-9)


@pytest.mark.parametrize("hz", [1.0, 3.0, 6.0])
def test_half_is_left_at_the_cutoff_and_nothing_is_late(hz: float) -> None:
    time = torch.arange(500) / FPS
    wave = torch.sin(2 * math.pi * hz * time)[:, None]
    found = smooth.smoothed(wave, torch.ones(500), torch.tensor([hz]), FPS)[100:400, 0]
    wave = wave[100:400, 0]
    assert float(found.norm() / wave.norm()) == pytest.approx(0.5, abs=0.02)
    assert float(torch.nn.functional.cosine_similarity(found, wave, dim=0)) > 0.999


def test_slow_motion_stays_and_fast_noise_goes() -> None:
    time = torch.arange(200) / FPS
    slow = torch.sin(2 * math.pi * 0.5 * time)[:, None]
    noise = 0.2 * torch.randn(200, 1, generator=torch.Generator().manual_seed(0))
    found = smooth.smoothed(slow + noise, torch.ones(200), torch.tensor([3.0]), FPS)
    assert float((found - slow).std()) < 0.6 * float(noise.std())


def test_gaps_are_drawn_through_and_ends_hold_still() -> None:
    line = torch.arange(40.0)[:, None]
    weights = torch.ones(40)
    weights[:5] = weights[15:22] = weights[35:] = 0
    found = smooth.smoothed(line * (weights[:, None] > 0), weights, torch.tensor([4.0]), FPS)[:, 0]
    torch.testing.assert_close(found[12:25], line[12:25, 0], atol=0.2, rtol=0)
    assert abs(float(found[0]) - 5) < 1.5
    assert abs(float(found[-1]) - 34) < 1.5


def test_short_films_stay_as_they_are_and_nothing_known_is_refused() -> None:
    two = torch.tensor([[1.0], [3.0]])
    assert torch.equal(smooth.smoothed(two, torch.ones(2), torch.tensor([2.0]), FPS), two)
    with pytest.raises(ValueError, match="no moment has a weight"):
        smooth.smoothed(two, torch.zeros(2), torch.tensor([2.0]), FPS)
