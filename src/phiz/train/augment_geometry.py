"""Move whole batches of pictures, each by a matrix of its own, without blur, aliasing or borders.

A move is ``source_from_target``: for each pixel of the new picture, where in the old one to look. It is
counted in pixels from the middle of the picture, x to the right, y down. Beyond its edges a picture goes
on as its own mirror image, for ever.

`blit` copies pixels and is exact; it is for moves that lead from pixels to pixels. `warp` is for all
others: twice as many samples through a wavelet filter, bilinear look-up there, and the mirrored filter
back (Karras et al., "Training Generative Adversarial Networks with Limited Data", 2020, appendix B.2). As
the shifts of the wavelet are orthonormal, a move that does nothing gives the picture back.

The filters are applied as banded matrices: they hold the mirroring at the edges for any size of picture
and filter, matrix products are fast everywhere, and they can be differentiated as often as one likes.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64, Int, Shaped
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

TAPS = 12
"""Length of the filter of `warp`: the symlet with six vanishing moments."""
BEYOND = TAPS - 2
"""How many samples more than two a pixel a doubled row has: all that the filter back may ask for."""
BILINEAR, BORDER = 0, 1
"""What torch calls the two in its operators."""
SMALLEST = 2
"""A picture of one pixel has no mirror image."""


@functools.cache
def symlet(moments: int) -> Float64[np.ndarray, " n"]:
    """Return the low-pass filter of the symlet with so many vanishing moments; it has twice as many taps.

    From the definition (Daubechies, "Ten Lectures on Wavelets", chapter 8): the filter has `moments` zeros
    at -1; the other zeros come in pairs (z, 1/z) from a polynomial, of which one each is free to choose.
    The symlet is the choice whose phase is most nearly linear. Its squares add up to one.
    """
    halfband = [math.comb(moments - 1 + k, k) for k in reversed(range(moments))]
    pairs = []
    for root in np.roots(halfband):
        if root.imag > -1e-9:  # the conjugate goes along
            middle = 2 - 4 * root
            z = (middle + np.sqrt(middle * middle - 4 + 0j)) / 2
            z = z if abs(z) < 1 else 1 / z
            pairs.append([z, z.conjugate()] if abs(z.imag) > 1e-9 else [z])
    choices = itertools.product((False, True), repeat=len(pairs))
    zeros = [
        [1 / z if is_outside else z for pair, is_outside in zip(pairs, choice, strict=True) for z in pair]
        for choice in choices
    ]
    best = min(zeros, key=lambda some: round(_bend(some), 9))
    taps = np.real(np.poly([*best, *[-1.0] * moments]))
    return np.asarray(taps * math.sqrt(2) / taps.sum())


def _bend(zeros: list[complex]) -> float:
    """Return by how much the phase of a filter with these zeros departs from a straight line."""
    taps = np.atleast_1d(np.real(np.poly(zeros)))
    frequency = np.linspace(0, math.pi, 512)
    response = np.exp(-1j * np.outer(frequency, np.arange(len(taps)))) @ (taps / taps.sum())
    phase = np.unwrap(np.angle(response))
    return float(np.abs(phase - phase[-1] * frequency / math.pi).max())


def _delay() -> float:
    """Return by how many samples the filter of `warp` delays what is smooth."""
    taps = symlet(TAPS // 2)
    return float(np.arange(TAPS) @ taps / taps.sum())


def mirrored(places: Int[Tensor, "*n"], size: int) -> Int[Tensor, "*n"]:
    """Return which of `size` pixels shows at each place of a row that goes on as its own mirror image."""
    period = 2 * (size - 1)
    within = places.remainder(period)
    return torch.minimum(within, period - within)


def kernel_matrix(taps: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Return the (size, size) matrix that applies a filter of odd length to a mirrored row of pixels."""
    matrix = np.zeros((size, size))
    row = np.arange(size)
    for shift, tap in enumerate(taps, start=-(len(taps) // 2)):
        np.add.at(matrix, (row, mirrored(torch.from_numpy(row - shift), size).numpy()), tap)
    return matrix


def _up_matrix(size: int) -> NDArray[np.float64]:
    """Return the matrix that doubles a row of pixels, and what is a little beyond its ends."""
    taps = symlet(TAPS // 2) * math.sqrt(2)
    matrix = np.zeros((2 * size + BEYOND, size))
    for at, row in enumerate(matrix):
        pixels = np.arange((at - TAPS + 2) // 2, at // 2 + 1)
        np.add.at(row, mirrored(torch.from_numpy(pixels), size).numpy(), taps[at - 2 * pixels])
    return matrix


def _down_matrix(size: int) -> NDArray[np.float64]:
    """Return the matrix that halves a doubled row."""
    taps = symlet(TAPS // 2) / math.sqrt(2)
    matrix = np.zeros((size, 2 * size + BEYOND))
    for at, row in enumerate(matrix):
        row[2 * at : 2 * at + TAPS] = taps
    return matrix


@functools.lru_cache(maxsize=32)
def on_device(
    make: Callable[[int], NDArray[np.float64]], size: int, device: torch.device, dtype: torch.dtype
) -> Float[Tensor, "*n"]:
    """Return ``make(size)`` as a tensor, made once for each size and device."""
    with torch.inference_mode(False):  # else a first call without gradients would spoil later ones with
        return torch.from_numpy(make(size)).to(device=device, dtype=dtype)


def blit(
    images: Float[Tensor, "b c h w"], source_from_target: Float[Tensor, "b 3 3"]
) -> Float[Tensor, "b c h w"]:
    """Return pictures whose every pixel is one of the old picture's, the nearest to where its move leads.

    Mirrorings, quarter turns and shifts by whole pixels are exact. Only a quarter turn of a picture whose
    height and width differ by an odd number has to shift it by half a pixel.
    """
    height, width = _checked_size(images)
    x, y = (torch.arange(size, device=images.device) - (size - 1) / 2 for size in (width, height))
    x, y = _moved(x, y, source_from_target)
    columns = (x + width / 2).floor().long()  # + (width - 1) / 2 + 1 / 2, to round
    rows = (y + height / 2).floor().long()
    chosen = mirrored(rows, height) * width + mirrored(columns, width)
    chosen = chosen.flatten(1)[:, None].expand(-1, images.shape[1], -1)
    return images.flatten(2).gather(2, chosen).reshape(images.shape)


def warp(
    images: Float[Tensor, "b c h w"], source_from_target: Float[Tensor, "b 3 3"]
) -> Float[Tensor, "b c h w"]:
    """Return moved pictures, band-limited. The gradient reaches the pictures, not the matrices."""
    height, width = _checked_size(images)
    device, dtype = images.device, images.dtype
    finer = between(
        images, on_device(_up_matrix, height, device, dtype), on_device(_up_matrix, width, device, dtype)
    )
    grid = _grid(source_from_target.detach(), height, width)
    moved = sample(finer, grid)
    down = on_device(_down_matrix, height, device, dtype), on_device(_down_matrix, width, device, dtype)
    return between(moved, *down)


def between(
    images: Float[Tensor, "b c h w"], vertical: Float[Tensor, "*r h2 h"], horizontal: Float[Tensor, "*r w2 w"]
) -> Float[Tensor, "b c h2 w2"]:
    """Return pictures filtered along both axes by matrices (of all pictures, or one for each)."""
    return vertical @ (images @ horizontal.mT)


def sample(images: Float[Tensor, "b c h w"], grid: Float[Tensor, "b h2 w2 2"]) -> Float[Tensor, "b c h2 w2"]:
    """Return pictures looked up bilinearly at places in [-1, 1], from the first pixel's centre to the last's.

    The same as ``grid_sample(align_corners=True, padding_mode="border")``, and its gradient can be
    differentiated again in any version of torch, as the penalties of discriminators need it.
    """
    looked_up: Tensor = _LookUp.apply(images, grid)  # type: ignore[no-untyped-call]
    return looked_up


class _LookUp(torch.autograd.Function):
    """Bilinear look-up, which is linear in the picture; its gradient is `_PutBack`."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(grid)
        ctx.size = images.shape
        return functional.grid_sample(images, grid, padding_mode="border", align_corners=True)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (grid,) = ctx.saved_tensors
        return _PutBack.apply(gradient, grid, ctx.size), None  # type: ignore[no-untyped-call]


class _PutBack(torch.autograd.Function):
    """Put values back where `_LookUp` found them: its transpose, whose gradient is `_LookUp` again."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, grid: Tensor, size: torch.Size) -> Tensor:
        ctx.save_for_backward(grid)
        stand_in = values.new_zeros(()).expand(size)  # only its size matters
        returned: Tensor = torch.ops.aten.grid_sampler_2d_backward(
            values, stand_in, grid, BILINEAR, BORDER, True, [True, False]
        )[0]
        return returned

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (grid,) = ctx.saved_tensors
        return _LookUp.apply(gradient, grid), None, None  # type: ignore[no-untyped-call]


def _grid(source_from_target: Float[Tensor, "b 3 3"], height: int, width: int) -> Float[Tensor, "b h2 w2 2"]:
    """Return where to look in the doubled pictures for each sample of the moved ones, doubled as well."""
    like = source_from_target
    x, y = (
        (torch.arange(2 * size + BEYOND, dtype=like.dtype, device=like.device) - (_delay() + size - 1)) / 2
        for size in (width, height)
    )
    x, y = _moved(x, y, source_from_target)
    return torch.stack([_samples(x, width), _samples(y, height)], dim=-1)


def _samples(places: Float[Tensor, "*n"], size: int) -> Float[Tensor, "*n"]:
    """Return where in a doubled row, from -1 to 1, to look for places that count from its middle.

    Sample `m` is at pixel ``(m - delay) / 2``. What lies beyond all samples is looked up in the mirror.
    (Just beyond the edges the samples are their own, as the filter is not quite symmetric.)
    """
    last, middle = size - 1, size - 0.5 + BEYOND / 2  # of the pixels, of the samples
    ahead = last + _delay() - middle
    turns = (places / (2 * last)).add_(0.25)  # a whole turn leads from the first pixel to the last and back
    in_mirror = turns.sub_(turns.round()).abs_().mul_(4 * last).add_(ahead - last)
    samples = (places * 2).add_(ahead)  # from the middle of the samples
    return torch.where(samples.abs() < middle + 0.5, samples, in_mirror).div_(middle)


def _moved(
    x: Shaped[Tensor, " w"], y: Shaped[Tensor, " h"], source_from_target: Float[Tensor, "b 3 3"]
) -> tuple[Float[Tensor, "b h w"], Float[Tensor, "b h w"]]:
    """Return where the places of a grid come from. (One axis at a time, as that is many times faster.)"""
    rows, columns = y.to(source_from_target)[:, None], x.to(source_from_target)
    by_x, by_y, by_one = source_from_target[:, :2, None, None].unbind(-1)  # (b, 2, 1, 1) each
    across, down = (by_x[:, k] * columns + (by_y[:, k] * rows + by_one[:, k]) for k in (0, 1))
    return across, down


def _checked_size(images: Float[Tensor, "b c h w"]) -> tuple[int, int]:
    height, width = images.shape[-2:]
    if min(height, width) < SMALLEST:
        raise ValueError(f"pictures to move need at least {SMALLEST} pixels a side, not {height} x {width}")
    return height, width
