"""What is computed twice learns the same as what is kept, chance and running means included."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from phiz.face.identity.config import TINY, TINY_RESIDUAL, TINY_TRANSFORMER, RecogniserConfig
from phiz.face.identity.networks import begin, repeated
from phiz.train.twice import compute_twice


@pytest.mark.parametrize(
    "config",
    [TINY, TINY_RESIDUAL, replace(TINY_TRANSFORMER, drop_path=0.5, depth=3)],
    ids=lambda c: type(c).__name__,
)
def test_a_network_computed_twice_learns_the_same(config: RecogniserConfig) -> None:
    plain = begin(config, torch.Generator().manual_seed(0))
    thrifty = copy.deepcopy(plain)
    chances = [torch.Generator().manual_seed(5) for _ in range(2)]
    compute_twice(repeated(thrifty), chances[1])
    for seed in range(2):
        crops = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
        for network, chance in zip((plain, thrifty), chances, strict=True):
            network(crops, chance).square().sum().backward()
    assert torch.equal(chances[0].get_state(), chances[1].get_state())
    for (name, one), (_, other) in zip(plain.named_parameters(), thrifty.named_parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None)
        assert one.grad is None or torch.equal(one.grad, other.grad), name  # type: ignore[arg-type]
    for name, value in plain.state_dict().items():
        assert torch.equal(value, thrifty.state_dict()[name]), name
    with torch.no_grad():
        assert torch.equal(plain.eval()(crops), thrifty.eval()(crops))
