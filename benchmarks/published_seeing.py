"""The arithmetic of the published networks that see faces, step by step, on tensors by their published names.

Plain torch, channels outermost, normalisation as a step of its own, all outputs computed: what the published
code asks torch to do. `seeing.py` holds ours against it.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

State = Mapping[str, Tensor]


def _norm(state: State, name: str, x: Tensor) -> Tensor:
    numbers = [state[f"{name}.{key}"] for key in ("running_mean", "running_var", "weight", "bias")]
    return F.batch_norm(x, *numbers, training=False)


def _conv(state: State, name: str, x: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
    return F.conv2d(x, state[f"{name}.weight"], state.get(f"{name}.bias"), stride, padding)


def _block(state: State, name: str, x: Tensor, stride: int) -> Tensor:
    """Return what a block of a trunk gives; a bottleneck has a third convolution."""
    is_bottleneck = f"{name}.conv3.weight" in state
    first, second = (1, stride) if is_bottleneck else (stride, 1)
    kernel = 0 if is_bottleneck else 1
    y = F.relu_(_norm(state, f"{name}.bn1", _conv(state, f"{name}.conv1", x, first, kernel)))
    y = _norm(state, f"{name}.bn2", _conv(state, f"{name}.conv2", y, second, 1))
    if is_bottleneck:
        y = _norm(state, f"{name}.bn3", _conv(state, f"{name}.conv3", F.relu_(y)))
    if f"{name}.downsample.0.weight" in state:
        x = _norm(state, f"{name}.downsample.1", _conv(state, f"{name}.downsample.0", x, stride))
    return F.relu_(y + x)


def trunk(state: State, prefix: str, x: Tensor) -> list[Tensor]:
    """Return the maps of the four layers of a trunk."""
    x = F.relu_(_norm(state, f"{prefix}.bn1", _conv(state, f"{prefix}.conv1", x, 2, 3)))
    x = F.max_pool2d(x, 3, 2, 1)
    maps = []
    for layer in (1, 2, 3, 4):
        block = 0
        while f"{prefix}.layer{layer}.{block}.conv1.weight" in state:
            x = _block(state, f"{prefix}.layer{layer}.{block}", x, 2 if layer > 1 and block == 0 else 1)
            block += 1
        maps.append(x)
    return maps


def regressed(state: State, crops: Tensor) -> Tensor:
    """Return the coefficients of crops in [0, 1]."""
    pooled = F.adaptive_avg_pool2d(trunk(state, "backbone", crops)[-1], 1)
    return torch.cat([_conv(state, f"final_layers.{k}", pooled) for k in range(7)], dim=1).flatten(1)


def _unit(state: State, name: str, x: Tensor, padding: int) -> Tensor:
    return F.relu(_norm(state, f"{name}.bn", _conv(state, f"{name}.conv", x, 1, padding)))


def _attention(state: State, name: str, x: Tensor) -> Tensor:
    y = _unit(state, f"{name}.conv", x, 1)
    weight = _conv(state, f"{name}.conv_atten", F.avg_pool2d(y, y.shape[2:]))
    return y * torch.sigmoid(_norm(state, f"{name}.bn_atten", weight))


def _output(state: State, name: str, x: Tensor, size: torch.Size) -> Tensor:
    scores = _conv(state, f"{name}.conv_out", _unit(state, f"{name}.conv", x, 1))
    return F.interpolate(scores, size, mode="bilinear", align_corners=True)


def parsed(state: State, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the three sets of scores of normalised pictures."""
    _, fine, middle, coarse = trunk(state, "cp.resnet", pictures)
    whole = _unit(state, "cp.conv_avg", F.avg_pool2d(coarse, coarse.shape[2:]), 0)
    whole = F.interpolate(whole, coarse.shape[2:], mode="nearest")
    low = F.interpolate(_attention(state, "cp.arm32", coarse) + whole, middle.shape[2:], mode="nearest")
    low = _unit(state, "cp.conv_head32", low, 1)
    high = F.interpolate(_attention(state, "cp.arm16", middle) + low, fine.shape[2:], mode="nearest")
    high = _unit(state, "cp.conv_head16", high, 1)
    y = _unit(state, "ffm.convblk", torch.cat([fine, high], dim=1), 0)
    inner = F.relu(_conv(state, "ffm.conv1", F.avg_pool2d(y, y.shape[2:])))
    y = y * torch.sigmoid(_conv(state, "ffm.conv2", inner)) + y
    size = pictures.shape[2:]
    heads = (("conv_out", y), ("conv_out16", high), ("conv_out32", low))
    first, second, third = (_output(state, name, x, size) for name, x in heads)
    return first, second, third
