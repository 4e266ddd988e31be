"""A network's slow twin: what follows, what is copied, and how fast."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from phiz.layers import ema


def _network() -> nn.BatchNorm1d:
    network = nn.BatchNorm1d(2)
    network.weight.data.fill_(1.0)
    return network


def test_a_twin_follows_and_copies_buffers() -> None:
    fast = _network()
    slow = ema.twin(fast)
    fast.weight.data.fill_(3.0)
    fast.running_mean.fill_(5.0)  # type: ignore[union-attr]
    ema.follow(slow, fast, 0.75)
    assert slow.weight.tolist() == [1.5, 1.5]
    assert slow.running_mean.tolist() == [5.0, 5.0]  # type: ignore[union-attr]


def test_a_twin_is_a_network_of_its_own_that_does_not_learn() -> None:
    fast = _network().train()
    slow = ema.twin(fast)
    assert not slow.training
    assert not any(p.requires_grad for p in slow.parameters())
    assert fast.training
    assert all(p.requires_grad for p in fast.parameters())
    slow.weight.data.fill_(9.0)
    assert fast.weight.tolist() == [1.0, 1.0]


def test_following_leaves_the_network_alone_and_leads_no_gradient() -> None:
    fast = _network()
    slow, before = ema.twin(fast), copy.deepcopy(fast.state_dict())
    ema.follow(slow, fast, 0.5)
    assert all(torch.equal(value, before[name]) for name, value in fast.state_dict().items())
    assert slow.weight.grad_fn is None


@pytest.mark.parametrize(("share", "expected"), [(0.0, 3.0), (1.0, 1.0)])
def test_a_twin_may_copy_or_stand_still(share: float, expected: float) -> None:
    fast = _network()
    slow = ema.twin(fast)
    fast.weight.data.fill_(3.0)
    ema.follow(slow, fast, share)
    assert slow.weight.tolist() == [expected] * 2


def test_a_twin_of_higher_precision_follows_as_well() -> None:
    fast = _network()
    slow = ema.twin(fast).double()
    fast.weight.data.fill_(3.0)
    ema.follow(slow, fast, 0.5)
    assert slow.weight.dtype == torch.float64
    assert slow.weight.tolist() == [2.0, 2.0]


def test_a_twin_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        ema.follow(nn.Linear(2, 2), nn.Linear(2, 2, bias=False), 0.5)


def test_half_of_an_average_is_new_after_its_half_life() -> None:
    assert ema.share_kept(8, 80) ** 10 == pytest.approx(0.5)
    assert ema.share_kept(8, 80, images=100, ramp_up=0.1) == pytest.approx(0.5 ** (8 / 10))
    assert ema.share_kept(8, 80, images=10_000, ramp_up=0.1) == ema.share_kept(8, 80)


def test_one_large_step_keeps_what_small_steps_keep() -> None:
    assert ema.share_kept(32, 500) == pytest.approx(ema.share_kept(8, 500) ** 4)
    assert ema.share_kept(8, 80, images=0, ramp_up=0.1) == 0.0  # the first step only copies
    assert ema.share_kept(8, 80, images=10**9) == ema.share_kept(8, 80)
