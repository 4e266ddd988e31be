"""Backgrounds: out of focus, lit as asked for, each seed its own, never below black."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from phiz.world import background
from phiz.world.background import Backdrop, Kind

PLAIN = Backdrop(
    kind="room",
    colours=((0.3, 0.2, 0.1), (0.1, 0.2, 0.4), (0.5, 0.4, 0.1)),
    blur=0.03,
    brightness=1.0,
    seed=3,
)
SIZE = 48


def painted(backdrop: Backdrop = PLAIN) -> Tensor:
    return background.paint(backdrop, SIZE, SIZE)


def roughness(picture: Tensor) -> float:
    """Return how much neighbouring pixels differ."""
    return float(picture.diff(dim=1).abs().mean() + picture.diff(dim=2).abs().mean())


@pytest.mark.parametrize("kind", background.KINDS)
def test_light_is_never_negative_and_never_without_end(kind: Kind) -> None:
    for seed in range(6):
        picture = painted(replace(PLAIN, kind=kind, seed=seed))
        assert picture.shape == (3, SIZE, SIZE)
        assert picture.dtype == torch.float32
        assert bool(torch.isfinite(picture).all())
        assert picture.min() >= 0
        assert 0.005 < float(picture.mean()) < 3


@pytest.mark.parametrize("kind", background.KINDS)
def test_brightness_multiplies_and_changes_nothing_else(kind: Kind) -> None:
    torch.testing.assert_close(
        painted(replace(PLAIN, kind=kind, brightness=2.5)), 2.5 * painted(replace(PLAIN, kind=kind))
    )


@pytest.mark.parametrize("kind", background.KINDS)
def test_each_seed_paints_another_picture(kind: Kind) -> None:
    assert not torch.equal(
        painted(replace(PLAIN, kind=kind, seed=1)), painted(replace(PLAIN, kind=kind, seed=2))
    )


@pytest.mark.parametrize("kind", background.KINDS)
def test_a_wider_open_lens_blurs_more(kind: Kind) -> None:
    sharp, soft, softest = (
        roughness(painted(replace(PLAIN, kind=kind, blur=blur))) for blur in (0.01, 0.06, 0.3)
    )
    assert sharp > soft > softest


@pytest.mark.parametrize("kind", background.KINDS)
def test_one_colour_is_enough(kind: Kind) -> None:
    assert bool(torch.isfinite(painted(replace(PLAIN, kind=kind, colours=((0.2, 0.3, 0.4),)))).all())


def test_the_first_colour_is_the_largest_areas() -> None:
    kinds: tuple[Kind, ...] = ("wall", "studio")
    for kind in kinds:
        mean = painted(replace(PLAIN, kind=kind, colours=((0.4, 0.2, 0.1), (0.0, 0.0, 1.0)))).mean(dim=(1, 2))
        torch.testing.assert_close(mean / mean.sum(), torch.tensor([4.0, 2.0, 1.0]) / 7, atol=1e-3, rtol=0)


def test_lamps_shine_brighter_than_white() -> None:
    assert max(float(painted(replace(PLAIN, kind="lights", seed=k, blur=0.01)).max()) for k in range(6)) > 1


def test_skies_are_bright_above() -> None:
    for seed in range(6):
        picture = painted(
            replace(PLAIN, kind="sky", seed=seed, colours=((0.3, 0.5, 0.9), (0.02, 0.03, 0.01)))
        )
        assert picture[:, : SIZE // 4].mean() > 0.3


@pytest.mark.parametrize(("height", "width"), [(48, 96), (96, 48), (17, 31)])
def test_any_shape_of_picture_is_filled(height: int, width: int) -> None:
    for kind in background.KINDS:
        picture = background.paint(replace(PLAIN, kind=kind), height, width)
        assert picture.shape == (3, height, width)
        assert bool(torch.isfinite(picture).all())


def test_a_picture_is_painted_once_while_it_is_asked_for_again() -> None:
    assert painted() is painted()
