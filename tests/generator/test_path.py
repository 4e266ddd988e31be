"""The path loss compares the picture with rays drawn sample by sample."""

from __future__ import annotations

import copy
from dataclasses import replace

import plain_generator as plain
import pytest
import torch
from torch import Tensor

from phiz.generator import path, poses
from phiz.generator.config import TINY, GeneratorConfig
from phiz.generator.generator import Generator
from phiz.generator.volume import RandomDraws
from phiz.graphics.rays import pixel_grid

Codes = tuple[Tensor, Tensor]
BARE = replace(TINY, background="none")
ALIGNED = replace(TINY, is_corner_aligned=True)


class Quiet:
    """Draws that shift every ray's samples and every pixel alike, and make no noise."""

    def __init__(self, part: float = 0.5) -> None:
        self.part = part

    def uniform(self, *shape: int) -> Tensor:
        return torch.full(shape, self.part)

    def normal(self, *shape: int) -> Tensor:
        return torch.zeros(shape)


def _generator(config: GeneratorConfig, progress: float = 1.0) -> Generator:
    generator = Generator(config).eval().requires_grad_(False)
    generator.foreground.density.bias.fill_(6.0)
    generator.progress.fill_(progress)
    return generator


def _path(generator: Generator, codes: Codes, draws: Quiet | RandomDraws) -> path.Path:
    z, behind = codes
    prepared = generator.prepare(generator.styles(z), behind)
    return path.render_with_path(generator, prepared, poses.at(generator.config, (0.4, 0.5)), draws)


def test_pixels_are_spread_evenly() -> None:
    found = path.spread_pixels(16, 4, torch.tensor([[0.0, 0.99], [0.5, 0.25]]))
    rows, columns = found // 16, found % 16
    assert sorted(set(rows[0].tolist())) == [3, 7, 11, 15]
    assert sorted(set(columns[0].tolist())) == [0, 4, 8, 12]
    assert sorted(set(columns[1].tolist())) == [2, 6, 10, 14]
    assert found.shape == (2, 16)


def test_shifts_reach_every_pixel_once() -> None:
    shifts = (torch.cartesian_prod(torch.arange(4), torch.arange(4)) + 0.5) / 4
    found = path.spread_pixels(16, 4, shifts)
    assert sorted(found.flatten().tolist()) == list(range(256))
    assert path.spread_pixels(16, 4, torch.ones(1, 2)).max() == 255  # a chance of one is not beyond the edge
    assert sorted(path.spread_pixels(4, 4, shifts[:1])[0].tolist()) == list(range(16))
    with pytest.raises(ValueError, match="5 pixels a row do not fit into a picture of 4"):
        path.spread_pixels(4, 5, shifts)


def test_slow_colours_equal_a_loop_over_samples(tiny: Generator, codes: Codes) -> None:
    z, behind = codes
    prepared = tiny.prepare(tiny.styles(z), behind)
    uv = tiny.pixels(8)[:3].expand(2, -1, -1)
    rays = tiny.march(prepared, poses.at(tiny.config, (0.4, 0.5)), uv)
    found = path.slow_colours(tiny, prepared, rays)
    assert rays.samples is not None
    assert rays.weights is not None
    assert rays.background_hidden is not None
    assert rays.background_weights is not None
    total = torch.zeros(2, 3, 3)
    for hidden, weights, outputs in (
        (rays.samples.hidden, rays.weights, prepared.field.outputs),
        (rays.background_hidden, rays.background_weights, prepared.behind.outputs),  # type: ignore[union-attr]
    ):
        for s in range(weights.shape[-1]):
            point = torch.einsum("brh,boh->bro", hidden[:, :, s], outputs.weight.expand(2, -1, -1))
            point = (point + outputs.bias)[:, :, None]
            image, x = point[..., :3], point[..., 3:]
            for block, ready in zip(tiny.upsampler.blocks, prepared.blocks, strict=True):
                x = block.point(ready, x)
                image = image + tiny.upsampler.coloured(ready, x)
            total += weights[:, :, s, None] * image[:, :, 0]
    torch.testing.assert_close(found, total, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("config", [TINY, BARE, ALIGNED], ids=["plain", "bare", "aligned"])
@pytest.mark.parametrize("part", [0.25, 0.75])
def test_before_anything_grows_a_picture_is_what_its_field_shows(
    codes: Codes, config: GeneratorConfig, part: float
) -> None:
    found = _path(_generator(config, progress=0.0), codes, Quiet(part))
    assert found.rendering.image.shape[-1] == 8
    assert float(found.loss.abs().max()) < 1e-9


@pytest.mark.parametrize(("progress", "size"), [(0.3, 16), (1.0, 32), (-1.0, 32)])
def test_the_loss_is_the_distance_to_the_same_rays_drawn_alone(
    codes: Codes, progress: float, size: int
) -> None:
    generator = _generator(replace(TINY, path_samples=2), progress)
    found = _path(generator, codes, Quiet())
    z, behind = codes
    prepared, camera = generator.prepare(generator.styles(z), behind), poses.at(TINY, (0.4, 0.5))
    picture = generator.render(prepared, camera, draws=Quiet()).image
    torch.testing.assert_close(found.rendering.image, picture)
    step, expected = size // 2, torch.zeros(2)
    grid = pixel_grid(size, size)
    for row in range(2):
        for column in range(2):
            y, x = row * step + step // 2, column * step + step // 2
            ray = generator.march(prepared, camera, grid[y, x].expand(2, 1, 2), draws=Quiet())
            slow = path.slow_colours(generator, prepared, ray)[:, 0]
            expected += (picture[:, :, y, x] - slow).square().sum(1)
    torch.testing.assert_close(found.loss, 2 * expected / 4, rtol=1e-4, atol=1e-6)
    assert float(found.loss.min()) > 0


def test_growing_by_repetition_alone_costs_nothing_where_the_scene_is_flat(codes: Codes) -> None:
    """With one feature everywhere in space the upsampler sees no neighbours, and no path can differ."""
    config = replace(BARE, upsampling="nearest", is_blurred=False)
    generator = _generator(config)
    generator.foreground.features.weight.zero_()
    generator.foreground.features.bias.copy_(plain.noise(TINY.features))
    found = _path(generator, codes, RandomDraws(torch.Generator().manual_seed(0)))
    image = found.rendering.image[..., 4:-4, 4:-4]  # the picture's own filter reaches beyond its edges
    torch.testing.assert_close(image, image[..., :1, :1].expand_as(image), atol=1e-5, rtol=1e-5)
    centre = path.slow_colours(
        generator,
        generator.prepare(generator.styles(codes[0])),
        generator.march(
            generator.prepare(generator.styles(codes[0])),
            poses.at(config, (0.5, 0.5)),
            generator.pixels(8)[:1],
        ),
    )
    torch.testing.assert_close(image[..., 0, 0], centre[:, 0], atol=1e-4, rtol=1e-4)


def test_the_loss_teaches_field_background_and_upsampler(codes: Codes) -> None:
    generator = copy.deepcopy(_generator(TINY)).train().requires_grad_()
    generator.background.density.bias.data.fill_(1.0)  # type: ignore[union-attr]
    found = _path(generator, codes, RandomDraws(torch.Generator().manual_seed(0)))
    found.loss.sum().backward()
    silent = {
        n for n, p in generator.named_parameters() if p.grad is None or float(p.grad.abs().max()) < 1e-5
    }
    # What is added to every colour alike is on both sides, which cancel but for their rounding.
    assert silent == {"upsampler.blocks.1.colour.bias"}


def test_kernels_that_see_neighbours_have_no_path(codes: Codes) -> None:
    with pytest.raises(ValueError, match="1 x 1"):
        _path(_generator(replace(TINY, kernel=3)), codes, Quiet())
