"""Moves of pictures: exact where they lead from pixels to pixels, band-limited everywhere else."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from phiz.train.augment_geometry import blit, kernel_matrix, mirrored, sample, symlet, warp

SYM6 = """0.015404109327027373 0.0034907120842174702 -0.11799011114819057 -0.048311742585633
    0.4910559419267466 0.787641141030194 0.3379294217276218 -0.07263752278646252
    -0.021060292512300564 0.04472490177066578 0.0017677118642428036 -0.007800708325034148"""
"""As the tables of wavelets have it."""


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(*shape: int, seed: int = 1, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(*shape, generator=seeded(seed), dtype=dtype) * 2 - 1


def matrix(a: float, b: float, x: float, c: float, d: float, y: float) -> Tensor:
    return torch.tensor([[[a, b, x], [c, d, y], [0, 0, 1]]], dtype=torch.float64)


def turned(angle: float) -> Tensor:
    return matrix(math.cos(angle), -math.sin(angle), 0, math.sin(angle), math.cos(angle), 0)


SOME_MOVES = [
    turned(math.pi),
    turned(0.7),
    turned(-math.pi / 2),
    matrix(-1, 0, 0, 0, 1, 0),
    matrix(1, 0, 3.3, 0, 1, -5.25),
    matrix(0.7, 0, 0, 0, 0.7, 0),
    matrix(1.4, 0.2, 4, -0.3, 0.8, 60),
]


def test_whole_shifts_copy_pixels_and_mirror_what_comes_in() -> None:
    images = noise(1, 3, 6, 8, dtype=torch.float64)
    moved = blit(images, matrix(1, 0, 3, 0, 1, -2))
    wide = functional.pad(images, (0, 3, 2, 0), mode="reflect")
    assert torch.equal(moved, wide[:, :, :6, 3:])


def test_quarter_turns_of_oblong_pictures_are_exact_where_they_can_be() -> None:
    images = noise(1, 3, 5, 9, dtype=torch.float64)
    moved = blit(images, turned(math.pi / 2).round())
    assert torch.equal(moved[..., :, 2:7], torch.rot90(images[..., :, 2:7], 1, (2, 3)))


@pytest.mark.parametrize("size", [(16, 16), (7, 10), (2, 3)])
def test_a_warp_that_goes_nowhere_gives_the_picture_back(size: tuple[int, int]) -> None:
    images = noise(2, 3, *size, dtype=torch.float64)
    same = warp(images, torch.eye(3, dtype=torch.float64).expand(2, 3, 3))
    torch.testing.assert_close(same, images, rtol=0, atol=1e-9)


@pytest.mark.parametrize("move", SOME_MOVES)
@pytest.mark.parametrize("size", [(48, 48), (49, 63)])
def test_a_smooth_picture_moves_as_its_formula_does(move: Tensor, size: tuple[int, int]) -> None:
    # Cosines of whole half waves are their own mirror image: the formula holds beyond the edges too.
    height, width = size

    def formula(x: Tensor, y: Tensor) -> Tensor:
        across, down = math.pi * (x / (width - 1) + 0.5), math.pi * (y / (height - 1) + 0.5)
        return (
            0.5 * torch.cos(2 * across) * torch.cos(3 * down)
            + 0.3 * torch.cos(across)
            - 0.2 * torch.cos(down)
        )

    y, x = torch.meshgrid(
        torch.arange(height, dtype=torch.float64) - (height - 1) / 2,
        torch.arange(width, dtype=torch.float64) - (width - 1) / 2,
        indexing="ij",
    )
    (a, b, along), (c, d, down) = move[0, :2].tolist()
    expected = formula(a * x + b * y + along, c * x + d * y + down)
    moved = warp(formula(x, y)[None, None], move)[0, 0]
    assert (moved - expected).abs().max() < 0.01


@pytest.mark.parametrize("move", [turned(0.3), matrix(0.9, 0.1, 1.3, -0.05, 1.1, -2.7)])
def test_a_warp_is_what_convolutions_of_a_padded_picture_make(move: Tensor) -> None:
    size, pad = 15, 14
    soft = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], dtype=torch.float64) / 16
    images = functional.conv2d(noise(3, 1, 19, 19, dtype=torch.float64), torch.outer(soft, soft)[None, None])
    images = images.transpose(0, 1)
    taps = torch.from_numpy(symlet(6))
    delay = float((taps * torch.arange(12)).sum() / taps.sum())
    square = torch.outer(taps, taps)[None, None]
    wide = functional.pad(images, (pad,) * 4, mode="reflect").transpose(0, 1)
    finer = 2 * functional.conv_transpose2d(wide, square, stride=2)  # sample m: place (m - delay) / 2 - pad
    middle = (size - 1) / 2
    places = (torch.arange(2 * size + 10, dtype=torch.float64) - delay) / 2 - middle
    y, x = torch.meshgrid(places, places, indexing="ij")
    came = torch.stack([x, y, torch.ones_like(x)], dim=-1) @ move[0, :2].T + middle
    samples = 2 * (came + pad) + delay
    grid = (samples + 0.5) * 2 / finer.shape[-1] - 1
    moved = functional.grid_sample(finer, grid.expand(3, -1, -1, -1), align_corners=False)
    twin = functional.conv2d(moved, square / 2, stride=2).transpose(0, 1)
    ours = warp(images, move)
    torch.testing.assert_close(ours[..., 4:-4, 4:-4], twin[..., 4:-4, 4:-4])
    # In the mirror the twin looks up other samples of the same curve, which differ by what the filter bends.
    assert (ours - twin).abs().max() < 0.03


def test_the_look_up_is_that_of_torch_and_can_be_differentiated_twice() -> None:
    images = noise(2, 3, 5, 4, dtype=torch.float64).requires_grad_()
    grid = noise(2, 6, 3, 2, dtype=torch.float64)
    plain = functional.grid_sample(images, grid, padding_mode="border", align_corners=True)
    assert torch.equal(sample(images, grid), plain)
    weights = noise(2, 3, 6, 3, dtype=torch.float64, seed=3)
    ours, theirs = (
        torch.autograd.grad((weights * out).sum(), images)[0] for out in (sample(images, grid), plain)
    )
    torch.testing.assert_close(ours, theirs)
    assert torch.autograd.gradgradcheck(lambda some: sample(some, grid), images)


@pytest.mark.parametrize("moments", [2, 3, 6, 8])
def test_shifts_of_a_symlet_are_orthonormal_and_its_high_pass_ignores_polynomials(moments: int) -> None:
    taps = symlet(moments)
    overlaps = np.correlate(taps, taps, mode="full")[len(taps) - 1 :: 2]
    np.testing.assert_allclose(overlaps, np.eye(1, moments)[0], atol=1e-9)
    steps = np.arange(len(taps))
    for power in range(moments):
        assert abs(((-1.0) ** steps * taps) @ (steps / len(taps)) ** power) < 1e-7


def test_the_symlets_are_those_of_the_tables() -> None:
    np.testing.assert_allclose(symlet(6), np.array(SYM6.split(), dtype=float), atol=1e-9)
    root = math.sqrt(3)
    daubechies = np.array([1 + root, 3 + root, 3 - root, 1 - root]) / (4 * math.sqrt(2))
    np.testing.assert_allclose(symlet(2), daubechies, atol=1e-12)


def test_rows_go_on_as_their_own_mirror_image_however_far() -> None:
    places = torch.arange(-9, 12)
    expected = [1, 2, 3, 2, 1, 0] * 4
    assert mirrored(places, 4).tolist() == expected[2 : 2 + len(places)]


def test_a_kernel_longer_than_the_row_is_mirrored_again_and_again() -> None:
    matrix_ = kernel_matrix(np.ones(9), 3)
    row = np.array([1.0, 10.0, 100.0])
    wide = np.pad(row, 4, mode="reflect")
    np.testing.assert_allclose(matrix_ @ row, np.convolve(wide, np.ones(9), mode="valid"))
