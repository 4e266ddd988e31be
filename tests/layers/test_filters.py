"""Picture features by formula: what the filters answer to, and that every fault of a picture shows."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from phiz.layers import filters


@pytest.fixture
def pictures() -> Tensor:
    """Return smooth random pictures with some fine detail."""
    generator = torch.Generator().manual_seed(0)
    coarse = functional.interpolate(torch.randn(4, 3, 8, 8, generator=generator), size=48, mode="bicubic")
    return (0.4 * coarse + 0.1 * torch.randn(4, 3, 48, 48, generator=generator)).clamp(-1, 1)


def _wave(angle: float, phase: float) -> Tensor:
    line = torch.arange(32.0)
    y, x = torch.meshgrid(line, line, indexing="ij")
    turned = math.cos(angle) * x + math.sin(angle) * y
    return torch.cos(2 * math.pi / filters.WAVELENGTH * turned + phase)[None, None]


def test_the_filters_equal_plain_convolutions_with_the_wavelets() -> None:
    maps = torch.randn(2, 3, 33, 40, generator=torch.Generator().manual_seed(1))
    radius = filters.RADIUS
    padded = functional.pad(maps, (radius,) * 4, mode="replicate").reshape(6, 1, 39, 46)
    slow = functional.conv2d(padded, filters.wavelets(maps)[:, None]).reshape(2, 3, 4, 2, 33, 40)
    octave = filters.quadrature(maps, filters.bank(maps))
    torch.testing.assert_close(octave.signed, slow, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(octave.modulus, slow.square().sum(3).sqrt(), atol=0.002, rtol=0.01)


def test_no_wavelet_answers_to_a_flat_picture() -> None:
    assert float(filters.wavelets(torch.zeros(1).double()).sum((1, 2)).abs().max()) < 1e-12
    flat = filters.analyse(torch.full((1, 3, 32, 32), 0.7))
    assert all(float(octave.modulus.abs().max()) < 1e-5 for octave in (*flat.grey, *flat.coloured))


@pytest.mark.parametrize("direction", range(filters.DIRECTIONS))
@pytest.mark.parametrize("phase", [0.0, 1.0, 2.5])
def test_the_modulus_of_a_wave_is_its_height_whatever_its_phase(direction: int, phase: float) -> None:
    wave = 0.6 * _wave(math.pi * direction / filters.DIRECTIONS, phase)
    modulus = filters.quadrature(wave, filters.bank(wave)).modulus[0, 0, :, 8:24, 8:24]
    assert torch.allclose(modulus[direction], torch.tensor(0.6), atol=0.06)
    others = [d for d in range(filters.DIRECTIONS) if d != direction]
    assert float(modulus[others].max()) < 0.5 * float(modulus[direction].min())


def test_opponent_colours_are_a_rotation(pictures: Tensor) -> None:
    turned = filters.opponent(pictures)
    torch.testing.assert_close(turned.square().sum(1), pictures.square().sum(1), atol=1e-5, rtol=1e-5)
    grey = torch.full((1, 3, 2, 2), 0.5)
    assert float(filters.opponent(grey)[:, 1:].abs().max()) < 1e-6


def test_features_have_their_number_and_are_about_as_large_as_one(pictures: Tensor) -> None:
    found = filters.picture_features(pictures)
    assert found.shape == (4, filters.FEATURES)
    assert 256 <= filters.FEATURES <= 1024
    assert 0.05 < float(found.abs().mean()) < 1
    assert float(found.abs().max()) < 4


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (64, 40)])
def test_every_size_has_the_same_number_of_features(size: tuple[int, int]) -> None:
    images = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(2)) * 2 - 1
    found = filters.picture_features(images)
    assert found.shape == (1, filters.FEATURES)
    assert bool(torch.isfinite(found).all())


def test_too_small_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="too small"):
        filters.picture_features(torch.zeros(1, 3, 16, 64))


def test_a_picture_has_the_same_features_in_any_company(pictures: Tensor) -> None:
    together = filters.picture_features(pictures)
    torch.testing.assert_close(filters.picture_features(pictures[2:3])[0], together[2], atol=1e-5, rtol=1e-4)


def test_pooling_is_the_mean_of_each_cell() -> None:
    maps = torch.arange(64.0).reshape(1, 1, 8, 8)
    slow = torch.stack([maps[0, 0, r : r + 2, c : c + 2].mean() for r in (0, 2, 4, 6) for c in (0, 2, 4, 6)])
    images = filters.opponent(maps.expand(1, 3, 8, 8) / 64)
    grey = filters._pooled(images[:, :1], 4)[0]
    torch.testing.assert_close(grey, slow * math.sqrt(3) / 64, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("fault", ["blur", "noise", "cast", "squeeze"])
def test_a_worse_fault_moves_the_features_farther(pictures: Tensor, fault: str) -> None:
    noise = torch.randn(pictures.shape, generator=torch.Generator().manual_seed(3))
    squeezed = functional.interpolate(pictures, size=(48, 40), mode="bilinear")
    faults = {
        "blur": (filters.blur(pictures), filters.blur(filters.blur(filters.blur(pictures)))),
        "noise": (pictures + 0.05 * noise, pictures + 0.2 * noise),
        "cast": tuple(pictures + by * torch.tensor([1.0, 0, -1])[:, None, None] for by in (0.1, 0.4)),
        "squeeze": (functional.pad(squeezed, (4, 4, 0, 0), mode="replicate"), pictures.flip(-2)),
    }
    here = filters.picture_features(pictures)
    slight, strong = ((filters.picture_features(bad) - here).norm(dim=1) for bad in faults[fault])
    assert bool((strong > 1.2 * slight).all())
    assert float(slight.min()) > 0.2


def test_feature_maps_run_from_fine_to_coarse(pictures: Tensor) -> None:
    maps = filters.feature_maps(pictures[:1])
    assert [tuple(found.shape[1:]) for found in maps[: filters.OCTAVES]] == [
        (12, side, side) for side in (48, 24, 12, 6, 3)
    ]
    assert [tuple(found.shape[1:]) for found in maps[filters.OCTAVES :]] == [
        *((24, side, side) for side in (24, 12, 6, 3)),
        (3, 2, 2),
    ]


def test_gradients_are_finite_even_where_nothing_is_to_be_seen() -> None:
    images = torch.zeros(1, 3, 32, 32, requires_grad=True)
    (slope,) = torch.autograd.grad(filters.picture_features(images).sum(), images)
    assert bool(torch.isfinite(slope).all())


def test_half_precision_pictures_are_analysed_in_single_precision(pictures: Tensor) -> None:
    half = pictures[:1].bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = filters.picture_features(half)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, filters.picture_features(half.float()), atol=1e-6, rtol=1e-6)
