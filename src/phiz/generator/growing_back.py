"""Growing with gradients in compiled loops: a large map is made once, and its gradient never kept whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.generator import fast
from phiz.generator import growing_back_loops as loops
from phiz.generator.fast import Growing
from phiz.generator.growing import COLUMNS, ROWS, grow, grow_blurred
from phiz.generator.growing_loops import GAIN, neighbours
from phiz.generator.pieces import bits, pieces, rows, share, shift
from phiz.generator.rectifier_loops import slope, sloped
from phiz.layers.resample import after, before

Given = tuple[Tensor, Tensor | None, Tensor | None, Tensor | None]
"""A small map, its narrow parts, and what widens them; None where there are none."""
KINDS = ("nn_cat", "nearest")
"""What there is a way back for; with the filter behind it."""
UP = float(GAIN)


def grown(growing: Growing) -> Float[Tensor, "b h2 w2 c"]:
    """Return what `growing.grow` with its filter, bias and rectifier make of a map, with gradients."""
    own, around = growing.parts or (None, None)
    out: Tensor = _Grown.apply(  # type: ignore[no-untyped-call]
        growing.small, own, around, growing.weight, growing.bias, growing.kind, growing.clamp
    )
    return out


class Back(NamedTuple):
    """Gradients of the small maps and of the numbers that a large one is made of."""

    small: Float[Tensor, "b h w c"]
    own: Float[Tensor, "b h w d"] | None
    around: Float[Tensor, "b h w d"] | None
    weight: Float[Tensor, "c d1"] | None
    bias: Float[Tensor, " c"]


class _Grown(torch.autograd.Function):
    """Growing; a gradient of its gradient is made of plain torch."""

    @staticmethod
    def forward(
        ctx: Any,
        small: Tensor,
        own: Tensor | None,
        around: Tensor | None,
        weight: Tensor | None,
        bias: Tensor,
        kind: Any,
        clamp: float,
    ) -> Tensor:
        parts = () if own is None or around is None else (own, around)
        out = fast.grown(Growing(small, kind, parts, weight, None, bias, clamp))
        ctx.save_for_backward(small, own, around, weight, out)
        ctx.clamp, ctx.kind = clamp, bias.dtype
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        small, own, around, weight, out = ctx.saved_tensors
        given = (small, own, around, weight)
        if torch.is_grad_enabled():
            back = _plainly(given, sloped(grad, out, UP, ctx.clamp))
        else:
            back = _in_strips(given, out, grad, ctx.clamp, has_weight=ctx.needs_input_grad[3])
        return (*back[:4], back.bias.to(ctx.kind), None, None)


def _plainly(given: Given, back: Tensor) -> Back:
    """Return gradients that have gradients themselves, from that of the map before its rectifier."""
    small, own, around, weight = given
    bias = back.float().sum((0, 1, 2))
    with torch.enable_grad():
        if own is None or around is None or weight is None:
            (x,) = _roots(small)
            large = grow(x, "nearest", None, is_blurred=True)
            (found,) = torch.autograd.grad(large, x, back, create_graph=True)
            return Back(found, None, None, None, bias)
        roots = _roots(small, own, around, weight)
        back_small, *others = torch.autograd.grad(grow_blurred(*roots), roots, back, create_graph=True)
        return Back(back_small, others[0], others[1], others[2], bias)


def _roots(*inputs: Tensor) -> tuple[Tensor, ...]:
    """Return tensors of which a gradient can be asked for, none by way of another."""
    return tuple(x.view_as(x) if x.requires_grad else x.detach().requires_grad_() for x in inputs)


def _in_strips(given: Given, out: Tensor, grad: Tensor, clamp: float, *, has_weight: bool) -> Back:
    """Return the same for good."""
    small, own, around, weight = given
    b, h, w, c = small.shape
    step = rows(4 * w * c)
    strips = pieces(h, step)
    back_small = torch.empty_like(small)
    sums = torch.zeros(b * strips, c, dtype=torch.float64)
    widened = (
        None
        if own is None or around is None or weight is None
        else _Widened(own, around, weight, b * strips, has_weight=has_weight)
    )

    def worker() -> Callable[[int], None]:
        room = out.new_empty(min(2 * step + 3, 2 * h), 2 * w, c)

        def piece(number: int) -> None:
            picture, start = number // strips, number % strips * step
            target = back_small[picture, start : start + step]
            first, end = 2 * start, 2 * (start + len(target))
            low, high = max(first - 1, 0), min(end + 2, 2 * h)
            back = room[: high - low].copy_(grad[picture, low:high])
            found, inside = out[picture, low:high], slice(first - low, end - low)
            beside = torch.zeros(c, dtype=torch.float64)  # the strips beside count these rows
            for part in (slice(inside.start), inside, slice(inside.stop, None)):
                total = sums[number] if part is inside else beside
                lines, values = (bits(x[part].flatten(0, 1)) for x in (found, back))
                slope(lines, values, total.numpy(), UP, clamp, shift(out))
            loops.shrink(bits(back), low, bits(target), start, h, widened is None, shift(out))
            if widened is not None:
                widened.narrow(number, picture, first, back[inside])

        return piece

    share(b * strips, worker)
    if widened is None:
        return Back(back_small, None, None, None, sums.sum(0))
    return Back(back_small, *widened.parts(), sums.sum(0))


class _Widened:
    """What the narrow parts and the layer that widens them get of a gradient that comes in strips."""

    def __init__(self, own: Tensor, around: Tensor, weight: Tensor, count: int, *, has_weight: bool) -> None:
        b, h, w, narrow = own.shape
        self.own, self.around = own, around
        self.inward = weight[:, :narrow].contiguous()
        self.filtered = own.new_empty(b, 2 * h, 2 * w, narrow)
        self.weights = weight.new_empty(count, *weight.shape) if has_weight else None

    def narrow(self, number: int, picture: int, first: int, back: Tensor) -> None:
        """Take the rows from `first` on of a picture's large map, the strip of some number."""
        lines, target = back.flatten(0, 1), self.filtered[picture, first : first + len(back)]
        torch.mm(lines, self.inward, out=target.flatten(0, 1))
        if self.weights is not None:
            again = back.new_empty(*back.shape[:2], self.inward.shape[1] + 1)
            own, around = bits(self.own[picture]), bits(self.around[picture])
            neighbours(own, around, bits(again), shift(back), first)
            torch.mm(lines.T, again.flatten(0, 1), out=self.weights[number])

    def parts(self) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return the gradients of both narrow parts and of the layer that widens."""
        b, h, w, narrow = self.own.shape
        step = rows(4 * w * narrow)
        strips = pieces(h, step)
        quarters = self.own.new_empty(b, h, w, 4, narrow)

        def piece(number: int) -> None:
            picture, start = number // strips, number % strips * step
            own, around, grad = (bits(x[picture]) for x in (self.own, self.around, self.filtered))
            out = quarters[picture, start : start + step]
            loops.narrow_back(own, around, grad, bits(out), start, shift(out))

        share(b * strips, lambda: piece)
        one, two, three, four = quarters.unbind(3)
        top, bottom, left, right = one + two, three + four, one + three, two + four
        around = after(top, ROWS) + before(bottom, ROWS) + after(left, COLUMNS) + before(right, COLUMNS)
        return top + bottom, around, None if self.weights is None else self.weights.sum(0)
