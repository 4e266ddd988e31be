"""Distances to one picture are those of the pair."""

from __future__ import annotations

import torch
from torch import Tensor

from phiz.avatar.target import shrunk, target
from phiz.layers import perceptual
from phiz.layers.perceptual import Lpips


def _pictures(side: int = 32) -> tuple[Tensor, Tensor]:
    chance = torch.Generator().manual_seed(0)
    a, b = torch.rand(2, 1, 3, side, side, generator=chance) * 2 - 1
    return a, b


def test_without_weights_the_built_in_filters_stand_in() -> None:
    wanted, drawn = _pictures()
    aim = target(wanted)
    assert aim.name == perceptual.BUILT_IN_DISTANCE
    torch.testing.assert_close(aim.distance(drawn), perceptual.perceptual_distance(drawn, wanted))
    assert float(aim.distance(wanted)) == 0


def test_lpips_may_be_handed_in() -> None:
    wanted, drawn = _pictures(64)
    with torch.random.fork_rng(devices=[]):
        torch.random.set_rng_state(torch.Generator().manual_seed(0).get_state())
        network = Lpips("alex").eval().requires_grad_(False)
    aim = target(wanted, network, name=perceptual.LPIPS_DISTANCE)
    assert torch.equal(aim.distance(drawn), network(drawn, wanted))
    assert aim.name == perceptual.LPIPS_DISTANCE


def test_large_pictures_are_averaged_down_and_small_ones_are_not() -> None:
    wanted, drawn = _pictures(64)
    assert shrunk(wanted, 64) is wanted
    assert shrunk(wanted, None) is wanted
    halves, other = (one.reshape(1, 3, 32, 2, 32, 2).mean((3, 5)) for one in (wanted, drawn))
    torch.testing.assert_close(shrunk(wanted, 32), halves)
    found = target(wanted, largest=32).distance(drawn)
    torch.testing.assert_close(found, perceptual.perceptual_distance(other, halves))
