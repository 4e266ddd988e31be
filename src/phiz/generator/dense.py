"""A 1 x 1 layer with its rectifier, and the colours that its answer shows, a strip of rows at a time.

With gradients. Plain torch makes several large maps one after the other, each in memory that it has to be
given first; here the product, the rectifier and the colours of a strip come while it is in the cache, and so
on the way back. Only the input and the answer are kept.

For maps that `pieces.fits` says yes to; plain torch takes `modulated.apply` and a rectifier.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.generator import growing_loops as loops
from phiz.generator.pieces import bits, computed, pieces, plain, rows, share, shift
from phiz.generator.rectifier_loops import slope, sloped
from phiz.layers.modulated import Folded


class Back(NamedTuple):
    """Gradients of a layer's input and numbers, and of the layer of colours."""

    x: Float[Tensor, "b n i"] | None
    weight: Float[Tensor, "b o i"] | None
    bias: Float[Tensor, " o"]
    colour: Float[Tensor, "b 3 o"] | None
    colour_bias: Float[Tensor, " 3"] | None


def rectified(layer: Folded, x: Float[Tensor, "b n i"], gain: float, clamp: float) -> Float[Tensor, "b2 n o"]:
    """Return a layer's answer with its bias, rectified at a gain, limited to `clamp` unless that is zero."""
    return _run(layer, None, x, gain, clamp)[0]


def coloured(
    layer: Folded, colour: Folded, x: Float[Tensor, "b n i"], clamp: float
) -> tuple[Float[Tensor, "b2 n o"], Float[Tensor, "b2 n 3"]]:
    """Return a layer's answer with its bias, rectified, and the colours that a second layer makes of it.

    Both are limited to `clamp`.
    """
    y, shown = _run(layer, colour, x, 1.0, clamp)
    assert shown is not None
    return y, shown


def _run(
    layer: Folded, colour: Folded | None, x: Float[Tensor, "b n i"], gain: float, clamp: float
) -> tuple[Float[Tensor, "b2 n o"], Float[Tensor, "b2 n 3"] | None]:
    count, kind = max(len(layer.weight), len(x)), computed(x)
    x, weight = (value.to(kind).expand(count, -1, -1) for value in (x, layer.weight))
    tint, offset = (None, None)
    if colour is not None:
        tint, offset = colour.weight.to(kind).expand(count, -1, -1), colour.bias
    found: tuple[Tensor, Tensor | None] = _Dense.apply(  # type: ignore[no-untyped-call]
        x, weight, layer.bias, tint, offset, gain, clamp or loops.UNLIMITED
    )
    return found


class _Dense(torch.autograd.Function):
    """The layer; a gradient of its gradient is made of plain torch."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        tint: Tensor | None,
        tint_bias: Tensor | None,
        gain: float,
        clamp: float,
    ) -> tuple[Tensor, Tensor | None]:
        b, n, _ = x.shape
        y = x.new_empty(b, n, weight.shape[1])
        shown = None if tint is None else x.new_empty(b, n, 3, dtype=torch.float32)
        step, offset = rows(max(weight.shape[1:])), plain(bias)
        strips = pieces(n, step)

        def piece(number: int) -> None:
            picture, start = number // strips, number % strips * step
            some = slice(start, start + step)
            target = y[picture, some]
            torch.mm(x[picture, some], weight[picture].T, out=target)
            loops.activate(bits(target), offset, gain, clamp, shift(x))
            if tint is not None and tint_bias is not None and shown is not None:
                seen = shown[picture, some].copy_(torch.mm(target, tint[picture].T))
                seen.add_(tint_bias).clamp_(-clamp, clamp)

        share(b * strips, lambda: piece)
        ctx.save_for_backward(x, weight, tint, y, shown)
        ctx.set_materialize_grads(False)
        ctx.gain, ctx.clamp, ctx.kind = gain, clamp, bias.dtype
        return y, shown

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, grad_shown: Tensor | None) -> tuple[Tensor | None, ...]:
        if grad is None and grad_shown is None:
            return (None,) * 7
        x, weight, tint, y, shown = ctx.saved_tensors
        seen = None
        if grad_shown is not None:
            seen = (grad_shown * (shown.abs() < ctx.clamp)).to(y.dtype)
        if torch.is_grad_enabled():
            total = grad if seen is None else torch.bmm(seen, tint) + (0 if grad is None else grad)
            assert total is not None
            back = _plainly(x, weight, sloped(total, y, ctx.gain, ctx.clamp), y, seen)
        else:
            back = _in_strips(ctx, x, weight, tint, y, grad, seen)
        return (back.x, back.weight, back.bias.to(ctx.kind), back.colour, back.colour_bias, None, None)


def _plainly(x: Tensor, weight: Tensor, back: Tensor, y: Tensor, seen: Tensor | None) -> Back:
    """Return gradients that have gradients themselves."""
    return Back(
        torch.bmm(back, weight),
        torch.bmm(back.transpose(1, 2), x),
        back.float().sum((0, 1)),
        None if seen is None else torch.bmm(seen.transpose(1, 2), y),
        None if seen is None else seen.float().sum((0, 1)),
    )


def _in_strips(
    ctx: Any,
    x: Tensor,
    weight: Tensor,
    tint: Tensor | None,
    y: Tensor,
    grad: Tensor | None,
    seen: Tensor | None,
) -> Back:
    """Return the same for good."""
    b, n, outputs = y.shape
    inputs = x.shape[2]
    step = rows(max(inputs, outputs))
    strips = pieces(n, step)
    count = b * strips
    back_x = x.new_empty(b, n, inputs) if ctx.needs_input_grad[0] else None
    parts = x.new_empty(count, outputs, inputs) if ctx.needs_input_grad[1] else None
    tints = x.new_empty(count, 3, outputs) if seen is not None else None
    sums = torch.zeros(count, outputs, dtype=torch.float64)

    def worker() -> Callable[[int], None]:
        room = x.new_empty(min(step, n), outputs)

        def piece(number: int) -> None:
            picture, start = number // strips, number % strips * step
            some = slice(start, start + step)
            found = y[picture, some]
            back = room[: len(found)]
            if seen is not None:
                assert tint is not None
                assert tints is not None
                torch.mm(seen[picture, some], tint[picture], out=back)
                torch.mm(seen[picture, some].T, found, out=tints[number])
                if grad is not None:
                    back.add_(grad[picture, some])
            else:
                assert grad is not None
                back.copy_(grad[picture, some])
            slope(bits(found), bits(back), sums[number].numpy(), ctx.gain, ctx.clamp, shift(y))
            if back_x is not None:
                torch.mm(back, weight[picture], out=back_x[picture, some])
            if parts is not None:
                torch.mm(back.T, x[picture, some], out=parts[number])

        return piece

    share(count, worker)

    def summed(values: Tensor | None) -> Tensor | None:
        return None if values is None else values.reshape(b, strips, *values.shape[1:]).sum(1)

    return Back(
        back_x, summed(parts), sums.sum(0), summed(tints), None if seen is None else seen.float().sum((0, 1))
    )
