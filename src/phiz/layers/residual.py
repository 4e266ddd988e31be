"""Residual networks as ImageNet's trunks: ResNet-18 and ResNet-50, without the classifier.

"Deep Residual Learning" (He et al., 2016); the stride of a bottleneck is that of its 3 x 3 convolution.
Parameters have the published names, so published weights load as they are.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from phiz.layers.folding import convolved

WIDENING = 4
"""By how much the output of a bottleneck is wider than its inside."""


@dataclass(frozen=True, kw_only=True)
class TrunkConfig:
    """Sizes of a trunk."""

    blocks: tuple[int, ...]
    """Blocks of each layer; each layer but the first halves the map."""
    widths: tuple[int, ...] = (64, 128, 256, 512)
    """Channels inside each layer; the first is the stem's as well."""
    has_bottlenecks: bool = False
    has_pool: bool = True
    """Halve the map a second time before the first layer."""
    stem: int = 7
    """Height and width of the first kernel."""

    def __post_init__(self) -> None:
        if len(self.blocks) != len(self.widths) or min(*self.blocks, *self.widths) < 1:
            raise ValueError("a trunk has as many widths as layers, and at least one block in each")
        if self.stem < 1 or self.stem % 2 == 0:
            raise ValueError(f"the first kernel of a trunk has an odd size, not {self.stem}")

    @property
    def outputs(self) -> tuple[int, ...]:
        """Return the channels of each layer's map."""
        return tuple(width * (WIDENING if self.has_bottlenecks else 1) for width in self.widths)


RESNET_18 = TrunkConfig(blocks=(2, 2, 2, 2))
RESNET_50 = TrunkConfig(blocks=(3, 4, 6, 3), has_bottlenecks=True)


class PlainBlock(nn.Module):
    """Two convolutions around which the input goes."""

    def __init__(self, inside: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _detour(inside, width, stride)

    def forward(self, x: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o h2 w2"]:
        y = convolved(x, self.conv1, self.bn1)
        return convolved(y, self.conv2, self.bn2, plus=_around(self.downsample, x))


class Bottleneck(nn.Module):
    """A 3 x 3 convolution between two of 1 x 1, around which the input goes."""

    def __init__(self, inside: int, width: int, stride: int) -> None:
        super().__init__()
        outside = width * WIDENING
        self.conv1 = nn.Conv2d(inside, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outside, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outside)
        self.downsample = _detour(inside, outside, stride)

    def forward(self, x: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o h2 w2"]:
        y = convolved(x, self.conv1, self.bn1)
        y = convolved(y, self.conv2, self.bn2)
        return convolved(y, self.conv3, self.bn3, plus=_around(self.downsample, x))


class Trunk(nn.Module):
    """Pictures to maps of features, one a layer, each half as large as the one before."""

    def __init__(self, config: TrunkConfig) -> None:
        super().__init__()
        first = config.widths[0]
        self.conv1 = nn.Conv2d(3, first, config.stem, 2, config.stem // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(first)
        self.has_pool = config.has_pool
        self.outputs = config.outputs
        kind = Bottleneck if config.has_bottlenecks else PlainBlock
        insides = (first, *config.outputs)
        for number, (blocks, width) in enumerate(zip(config.blocks, config.widths, strict=True)):
            strides = [1 if number == 0 else 2] + [1] * (blocks - 1)
            chain = [insides[number]] + [insides[number + 1]] * (blocks - 1)
            layer = [kind(inside, width, stride) for inside, stride in zip(chain, strides, strict=True)]
            self.add_module(f"layer{number + 1}", nn.Sequential(*layer))

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        """Return the map of each layer, the largest first."""
        x = convolved(x, self.conv1, self.bn1)
        if self.has_pool:
            x = functional.max_pool2d(x, 3, 2, 1)
        layers = (self.get_submodule(f"layer{number + 1}") for number in range(len(self.outputs)))
        maps = itertools.accumulate(layers, lambda y, layer: layer(y), initial=x)
        return list(maps)[1:]


def start(modules: Sequence[nn.Module], chance: torch.Generator) -> None:
    """Give convolutions weights that keep the size of signals from layer to layer (He et al., 2015)."""
    for module in modules:
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu", generator=chance)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _detour(inside: int, outside: int, stride: int) -> nn.Sequential | None:
    """Return what brings the input to the shape of the output, None where it has that already."""
    if inside == outside and stride == 1:
        return None
    conv = nn.Conv2d(inside, outside, 1, stride, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outside))


def _around(detour: nn.Sequential | None, x: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o h2 w2"]:
    return x if detour is None else detour(x)
