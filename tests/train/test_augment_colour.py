"""Changes of colour and detail: each as its law says."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from phiz.train import augment_colour as colour


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(*shape: int, seed: int = 1, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(*shape, generator=seeded(seed), dtype=dtype) * 2 - 1


def test_swapping_light_and_dark_twice_changes_nothing_and_once_keeps_the_hue() -> None:
    flip = colour.luma_flip(torch.ones(1, dtype=torch.float64))
    torch.testing.assert_close(flip @ flip, torch.eye(4, dtype=torch.float64)[None])
    images = noise(1, 3, 4, 4, dtype=torch.float64)
    flipped = colour.recolour(images, flip)
    torch.testing.assert_close(flipped.mean(1), -images.mean(1))
    torch.testing.assert_close(flipped - flipped.mean(1, True), images - images.mean(1, True))


def test_hues_come_back_after_a_whole_turn_and_swap_channels_after_a_third() -> None:
    images = noise(1, 3, 4, 4, dtype=torch.float64)
    whole, third = (torch.tensor([2 * math.pi * part], dtype=torch.float64) for part in (1, 1 / 3))
    torch.testing.assert_close(colour.recolour(images, colour.hue(whole)), images)
    torch.testing.assert_close(colour.recolour(images, colour.hue(third)), images.roll(1, 1))


def test_no_saturation_is_grey_and_keeps_the_light() -> None:
    images = noise(2, 3, 4, 4, dtype=torch.float64)
    grey = colour.recolour(images, colour.saturation(torch.zeros(2, dtype=torch.float64)))
    torch.testing.assert_close(grey, images.mean(1, True).expand_as(images))


def test_contrast_and_brightness_are_a_factor_and_a_sum() -> None:
    images, numbers = noise(2, 3, 4, 4), torch.tensor([0.5, 3.0])
    both = colour.brightness(numbers) @ colour.contrast(numbers)
    expected = images * numbers[:, None, None, None] + numbers[:, None, None, None]
    torch.testing.assert_close(colour.recolour(images, both), expected)


def test_octaves_add_up_to_the_picture() -> None:
    bands = colour.band_taps()
    assert bands.shape == (4, 43)
    np.testing.assert_allclose(bands.sum(0), np.eye(1, 43, 21)[0], atol=1e-12)
    np.testing.assert_allclose(bands, bands[:, ::-1], atol=1e-12)


def test_each_octave_hears_its_own_waves() -> None:
    place = np.arange(43) - 21
    for band, frequency in enumerate((math.pi / 24, math.pi * 3 / 16, math.pi * 3 / 8, math.pi * 7 / 8)):
        response = colour.band_taps() @ np.cos(frequency * place)
        assert response.argmax() == band
        assert response[band] > 2 * np.delete(response, band).max()


def test_filtering_octaves_is_a_convolution_of_the_mirrored_picture() -> None:
    images, gains = noise(2, 3, 24, 27, dtype=torch.float64), torch.rand(2, 4, generator=seeded()).double()
    taps = gains @ torch.from_numpy(colour.band_taps())
    wide = functional.pad(images, (21,) * 4, mode="reflect")
    for picture, padded, one, row in zip(images, wide, colour.filter_bands(images, gains), taps, strict=True):
        square = torch.outer(row, row)[None, None]
        torch.testing.assert_close(functional.conv2d(padded[:, None], square)[:, 0], one)
        assert picture.shape == one.shape


def test_a_cut_out_is_a_grey_square_where_it_was_put() -> None:
    images = torch.ones(1, 3, 8, 8)
    half = torch.full((1,), 0.5)
    cut = colour.cut_out(images, half / 2, half, half)
    assert cut[0, 0, 2:6, 0:4].abs().max() == 0
    assert cut.sum() == 3 * (64 - 16)
