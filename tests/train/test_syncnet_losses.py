"""The right moment and the right clip are told from others; points that fit cost nothing."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from phiz.train import syncnet_losses


def points(seed: int = 0, batch: int = 3, frames: int = 12) -> Tensor:
    chance = torch.Generator().manual_seed(seed)
    return functional.normalize(torch.randn(batch, frames, 6, generator=chance), dim=2)


def test_shifts_go_from_before_to_after() -> None:
    sound, mouth = points(0), points(1)
    found = syncnet_losses.shifted(sound, mouth, 2)
    assert found.shape == (3, 8, 5)
    torch.testing.assert_close(found[1, 3, 0], sound[1, 5] @ mouth[1, 3])
    torch.testing.assert_close(found[1, 3, 4], sound[1, 5] @ mouth[1, 7])
    with pytest.raises(ValueError, match="leave nothing"):
        syncnet_losses.shifted(sound, mouth, 6)


def test_other_clips_are_all_but_the_own() -> None:
    sound, mouth = points(0), points(1)
    found = syncnet_losses.beside(sound, mouth)
    assert found.shape == (3, 12, 2)
    torch.testing.assert_close(
        found[1, 4], torch.stack([sound[1, 4] @ mouth[0, 4], sound[1, 4] @ mouth[2, 4]])
    )


def test_the_loss_of_frames_is_that_of_the_formula() -> None:
    sound, mouth = points(0), points(1)
    costs = []
    for one, other in ((sound, mouth), (mouth, sound)):
        for b in range(3):
            for t in range(2, 10):
                wrong = [other[b, t + k] for k in (-2, -1, 1, 2)] + [other[c, t] for c in range(3) if c != b]
                scores = [5 * float(one[b, t] @ there) for there in (other[b, t], *wrong)]
                costs.append(math.log(sum(math.exp(s) for s in scores)) - scores[0])
    found = syncnet_losses.frame_loss(sound, mouth, 2, torch.tensor(5.0))
    assert float(found) == pytest.approx(sum(costs) / len(costs), rel=1e-5)


def test_points_that_fit_cost_less_than_those_that_are_late() -> None:
    sound, scale = points(0, frames=20), torch.tensor(20.0)
    late = sound.roll(1, dims=1)
    assert syncnet_losses.frame_loss(sound, sound, 3, scale) < 0.2
    assert syncnet_losses.frame_loss(sound, late, 3, scale) > 5
    assert syncnet_losses.span_loss(sound, sound, 3, 8, scale) < 0.2
    assert syncnet_losses.span_loss(sound, late, 3, 8, scale) > 5


def test_spans_are_judged_by_their_mean() -> None:
    sound, mouth = points(0, frames=12), points(1, frames=12)
    cosines = syncnet_losses.shifted(sound, mouth, 2)  # eight frames: spans 0-3, 2-5 and 4-7
    spans = torch.stack([cosines[:, k : k + 4].mean(dim=1) for k in (0, 2, 4)], dim=1)
    expected = functional.cross_entropy(7 * spans.flatten(0, 1), torch.full((9,), 2))
    found = syncnet_losses.span_loss(sound, mouth, 2, 4, torch.tensor(7.0))
    torch.testing.assert_close(found, expected)
