"""Squares and single pixels of maps, a different one in each of some views."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def square_places(corners: Int[Tensor, "v 2"], side: int, size: int) -> Int[Tensor, "v n"]:
    """Return which pixels of a picture of `size` squares show, row by row."""
    steps = torch.arange(side)
    rows, columns = corners[:, :1] + steps, corners[:, 1:] + steps
    return (rows[:, :, None] * size + columns[:, None]).flatten(1)


def cut(
    maps: Float[Tensor, "v c h w"], corners: Int[Tensor, "v 2"], side: int, scale: int, margin: int
) -> Float[Tensor, "v c s s"]:
    """Return squares of maps `scale` times as fine as corners and side say, without a margin."""
    inner = (side - 2 * margin) * scale
    begins = ((corners + margin) * scale).tolist()
    return torch.stack([m[:, y : y + inner, x : x + inner] for m, (y, x) in zip(maps, begins, strict=True)])


def taken(maps: Float[Tensor, "v c h w"], places: Int[Tensor, "v n"]) -> Float[Tensor, "v n c"]:
    """Return the values of maps at some of their pixels."""
    flat = maps.flatten(2).transpose(1, 2)
    return flat.gather(1, places[..., None].expand(-1, -1, flat.shape[-1]))
