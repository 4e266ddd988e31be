"""A part of an enlarged picture, to the last bit as Pillow makes it, without making the whole.

The published face reconstruction resizes the whole photo with Pillow's bicubic filter and cuts 224 pixels
out. A tiny face makes that whole enormous. Pillow counts in whole numbers: weights in units of 2^-22, bytes
after either pass. Whole numbers of that size are exact in float64, so two matrix products do the same here.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, UInt8
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

SHARPNESS = -0.5
"""Of Keys' cubic kernel (1981), the one that Pillow has."""
REACH = 2.0
"""Pixels of the small picture from which the kernel is zero."""
UNITS = float(2**22)


def enlarged_part(
    pixels: UInt8[NDArray[np.uint8], "h w c"],
    size: tuple[int, int],
    corner: tuple[int, int],
    part: tuple[int, int],
) -> UInt8[NDArray[np.uint8], "h2 w2 c"]:
    """Return the pixels of ``Image.resize(size, BICUBIC)`` from `corner` on; beyond the picture is black.

    Sizes and corners are (across, down), as Pillow has them. Neither axis may shrink: there Pillow's order
    of the two passes, and with it the last bit, depends on its version.
    """
    height, width = pixels.shape[:2]
    if size[0] < width or size[1] < height:
        raise ValueError(f"a picture of {(width, height)} is shrunk by {size}; resize it with Pillow")
    across, left = weights(width, size[0], corner[0], part[0])
    down, top = weights(height, size[1], corner[1], part[1])
    window = pixels[top : top + down.shape[1], left : left + across.shape[1]]
    wide = _weigh(window, across)
    found: Bytes = _weigh(wide.transpose(1, 0, 2), down).transpose(1, 0, 2)
    return found


def weights(old: int, new: int, first: int, count: int) -> tuple[Float64[NDArray[np.float64], "n m"], int]:
    """Return the weights of old pixels in `count` new ones, in units of 2^-22, and the first such old pixel.

    Rows of new pixels that do not exist are zero.
    """
    places = np.arange(first, first + count)
    centres = (places + 0.5) * (old / new)
    lows = np.maximum((centres - REACH + 0.5).astype(np.int64), 0)
    highs = np.minimum((centres + REACH + 0.5).astype(np.int64), old)
    exists = (places >= 0) & (places < new)
    if not exists.any():
        return np.zeros((count, 0)), 0
    start, end = int(lows[exists].min()), int(highs[exists].max())
    sources = np.arange(start, end)
    kernel = _cubic(sources - centres[:, None] + 0.5)
    kernel *= exists[:, None] & (sources >= lows[:, None]) & (sources < highs[:, None])
    total = np.cumsum(kernel, axis=1)[:, -1:]  # one after the other, as a loop adds
    shares = np.divide(kernel, total, out=np.zeros_like(kernel), where=total != 0) * UNITS
    return np.trunc(shares + np.copysign(0.5, shares)), start


def _cubic(x: Float64[NDArray[np.float64], "n m"]) -> Float64[NDArray[np.float64], "n m"]:
    x = np.abs(x)
    near = ((SHARPNESS + 2.0) * x - (SHARPNESS + 3.0)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * SHARPNESS
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))


def _weigh(
    pixels: UInt8[NDArray[np.uint8], "h w c"], across: Float64[NDArray[np.float64], "n w"]
) -> UInt8[NDArray[np.uint8], "h n c"]:
    """Return rows of pixels weighted, rounded to the nearest byte."""
    sums = np.einsum("nw,hwc->hnc", across, pixels.astype(np.float64), optimize=True)
    rounded: Bytes = np.clip(np.floor(sums / UNITS + 0.5), 0, 255).astype(np.uint8)
    return rounded
