"""The path loss compares with rays drawn sample by sample."""

from __future__ import annotations

import torch

from phiz.generator import path, poses
from phiz.generator.generator import Generator
from phiz.generator.volume import RandomDraws

Codes = tuple[torch.Tensor, torch.Tensor]


def test_pixels_are_spread_evenly() -> None:
    found = path.spread_pixels(16, 4, torch.tensor([[0.0, 0.99], [0.5, 0.25]]))
    rows, columns = found // 16, found % 16
    assert sorted(set(rows[0].tolist())) == [3, 7, 11, 15]
    assert sorted(set(columns[0].tolist())) == [0, 4, 8, 12]
    assert sorted(set(columns[1].tolist())) == [2, 6, 10, 14]
    assert found.shape == (2, 16)


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


def test_pictures_with_a_path_loss_are_the_pictures(tiny: Generator, codes: Codes) -> None:
    z, behind = codes
    prepared, camera = tiny.prepare(tiny.styles(z), behind), poses.at(tiny.config, (0.4, 0.5))
    found = path.render_with_path(tiny, prepared, camera, RandomDraws(torch.Generator().manual_seed(0)))
    assert found.rendering.image.shape == (2, 3, 32, 32)
    assert found.loss.shape == (2,)
    assert float(found.loss.min()) > 0
