"""From a small map of features to a picture: styled 1 x 1 convolutions that see no neighbours but when
they grow, so that what holds from one side holds from all.

Pictures of features are laid out `b h w c` here: a 1 x 1 convolution is then one matrix product.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from phiz.generator import fast
from phiz.generator.config import GeneratorConfig
from phiz.generator.growing import Adapter, grow
from phiz.layers.activation import GAIN, leaky, leaky_scaled
from phiz.layers.equalized import EqualLinear
from phiz.layers.modulated import Folded, Scaled, StyledLayer, convolve, normal_gain
from phiz.layers.resample import filter_up, grow_image


class PreparedBlock(NamedTuple):
    """A block in one style, or several."""

    first: Folded | Scaled
    second: Folded | Scaled
    colour: Folded
    adapter: Adapter | None
    is_settled: bool
    """Whether the magnitude scaling is in the weights already."""


class Block(nn.Module):
    """One doubling: a convolution that grows, one that does not, and a layer of colours."""

    def __init__(self, inputs: int, outputs: int, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        has_magnitude = config.magnitude_rate > 0
        self.first = StyledLayer(
            inputs, outputs, config.w_size, kernel=config.kernel, has_magnitude=has_magnitude
        )
        self.second = StyledLayer(
            outputs, outputs, config.w_size, kernel=config.kernel, has_magnitude=has_magnitude
        )
        self.colour = StyledLayer(outputs, 3, config.w_size, is_demodulated=False)
        narrow = max(outputs // 4, 1)
        if config.upsampling == "nn_cat":
            self.adapter = nn.ModuleList([EqualLinear(2 * outputs, narrow), EqualLinear(narrow, outputs)])
        elif config.upsampling == "pixelshuffle":
            self.adapter = nn.ModuleList([EqualLinear(outputs, narrow), EqualLinear(narrow, 4 * outputs)])
        else:
            self.adapter = nn.ModuleList()

    def prepare(self, styles: Float[Tensor, "b n w"]) -> PreparedBlock:
        """Return what depends on three styles: of both convolutions and of the colours."""
        layers = [cast(EqualLinear, layer).folded() for layer in self.adapter]
        adapter = Adapter(*layers) if layers else None
        return PreparedBlock(
            self._prepared(self.first, styles[:, 0], 1.0),
            self._prepared(self.second, styles[:, 1], GAIN),
            self.colour.fold(styles[:, 2]),
            adapter,
            not self.training,
        )

    def _prepared(self, layer: StyledLayer, w: Float[Tensor, "b w"], gain: float) -> Folded | Scaled:
        if self.config.kernel > 1:
            scaled = layer.scaled(w, gain=gain)
            if self.training or self.config.magnitude_rate == 0:
                return scaled
            settled = layer.magnitude.rsqrt()
            if scaled.after is None:
                return scaled._replace(weight=scaled.weight * settled)
            return scaled._replace(after=scaled.after * settled)
        folded = layer.fold(w, gain=gain)
        if self.training or self.config.magnitude_rate == 0:
            return folded
        return folded._replace(weight=folded.weight * layer.magnitude.rsqrt())

    def forward(self, prepared: PreparedBlock, x: Float[Tensor, "b h w i"]) -> Float[Tensor, "b2 h2 w2 o"]:
        """Return features of twice the size."""
        clamp = self.config.clamp
        y = self._linear(self.first, prepared.first, x, prepared.is_settled, is_growing=True)
        y = self._grown(prepared, y)
        z = self._linear(self.second, prepared.second, y, prepared.is_settled)
        if fast.is_ready(z):
            return fast.activated(z, prepared.second.bias, 1.0, clamp)
        return leaky_scaled(z + prepared.second.bias.to(z.dtype), clamp)

    def _grown(self, prepared: PreparedBlock, y: Float[Tensor, "b h w o"]) -> Float[Tensor, "b h2 w2 o"]:
        """Return the first convolution's answer at its final size, activated."""
        kind, clamp, bias = self.config.upsampling, self.config.clamp, prepared.first.bias
        if self.config.is_blurred and fast.is_ready(y):
            quick = fast.grown(y, kind, prepared.adapter, bias, clamp)
            if quick is not None:
                return quick
        if kind != "fir":
            y = grow(y, kind, prepared.adapter, is_blurred=self.config.is_blurred)
        return leaky(y + bias.to(y.dtype), clamp)

    def point(self, prepared: PreparedBlock, x: Float[Tensor, "b n 1 i"]) -> Float[Tensor, "b2 n 1 o"]:
        """Return features of single points: the block without growing, which 1 x 1 kernels allow."""
        y = self._linear(self.first, prepared.first, x, prepared.is_settled) + prepared.first.bias
        z = self._linear(self.second, prepared.second, leaky(y, self.config.clamp), prepared.is_settled)
        return leaky_scaled(z + prepared.second.bias, self.config.clamp)

    def _linear(
        self,
        layer: StyledLayer,
        prepared: Folded | Scaled,
        x: Float[Tensor, "b h w i"],
        is_settled: bool,
        *,
        is_growing: bool = False,
    ) -> Float[Tensor, "b2 h2 w2 o"]:
        """Return a convolution without its bias, at the magnitude scaling's gain."""
        rate = self.config.magnitude_rate
        if rate > 0 and not is_settled:
            x = x * normal_gain(layer, x, rate, self.training).to(x.dtype)
        by_filter = is_growing and self.config.upsampling == "fir"
        if isinstance(prepared, Scaled):
            y = convolve(
                prepared, x.permute(0, 3, 1, 2), padding=self.config.kernel // 2, is_doubling=by_filter
            )
            y = (filter_up(y) if by_filter else y).permute(0, 2, 3, 1)
        else:
            y = multiply(prepared.weight, x)
            y = grow_image(y.permute(0, 3, 1, 2)).permute(0, 2, 3, 1) if by_filter else y
        return y


def multiply(weight: Float[Tensor, "b o i"], x: Float[Tensor, "b2 h w i"]) -> Float[Tensor, "b3 h w o"]:
    """Return a 1 x 1 convolution, one style a picture or one for all."""
    if len(weight) == 1:
        return torch.nn.functional.linear(x, weight[0])
    flat = x.flatten(1, 2).expand(len(weight), -1, -1)
    return torch.bmm(flat, weight.transpose(1, 2)).reshape(len(weight), *x.shape[1:3], -1)


class Upsampler(nn.Module):
    """All blocks, and how a picture comes out of them."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        sizes = [config.features, *map(config.channels, config.block_resolutions)]
        self.blocks = nn.ModuleList(Block(a, b, config) for a, b in itertools.pairwise(sizes))
        self.clamp = config.clamp

    def prepare(self, styles: Float[Tensor, "b n w"]) -> tuple[PreparedBlock, ...]:
        """Return what depends on the styles alone; a block's last is the next one's first."""
        return tuple(
            cast(Block, block).prepare(styles[:, 2 * k : 2 * k + 3]) for k, block in enumerate(self.blocks)
        )

    def forward(
        self,
        prepared: tuple[PreparedBlock, ...],
        features: Float[Tensor, "b c h w"],
        image: Float[Tensor, "b 3 h w"],
        progress: float = 1.0,
    ) -> Float[Tensor, "b 3 h2 w2"]:
        """Return the picture; below a progress of 1 only as much of it as has been learned so far."""
        last, fade = stage(progress, len(self.blocks))
        x = features.permute(0, 2, 3, 1)
        earlier = image
        for block, ready in zip(self.blocks[:last], prepared, strict=False):
            x = block(ready, x)
            earlier, image = image, grow_image(image) + self.coloured(ready, x).permute(0, 3, 1, 2)
        if fade < 1:
            size = image.shape[-1]
            plain = torch.nn.functional.interpolate(earlier, size=size, mode="bilinear", align_corners=False)
            image = plain.lerp(image, fade)
        return image

    def coloured(self, ready: PreparedBlock, x: Float[Tensor, "b h w c"]) -> Float[Tensor, "b h w 3"]:
        """Return what a block adds to the picture."""
        y = multiply(ready.colour.weight, x) + ready.colour.bias
        return y.clamp(-self.clamp, self.clamp)


def stage(progress: float, blocks: int) -> tuple[int, float]:
    """Return how many blocks are in use at a progress from 0 to 1, and how far the last is faded in.

    A negative progress is a network that was never told: all of it is in use.
    """
    if progress >= 1 or progress < 0:
        return blocks, 1.0
    if progress == 0:
        return 0, 1.0
    whole = int(progress * blocks)
    return whole + 1, progress * blocks - whole
