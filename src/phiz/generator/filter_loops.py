"""The discriminator's filter in one pass over a map, and in one pass back; twin of `resample.filter_down`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from phiz.compiling import compiled
from phiz.generator.growing_loops import INNER, OUTER, read, write
from phiz.generator.pieces import bits, fits, pieces, rows, share, shift
from phiz.layers import resample


def _mix(x: Any, out: Any, start: int, offset: int, shift: Any) -> None:
    """Write filtered rows of a map (h, w, c), zero beyond its edges.

    `out` begins at row `start` of the whole answer. Its row `y` comes from rows `y` + `offset` - 2 to
    `y` + `offset` + 1 of the map, and so along columns.
    """
    _, width, channels = x.shape
    line = np.zeros((width + 5, channels), np.float32)
    outer, inner = np.empty((width, channels), np.float32), np.empty((width, channels), np.float32)
    for n in range(out.shape[0]):
        first = start + n + offset - 2
        add_rows(x, outer, first, first + 3, shift)
        add_rows(x, inner, first + 1, first + 2, shift)
        for j in range(width):
            one, other, target = outer[j], inner[j], line[j + 2]
            for c in range(channels):
                target[c] = OUTER * one[c] + INNER * other[c]
        for j in range(out.shape[1]):
            a, b, d, e = (line[j + offset], line[j + offset + 1], line[j + offset + 2], line[j + offset + 3])
            target = out[n, j]
            for c in range(channels):
                target[c] = write(OUTER * (a[c] + e[c]) + INNER * (b[c] + d[c]), shift)


def _add_rows(x: Any, out: Any, one: int, other: int, shift: Any) -> None:
    """Write the sum of two rows of a map, zero beyond its edges."""
    out[:] = np.float32(0)
    for row in (one, other):
        if 0 <= row < x.shape[0]:
            for j in range(out.shape[0]):
                source, target = x[row, j], out[j]
                for c in range(target.shape[0]):
                    target[c] += read(source[c], shift)


add_rows = compiled(_add_rows)
mix = compiled(_mix)


def filter_down(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h2 w2"]:
    """Return `x` filtered and grown by a pixel: a 3 x 3 convolution of stride 2 takes it to half the size."""
    if not fits(x):
        return resample.filter_down(x)
    y: Tensor = _Filtered.apply(x.permute(0, 2, 3, 1), 0)  # type: ignore[no-untyped-call]
    return y.permute(0, 3, 1, 2)


class _Filtered(torch.autograd.Function):
    """The filter, growing a map by a pixel or taking one off it again: each is the other's gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, offset: int) -> Tensor:
        x = x.contiguous()
        b, h, w, c = x.shape
        more = 1 - 2 * offset
        y = x.new_empty(b, h + more, w + more, c)
        step = rows(y[0, 0].numel())
        strips = pieces(h + more, step)

        def piece(number: int) -> None:
            picture, start = number // strips, number % strips * step
            mix(bits(x[picture]), bits(y[picture, start : start + step]), start, offset, shift(x))

        share(b * strips, lambda: piece)
        ctx.offset = offset
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        back: Tensor = _Filtered.apply(grad, 1 - ctx.offset)  # type: ignore[no-untyped-call]
        return back, None
