"""The one nonlinearity of style-based networks: a leaky rectifier that keeps the signal's size."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

SLOPE = 0.2
GAIN = math.sqrt(2)
"""Half of the signal is nearly lost; this makes up for it."""


def leaky(x: Float[Tensor, "*b"], clamp: float = 0.0) -> Float[Tensor, "*b"]:
    """Return the rectified signal at its old size; a positive `clamp` is the largest value it may have."""
    y = torch.nn.functional.leaky_relu(x, SLOPE) * GAIN
    return y.clamp(-clamp, clamp) if clamp > 0 else y


def leaky_scaled(x: Float[Tensor, "*b"], clamp: float = 0.0) -> Float[Tensor, "*b"]:
    """Return the rectified signal of an `x` that already carries the gain, as folded weights give it.

    A rectifier lets positive factors through, so ``leaky(x) == leaky_scaled(GAIN * x)``. Where no
    gradient is wanted the answer takes the place of `x`.
    """
    if torch.is_grad_enabled():
        y = torch.nn.functional.leaky_relu(x, SLOPE)
        return y.clamp(-clamp, clamp) if clamp > 0 else y
    y = torch.nn.functional.leaky_relu_(x, SLOPE)
    return y.clamp_(-clamp, clamp) if clamp > 0 else y
