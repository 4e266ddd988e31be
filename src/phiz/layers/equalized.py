"""Layers with equalised learning rates: weights are stored at size one and scaled when used.

Section 4.1 of Progressive GAN (Karras et al., 2018).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from phiz.layers.activation import leaky


class Affine(NamedTuple):
    """A linear map ready for use: all gains are in its numbers."""

    weight: Float[Tensor, "o i"]
    bias: Float[Tensor, " o"]


class EqualLinear(nn.Module):
    """A dense layer, with the rectifier behind it if `is_rectified`."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        bias: float = 0.0,
        rate: float = 1.0,
        is_rectified: bool = False,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), float(bias)))
        self.rate = rate
        self.is_rectified = is_rectified

    def forward(self, x: Float[Tensor, "*b i"]) -> Float[Tensor, "*b o"]:
        weight, bias = self.folded()
        y = torch.nn.functional.linear(x, weight, bias)
        return leaky(y) if self.is_rectified else y

    def folded(self) -> Affine:
        """Return weight and bias as they are used."""
        gain = self.rate / math.sqrt(self.weight.shape[1])
        return Affine(self.weight * gain, self.bias * self.rate)


class EqualConv(nn.Module):
    """A square convolution without padding of its own; `forward` pads to keep the size."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, has_bias: bool = True) -> None:
        super().__init__()
        shape = (outputs, inputs) if kernel == 1 else (outputs, inputs, kernel, kernel)
        self.weight = nn.Parameter(torch.randn(shape))
        self.bias = nn.Parameter(torch.zeros(outputs)) if has_bias else None
        self.kernel = kernel

    def scaled(self) -> Float[Tensor, "o i k k"]:
        """Return the weights as they are used."""
        weight = self.weight / math.sqrt(self.weight[0].numel())
        return weight[:, :, None, None] if self.kernel == 1 else weight

    def forward(
        self, x: Float[Tensor, "b i h w"], stride: int = 1, padding: int | None = None
    ) -> Float[Tensor, "b o h2 w2"]:
        around = self.kernel // 2 if padding is None else padding
        return torch.nn.functional.conv2d(x, self.scaled(), self.bias, stride=stride, padding=around)
