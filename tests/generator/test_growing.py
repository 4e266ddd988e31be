"""Growing equals the published order of operations, written plainly on the large map."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from phiz.generator import growing
from phiz.generator.growing import Adapter
from phiz.layers import resample
from phiz.layers.activation import leaky
from phiz.layers.equalized import Affine

CHANNELS, NARROW = 8, 2


def _noise(*shape: int, seed: int = 0) -> Tensor:
    chance = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=chance, dtype=torch.float64)


def _adapter(inputs: int, outputs: int) -> Adapter:
    return Adapter(
        Affine(_noise(NARROW, inputs, seed=1), _noise(NARROW, seed=2)),
        Affine(_noise(outputs, NARROW, seed=3), _noise(outputs, seed=4)),
    )


def _through(adapter: Adapter, x: Tensor) -> Tensor:
    narrow = leaky(torch.nn.functional.linear(x, *adapter.narrow))
    return torch.nn.functional.linear(narrow, *adapter.wide)


def _neighbours(x: Tensor) -> Tensor:
    """Return the mean of the two neighbours of each quarter pixel, in a loop."""
    b, h, w, c = x.shape
    padded = torch.nn.functional.pad(x, (0, 0, 1, 1, 1, 1))
    out = x.new_zeros(b, 2 * h, 2 * w, c)
    for i in range(h):
        for j in range(w):
            up, down = padded[:, i, j + 1], padded[:, i + 2, j + 1]
            left, right = padded[:, i + 1, j], padded[:, i + 1, j + 2]
            out[:, 2 * i, 2 * j], out[:, 2 * i, 2 * j + 1] = (left + up) / 2, (up + right) / 2
            out[:, 2 * i + 1, 2 * j], out[:, 2 * i + 1, 2 * j + 1] = (left + down) / 2, (right + down) / 2
    return out


@pytest.mark.parametrize("is_blurred", [True, False])
def test_nn_cat_equals_the_plain_order(is_blurred: bool) -> None:
    x, adapter = _noise(2, 5, 4, CHANNELS), _adapter(2 * CHANNELS, CHANNELS)
    large = resample.grow_nearest(x, (1, 2))
    plain = large + _through(adapter, torch.cat([large, _neighbours(x)], dim=-1))
    plain = resample.blur(plain, (1, 2)) if is_blurred else plain
    torch.testing.assert_close(growing.grow(x, "nn_cat", adapter, is_blurred=is_blurred), plain)


@pytest.mark.parametrize("is_blurred", [True, False])
def test_pixelshuffle_equals_the_plain_order(is_blurred: bool) -> None:
    x, adapter = _noise(2, 5, 4, CHANNELS), _adapter(CHANNELS, 4 * CHANNELS)
    wide = _through(adapter, x).permute(0, 3, 1, 2)
    shuffled = torch.nn.functional.pixel_shuffle(wide, 2).permute(0, 2, 3, 1)
    plain = resample.grow_nearest(x, (1, 2)) + shuffled
    plain = resample.blur(plain, (1, 2)) if is_blurred else plain
    torch.testing.assert_close(growing.grow(x, "pixelshuffle", adapter, is_blurred=is_blurred), plain)


def test_maps_without_an_adapter_grow_by_filter_alone() -> None:
    x = _noise(1, 4, 4, 2)
    plain = growing.grow(x, "nearest", None, is_blurred=False)
    torch.testing.assert_close(plain, resample.grow_nearest(x, (1, 2)))
    blurred = growing.grow(x, "nearest", None, is_blurred=True)
    torch.testing.assert_close(blurred, resample.blur(plain, (1, 2)))
    assert growing.grow(x, "bilinear", None, is_blurred=False)[0, 0, 0, 0] == x[0, 0, 0, 0]


def test_the_filter_of_ones_is_one_inside() -> None:
    ones = torch.ones(1, 6, 5, 1)
    torch.testing.assert_close(growing.edge_of_ones(ones), resample.blur(ones, (1, 2)))
