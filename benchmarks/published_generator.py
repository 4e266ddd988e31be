"""The arithmetic of the published StyleNeRF, written plainly: what `generator.py` measures ours against.

Pictures are `b c h w`. Styles modulate the weights of every layer anew each frame, one group of a
grouped convolution a picture. Every sample of a ray becomes features before they are sorted and added
up; features grow at full size (neighbours, both halves through the adapter, then a depthwise filter).
The numbers come from the state of a `phiz.generator.generator.Generator`, so both draw one picture.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from phiz.generator.config import DiscriminatorConfig, GeneratorConfig
from phiz.generator.discriminator import variety
from phiz.generator.field import inverted_sphere
from phiz.generator.path import spread_pixels
from phiz.generator.volume import Draws, jittered, rays_through_pixels, to_depth
from phiz.graphics.camera import Camera
from phiz.graphics.rays import inverse_cdf, pixel_grid, points_along

SLOPE, GAIN = 0.2, math.sqrt(2)


@dataclass(frozen=True, kw_only=True)
class March:
    """The samples of all rays in order of depth: places in `b r s`, features `b c r s`."""

    features: Tensor
    weights: Tensor


@dataclass(frozen=True, kw_only=True)
class Published:
    """The published network over the numbers of ours."""

    config: GeneratorConfig
    state: Mapping[str, Tensor]
    is_training: bool = False

    def render(
        self, styles: Tensor, camera: Camera, background: Tensor, draws: Draws | None = None
    ) -> Tensor:
        """Return pictures (b, 3, h, w)."""
        uv = _grid(self.config.volume_resolution).expand(len(styles), -1, -1)
        march = self._march(styles, camera, uv, background, draws)
        return self._upsampled(styles, _summed(march))

    def render_with_path(
        self, styles: Tensor, camera: Camera, background: Tensor, draws: Draws
    ) -> tuple[Tensor, Tensor]:
        """Return pictures and the NeRF-path losses (b)."""
        config = self.config
        places = spread_pixels(config.resolution, config.path_samples, draws.uniform(len(styles), 2))
        volume = _grid(config.volume_resolution)
        sparse = _grid(config.resolution)[places]
        uv = torch.cat([volume.expand(len(styles), -1, -1), sparse], dim=1)
        march = self._march(styles, camera, uv, background, draws)
        count = len(volume)
        image = self._upsampled(
            styles, _summed(March(features=march.features[:, :, :count], weights=march.weights[:, :count]))
        )
        shown = image.flatten(2).gather(2, places[:, None].expand(-1, 3, -1))
        points = self._upsampled(styles, march.features[:, :, count:], is_growing=False)
        slow = (points * march.weights[:, None, count:]).sum(-1)
        return image, 2.0 * (shown - slow).square().sum(1).mean(1)

    def _march(
        self, styles: Tensor, camera: Camera, uv: Tensor, background: Tensor, draws: Draws | None
    ) -> March:
        config = self.config
        origins, directions = rays_through_pixels(camera, uv)
        origins, directions = origins.expand(len(uv), -1), directions.expand(len(uv), -1, -1)
        stretch = directions.norm(dim=-1, keepdim=True)
        places = torch.linspace(0, 1, config.samples).expand(*uv.shape[:2], -1)
        if draws is not None:
            places = jittered(places, draws.uniform(*places.shape))
        raw, features = self._foreground(styles, origins, directions, places, draws)
        with torch.no_grad():
            weights, _ = _composite(raw, to_depth(config, places), stretch, is_opaque=False)
            middle = (places[..., 1:] + places[..., :-1]) / 2
            if draws is None:
                chances = torch.linspace(0, 1, config.samples).expand(*uv.shape[:2], -1)
            else:
                chances = draws.uniform(uv.shape[0] * uv.shape[1], config.samples).view_as(places)
            finer = inverse_cdf(middle.contiguous(), weights[..., 1:-1].contiguous(), chances)
        raw_finer, features_finer = self._foreground(styles, origins, directions, finer, draws)
        places, order = torch.cat([finer, places], dim=-1).sort(dim=-1)
        raw = torch.cat([raw_finer, raw], dim=-1).gather(-1, order)
        features = torch.cat([features_finer, features], dim=-1)
        features = features.gather(-1, order[:, None].expand_as(features))
        weights, passing = _composite(raw, to_depth(config, places), stretch, is_opaque=False)
        behind, behind_weights = self._background(origins, directions, background, draws)
        return March(
            features=torch.cat([features, behind], dim=-1),
            weights=torch.cat([weights, behind_weights * passing], dim=-1),
        )

    def _foreground(
        self, styles: Tensor, origins: Tensor, directions: Tensor, places: Tensor, draws: Draws | None
    ) -> tuple[Tensor, Tensor]:
        """Return densities (b r s) and colours with features (b 3+c r s) of every sample."""
        config = self.config
        points = points_along(origins, directions, to_depth(config, places))
        x = _encoded(points, config.frequencies)
        for k in range(config.field_layers):
            x = _activated(self._styled(f"foreground.layers.{k}", x, styles[:, k]), clamp=0)
        raw = self._styled("foreground.density", x, styles[:, config.field_layers], is_demodulated=False)[
            :, 0
        ]
        if draws is not None:
            raw = raw + draws.normal(*raw.shape)
        features = self._styled(
            "foreground.features", x, styles[:, config.field_layers + 1], is_demodulated=False
        )
        return raw, torch.cat([self._predicted("foreground", features), features], dim=1)

    def _background(
        self, origins: Tensor, directions: Tensor, latent: Tensor, draws: Draws | None
    ) -> tuple[Tensor, Tensor]:
        config = self.config
        places = torch.linspace(-1, 0, config.background_samples) * config.background_start
        places = places.expand(*directions.shape[:2], -1)
        if draws is not None:
            places = jittered(places, draws.uniform(*places.shape))
        x = _encoded(inverted_sphere(origins, directions, -places), config.background_frequencies)
        codes = latent[:, :, None, None].expand(len(x), -1, *x.shape[2:])
        x = torch.cat([x, codes], dim=1)
        for k in range(config.background_layers):
            x = torch.relu(self._plain(f"background.layers.{k}", x))
        raw = self._plain("background.density", x)[:, 0]
        if draws is not None:
            raw = raw + draws.normal(*raw.shape)
        features = self._plain("background.features", x)
        one = torch.ones_like(raw[..., :1])
        weights, _ = _composite(raw, places, one, is_opaque=True)
        return torch.cat([self._predicted("background", features), features], dim=1), weights

    def _plain(self, name: str, x: Tensor) -> Tensor:
        weight, bias = self.state[name + ".weight"], self.state[name + ".bias"]
        return functional.conv2d(x, weight[:, :, None, None], bias)

    def _predicted(self, room: str, features: Tensor) -> Tensor:
        weight = self.state[room + ".colour.weight"]
        weight = weight[:, :, None, None] / math.sqrt(weight.shape[1])
        return functional.conv2d(features, weight, self.state[room + ".colour.bias"])

    def _styled(
        self, name: str, x: Tensor, w: Tensor, *, is_demodulated: bool = True, has_bias: bool = True
    ) -> Tensor:
        """Return a modulated 1 x 1 convolution: one group a picture."""
        weight = self.state[name + ".weight"]
        style = functional.linear(
            w, self.state[name + ".style.weight"] / math.sqrt(w.shape[1]), self.state[name + ".style.bias"]
        )
        own = weight[None] * style[:, None]
        if is_demodulated:
            own = own * (own.square().sum(2, keepdim=True) + 1e-8).rsqrt()
        else:
            own = own / math.sqrt(weight.shape[1])
        b, _, height, width = x.shape
        y = functional.conv2d(
            x.reshape(1, -1, height, width), own.flatten(0, 1)[:, :, None, None], groups=b
        ).view(b, -1, height, width)
        return y + self.state[name + ".bias"][:, None, None] if has_bias else y

    def _upsampled(self, styles: Tensor, start: Tensor, *, is_growing: bool = True) -> Tensor:
        """Return the picture of a map of colours and features, or each point's own colours."""
        config = self.config
        image, x = start[:, :3], start[:, 3:].contiguous()
        own = styles[:, config.volume_styles :]
        for k in range(len(config.block_resolutions)):
            name = f"upsampler.blocks.{k}"
            x = self._normal(name + ".first", x)
            x = self._styled(name + ".first", x, own[:, 2 * k], has_bias=False)
            if is_growing:
                x = _filtered(self._grown(name, x))
            x = _activated(x + self.state[name + ".first.bias"][:, None, None], config.clamp)
            x = self._normal(name + ".second", x)
            x = _activated(self._styled(name + ".second", x, own[:, 2 * k + 1]), config.clamp)
            shown = self._styled(name + ".colour", x, own[:, 2 * k + 2], is_demodulated=False)
            shown = shown.clamp(-config.clamp, config.clamp)
            image = shown + (_zeros_filtered(image) if is_growing else image)
        return image

    def _normal(self, name: str, x: Tensor) -> Tensor:
        """Return `x` at size one on average; in training the running mean follows."""
        size = self.state[name + ".magnitude"]
        if self.is_training:
            with torch.no_grad():
                size.copy_(x.square().mean().lerp(size, self.config.magnitude_rate))
        return x * size.rsqrt()

    def _grown(self, name: str, x: Tensor) -> Tensor:
        near = functional.interpolate(x, scale_factor=2, mode="nearest")
        if self.config.upsampling == "pixelshuffle":
            added = self._adapted(name, x)
            return near + functional.pixel_shuffle(added, 2)
        wide = functional.pad(x, (1, 1, 1, 1))
        up, down = wide[:, :, :-2, 1:-1], wide[:, :, 2:, 1:-1]
        left, right = wide[:, :, 1:-1, :-2], wide[:, :, 1:-1, 2:]
        quarters = torch.stack([left + up, up + right, left + down, right + down], dim=2) / 2
        around = functional.pixel_shuffle(quarters.flatten(1, 2), 2)
        return near + self._adapted(name, torch.cat([near, around], dim=1))

    def _adapted(self, name: str, x: Tensor) -> Tensor:
        for k in range(2):
            weight, bias = self.state[f"{name}.adapter.{k}.weight"], self.state[f"{name}.adapter.{k}.bias"]
            x = functional.conv2d(x, weight[:, :, None, None] / math.sqrt(weight.shape[1]), bias)
            x = _activated(x, 0) if k == 0 else x
        return x


def _grid(size: int) -> Tensor:
    return pixel_grid(size, size).flatten(0, 1)


def _encoded(points: Tensor, octaves: int) -> Tensor:
    """Return sines and cosines (b, c, r, s) of points (b, r, s, 3)."""
    parts = []
    for k in range(octaves):
        angles = points * (math.pi * 2.0**k)
        parts += [angles.sin(), angles.cos()]
    return torch.cat(parts, dim=-1).permute(0, 3, 1, 2).contiguous()


def _activated(x: Tensor, clamp: float) -> Tensor:
    y = functional.leaky_relu(x, SLOPE) * GAIN
    return y.clamp(-clamp, clamp) if clamp > 0 else y


def _composite(raw: Tensor, depths: Tensor, stretch: Tensor, *, is_opaque: bool) -> tuple[Tensor, Tensor]:
    """Return weights (b r s), and the light that passes (b r 1)."""
    lengths = depths.diff(dim=-1) * stretch
    alpha = 1 - torch.exp(-torch.relu(raw[..., :-1]) * lengths)
    alpha = torch.cat([alpha, torch.full_like(alpha[..., :1], float(is_opaque))], dim=-1)
    passing = torch.cumprod(torch.cat([torch.ones_like(alpha[..., :1]), 1 - alpha + 1e-10], dim=-1), dim=-1)
    return alpha * passing[..., :-1], passing[..., -2:-1]


def _summed(march: March) -> Tensor:
    """Return the map (b, c, h, w) of rays added up."""
    rays = (march.features * march.weights[:, None]).sum(-1)
    size = math.isqrt(rays.shape[-1])
    return rays.unflatten(2, (size, size))


def _filter(channels: int, gain: float) -> Tensor:
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    return (gain / 64 * taps[:, None] * taps).expand(channels, 1, 4, 4).contiguous()


def _filtered(x: Tensor) -> Tensor:
    """Return `x` through the low-pass filter, every channel by itself."""
    return functional.conv2d(functional.pad(x, (2, 1, 2, 1)), _filter(x.shape[1], 1.0), groups=x.shape[1])


def _zeros_filtered(image: Tensor) -> Tensor:
    """Return a picture of twice the size: zeros between its pixels, then the filter."""
    b, c, h, w = image.shape
    spread = image.new_zeros(b, c, h, 2, w, 2)
    spread[:, :, :, 0, :, 0] = image
    spread = functional.pad(spread.view(b, c, 2 * h, 2 * w), (2, 1, 2, 1))
    return functional.conv2d(spread, _filter(c, 4.0), groups=c)


def published_scores(config: DiscriminatorConfig, state: Mapping[str, Tensor], image: Tensor) -> Tensor:
    """Return the scores (b, 1) of pictures by the published discriminator, which no camera conditions."""

    def seen(name: str, x: Tensor, **options: int) -> Tensor:
        weight = state[name + ".weight"]
        weight = weight.reshape(len(weight), x.shape[1], *weight.shape[2:]) / math.sqrt(weight[0].numel())
        weight = weight[:, :, None, None] if weight.ndim == 2 else weight
        return _activated(functional.conv2d(x, weight, state[name + ".bias"], **options), config.clamp)

    x: Tensor | None = None
    for k in range(len(config.block_resolutions)):
        entry = seen(f"blocks.{k}.from_rgb", image)
        x = seen(f"blocks.{k}.first", entry if x is None else x + entry, padding=1)
        wide = functional.conv2d(functional.pad(x, (2, 2, 2, 2)), _filter(x.shape[1], 1.0), groups=x.shape[1])
        x = seen(f"blocks.{k}.second", wide, stride=2)
        around = functional.pad(image, (1, 1, 1, 1))
        image = functional.conv2d(around, _filter(3, 1.0), stride=2, groups=3)
    assert x is not None
    x = x + seen("last.from_rgb", image)
    x = torch.cat([x, variety(x, config.group)], dim=1)
    x = seen("last.conv", x, padding=1).flatten(1)
    for name in ("last.dense", "last.out"):
        weight = state[name + ".weight"] / math.sqrt(x.shape[1])
        x = functional.linear(x, weight, state[name + ".bias"])
        x = _activated(x, 0) if name == "last.dense" else x
    return x
