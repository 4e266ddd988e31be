"""Batch normalisation by the faces of all processes, as if one had seen them all.

The network itself knows nothing of it: what its normalisations do while learning is replaced from outside.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from phiz.train import ranks
from phiz.train.ranks import Ranks


def share_statistics(network: nn.Module, here: Ranks) -> None:
    """Make all batch normalisations of a network use the means of all processes while they learn."""
    for part in network.modules():
        if isinstance(part, _BatchNorm):
            part.forward = functools.partial(normalised, part, here)  # type: ignore[method-assign]


def normalised(norm: nn.Module, here: Ranks, x: Float[Tensor, "b c *hw"]) -> Float[Tensor, "b c *hw"]:
    """Return a signal normalised by its mean and spread over all processes; remember them as torch does."""
    assert isinstance(norm, _BatchNorm)
    if not norm.training or norm.running_mean is None or norm.running_var is None:
        return functional.batch_norm(
            x, norm.running_mean, norm.running_var, norm.weight, norm.bias, norm.training, 0.0, norm.eps
        )
    axes = [axis for axis in range(x.dim()) if axis != 1]
    shape = [1, -1, *[1] * (x.dim() - 2)]
    exact = x.float()
    mean = _mean(exact.mean(axes))
    away = exact - mean.reshape(shape)
    variance = _mean(away.square().mean(axes))
    y = away * (variance + norm.eps).rsqrt().reshape(shape)
    if norm.affine:
        y = y * norm.weight.reshape(shape) + norm.bias.reshape(shape)
    _remember(norm, mean.detach(), variance.detach(), here.world * x.numel() // x.shape[1])
    return y.to(x.dtype)


@torch.no_grad()
def _remember(norm: _BatchNorm, mean: Tensor, variance: Tensor, count: int) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    norm.num_batches_tracked += 1
    share = norm.momentum if norm.momentum is not None else 1 / float(norm.num_batches_tracked)
    norm.running_mean.lerp_(mean, share)
    norm.running_var.lerp_(variance * (count / max(count - 1, 1)), share)


def _mean(value: Float[Tensor, " c"]) -> Float[Tensor, " c"]:
    whole: Tensor = _Mean.apply(value)  # type: ignore[no-untyped-call]
    return whole


class _Mean(torch.autograd.Function):
    """The mean over all processes; each sees the whole loss, so gradients are means as well."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        return ranks.all_mean(value)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return ranks.all_mean(grads[0])
