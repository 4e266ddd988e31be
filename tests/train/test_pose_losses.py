"""What pose networks are trained by: zero where all is well, and known values elsewhere."""

from __future__ import annotations

import math

import torch
from torch import distributions

from phiz.train import pose_losses


def test_the_same_motion_costs_nothing() -> None:
    motion = torch.randn(2, 8, 6, generator=torch.Generator().manual_seed(0))
    assert pose_losses.sameness(motion, motion) == 0
    assert pose_losses.sameness(motion + 0.5, motion) == 0.25


def test_the_spread_is_the_divergence_from_random_codes() -> None:
    assert pose_losses.spread(torch.zeros(3, 4), torch.zeros(3, 4)) == 0
    mean, log_variance = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(1)).unbind()
    ours = pose_losses.spread(mean, log_variance)
    law = distributions.Normal(mean, (0.5 * log_variance).exp())
    expected = distributions.kl_divergence(law, distributions.Normal(torch.zeros(()), torch.ones(())))
    torch.testing.assert_close(ours, expected.sum(1).mean())


def test_codes_have_the_mean_and_the_variance_they_are_told() -> None:
    chance = torch.randn(20_000, 2, generator=torch.Generator().manual_seed(2))
    mean, log_variance = torch.tensor([[1.0, -2.0]]), torch.tensor([[math.log(4.0), math.log(0.25)]])
    codes = pose_losses.code_of(mean.expand(20_000, 2), log_variance.expand(20_000, 2), chance)
    torch.testing.assert_close(codes.mean(0), mean[0], atol=0.05, rtol=0)
    torch.testing.assert_close(codes.var(0), torch.tensor([4.0, 0.25]), atol=0.0, rtol=0.05)


def test_judge_and_judged_want_opposite_things() -> None:
    real, made = torch.ones(2, 3), torch.zeros(2, 3)
    assert pose_losses.judged(real, made) == 0
    assert pose_losses.taken_in(made) == 1
    assert pose_losses.taken_in(real) == 0
    assert pose_losses.judged(made, real) == 1
