"""The foreground in pieces equals plain torch."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from phiz.generator import field_loops
from phiz.generator.config import TINY, GeneratorConfig
from phiz.generator.field import Foreground
from phiz.generator.planes import look_up

PLANES = replace(
    TINY, source="planes", planes_channels=5, planes_resolution=16, planes_base=0.001, field_layers=2
)


def _noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("styles", "pictures"), [(1, 1), (1, 2), (2, 2), (2, 1)])
@pytest.mark.parametrize("config", [TINY, PLANES])
def test_pieces_make_the_whole(
    config: GeneratorConfig, styles: int, pictures: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreground = Foreground(config).eval().requires_grad_(False)
    prepared = foreground.prepare(_noise(styles, config.volume_styles, config.w_size))
    points = 0.1 * _noise(pictures, 23, 3, seed=1)
    plain = foreground.hidden(prepared, points)  # gradients are on
    monkeypatch.setattr(field_loops, "PIECE", 7)
    with torch.no_grad():
        found = foreground.hidden(prepared, points)
        with torch.autocast("cpu", torch.bfloat16):
            half = foreground.hidden(prepared, points)
    torch.testing.assert_close(found, plain, atol=1e-5, rtol=1e-5)
    assert half.dtype == torch.bfloat16
    assert (half - plain).square().mean() < 1e-3 * plain.square().mean()


def test_planes_are_looked_up_as_in_plain_torch_even_beyond_their_edges() -> None:
    planes, points = _noise(2, 3, 4, 6, 6), 1.5 * _noise(2, 200, 3, seed=1)
    edges = torch.tensor([-1.2, -1.0, -5 / 6, 0.0, 5 / 6, 1.0, 1.1666667])
    points[:, :49, :2] = torch.cartesian_prod(edges, edges)
    begin = field_loops.looking_up(planes, 0.5)
    for picture in range(2):
        found = begin(picture, 2 * points[picture])
        torch.testing.assert_close(found, look_up(planes, points)[picture], atol=2e-6, rtol=1e-5)
