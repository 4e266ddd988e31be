"""A square of a portrait teaches what the whole of it teaches there, at a part of the cost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from phiz.errors import UsageError
from phiz.generator.config import TINY
from phiz.train import warm, warm_losses
from phiz.train.sitters import Sitters
from phiz.train.warm_config import WarmConfig
from phiz.train.warm_losses import MARGIN, Square, square_of

SHAPE = replace(TINY, source="planes", planes_resolution=16, planes_most=8, planes_channels=3)
CONFIG = WarmConfig(volume_steps=0, batch=2, views=2, patch=7)


def test_a_square_is_cut_from_larger_maps_too() -> None:
    rows, columns = Square(2, 4, 8).cut()
    assert (rows, columns) == (slice(2, 10), slice(4, 12))
    assert Square(2, 4, 8).cut(4, 3) == (slice(20, 28), slice(28, 36))


@pytest.mark.parametrize(("patch", "is_whole"), [(0, False), (8, False), (7, True)])
def test_whole_pictures_are_drawn_where_no_smaller_square_is_asked_for(patch: int, is_whole: bool) -> None:
    chance = torch.Generator().manual_seed(0)
    config = replace(CONFIG, patch=patch)
    assert square_of(config, 8, chance, is_whole=is_whole) == Square(0, 0, 8)


def test_squares_lie_where_chance_says_inside_the_picture() -> None:
    chance = torch.Generator().manual_seed(0)
    config = replace(CONFIG, patch=4)
    found = {square_of(config, 16, chance, is_whole=False)[:2] for _ in range(2000)}
    assert found == {(top, left) for top in range(2, 11) for left in range(2, 11)}


def test_a_square_costs_what_its_place_in_the_whole_costs(few_portraits: Path) -> None:
    sitters = Sitters(few_portraits)
    generator = warm.beginner(SHAPE, sitters, 0).eval()
    with torch.no_grad():
        sitting = sitters.batch(np.arange(2), 2).at(SHAPE.resolution)
        prepared = generator.prepare(generator.styles(sitting.codes), sitting.backgrounds, views=2)
        size, scale = SHAPE.volume_resolution, SHAPE.resolution // SHAPE.volume_resolution
        uv = generator.pixels(size).reshape(size, size, 2)
        square = Square(0, 1, 7)
        whole = generator.finish(prepared, generator.march(prepared, sitting.camera, uv.flatten(0, 1)))
        part = generator.finish(
            prepared, generator.march(prepared, sitting.camera, uv[square.cut()].flatten(0, 1))
        )
    rows, columns = Square(0, 0, 7).cut(scale, MARGIN)
    there, across = square.cut(scale, MARGIN)
    found, want = part.image[..., rows, columns], whole.image[..., there, across]
    torch.testing.assert_close(found, want, atol=1e-5, rtol=1e-4)


def test_steps_on_squares_teach_all_that_whole_steps_teach(few_portraits: Path) -> None:
    sitters = Sitters(few_portraits)
    generator = warm.beginner(SHAPE, sitters, 0).train()
    sitting = sitters.batch(np.arange(2), 2)
    chance = torch.Generator().manual_seed(0)
    losses = [
        warm_losses.regression(
            CONFIG, generator, sitting, number, chance, is_half=False, distance=lambda a, b: (a - b).abs()
        )
        for number in (0, 1)
    ]
    assert losses[0].keys() == losses[1].keys()
    assert all(value.isfinite() for loss in losses for value in loss.values())
    generator.zero_grad()
    torch.stack(list(losses[1].values())).sum().backward()
    silent = [name for name, p in generator.named_parameters() if p.grad is None or not p.grad.any()]
    assert not [name for name in silent if name.startswith(("upsampler", "foreground.layers"))]


@pytest.mark.parametrize(("patch", "weight", "least"), [(6, 0.0, 14), (13, 0.0, 14), (20, 0.1, 22)])
def test_squares_that_are_too_small_are_refused(patch: int, weight: float, least: int) -> None:
    shape = replace(SHAPE, resolution=256, volume_resolution=64)
    with pytest.raises(UsageError, match=f"give {least} or more"):
        warm.check_patch(replace(CONFIG, patch=patch, critic_weight=weight), shape)
    warm.check_patch(replace(CONFIG, patch=least, critic_weight=weight), shape)
