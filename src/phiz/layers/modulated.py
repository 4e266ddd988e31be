"""Layers whose weights a style scales, split in two: what depends on the style, and what on the picture.

`StyledLayer.fold` makes the weights of a style once; `apply` uses them on as many points or pixels as
there are. Section 2.2 of StyleGAN2 (Karras et al., 2020).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from phiz.layers.equalized import EqualLinear


class Folded(NamedTuple):
    """A linear map for each style: dense, or a convolution if the weight has a kernel."""

    weight: Float[Tensor, "b o i *k"]
    bias: Float[Tensor, " o"]


class StyledLayer(nn.Module):
    """A dense layer or convolution whose inputs are scaled by an affine function of the style.

    `is_demodulated` keeps the size of the signal by dividing by the length of each output's scaled
    weights; without it the weights are divided by the square root of the number of inputs. Layers of
    pictures may also keep the running mean of their squared input (`has_magnitude`), and add fixed
    noise of some height and width.
    """

    magnitude: Tensor
    noise: Tensor

    def __init__(
        self,
        inputs: int,
        outputs: int,
        style: int,
        *,
        kernel: int = 1,
        is_demodulated: bool = True,
        has_magnitude: bool = False,
        noise: int = 0,
    ) -> None:
        super().__init__()
        shape = (outputs, inputs) if kernel == 1 else (outputs, inputs, kernel, kernel)
        self.weight = nn.Parameter(torch.randn(shape))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.style = EqualLinear(style, inputs, bias=1.0)
        self.is_demodulated = is_demodulated
        if has_magnitude:
            self.register_buffer("magnitude", torch.ones(()))
        if noise:
            self.register_buffer("noise", torch.randn(noise, noise))
            self.noise_strength = nn.Parameter(torch.zeros(()))

    def fold(self, w: Float[Tensor, "b w"], gain: float = 1.0) -> Folded:
        """Return the weights for each style; `gain` multiplies what comes out, bias included."""
        scale = self.style(w)
        around = (1,) * (self.weight.ndim - 2)
        weight = self.weight * scale.reshape(len(scale), 1, -1, *around)
        if self.is_demodulated:
            axes = tuple(range(2, weight.ndim))
            weight = weight * (weight.square().sum(axes, keepdim=True) + 1e-8).rsqrt() * gain
        else:
            weight = weight * (gain / math.sqrt(self.weight[0].numel()))
        return Folded(weight, self.bias * gain if gain != 1.0 else self.bias)

    def scaled(self, w: Float[Tensor, "b w"], gain: float = 1.0) -> Scaled:
        """Return a convolution's shared weights and what each style does before and after them."""
        before = self.style(w)
        weight = self.weight if self.weight.ndim == 4 else self.weight[:, :, None, None]
        if self.is_demodulated:
            energy = before.square() @ weight.square().sum((2, 3)).T
            after = (energy + 1e-8).rsqrt() * gain
        else:
            after = torch.full_like(before[:, :1], gain / math.sqrt(self.weight[0].numel()))
            after = after.expand(-1, len(weight))
        bias = self.bias * gain if gain != 1.0 else self.bias
        if len(w) > 1:
            return Scaled(weight, bias, before, after)
        return Scaled(weight * before[0, :, None, None] * after[0, :, None, None, None], bias, None, None)


def apply(folded: Folded, x: Float[Tensor, "b n i"]) -> Float[Tensor, "b2 n o"]:
    """Return dense layers applied to lists of points, each list with its own style or all with one."""
    weight, bias = folded
    if len(weight) == 1:
        return torch.nn.functional.linear(x, weight[0], bias)
    return torch.baddbmm(bias, x.expand(len(weight), -1, -1), weight.transpose(1, 2))


def normal_gain(
    layer: StyledLayer, x: Float[Tensor, "*b"], rate: float, is_training: bool
) -> Float[Tensor, ""]:
    """Return what brings a layer's input to size one on average; in training the average follows it."""
    if is_training and rate > 0:
        with torch.no_grad():
            # The norm makes no map of squares.
            length = torch.linalg.vector_norm(x, dtype=torch.promote_types(x.dtype, torch.float32))
            size = (length.square() / x.numel()).to(layer.magnitude.dtype)
            layer.magnitude.copy_(size.lerp(layer.magnitude, rate))
    return layer.magnitude.rsqrt()


class Scaled(NamedTuple):
    """A convolution for each style: shared weights between a scale of each input and of each output.

    The same as weights of their own for each style, but one convolution does for all of them. Where
    there is one style only, `before` and `after` are None and already in the weights.
    """

    weight: Float[Tensor, "o i k k"]
    bias: Float[Tensor, " o"]
    before: Float[Tensor, "b i"] | None
    after: Float[Tensor, "b o"] | None


def convolve(
    scaled: Scaled, x: Float[Tensor, "b i h w"], *, padding: int, is_doubling: bool = False
) -> Float[Tensor, "b2 o h2 w2"]:
    """Return pictures convolved in their styles; the bias is left to the caller.

    `is_doubling` convolves with stride 1/2: the answer has one row and column more than twice as many.
    """
    if scaled.before is not None:
        x = x * scaled.before[:, :, None, None]
    if is_doubling:
        y = torch.nn.functional.conv_transpose2d(x, scaled.weight.transpose(0, 1), stride=2)
    else:
        y = torch.nn.functional.conv2d(x, scaled.weight, padding=padding)
    return y if scaled.after is None else y * scaled.after[:, :, None, None]
