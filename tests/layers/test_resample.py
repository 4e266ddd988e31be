"""Doubling and halving equal a slow twin that inserts zeros, pads and convolves."""

from __future__ import annotations

import torch
from torch import Tensor

from phiz.layers import resample

LINE = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64)
KERNEL = torch.outer(LINE, LINE) / 64


def _noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def _filtered(x: Tensor, before: int, after: int, gain: float = 1.0, step: int = 1) -> Tensor:
    padded = torch.nn.functional.pad(x, (before, after, before, after))
    weight = (KERNEL * gain).expand(x.shape[1], 1, 4, 4)
    return torch.nn.functional.conv2d(padded, weight, groups=x.shape[1], stride=step)


def _with_zeros(x: Tensor) -> Tensor:
    out = x.new_zeros(*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3])
    out[:, :, ::2, ::2] = x
    return out


def test_pictures_grow_as_with_zeros_between_their_pixels() -> None:
    x = _noise(2, 3, 5, 6)
    torch.testing.assert_close(resample.grow_image(x), _filtered(_with_zeros(x), 2, 1, gain=4))


def test_the_filter_pads_two_before_and_one_after() -> None:
    x = _noise(2, 3, 5, 6)
    torch.testing.assert_close(resample.blur(x, (2, 3)), _filtered(x, 2, 1))
    last = resample.blur(x.permute(0, 2, 3, 1), (1, 2)).permute(0, 3, 1, 2)
    torch.testing.assert_close(last, _filtered(x, 2, 1))


def test_blocks_of_four_are_filtered_without_being_made() -> None:
    x = _noise(2, 3, 4, 5)
    blocky = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(resample.grow_nearest(x, (2, 3)), blocky)
    torch.testing.assert_close(resample.grow_nearest_blurred(x, (2, 3)), _filtered(blocky, 2, 1))


def test_what_a_transposed_convolution_left_is_filtered() -> None:
    x = _noise(1, 2, 9, 11)
    torch.testing.assert_close(resample.filter_up(x), _filtered(x, 1, 1, gain=4))


def test_pictures_shrink_after_the_filter() -> None:
    x = _noise(2, 3, 8, 6)
    torch.testing.assert_close(resample.filter_down(x), _filtered(x, 2, 2))
    torch.testing.assert_close(resample.halve(x), _filtered(x, 1, 1, step=2))


def test_neighbours_beyond_the_edge_are_zero() -> None:
    x = torch.tensor([[1.0, 2.0, 3.0]])
    assert resample.before(x, 1).tolist() == [[0, 1, 2]]
    assert resample.after(x, 1).tolist() == [[2, 3, 0]]
    assert resample.interleave(x, -x, 1).tolist() == [[1, -1, 2, -2, 3, -3]]
