"""What a warm start teaches: how drawn portraits differ from true ones, in rays and in pictures."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from phiz.generator.generator import Generator, Prepared, Rays
from phiz.generator.volume import RandomDraws
from phiz.layers.perceptual import PerceptualDistance, perceptual_distance
from phiz.train.sitters import Sitting
from phiz.train.warm_config import WarmConfig
from phiz.train.warm_critic import Critic, window_places

FEATURE_LABELS = (4, 5, 11, 12, 13)
"""Eyes, mouth and lips in the label table of the world: small, and looked at first."""
WHOLE_EVERY = 8
"""With squares, one step in so many draws whole pictures, or their rim would never learn."""
MARGIN = 3
"""Of the volume's pixels: how far beyond a place the upsampler's convolutions see, roughly."""


def regression(
    config: WarmConfig,
    generator: Generator,
    sitting: Sitting,
    number: int,
    chance: torch.Generator,
    *,
    is_half: bool,
    distance: PerceptualDistance = perceptual_distance,
    critic: Critic | None = None,
) -> dict[str, Tensor]:
    """Return how wrong the generator is about some portraits: of rays alone, or of whole pictures."""
    with torch.autocast(sitting.images.device.type, torch.bfloat16, enabled=is_half):
        styles = generator.styles(sitting.codes)
        prepared = generator.prepare(styles, sitting.backgrounds, views=config.views)
        if number < config.volume_steps:
            return ray_losses(config, generator, prepared, sitting, chance)
        is_whole = (number - config.volume_steps) % WHOLE_EVERY == 0
        square = square_of(config, generator.config.volume_resolution, chance, is_whole=is_whole)
        return picture_losses(config, generator, prepared, sitting, square, chance, distance, critic)


def ray_losses(
    config: WarmConfig, generator: Generator, prepared: Prepared, sitting: Sitting, chance: torch.Generator
) -> dict[str, Tensor]:
    """Return what a few rays of each picture show wrong."""
    size = generator.config.volume_resolution
    device = sitting.images.device
    count = min(config.rays, size * size)
    batch = len(sitting.images)
    places = torch.rand(batch, size * size, generator=chance, device=device).argsort(dim=1)[:, :count]
    uv = generator.pixels(size).to(device)[places]
    rays = generator.march(prepared, sitting.camera, uv, draws=RandomDraws(chance, device))
    return volume_losses(config, rays, sitting, size, places)


class Square(NamedTuple):
    """A square of the volume's pixels."""

    top: int
    left: int
    side: int

    def cut(self, scale: int = 1, margin: int = 0) -> tuple[slice, slice]:
        """Return its rows and columns in maps so many times as large, without a margin of its pixels."""
        start, stop = margin, self.side - margin
        rows, columns = (
            slice((first + start) * scale, (first + stop) * scale) for first in (self.top, self.left)
        )
        return rows, columns


def square_of(config: WarmConfig, size: int, chance: torch.Generator, *, is_whole: bool) -> Square:
    """Return which of the volume's pixels are drawn: all of them, or a random square away from the rim."""
    if is_whole or not 0 < config.patch < size:
        return Square(0, 0, size)
    ((top, left),) = window_places(1, size - config.patch, chance)
    return Square(top, left, config.patch)


def picture_losses(
    config: WarmConfig,
    generator: Generator,
    prepared: Prepared,
    sitting: Sitting,
    square: Square,
    chance: torch.Generator,
    distance: PerceptualDistance,
    critic: Critic | None,
) -> dict[str, Tensor]:
    """Return what pictures show wrong, or a square of them, and their rays."""
    size = generator.config.volume_resolution
    sitting = sitting.at(generator.config.resolution)
    device = sitting.images.device
    batch = len(sitting.images)
    places = torch.arange(size * size, device=device).reshape(size, size)[square.cut()].flatten()
    uv = generator.pixels(size).to(device)[places].expand(batch, -1, -1)
    rays = generator.march(prepared, sitting.camera, uv, draws=RandomDraws(chance, device))
    image = generator.finish(prepared, rays).image.float()
    losses = volume_losses(config, rays, sitting, size, places.expand(batch, -1))
    # Convolutions see nothing beyond a square, so what lies next to its edge is not compared.
    scale, margin = image.shape[-1] // square.side, MARGIN if square.side < size else 0
    rows, columns = Square(0, 0, square.side).cut(scale, margin)
    image = image[..., rows, columns]
    rows, columns = square.cut(scale, margin)
    truth, labels = sitting.images[..., rows, columns], sitting.labels[..., rows, columns]
    weight = pixel_weights(labels, config.feature_weight)
    wrong = (image - truth).abs().mean(1)
    losses["picture"] = config.pixel_weight * (wrong * weight).mean() / weight.mean()
    shown, true = window(image, truth, config.perceptual_crop, chance)
    losses["perceptual"] = config.perceptual_weight * distance(shown, true).mean()
    if critic is not None:
        losses["critic"] = config.critic_weight * critic.loss(image, truth, chance)
    return losses


def window(
    image: Float[Tensor, "b 3 h w"], other: Float[Tensor, "b 3 h w"], size: int, chance: torch.Generator
) -> tuple[Float[Tensor, "b 3 s s"], Float[Tensor, "b 3 s s"]]:
    """Return the same random window of both sets of pictures; all of them for a size of 0."""
    room = image.shape[-1] - size
    if size <= 0 or room <= 0:
        return image, other
    ((top, left),) = window_places(1, room, chance)
    cut = (..., slice(top, top + size), slice(left, left + size))
    return image[cut], other[cut]


def volume_losses(
    config: WarmConfig, rays: Rays, sitting: Sitting, size: int, places: Int[Tensor, "b r"]
) -> dict[str, Tensor]:
    """Return how colours, coverage and depths of rays differ from the truth at their places."""
    small = torch.nn.functional.interpolate(sitting.images, size=(size, size), mode="area")
    alpha = torch.nn.functional.interpolate(sitting.alpha, size=(size, size), mode="area")
    depth, is_smooth = small_depth(sitting.depth, size)
    colour = taken(small, places)
    cover, far = taken(alpha, places)[..., 0], taken(depth, places)[..., 0]
    sure = taken(is_smooth.float(), places)[..., 0]
    shown = rays.depth.float() * rays.opacity.float().clamp(0, 1)
    deep = ((shown - far * rays.opacity.float()).abs() * 100 * sure).sum() / sure.sum().clamp(min=1)
    return {
        "colour": config.pixel_weight * (rays.colour.float() - colour).abs().mean(),
        "alpha": config.alpha_weight * coverage_loss(rays.opacity.float(), cover).mean(),
        "depth": config.depth_weight * 0.1 * deep,
    }


def coverage_loss(found: Float[Tensor, "b r"], true: Float[Tensor, "b r"]) -> Float[Tensor, "b r"]:
    """Return the cross entropy of coverage, without its least possible value.

    A difference would do, but its gradient dies where a head has become all but transparent.
    """
    found, sure = found.clamp(1e-4, 1 - 1e-4), true.clamp(1e-4, 1 - 1e-4)
    entropy = -(true * found.log() + (1 - true) * (1 - found).log())
    return entropy + true * sure.log() + (1 - true) * (1 - sure).log()


def small_depth(
    depth: Float[Tensor, "b 1 h w"], size: int
) -> tuple[Float[Tensor, "b 1 s s"], Float[Tensor, "b 1 s s"]]:
    """Return the mean depth of each square of pixels, and 1 where all of them are one surface."""
    factor = depth.shape[-1] // size
    near = -torch.nn.functional.max_pool2d(-depth, factor)
    far = torch.nn.functional.max_pool2d(depth, factor)
    mean = torch.nn.functional.avg_pool2d(depth, factor)
    return mean, ((near > 0) & (far - near < 0.02)).float()


def pixel_weights(labels: Int[Tensor, "b h w"], feature_weight: float) -> Float[Tensor, "b h w"]:
    """Return how much each pixel counts: eyes and mouth more than the rest."""
    is_feature = torch.zeros_like(labels, dtype=torch.bool)
    for label in FEATURE_LABELS:
        is_feature |= labels == label
    return 1 + (feature_weight - 1) * is_feature.float()


def taken(maps: Float[Tensor, "b c h w"], places: Int[Tensor, "b r"]) -> Float[Tensor, "b r c"]:
    """Return the values of maps at some of their pixels."""
    flat = maps.flatten(2).transpose(1, 2)
    return flat.gather(1, places[..., None].expand(-1, -1, flat.shape[-1]))
