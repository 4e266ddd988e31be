"""Places become sines and cosines, octave by octave."""

from __future__ import annotations

import math

import pytest
import torch

from phiz.layers.encoding import encode


@pytest.mark.parametrize(("octaves", "channels"), [(1, 3), (3, 3), (10, 4)])
def test_places_are_encoded_octave_by_octave(octaves: int, channels: int) -> None:
    points = torch.randn(5, channels, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = [
        wave(2**octave * math.pi * x)
        for row in points.tolist()
        for octave in range(octaves)
        for wave in (math.sin, math.cos)
        for x in row
    ]
    found = encode(points, octaves)
    torch.testing.assert_close(found.flatten(), torch.tensor(expected, dtype=torch.float64))
    assert found.shape == (5, 2 * octaves * channels)


def test_the_code_repeats_when_a_place_moves_by_two() -> None:
    points = torch.rand(2, 7, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(encode(points + 2, 6), encode(points, 6))
    assert not torch.allclose(encode(points + 1, 6), encode(points, 6))  # the lowest octave knows better


def test_every_place_has_a_code_of_the_same_length() -> None:
    points = torch.randn(9, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(encode(points, 8).square().sum(-1), torch.full((9,), 3.0 * 8))


def test_codes_keep_the_precision_of_their_places() -> None:
    assert encode(torch.zeros(2, 3, dtype=torch.float64), 4).dtype == torch.float64
    assert encode(torch.zeros(2, 3, dtype=torch.bfloat16), 4).dtype == torch.bfloat16
