"""The upsampler's passes over large maps in compiled loops, a strip of rows at a time.

On a processor, in float32 and bfloat16. Everywhere else `growing` and plain torch do the same; tests hold
the two together. No gradients here: `growing_back` and `dense` have them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from phiz.generator import growing_loops as loops
from phiz.generator.growing import Adapter, Kind, narrowed, widening
from phiz.generator.pieces import bits, computed, fits, pieces, plain, rows, share, shift
from phiz.layers.activation import leaky
from phiz.layers.equalized import Affine
from phiz.layers.modulated import Folded

KINDS = ("nn_cat", "pixelshuffle", "nearest")
"""What loops know to grow; with the filter behind it."""


class Growing(NamedTuple):
    """Small maps that a large one is made of, and how."""

    small: Float[Tensor, "b h w c"]
    kind: Kind
    parts: tuple[Float[Tensor, "b h w d"], ...]
    weight: Float[Tensor, "e d2"] | None
    """What widens narrow maps, the large one filtered with ones beside it or the small one."""
    wide_bias: Float[Tensor, " e"] | None
    bias: Float[Tensor, " c"]
    clamp: float


def is_ready(x: Float[Tensor, "*b"]) -> bool:
    """Return whether compiled loops can work on a map, and no gradient is wanted."""
    return fits(x) and not torch.is_grad_enabled()


def activated(
    x: Float[Tensor, "b h w c"], bias: Float[Tensor, " c"], gain: float, clamp: float
) -> Float[Tensor, "b h w c"]:
    """Return `x` with its bias, rectified at a gain and limited; it takes the place of `x`."""
    x = x.contiguous()
    lines, offset = x.flatten(0, 2), plain(bias)
    step = rows(x.shape[-1])

    def piece(number: int) -> None:
        some = lines[number * step : (number + 1) * step]
        loops.activate(bits(some), offset, gain, clamp or loops.UNLIMITED, shift(x))

    share(pieces(len(lines), step), lambda: piece)
    return x


def grown(growing: Growing) -> Float[Tensor, "b h2 w2 c"]:
    """Return what `growing.grow` with its filter, bias and rectifier make of a map."""
    b, h, w, c = growing.small.shape
    out = growing.small.new_empty(b, 2 * h, 2 * w, c)
    step = rows(2 * w * c, least=2)
    strips = pieces(2 * h, step)

    def piece(number: int) -> None:
        picture, start = number // strips, number % strips * step
        _write(growing, picture, out[picture, start : start + step], start)

    share(b * strips, lambda: piece)
    return out


def doubled(
    growing: Growing, second: Folded, colour: Folded, *, is_kept: bool
) -> tuple[Float[Tensor, "b h2 w2 o"] | None, Float[Tensor, "b h2 w2 3"]]:
    """Return the rest of a block whose kernels are 1 x 1: features and colours.

    The features are None unless they are kept.
    """
    x, clamp = growing.small, growing.clamp
    b, h, w, c = x.shape
    outputs, step = second.weight.shape[1], min(rows(2 * w * c, least=2), 2 * h)
    strips, offset = pieces(2 * h, step), plain(second.bias)
    shown = x.new_empty(b, 2 * h, 2 * w, 3, dtype=torch.float32)
    features = x.new_empty(b, 2 * h, 2 * w, outputs) if is_kept else None
    weights = [layer.weight.to(x.dtype).expand(b, -1, -1).transpose(1, 2) for layer in (second, colour)]

    def worker() -> Callable[[int], None]:
        room = x.new_empty(step, 2 * w, c)
        other = x.new_empty(step if features is None else 0, 2 * w, outputs)

        def piece(number: int) -> None:
            picture, first = number // strips, number % strips * step
            seen = shown[picture, first : first + step]
            strip = room[: len(seen)]
            _write(growing, picture, strip, first)
            kept = other[: len(seen)] if features is None else features[picture, first : first + step]
            target = kept.flatten(0, 1)
            torch.mm(strip.flatten(0, 1), weights[0][picture], out=target)
            loops.activate(bits(target), offset, 1.0, clamp, shift(x))
            seen.copy_(torch.mm(target, weights[1][picture]).view_as(seen))
            seen.add_(colour.bias).clamp_(-clamp, clamp)

        return piece

    share(b * strips, worker)
    return features, shown


def start(
    x: Float[Tensor, "b h w c"], kind: Kind, adapter: Adapter | None, bias: Float[Tensor, " c"], clamp: float
) -> Growing:
    """Return the small maps that a large one is made of, for kinds that loops know."""
    x, limit, channels = x.to(computed(x)).contiguous(), clamp or loops.UNLIMITED, x.shape[-1]
    if kind == "nearest":
        return Growing(x, kind, (), None, None, bias, limit)
    assert adapter is not None
    narrow, wide = (Affine(*(value.to(x.dtype) for value in layer)) for layer in adapter)
    if kind == "nn_cat":
        parts = tuple(part.contiguous() for part in narrowed(x, narrow))
        return Growing(x, kind, parts, widening(wide), None, bias, limit)
    order = rearrange(torch.arange(4 * channels), "(c place) -> (place c)", place=4)
    found = leaky(torch.nn.functional.linear(x, *narrow))
    return Growing(x, kind, (found,), wide.weight[order], wide.bias[order], bias, limit)


def _write(growing: Growing, picture: int, out: Float[Tensor, "rows w2 c"], first: int) -> None:
    """Write the rows from `first` on of a picture's large map, activated."""
    small, count, by = growing.small[picture], len(out), shift(out)
    bias = plain(growing.bias)
    if growing.kind == "pixelshuffle":
        assert growing.weight is not None
        assert growing.wide_bias is not None
        narrow = growing.parts[0][picture, max((first - 2) // 2, 0) : (first + count) // 2 + 1]
        wide = torch.addmm(growing.wide_bias, narrow.flatten(0, 1), growing.weight.T)
        quarters = wide.view(*narrow.shape[:2], 4, -1)
        loops.shuffle(bits(small), bits(quarters), bits(out), bias, growing.clamp, by, first)
        return
    is_added = growing.kind == "nn_cat"
    if is_added:
        assert growing.weight is not None
        own, around = (part[picture] for part in growing.parts)
        filtered = out.new_empty(count, out.shape[1], own.shape[-1] + 1)
        loops.neighbours(bits(own), bits(around), bits(filtered), by, first)
        torch.mm(filtered.flatten(0, 1), growing.weight.T, out=out.flatten(0, 1))
    loops.grow(bits(small), bits(out), is_added, bias, growing.clamp, by, first)
