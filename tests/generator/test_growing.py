"""Growing equals the published order of operations, written plainly on the large map."""

from __future__ import annotations

import plain_generator as plain
import pytest
import torch
from torch import Tensor

from phiz.generator import growing
from phiz.generator.growing import Adapter, Kind
from phiz.layers import resample
from phiz.layers.activation import leaky
from phiz.layers.equalized import Affine

CHANNELS, NARROW = 8, 2


def _adapter(inputs: int, outputs: int) -> Adapter:
    return Adapter(
        Affine(plain.noise(NARROW, inputs, seed=1), plain.noise(NARROW, seed=2)),
        Affine(plain.noise(outputs, NARROW, seed=3), plain.noise(outputs, seed=4)),
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


def _blurred(x: Tensor) -> Tensor:
    return plain.filtered(x.permute(0, 3, 1, 2), 2, 1).permute(0, 2, 3, 1)


@pytest.mark.parametrize("size", [(5, 4), (2, 2), (2, 7)])
@pytest.mark.parametrize("is_blurred", [True, False])
def test_nn_cat_equals_the_plain_order(is_blurred: bool, size: tuple[int, int]) -> None:
    x, adapter = plain.noise(2, *size, CHANNELS), _adapter(2 * CHANNELS, CHANNELS)
    large = resample.grow_nearest(x, (1, 2))
    slow = large + _through(adapter, torch.cat([large, _neighbours(x)], dim=-1))
    slow = _blurred(slow) if is_blurred else slow
    torch.testing.assert_close(growing.grow(x, "nn_cat", adapter, is_blurred=is_blurred), slow)


@pytest.mark.parametrize("size", [(5, 4), (1, 1), (1, 7)])
@pytest.mark.parametrize("is_blurred", [True, False])
def test_pixelshuffle_equals_the_plain_order(is_blurred: bool, size: tuple[int, int]) -> None:
    x, adapter = plain.noise(2, *size, CHANNELS), _adapter(CHANNELS, 4 * CHANNELS)
    wide = _through(adapter, x).permute(0, 3, 1, 2)
    shuffled = torch.nn.functional.pixel_shuffle(wide, 2).permute(0, 2, 3, 1)
    slow = resample.grow_nearest(x, (1, 2)) + shuffled
    slow = _blurred(slow) if is_blurred else slow
    torch.testing.assert_close(growing.grow(x, "pixelshuffle", adapter, is_blurred=is_blurred), slow)


def test_maps_without_an_adapter_grow_by_filter_alone() -> None:
    x = plain.noise(1, 4, 4, 2)
    sharp = growing.grow(x, "nearest", None, is_blurred=False)
    torch.testing.assert_close(sharp, x.repeat_interleave(2, 1).repeat_interleave(2, 2))
    around = torch.nn.functional.pad(sharp.permute(0, 3, 1, 2), (2, 1, 2, 1), "replicate")
    blurred = plain.filtered(around, 0, 0).permute(0, 2, 3, 1)
    torch.testing.assert_close(growing.grow(x, "nearest", None, is_blurred=True), blurred)


def test_bilinear_growth_keeps_the_corners_and_lines_straight() -> None:
    line = torch.arange(5.0).double()
    x = (3 * line[:, None] - line)[None, :, :, None]
    found = growing.grow(x, "bilinear", None, is_blurred=False)
    steps = torch.linspace(0, 4, 10).double()
    torch.testing.assert_close(found[0, :, :, 0], 3 * steps[:, None] - steps, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("kind", "inputs", "outputs"), [("nn_cat", 16, 8), ("pixelshuffle", 8, 32)])
def test_growing_knows_no_left_and_right_but_by_the_filter_s_shift(
    kind: Kind, inputs: int, outputs: int
) -> None:
    """A map seen in a mirror grows to the mirror's map, where no filter comes after."""
    x, adapter = plain.noise(1, 3, 4, CHANNELS), _adapter(inputs, outputs)
    if kind == "pixelshuffle":  # its channels say left or right, so they have to change places as well
        order = torch.arange(4 * CHANNELS).reshape(CHANNELS, 2, 2)
        swapped = Affine(
            adapter.wide.weight[order.flip(2).flatten()], adapter.wide.bias[order.flip(2).flatten()]
        )
    else:
        swapped = adapter.wide
    mirrored = growing.grow(x.flip(2), kind, Adapter(adapter.narrow, swapped), is_blurred=False)
    torch.testing.assert_close(mirrored, growing.grow(x, kind, adapter, is_blurred=False).flip(2))


@pytest.mark.parametrize(("kind", "inputs", "outputs"), [("nn_cat", 16, 8), ("pixelshuffle", 8, 32)])
@pytest.mark.parametrize("is_blurred", [True, False])
def test_gradients_pass_through_growing(kind: Kind, inputs: int, outputs: int, is_blurred: bool) -> None:
    adapter = _adapter(inputs, outputs)
    numbers = [x.requires_grad_() for x in (*adapter.narrow, *adapter.wide)]
    x = plain.noise(1, 2, 3, CHANNELS).requires_grad_()
    weights = plain.noise(1, 4, 6, CHANNELS, seed=8)
    total = (weights * growing.grow(x, kind, adapter, is_blurred=is_blurred)).sum()
    slopes = torch.autograd.grad(total, [x, *numbers])
    step = 1e-6
    for tensor, slope in zip([x, *numbers], slopes, strict=True):
        with torch.no_grad():
            way = plain.noise(*tensor.shape, seed=9)
            tensor += step * way
            above = (weights * growing.grow(x, kind, adapter, is_blurred=is_blurred)).sum()
            tensor -= 2 * step * way
            below = (weights * growing.grow(x, kind, adapter, is_blurred=is_blurred)).sum()
            tensor += step * way
        torch.testing.assert_close((above - below) / (2 * step), (slope * way).sum(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [(4, 6), (6, 5), (4, 4)])
def test_the_filter_of_ones_is_one_inside(size: tuple[int, int]) -> None:
    ones = torch.ones(2, *size, 1, dtype=torch.float64)
    torch.testing.assert_close(growing.edge_of_ones(ones), _blurred(ones))
