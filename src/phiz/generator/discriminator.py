"""What the generator learns from: a network that scores how real a picture looks.

StyleGAN2's, with pictures at every resolution, that grows with the generator.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple, cast

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from phiz.generator.config import DiscriminatorConfig
from phiz.generator.filter_loops import filter_down
from phiz.generator.mapping import normalised
from phiz.generator.pieces import fits
from phiz.generator.rectifier_loops import rectified
from phiz.layers.activation import GAIN, leaky
from phiz.layers.equalized import EqualConv, EqualLinear
from phiz.layers.resample import halve

LAST = 4
"""Resolution of the last block."""
CAMERA_SIZE = {"none": 0, "matrix": 16, "angles": 3}


class Growth(NamedTuple):
    """How far a progressive training is: which block is the first, and how far it is faded in."""

    resolution: int
    """Of the pictures that the generator makes now."""
    before: int = 0
    """Of those that it made before the present fade; 0 where nothing fades."""
    fade: float = 0.0


class Block(nn.Module):
    """Two convolutions; the second halves the size."""

    def __init__(self, inputs: int, outputs: int, clamp: float) -> None:
        super().__init__()
        self.from_rgb = EqualConv(3, inputs, 1)
        self.first = EqualConv(inputs, inputs, 3)
        self.second = EqualConv(inputs, outputs, 3)
        self.clamp = clamp

    def seen(self, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b c h w"]:
        """Return what a picture gives to this block."""
        return convolved(self.from_rgb, image, self.clamp)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c2 h2 w2"]:
        x = convolved(self.first, x, self.clamp)
        return convolved(self.second, filter_down(x), self.clamp, stride=2, padding=0)


class LastBlock(nn.Module):
    """From 4 x 4 features to one score, or to what a condition is compared with."""

    def __init__(self, channels: int, outputs: int, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.from_rgb = EqualConv(3, channels, 1)
        self.conv = EqualConv(channels + 1, channels, 3)
        self.dense = EqualLinear(channels * LAST * LAST, channels, is_rectified=True)
        self.out = EqualLinear(channels, outputs)
        self.config = config

    def forward(self, x: Float[Tensor, "b c h w"], image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b o"]:
        x = x + convolved(self.from_rgb, image, self.config.clamp)
        x = torch.cat([x, variety(x, self.config.group)], dim=1)
        x = convolved(self.conv, x, self.config.clamp)
        found: Tensor = self.out(self.dense(x.flatten(1)))
        return found


class CameraBelief(nn.Module):
    """The camera that the discriminator sees in its own features, as a condition of its score."""

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.projector = EqualConv(channels, size, LAST, has_bias=False)
        self.embed = EqualLinear(size, channels)
        self.layers = nn.ModuleList(
            EqualLinear(channels, channels, rate=0.01, is_rectified=True) for _ in range(8)
        )

    def forward(self, x: Float[Tensor, "b c h w"]) -> tuple[Float[Tensor, "b n"], Float[Tensor, "b c"]]:
        """Return the camera, and the condition that it gives."""
        camera = self.projector(x, padding=0)[:, :, 0, 0]
        y = normalised(self.embed(camera.detach()))
        for layer in self.layers:
            y = layer(y)
        return camera, y


class Discriminator(nn.Module):
    """A score for each picture, higher for real ones."""

    progress: Tensor

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        channels = [config.channels(r) for r in (*config.block_resolutions, LAST)]
        self.blocks = nn.ModuleList(Block(a, b, config.clamp) for a, b in itertools.pairwise(channels))
        is_conditioned = config.camera != "none" or config.labels > 0
        self.last = LastBlock(channels[-1], channels[-1] if is_conditioned else 1, config)
        if config.camera != "none":
            self.camera = CameraBelief(channels[-1], CAMERA_SIZE[config.camera])
        if config.labels:
            self.label = EqualLinear(config.labels, channels[-1])
        self.register_buffer("progress", torch.ones(()))

    def forward(
        self,
        image: Float[Tensor, "b 3 h w"],
        labels: Float[Tensor, "b n"] | None = None,
        *,
        growth: Growth | None = None,
    ) -> Float[Tensor, "b 1"]:
        """Return scores. While it grows, `growth` says how far; else the size of the picture does."""
        return self.judge(image, labels, growth=growth)[0]

    def judge(
        self,
        image: Float[Tensor, "b 3 h w"],
        labels: Float[Tensor, "b n"] | None = None,
        *,
        growth: Growth | None = None,
    ) -> tuple[Float[Tensor, "b 1"], Float[Tensor, "b c"] | None]:
        """Return scores, and the cameras that are believed in where the score depends on them."""
        growth = growth or Growth(min(image.shape[-1], self.config.resolution))
        if image.device.type == "cpu":  # convolutions and loops are quick with channels side by side
            image = image.contiguous(memory_format=torch.channels_last)
        resolutions = self.config.block_resolutions
        while image.shape[-1] > growth.resolution:
            image = shrunk(image)
        if growth.resolution not in resolutions:
            raise ValueError(f"no block looks at {growth.resolution} pixels; pictures may have {resolutions}")
        first = resolutions.index(growth.resolution)
        is_fading = growth.before > 0 and 0 < growth.fade < 1
        smaller = shrunk(image) if is_fading else image
        # parity: the block that training has reached gets its picture twice, until it is the largest.
        blocks = [cast(Block, block) for block in self.blocks[first:]]
        x = None if first == 0 else blocks[0].seen(image)
        for block, resolution in zip(blocks, resolutions[first:], strict=True):
            if is_fading and resolution == growth.before and x is not None:
                image = smaller.lerp(image, growth.fade)
                x = block.seen(smaller).lerp(x, growth.fade)
            seen = block.seen(image)
            x = block(seen if x is None else x + seen)
            image = halve(image)
        assert x is not None
        return self._scored(x, image, labels)

    def _scored(
        self,
        x: Float[Tensor, "b c h w"],
        image: Float[Tensor, "b 3 h w"],
        labels: Float[Tensor, "b n"] | None,
    ) -> tuple[Float[Tensor, "b 1"], Float[Tensor, "b c2"] | None]:
        found = self.last(x, image)
        camera = None
        if self.config.camera != "none":
            camera, condition = self.camera(x)
        elif self.config.labels:
            if labels is None:
                raise ValueError(f"this discriminator takes labels of {self.config.labels} numbers")
            condition = normalised(self.label(labels))
        else:
            return found, None
        return (found * condition).sum(1, keepdim=True) / math.sqrt(found.shape[1]), camera


def convolved(
    layer: EqualConv,
    x: Float[Tensor, "b i h w"],
    clamp: float,
    *,
    stride: int = 1,
    padding: int | None = None,
) -> Float[Tensor, "b o h2 w2"]:
    """Return a convolution's answer, rectified and limited."""
    if layer.bias is None or not fits(x):
        return leaky(layer(x, stride, padding), clamp)
    around = layer.kernel // 2 if padding is None else padding
    y = torch.nn.functional.conv2d(x, layer.scaled(), stride=stride, padding=around)
    return rectified(y.permute(0, 2, 3, 1), layer.bias, GAIN, clamp).permute(0, 3, 1, 2)


def variety(x: Float[Tensor, "b c h w"], group: int) -> Float[Tensor, "b 1 h w"]:
    """Return how much the pictures of a group differ, as one more channel.

    Section 3 of Progressive GAN (Karras et al., 2018): the discriminator sees when all look alike.
    Group `k` is every picture whose number leaves `k` when divided by the number of groups.
    """
    size = min(group, len(x))
    while len(x) % size:
        size -= 1
    grouped = rearrange(x, "(g n) c h w -> g n c h w", g=size)
    spread = (grouped - grouped.mean(0)).square().mean(0).add(1e-8).sqrt().mean((1, 2, 3))
    return spread.repeat(size)[:, None, None, None].expand(-1, 1, *x.shape[2:])


def shrunk(image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h2 w2"]:
    """Return a picture of half the size, by bilinear interpolation."""
    size = image.shape[-1] // 2
    return torch.nn.functional.interpolate(image, size=size, mode="bilinear", align_corners=False)
