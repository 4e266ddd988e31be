"""Normalisation over all processes is torch's own where there is one, in values, gradients and memory."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from phiz.train.ranks import Ranks
from phiz.train.shared_norm import share_statistics

ALONE = Ranks(rank=0, world=1, local_rank=0, device=torch.device("cpu"))


@pytest.mark.parametrize("momentum", [0.1, None])
def test_a_lone_process_normalises_as_torch_does(momentum: float | None) -> None:
    plain = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, momentum=momentum), nn.Flatten(), nn.BatchNorm1d(36)
    )
    shared = copy.deepcopy(plain)
    share_statistics(shared, ALONE)
    for _ in range(2):
        given = torch.randn(6, 3, 5, 5)
        mine, theirs = given.clone().requires_grad_(), given.clone().requires_grad_()
        one, other = shared(mine), plain(theirs)
        assert torch.allclose(one, other, atol=1e-5)
        one.square().sum().backward()
        other.square().sum().backward()
        assert mine.grad is not None
        assert theirs.grad is not None
        assert torch.allclose(mine.grad, theirs.grad, atol=1e-3)
    for (name, ours), theirs_ in zip(shared.state_dict().items(), plain.state_dict().values(), strict=True):
        assert torch.allclose(ours, theirs_, atol=1e-5), name
    shared.eval()
    plain.eval()
    given = torch.randn(2, 3, 5, 5)
    assert torch.allclose(shared(given), plain(given), atol=1e-5)
