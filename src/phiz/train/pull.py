"""Which numbers of a network are pulled towards zero while it learns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn


def groups(parameters: Iterable[nn.Parameter], weight_decay: float) -> list[dict[str, Any]]:
    """Return parameters for an optimiser: weights are pulled, biases, scales and normalisations are not."""
    everything = list(parameters)
    return [
        {"params": [one for one in everything if one.ndim > 1], "weight_decay": weight_decay},
        {"params": [one for one in everything if one.ndim <= 1], "weight_decay": 0.0},
    ]
