"""Convolutions ready to be used: the normalisation behind each is part of its numbers.

A network calls `convolved` for a convolution, the normalisation behind it, a sum and a rectifier. While it
learns, these are four steps; after `folded` they are one, which on a CPU oneDNN does in one pass over the
picture, channels innermost.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

N = TypeVar("N", bound=nn.Module)

KINDS = (torch.float32, torch.bfloat16)
"""Kinds of numbers that oneDNN takes."""
FUSED = "_convolution_pointwise"
"""Torch's name for a oneDNN convolution with what follows it; not part of its promises, so looked for."""


def convolved(
    x: Float[Tensor, "b i h w"],
    conv: nn.Module,
    norm: nn.Module,
    *,
    plus: Float[Tensor, "b o h2 w2"] | None = None,
    is_rectified: bool = True,
) -> Float[Tensor, "b o h2 w2"]:
    """Return the normalised convolution; `plus` is added to it, then it is rectified, if asked for.

    What has taken the place of a convolution, as `Folded` does, gets all of that to do at once. The sum may
    then take the place of `plus`, which the caller should not use any more.
    """
    if not isinstance(conv, nn.Conv2d):
        return conv(x, plus, is_rectified)  # type: ignore[no-any-return]
    y: Tensor = norm(conv(x))
    if plus is not None:
        y = y + plus
    return functional.relu(y) if is_rectified else y


class Folded(nn.Module):
    """A convolution whose weights contain the normalisation that followed it; it does not learn."""

    weight: Tensor
    bias: Tensor

    def __init__(
        self, conv: nn.Conv2d, norm: nn.BatchNorm2d | None, *, dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        weight = conv.weight.detach().double()
        bias = (
            torch.zeros(len(weight), dtype=torch.float64)
            if conv.bias is None
            else conv.bias.detach().double()
        )
        if norm is not None:
            mean, variance = _statistics(norm)
            gain = norm.weight.detach().double() / (variance + norm.eps).sqrt()
            weight = weight * gain[:, None, None, None]
            bias = (bias.to(gain.device) - mean) * gain + norm.bias.detach().double()
        weight = weight.to(dtype).contiguous(memory_format=torch.channels_last)
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias.to(dtype))
        if conv.padding_mode != "zeros" or isinstance(conv.padding, str):
            raise ValueError("only convolutions with a fixed number of zeros around can be folded")
        self.settings: tuple[Any, ...] = (conv.stride, conv.padding, conv.dilation, conv.groups)
        self._packed: Tensor | None = None  # the weights in the order in which oneDNN reads them

    def forward(
        self,
        x: Float[Tensor, "b i h w"],
        plus: Float[Tensor, "b o h2 w2"] | None = None,
        is_rectified: bool = False,
    ) -> Float[Tensor, "b o h2 w2"]:
        x = x.to(self.weight.dtype).contiguous(memory_format=torch.channels_last)
        if _has_onednn(x):
            return self._in_one(x, plus, is_rectified)
        y = functional.conv2d(x, self.weight, self.bias, *self.settings)
        if plus is not None:
            y = y + plus
        return y.relu_() if is_rectified else y

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Folded":
        self._packed = None
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def _in_one(
        self, x: Float[Tensor, "b i h w"], plus: Tensor | None, is_rectified: bool
    ) -> Float[Tensor, "b o h2 w2"]:
        stride, padding, dilation, groups = self.settings
        known = torch.ops.mkldnn
        if self._packed is None:
            self._packed = known._reorder_convolution_weight(
                self.weight, padding, stride, dilation, groups, list(x.shape)
            )
        numbers = (self._packed, self.bias, padding, stride, dilation, groups)
        y: Tensor
        if plus is None:
            y = known._convolution_pointwise(x, *numbers, "relu" if is_rectified else "none", [], "")
        elif groups == 1:
            last = "relu" if is_rectified else None
            total = plus.clone() if plus.data_ptr() == x.data_ptr() else plus
            total = total.to(x.dtype).contiguous(memory_format=torch.channels_last)
            y = known._convolution_pointwise_.binary(total, x, *numbers, "add", None, last, [], None)
        else:  # oneDNN adds to ungrouped convolutions only
            y = known._convolution_pointwise(x, *numbers, "none", [], "").add_(plus)
            y = y.relu_() if is_rectified else y
        return y


def folded(network: N, *, dtype: torch.dtype = torch.float32) -> N:
    """Return a copy in which every convolution is `Folded`, for a network that calls `convolved`.

    A normalisation belongs to the convolution that was added to the same module right before it.
    """
    ready = copy.deepcopy(network).eval().requires_grad_(False)
    for owner in list(ready.modules()):
        children = list(owner.named_children())
        for place, (name, child) in enumerate(children):
            if not isinstance(child, nn.Conv2d):
                continue
            behind = children[place + 1] if place + 1 < len(children) else ("", None)
            norm = behind[1] if isinstance(behind[1], nn.BatchNorm2d) else None
            setattr(owner, name, Folded(child, norm, dtype=dtype))
            if norm is not None:
                setattr(owner, behind[0], nn.Identity())
    return ready


def _statistics(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("a normalisation without recorded statistics cannot be folded")
    return norm.running_mean.double(), norm.running_var.double()


def _has_onednn(x: Float[Tensor, "b i h w"]) -> bool:
    """Return whether oneDNN's fused convolutions can be used: they know no gradients."""
    is_learning = torch.is_grad_enabled() and x.requires_grad
    is_there = x.device.type == "cpu" and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return is_there and not is_learning and x.dtype in KINDS and hasattr(torch.ops.mkldnn, FUSED)
