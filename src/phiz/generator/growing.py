"""Feature maps of twice the size, in the ways that were published; layout `b h w c`.

Each way is written so that the large map is made once: what is linear and knows no neighbours comes
after the filter instead of before it, or on the small map instead of the large one.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from phiz.layers.activation import leaky
from phiz.layers.equalized import Affine
from phiz.layers.resample import after, before, blur, grow_nearest, grow_nearest_blurred, interleave

ROWS, COLUMNS = 1, 2
Kind = Literal["nn_cat", "pixelshuffle", "fir", "nearest", "bilinear"]
EDGE = (0.5, 0.875, 0.875)
"""What the filter makes of a map of ones at its first, second and last place."""


def repeats_edges(kind: Kind, *, is_blurred: bool) -> bool:
    """Return whether what lies beyond the edges of a map, or of the picture, is the edge again, and not zero.

    Zeros draw a frame around the picture; the published kinds have them.
    """
    return kind == "nearest" and is_blurred


class Adapter(NamedTuple):
    """A small network that says what doubling alone does not know."""

    narrow: Affine
    wide: Affine


def grow(
    x: Float[Tensor, "b h w c"], kind: Kind, adapter: Adapter | None, *, is_blurred: bool
) -> Float[Tensor, "b h2 w2 c"]:
    """Return the map at twice its size."""
    axes = (ROWS, COLUMNS)
    if kind == "bilinear":
        large = torch.nn.functional.interpolate(
            x.permute(0, 3, 1, 2), scale_factor=2, mode="bilinear", align_corners=True
        )
        return large.permute(0, 2, 3, 1)
    if kind == "nearest":
        return grow_nearest_blurred(x, axes, is_repeated=True) if is_blurred else grow_nearest(x, axes)
    assert adapter is not None
    if kind == "pixelshuffle":
        shuffled = _from_channels(x, adapter)
        return blur(shuffled, axes) if is_blurred else shuffled
    own, around = narrowed(x, adapter.narrow)
    if not is_blurred:
        return grow_nearest(x, axes) + torch.nn.functional.linear(_quarters(own, around), *adapter.wide)
    return grow_blurred(x, own, around, widening(adapter.wide))


def narrowed(
    x: Float[Tensor, "b h w c"], layer: Affine
) -> tuple[Float[Tensor, "b h w d"], Float[Tensor, "b h w d"]]:
    """Return what a pixel gives to the narrow layer of its own quarters, and to that of its neighbours'."""
    channels = x.shape[-1]
    weight = torch.cat([layer.weight[:, :channels], 0.5 * layer.weight[:, channels:]])
    bias = torch.cat([layer.bias, torch.zeros_like(layer.bias)])
    own, around = torch.nn.functional.linear(x, weight, bias).chunk(2, dim=-1)
    return own, around


def widening(layer: Affine) -> Float[Tensor, "c d1"]:
    """Return the layer that widens narrow maps, its bias as one more input."""
    return torch.cat([layer.weight, layer.bias[:, None]], dim=1)


def grow_blurred(
    x: Float[Tensor, "b h w c"],
    own: Float[Tensor, "b h w d"],
    around: Float[Tensor, "b h w d"],
    weight: Float[Tensor, "c d1"],
) -> Float[Tensor, "b h2 w2 c"]:
    """Return a map and its widened narrow parts, filtered at twice their size.

    The filter is linear and the same for all channels, so it may come before the layer that widens
    them. Only the bias tells the difference, at the edges, where the filter reaches beyond.
    """
    axes = (ROWS, COLUMNS)
    narrow = _quarters(own, around)
    filtered = torch.cat([blur(narrow, axes), edge_of_ones(narrow)], dim=-1)
    return grow_nearest_blurred(x, axes) + torch.nn.functional.linear(filtered, weight)


def _quarters(own: Float[Tensor, "b h w d"], around: Float[Tensor, "b h w d"]) -> Float[Tensor, "b h2 w2 d"]:
    """Return the narrow layer of every quarter pixel: of its pixel, and of the mean of its two neighbours.

    The top left quarter looks up and left, and so on around. Linear first, quarters then.
    """
    up, down = own + before(around, ROWS), own + after(around, ROWS)
    left, right = before(around, COLUMNS), after(around, COLUMNS)
    top = interleave(up + left, up + right, COLUMNS)
    bottom = interleave(down + left, down + right, COLUMNS)
    return leaky(interleave(top, bottom, ROWS))


def _from_channels(x: Float[Tensor, "b h w c"], adapter: Adapter) -> Float[Tensor, "b h2 w2 c"]:
    """Return every pixel four times, with what four channels of a wider layer add to each."""
    narrow = leaky(torch.nn.functional.linear(x, *adapter.narrow))
    wide = torch.nn.functional.linear(narrow, *adapter.wide)
    quarters = rearrange(wide, "b h w (c y x) -> b h y w x c", y=2, x=2) + x[:, :, None, :, None]
    return rearrange(quarters, "b h y w x c -> b (h y) (w x) c")


def edge_of_ones(like: Float[Tensor, "b h w c"]) -> Float[Tensor, "b h w 1"]:
    """Return what the filter makes of a map of ones."""
    rows, columns = (_edge(like.shape[axis], like) for axis in (ROWS, COLUMNS))
    ones = rows[:, None] * columns
    return ones[None, :, :, None].expand(like.shape[0], -1, -1, -1)


def _edge(count: int, like: Tensor) -> Float[Tensor, " n"]:
    inner = torch.ones(count - 3, dtype=like.dtype, device=like.device)
    first, second, last = (torch.full_like(inner[:1], value) for value in EDGE)
    return torch.cat([first, second, inner, last])
