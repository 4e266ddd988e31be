"""Doubling and halving equal a slow twin that inserts zeros, pads and convolves."""

from __future__ import annotations

import plain_generator as plain
import pytest
import torch

from phiz.layers import resample

SIZES = [(5, 6), (1, 1), (2, 3), (1, 8)]


@pytest.mark.parametrize("size", SIZES)
def test_pictures_grow_as_with_zeros_between_their_pixels(size: tuple[int, int]) -> None:
    x = plain.noise(2, 3, *size)
    torch.testing.assert_close(resample.grow_image(x), plain.doubled(x))
    torch.testing.assert_close(resample.grow_image(x, is_repeated=True), plain.doubled(x, is_repeated=True))


@pytest.mark.parametrize("size", SIZES)
def test_the_filter_pads_two_before_and_one_after(size: tuple[int, int]) -> None:
    x = plain.noise(2, 3, *size)
    torch.testing.assert_close(resample.blur(x, (2, 3)), plain.filtered(x, 2, 1))
    last = resample.blur(x.permute(0, 2, 3, 1), (1, 2)).permute(0, 3, 1, 2)
    torch.testing.assert_close(last, plain.filtered(x, 2, 1))


@pytest.mark.parametrize("size", SIZES)
def test_blocks_of_four_are_filtered_without_being_made(size: tuple[int, int]) -> None:
    x = plain.noise(2, 3, *size)
    blocky = torch.nn.functional.interpolate(x, scale_factor=2, mode="nearest")
    torch.testing.assert_close(resample.grow_nearest(x, (2, 3)), blocky)
    torch.testing.assert_close(resample.grow_nearest_blurred(x, (2, 3)), plain.filtered(blocky, 2, 1))
    last = resample.grow_nearest_blurred(x.permute(0, 2, 3, 1), (1, 2)).permute(0, 3, 1, 2)
    torch.testing.assert_close(last, plain.filtered(blocky, 2, 1))
    around = torch.nn.functional.pad(blocky, (2, 1, 2, 1), "replicate")
    repeated = resample.grow_nearest_blurred(x, (2, 3), is_repeated=True)
    torch.testing.assert_close(repeated, plain.filtered(around, 0, 0))


def test_flat_maps_with_repeated_edges_stay_flat_everywhere() -> None:
    flat = torch.full((1, 1, 3, 4), 0.7, dtype=torch.float64)
    large = torch.full((1, 1, 6, 8), 0.7, dtype=torch.float64)
    torch.testing.assert_close(resample.grow_image(flat, is_repeated=True), large)
    torch.testing.assert_close(resample.grow_nearest_blurred(flat, (2, 3), is_repeated=True), large)


def test_what_a_transposed_convolution_left_is_filtered() -> None:
    x = plain.noise(1, 2, 9, 11)
    torch.testing.assert_close(resample.filter_up(x), plain.filtered(x, 1, 1, gain=4))


@pytest.mark.parametrize("size", [(8, 6), (2, 4), (7, 5)])
def test_pictures_shrink_after_the_filter(size: tuple[int, int]) -> None:
    x = plain.noise(2, 3, *size)
    torch.testing.assert_close(resample.filter_down(x), plain.filtered(x, 2, 2))
    torch.testing.assert_close(resample.halve(x), plain.filtered(x, 1, 1, step=2))


def test_halving_is_a_quarter_of_what_doubling_transposed_does() -> None:
    """The inner products <grow x, y> and <x, 4 halve y> are the same for all x and y."""
    x, y = plain.noise(1, 2, 4, 5), plain.noise(1, 2, 8, 10, seed=1)
    torch.testing.assert_close((resample.grow_image(x) * y).sum(), 4 * (x * resample.halve(y)).sum())


def test_flat_pictures_stay_flat_away_from_their_edges() -> None:
    flat = torch.full((1, 1, 8, 8), 0.7, dtype=torch.float64)
    for changed in (
        resample.grow_image(flat), resample.blur(flat, (2, 3)), resample.halve(flat),
        resample.grow_nearest_blurred(flat, (2, 3)), resample.filter_down(flat),
    ):  # fmt: skip
        inside = changed[:, :, 2:-2, 2:-2]
        torch.testing.assert_close(inside, torch.full_like(inside, 0.7))


def test_the_published_pad_moves_a_picture_by_half_a_pixel() -> None:
    dot = torch.zeros(1, 1, 9, 9)
    dot[0, 0, 4, 3] = 1
    blurred = resample.blur(dot, (2, 3))[0, 0]
    places = torch.arange(9.0)
    assert float((blurred.sum(1) * places).sum()) == pytest.approx(4.5)
    assert float((blurred.sum(0) * places).sum()) == pytest.approx(3.5)


def test_gradients_pass_through_doubling_and_halving() -> None:
    x = plain.noise(1, 1, 3, 4).requires_grad_()
    for way in (
        resample.grow_image, resample.filter_down, resample.halve, resample.filter_up,
        lambda image: resample.grow_image(image, is_repeated=True),
        lambda image: resample.grow_nearest_blurred(image, (2, 3)),
        lambda image: resample.grow_nearest_blurred(image, (2, 3), is_repeated=True),
        lambda image: resample.blur(image, (2, 3)),
    ):  # fmt: skip
        assert torch.autograd.gradcheck(way, x)


def test_neighbours_beyond_the_edge_are_zero_or_the_edge() -> None:
    x = torch.tensor([[1.0, 2.0, 3.0]])
    assert resample.before(x, 1).tolist() == [[0, 1, 2]]
    assert resample.after(x, 1).tolist() == [[2, 3, 0]]
    assert resample.before(x, 1, is_repeated=True).tolist() == [[1, 1, 2]]
    assert resample.after(x, 1, is_repeated=True).tolist() == [[2, 3, 3]]
    assert resample.interleave(x, -x, 1).tolist() == [[1, -1, 2, -2, 3, -3]]
    assert resample.interleave(x, -x, 0).tolist() == [[1, 2, 3], [-1, -2, -3]]
