"""Three planes of features that a style paints: places in space look themselves up on all of them.

The tri-plane of EG3D (Chan et al., 2022). The plane network is a StyleGAN2 with noise of its own.
"""

from __future__ import annotations

from typing import cast

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from phiz.generator.config import GeneratorConfig
from phiz.layers.activation import GAIN, leaky_scaled
from phiz.layers.modulated import StyledLayer, convolve, normal_gain
from phiz.layers.resample import filter_up, grow_image

START = 8
"""Height and width of the constant that the network begins with."""


class PlaneBlock(nn.Module):
    """One resolution of the plane network."""

    def __init__(self, inputs: int, resolution: int, config: GeneratorConfig) -> None:
        super().__init__()
        outputs = config.plane_channels(resolution)
        self.first = _convolution(inputs, outputs, resolution, config) if inputs else None
        self.second = _convolution(outputs, outputs, resolution, config)
        self.colour = StyledLayer(outputs, 3 * config.planes_channels, config.w_size, is_demodulated=False)


def _convolution(inputs: int, outputs: int, resolution: int, config: GeneratorConfig) -> StyledLayer:
    return StyledLayer(inputs, outputs, config.w_size, kernel=3, has_magnitude=True, noise=resolution)


class PlaneNetwork(nn.Module):
    """From styles to three planes."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        self.constant = nn.Parameter(torch.randn(config.plane_channels(START), START, START))
        sizes = [0, *map(config.plane_channels, config.plane_resolutions)]
        self.blocks = nn.ModuleList(
            PlaneBlock(inputs, resolution, config)
            for inputs, resolution in zip(sizes, config.plane_resolutions, strict=False)
        )

    def forward(self, styles: Float[Tensor, "b n s"]) -> Float[Tensor, "b 3 c h w"]:
        x = self.constant.expand(len(styles), -1, -1, -1)
        planes: Tensor | None = None
        used = 0
        for block in (cast(PlaneBlock, each) for each in self.blocks):
            if block.first is not None:
                x = self._convolved(block.first, x, styles[:, used], is_doubling=True)
                used += 1
            x = self._convolved(block.second, x, styles[:, used], is_doubling=False)
            used += 1
            painted = block.colour.scaled(styles[:, used])
            shown = convolve(painted, x, padding=0) + painted.bias[:, None, None]
            shown = shown.clamp(-self.config.clamp, self.config.clamp)
            planes = shown if planes is None else grow_image(planes) + shown
        assert planes is not None
        return rearrange(planes, "b (plane c) h w -> b plane c h w", plane=3)

    def _convolved(
        self, layer: StyledLayer, x: Float[Tensor, "b i h w"], w: Float[Tensor, "b s"], *, is_doubling: bool
    ) -> Float[Tensor, "b o h2 w2"]:
        """Return `x` through a 3 x 3 convolution in a style, with fixed noise and rectifier."""
        config = self.config
        scaled = layer.scaled(w, gain=GAIN)
        settled = normal_gain(layer, x, config.magnitude_rate, self.training).to(scaled.weight.dtype)
        scaled = scaled._replace(weight=scaled.weight * settled)  # weights are small, maps are not
        y = convolve(scaled, x, padding=1, is_doubling=is_doubling)
        if is_doubling:
            y = filter_up(y)
        added = layer.noise * (layer.noise_strength * GAIN) + scaled.bias[:, None, None]
        return leaky_scaled(y + added.to(y.dtype), config.clamp)


def look_up(planes: Float[Tensor, "b 3 c h w"], points: Float[Tensor, "b2 n 3"]) -> Float[Tensor, "b3 n c"]:
    """Return the sum of the three planes' features at points of the cube from -1 to 1; nothing outside."""
    x, y, z = points.unbind(-1)
    places = torch.stack([torch.stack(pair, dim=-1) for pair in ((x, y), (x, z), (y, z))], dim=1)
    b = max(len(planes), len(points))
    found = torch.nn.functional.grid_sample(
        planes.expand(b, -1, -1, -1, -1).flatten(0, 1),
        rearrange(places.expand(b, -1, -1, -1), "b plane n xy -> (b plane) n 1 xy").to(planes.dtype),
        mode="bilinear",
        padding_mode="zeros",
        align_corners=False,
    )
    return rearrange(found, "(b plane) c n 1 -> b plane n c", plane=3).sum(1)
