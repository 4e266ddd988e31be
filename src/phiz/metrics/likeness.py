"""How alike two pictures are, pixel by pixel; a number a picture.

A mask limits the comparison; it may be soft. Where it is empty the answer is NaN.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

RANGE = 2.0
"""From black to white."""

TAPS, WIDTH = 11, 1.5
K1, K2 = 0.01, 0.03
"""Constants of SSIM as published."""

Masks = Float[Tensor, "b 1 h w"]


def psnr(
    a: Float[Tensor, "b 3 h w"], b: Float[Tensor, "b 3 h w"], mask: Masks | None = None
) -> Float[Tensor, " b"]:
    """Return the peak signal-to-noise ratio in decibels; infinite for equal pictures."""
    error = (a - b).square().mean(1, keepdim=True)
    return 10 * torch.log10(RANGE**2 / _mean(error, mask))


def ssim(
    a: Float[Tensor, "b 3 h w"], b: Float[Tensor, "b 3 h w"], mask: Masks | None = None
) -> Float[Tensor, " b"]:
    """Return the structural similarity (Wang et al., 2004): 1 for equal pictures, the mean over colours.

    Only windows that lie inside the picture count; a mask weighs them by its value at their middle.
    """
    similarity = ssim_map(a, b)
    margin = TAPS // 2
    inner = None if mask is None else mask[..., margin:-margin, margin:-margin]
    return _mean(similarity.mean(1, keepdim=True), inner)


def ssim_map(a: Float[Tensor, "b c h w"], b: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c _ _"]:
    """Return the similarity of each window; smaller than the pictures by 10 pixels each way."""
    if min(a.shape[-2:]) < TAPS:
        raise ValueError(f"pictures of {tuple(a.shape[-2:])} are too small; give {TAPS} or more pixels")
    a, b = (a + 1) / RANGE, (b + 1) / RANGE  # as published, black is zero
    mean_a, mean_b = _windowed(a), _windowed(b)
    spread_a = _windowed(a * a) - mean_a.square()
    spread_b = _windowed(b * b) - mean_b.square()
    shared = _windowed(a * b) - mean_a * mean_b
    light = (2 * mean_a * mean_b + K1**2) / (mean_a.square() + mean_b.square() + K1**2)
    return light * (2 * shared + K2**2) / (spread_a + spread_b + K2**2)


def gaussian(like: Float[Tensor, "*any"]) -> Float[Tensor, " k"]:
    """Return the published window along one axis."""
    place = torch.arange(TAPS, dtype=torch.float64) - TAPS // 2
    weights = torch.exp(-place.square() / (2 * WIDTH**2))
    return (weights / weights.sum()).to(like)


def _windowed(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c _ _"]:
    b, c, h, w = x.shape
    line = gaussian(x)
    rows = functional.conv2d(x.reshape(b * c, 1, h, w), line[None, None, :, None])
    both = functional.conv2d(rows, line[None, None, None, :])
    return both.reshape(b, c, *both.shape[-2:])


def _mean(x: Float[Tensor, "b 1 h w"], mask: Masks | None) -> Float[Tensor, " b"]:
    if mask is None:
        return x.mean((1, 2, 3))
    return (x * mask).sum((1, 2, 3)) / mask.sum((1, 2, 3))
