"""Weights are pulled towards zero; biases, scales and normalisations are not."""

from __future__ import annotations

from torch import nn

from phiz.train import pull


def test_weights_are_pulled_and_nothing_else() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
    pulled, free = pull.groups(network.parameters(), 0.1)
    assert (pulled["weight_decay"], free["weight_decay"]) == (0.1, 0.0)
    assert [tuple(one.shape) for one in pulled["params"]] == [(4, 3, 3, 3), (2, 4)]
    assert [tuple(one.shape) for one in free["params"]] == [(4,), (4,), (4,), (2,)]
