"""Bias, leaky rectifier and limit of a large map in one pass, and in one pass back.

Plain torch takes four passes there and six back, and keeps two maps in between; compiled loops on a processor
keep the answer alone. Everywhere else plain torch does the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from phiz.compiling import compiled
from phiz.generator.growing_loops import SLOPE, UNLIMITED, limited, read, write
from phiz.generator.pieces import bits, fits, pieces, plain, rows, share, shift
from phiz.layers import activation

LARGE = float("inf")
"""A limit that nothing reaches."""


def _rectify(x: Any, bias: Any, out: Any, gain: float, clamp: float, shift: Any) -> None:
    """Write rows with their bias, rectified and limited."""
    up, most = np.float32(gain), np.float32(clamp)
    for n in range(x.shape[0]):
        line, target = x[n], out[n]
        for c in range(line.shape[0]):
            target[c] = write(limited(read(line[c], shift) + bias[c], up, most), shift)


def _slope(found: Any, grad: Any, sums: Any, gain: float, clamp: float, shift: Any) -> None:
    """Multiply a gradient, in place, by the slope of the rectifier that found some rows; add it to sums."""
    up, most = np.float32(gain), np.float32(clamp)
    down = up * SLOPE
    for n in range(found.shape[0]):
        line, target = found[n], grad[n]
        for c in range(line.shape[0]):
            value = read(line[c], shift)
            factor = up if value > 0 else down
            factor = factor if -most < value < most else np.float32(0)
            target[c] = write(read(target[c], shift) * factor, shift)
        for c in range(line.shape[0]):
            sums[c] += read(target[c], shift)


rectify = compiled(_rectify)
slope = compiled(_slope)


def rectified(
    x: Float[Tensor, "*b c"], bias: Float[Tensor, " c"], gain: float, clamp: float
) -> Float[Tensor, "*b c"]:
    """Return `x` with its bias, rectified at a gain, and limited to `clamp` unless that is zero."""
    if fits(x):
        y: Tensor = _Rectified.apply(x, bias, gain, clamp or UNLIMITED)  # type: ignore[no-untyped-call]
        return y
    return plainly_rectified(x, bias, gain, clamp)


def plainly_rectified(
    x: Float[Tensor, "*b c"], bias: Float[Tensor, " c"], gain: float, clamp: float
) -> Float[Tensor, "*b c"]:
    """Return the same in plain torch."""
    y = torch.nn.functional.leaky_relu(x + bias.to(x.dtype), activation.SLOPE)
    y = y * gain if gain != 1.0 else y
    return y.clamp(-clamp, clamp) if clamp > 0 else y


def sloped(
    grad: Float[Tensor, "*b c"], found: Float[Tensor, "*b c"], gain: float, clamp: float
) -> Float[Tensor, "*b c"]:
    """Return a gradient times the slope of the rectifier that found a map; its own gradient is the same."""
    back: Tensor = _Slope.apply(grad, found, gain, clamp)  # type: ignore[no-untyped-call]
    return back


class _Rectified(torch.autograd.Function):
    """The rectifier; its gradient is told from its answer."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, bias: Tensor, gain: float, clamp: float) -> Tensor:
        x = x.contiguous()
        y = torch.empty_like(x)
        sources, targets, offset = x.flatten(0, -2), y.flatten(0, -2), plain(bias)
        step = rows(x.shape[-1])

        def piece(number: int) -> None:
            some = slice(number * step, (number + 1) * step)
            rectify(bits(sources[some]), offset, bits(targets[some]), gain, clamp, shift(x))

        share(pieces(len(sources), step), lambda: piece)
        ctx.save_for_backward(y)
        ctx.gain, ctx.clamp, ctx.kind = gain, clamp, bias.dtype
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor | None, None, None]:
        (y,) = ctx.saved_tensors
        if torch.is_grad_enabled():
            back = sloped(grad, y, ctx.gain, ctx.clamp)
            return back, back.flatten(0, -2).sum(0, dtype=ctx.kind), None, None
        back, sums = _back(grad, y, ctx.gain, ctx.clamp)
        return back, sums.to(ctx.kind), None, None


class _Slope(torch.autograd.Function):
    """A gradient times the rectifier's slope, which is constant but where it jumps."""

    @staticmethod
    def forward(ctx: Any, grad: Tensor, y: Tensor, gain: float, clamp: float) -> Tensor:
        back, _ = _back(grad, y, gain, clamp)
        ctx.save_for_backward(y)
        ctx.gain, ctx.clamp, ctx.kind = gain, clamp, grad.dtype
        return back

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        (y,) = ctx.saved_tensors
        return sloped(grad, y, ctx.gain, ctx.clamp).to(ctx.kind), None, None, None


def _back(
    grad: Float[Tensor, "*b c"], y: Float[Tensor, "*b c"], gain: float, clamp: float
) -> tuple[Float[Tensor, "*b c"], Float[Tensor, " c"]]:
    """Return a gradient times the rectifier's slope, and its sum over all places."""
    back = torch.empty_like(y)
    found, given, targets = (x.flatten(0, -2) for x in (y, grad, back))
    step = rows(y.shape[-1])
    count = pieces(len(found), step)
    sums = torch.zeros(count, y.shape[-1], dtype=torch.float64)

    def piece(number: int) -> None:
        some = slice(number * step, (number + 1) * step)
        target = targets[some].copy_(given[some])
        slope(bits(found[some]), bits(target), sums[number].numpy(), gain, clamp, shift(y))

    share(count, lambda: piece)
    return back, sums.sum(0)
