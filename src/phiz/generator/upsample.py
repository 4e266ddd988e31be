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

from phiz.generator import dense, fast, growing_back
from phiz.generator.config import GeneratorConfig
from phiz.generator.growing import Adapter, grow, repeats_edges
from phiz.generator.pieces import fits
from phiz.generator.rectifier_loops import rectified
from phiz.layers.activation import GAIN
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
        return self.doubled(prepared, x)[0]

    def doubled(
        self, prepared: PreparedBlock, x: Float[Tensor, "b h w i"]
    ) -> tuple[Float[Tensor, "b2 h2 w2 o"], Float[Tensor, "b2 h2 w2 3"]]:
        """Return features of twice the size, and what they add to the picture."""
        bias, clamp = prepared.second.bias, self.config.clamp
        y = self._linear(self._normal(self.first, prepared, prepared.first, x), x, is_growing=True)
        y = self._grown(prepared, y)
        second = self._normal(self.second, prepared, prepared.second, y)
        if isinstance(second, Folded) and fits(y):
            flat, seen = dense.coloured(second, prepared.colour, y.flatten(1, 2), clamp)
            shape = (-1, *y.shape[1:3])
            return flat.reshape(*shape, flat.shape[-1]), seen.reshape(*shape, 3)
        z = self._linear(second, y)
        found = fast.activated(z, bias, 1.0, clamp) if fast.is_ready(z) else rectified(z, bias, 1.0, clamp)
        return found, shown(prepared.colour, found, clamp)

    def is_in_strips(self, prepared: PreparedBlock, x: Float[Tensor, "b h w i"]) -> bool:
        """Return whether `strips` can take the place of `doubled`."""
        kernels = isinstance(prepared.first, Folded) and isinstance(prepared.second, Folded)
        is_plain = kernels and prepared.is_settled and self.config.is_blurred
        return is_plain and self.config.upsampling in fast.KINDS and fast.is_ready(x)

    def strips(
        self, prepared: PreparedBlock, x: Float[Tensor, "b h w i"], *, is_kept: bool
    ) -> tuple[Float[Tensor, "b2 h2 w2 o"] | None, Float[Tensor, "b2 h2 w2 3"]]:
        """Return features (None if they need not be kept) and colours, never a large map whole."""
        first, second = prepared.first, prepared.second
        assert isinstance(first, Folded)
        assert isinstance(second, Folded)
        kind, clamp = self.config.upsampling, self.config.clamp
        growing = fast.start(multiply(first.weight, x), kind, prepared.adapter, first.bias, clamp)
        return fast.doubled(growing, second, prepared.colour, is_kept=is_kept)

    def _grown(self, prepared: PreparedBlock, y: Float[Tensor, "b h w o"]) -> Float[Tensor, "b h2 w2 o"]:
        """Return the first convolution's answer at its final size, activated."""
        kind, clamp, bias = self.config.upsampling, self.config.clamp, prepared.first.bias
        if self.config.is_blurred and fits(y):
            if fast.is_ready(y) and kind in fast.KINDS:
                return fast.grown(fast.start(y, kind, prepared.adapter, bias, clamp))
            if kind in growing_back.KINDS:
                return growing_back.grown(fast.start(y, kind, prepared.adapter, bias, clamp))
        if kind != "fir":
            y = grow(y, kind, prepared.adapter, is_blurred=self.config.is_blurred)
        return rectified(y, bias, GAIN, clamp)

    def point(self, prepared: PreparedBlock, x: Float[Tensor, "b n 1 i"]) -> Float[Tensor, "b2 n 1 o"]:
        """Return features of single points: the block without growing, which 1 x 1 kernels allow."""
        for layer, given, gain in ((self.first, prepared.first, GAIN), (self.second, prepared.second, 1.0)):
            ready = self._normal(layer, prepared, given, x)
            if isinstance(ready, Folded) and fits(x):
                x = dense.rectified(ready, x[:, :, 0], gain, self.config.clamp)[:, :, None]
            else:
                x = rectified(self._linear(ready, x), ready.bias, gain, self.config.clamp)
        return x

    def _normal(
        self,
        layer: StyledLayer,
        prepared: PreparedBlock,
        given: Folded | Scaled,
        x: Float[Tensor, "b h w i"],
    ) -> Folded | Scaled:
        """Return a convolution at the magnitude scaling's gain; it goes into the weights, which are small."""
        rate = self.config.magnitude_rate
        if rate == 0 or prepared.is_settled:
            return given
        settled = normal_gain(layer, x, rate, self.training).to(given.weight.dtype)
        return given._replace(weight=given.weight * settled)

    def _linear(
        self, layer: Folded | Scaled, x: Float[Tensor, "b h w i"], *, is_growing: bool = False
    ) -> Float[Tensor, "b2 h2 w2 o"]:
        """Return a convolution without its bias."""
        by_filter = is_growing and self.config.upsampling == "fir"
        if isinstance(layer, Scaled):
            around = self.config.kernel // 2
            y = convolve(layer, x.permute(0, 3, 1, 2), padding=around, is_doubling=by_filter)
            return (filter_up(y) if by_filter else y).permute(0, 2, 3, 1)
        y = multiply(layer.weight, x)
        return grow_image(y.permute(0, 3, 1, 2)).permute(0, 2, 3, 1) if by_filter else y


def multiply(weight: Float[Tensor, "b o i"], x: Float[Tensor, "b2 h w i"]) -> Float[Tensor, "b3 h w o"]:
    """Return a 1 x 1 convolution, one style a picture or one for all."""
    if len(weight) == 1:
        return torch.nn.functional.linear(x, weight[0])
    flat = x.flatten(1, 2).expand(len(weight), -1, -1)
    return torch.bmm(flat, weight.transpose(1, 2)).reshape(len(weight), *x.shape[1:3], -1)


def shown(colour: Folded, x: Float[Tensor, "b h w c"], clamp: float) -> Float[Tensor, "b2 h w 3"]:
    """Return the colours of features, which a block adds to the picture."""
    return (multiply(colour.weight, x) + colour.bias).clamp(-clamp, clamp)


class Upsampler(nn.Module):
    """All blocks, and how a picture comes out of them."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        sizes = [config.features, *map(config.channels, config.block_resolutions)]
        self.blocks = nn.ModuleList(Block(a, b, config) for a, b in itertools.pairwise(sizes))
        self.clamp = config.clamp
        self.is_repeated = repeats_edges(config.upsampling, is_blurred=config.is_blurred)

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
        for k, (block, ready) in enumerate(zip(self.blocks[:last], prepared, strict=False)):
            x, added = self._doubled(cast(Block, block), ready, x, is_last=k + 1 == last)
            large = grow_image(image, is_repeated=self.is_repeated)
            earlier, image = image, large + added.permute(0, 3, 1, 2)
        if fade < 1:
            size = image.shape[-1]
            plain = torch.nn.functional.interpolate(earlier, size=size, mode="bilinear", align_corners=False)
            image = plain.lerp(image, fade)
        return image

    def _doubled(
        self, block: Block, ready: PreparedBlock, x: Float[Tensor, "b h w i"], *, is_last: bool
    ) -> tuple[Tensor, Float[Tensor, "b2 h2 w2 3"]]:
        """Return what a block hands on, and adds to the picture; the last may hand on what it was given."""
        if block.is_in_strips(ready, x):
            found, added = block.strips(ready, x, is_kept=not is_last)
            return x if found is None else found, added
        return block.doubled(ready, x)

    def coloured(self, ready: PreparedBlock, x: Float[Tensor, "b h w c"]) -> Float[Tensor, "b h w 3"]:
        """Return what a block adds to the picture."""
        return shown(ready.colour, x, self.clamp)


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
