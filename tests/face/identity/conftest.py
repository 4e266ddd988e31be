"""Small recognisers of each family, with statistics as if they had learned."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from phiz.face.identity.config import TINY, TINY_RESIDUAL, TINY_TRANSFORMER, RecogniserConfig
from phiz.face.identity.networks import Recogniser, begin

FAMILIES: dict[str, RecogniserConfig] = {
    "residual": TINY_RESIDUAL,
    "mobile": TINY,
    "transformer": TINY_TRANSFORMER,
}


def learned(config: RecogniserConfig) -> Recogniser:
    """Return a network whose numbers are all different from each other."""
    chance = torch.Generator().manual_seed(1)
    network = begin(config, chance).eval()
    for part in network.modules():
        if isinstance(part, (nn.BatchNorm2d, nn.BatchNorm1d)):
            part.running_mean.normal_(0, 0.2, generator=chance)  # type: ignore[union-attr]
            part.running_var.uniform_(0.5, 1.5, generator=chance)  # type: ignore[union-attr]
            part.weight.data.uniform_(0.7, 1.3, generator=chance)
            part.bias.data.normal_(0, 0.2, generator=chance)
        if isinstance(part, nn.PReLU):
            part.weight.data.uniform_(-0.3, 0.6, generator=chance)
    return network.requires_grad_(False)


@pytest.fixture(params=FAMILIES)
def config(request: pytest.FixtureRequest) -> RecogniserConfig:
    """Return the sizes of a small network of each family."""
    return FAMILIES[request.param]


@pytest.fixture
def network(config: RecogniserConfig) -> Recogniser:
    """Return a small network of each family, ready to be asked."""
    return learned(config)


@pytest.fixture
def crops() -> torch.Tensor:
    """Return a few random crops."""
    return torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(2)) * 2 - 1
