"""NeRF-path regularisation: the upsampled picture has to show what the field itself would have shown.

Section 3.3 of StyleNeRF (Gu et al., 2022). A few pixels of the large picture are drawn the slow way,
every sample of their rays through the upsampler as a point of its own, and compared.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor

from phiz.generator.generator import Generator, Prepared, Rays, Rendering
from phiz.generator.upsample import Block, stage
from phiz.generator.volume import Depths, Draws, Samples
from phiz.graphics.camera import Camera
from phiz.layers.modulated import apply

WEIGHT = 2.0


class Path(NamedTuple):
    """A picture, and how far it is from what its field would have shown (one number a picture)."""

    rendering: Rendering
    loss: Float[Tensor, " b"]


def render_with_path(generator: Generator, prepared: Prepared, camera: Camera, draws: Draws) -> Path:
    """Return pictures and their path losses, all rays in one march."""
    config = generator.config
    if config.kernel > 1:
        raise ValueError("a path loss needs kernels of 1 x 1, which see one point; set path_samples to 0")
    batch = max(prepared.batch, camera.batch)
    blocks, _ = stage(float(generator.progress), len(generator.upsampler.blocks))
    size = config.volume_resolution * 2**blocks
    places = spread_pixels(size, config.path_samples, draws.uniform(batch, 2))
    volume = generator.pixels(config.volume_resolution)
    sparse = generator.pixels(size)[places]
    uv = torch.cat([volume.expand(batch, -1, -1), sparse], dim=1)
    rays = generator.march(prepared, camera, uv.to(camera.intrinsics), draws=draws)
    count = len(volume)
    rendering = generator.finish(prepared, _part(rays, slice(None, count)))
    shown = rendering.image.flatten(2).gather(2, places[:, None].expand(-1, 3, -1))
    slow = slow_colours(generator, prepared, _part(rays, slice(count, None)))
    error = (shown.transpose(1, 2) - slow).square().sum(-1).mean(-1)
    return Path(rendering, WEIGHT * error)


def spread_pixels(size: int, samples: int, chances: Float[Tensor, "b 2"]) -> Int[Tensor, "b n"]:
    """Return the numbers of `samples` squared pixels that lie evenly over a picture, shifted at random."""
    if samples > size:
        raise ValueError(f"{samples} pixels a row do not fit into a picture of {size}; lower path_samples")
    step = size // samples
    shift = (chances * step).long().clamp(max=step - 1)
    line = torch.arange(samples, device=chances.device) * step
    rows, columns = line + shift[:, 1:], line + shift[:, :1]
    return (rows[:, :, None] * size + columns[:, None, :]).flatten(1)


def slow_colours(generator: Generator, prepared: Prepared, rays: Rays) -> Float[Tensor, "b r 3"]:
    """Return the colours of rays whose every sample went through the upsampler as a single point."""
    assert rays.samples is not None
    assert rays.weights is not None
    batch, count = rays.weights.shape[:2]
    outputs = _by_ray(apply(prepared.field.outputs, rays.samples.hidden.flatten(1, 2)), count)
    weights = rays.weights
    if rays.background_hidden is not None and rays.background_weights is not None:
        assert prepared.behind is not None
        hidden = rays.background_hidden.flatten(1, 2)
        behind = _by_ray(apply(prepared.behind.outputs, hidden), count)
        outputs = torch.cat([outputs, behind.expand(batch, -1, -1, -1)], dim=2)
        weights = torch.cat([weights, rays.background_weights], dim=2)
    points = outputs.flatten(1, 2)[:, :, None]  # (b, n, 1, c)
    image, x = points[..., :3], points[..., 3:]
    # parity: a block that is being faded in counts in full here.
    last, _ = stage(float(generator.progress), len(generator.upsampler.blocks))
    for block, ready in zip(generator.upsampler.blocks[:last], prepared.blocks, strict=False):
        x = cast(Block, block).point(ready, x)
        image = image + generator.upsampler.coloured(ready, x)
    return (weights[..., None] * image.reshape(batch, count, -1, 3)).sum(2)


def _by_ray(values: Float[Tensor, "b n c"], rays: int) -> Float[Tensor, "b r s c"]:
    return values.reshape(len(values), rays, -1, values.shape[-1])


def _part(rays: Rays, part: slice) -> Rays:
    """Return some of the rays."""

    def cut(value: Tensor | None) -> Tensor | None:
        return None if value is None else value[:, part]

    coarse, fine = rays.depths
    depths = Depths(coarse[:, part], cut(fine))
    samples = None if rays.samples is None else Samples(*(value[:, part] for value in rays.samples))
    return Rays(
        rays.colour[:, part],
        rays.features[:, part],
        rays.depth[:, part],
        rays.opacity[:, part],
        depths,
        samples,
        cut(rays.weights),
        cut(rays.background_hidden),
        cut(rays.background_weights),
    )
