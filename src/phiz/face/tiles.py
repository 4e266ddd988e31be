"""Convolutions of 3 x 3 that are ready to be used: what comes before and after each is part of one pass.

`tile_loops` spreads a map out to where a convolution is a product of matrices at each of some points, and
collects the results. Large tiles take a quarter of the arithmetic of summing up nine products a pixel, small
ones half; but large ones have four times as many weights to fetch, which does not pay where there are few
tiles to use them on.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from phiz.face import tile_loops as loops

LARGE, SMALL = 4, 2
"""Height and width of what a tile gives."""
POINTS = {LARGE: (0.0, loops.NEAR, -loops.NEAR, loops.FAR, -loops.FAR), SMALL: (0.0, 1.0, -1.0)}
"""At which tiles are known, besides at infinity."""
FEWEST = 48
"""Tiles with which the weights of one kind are worth fetching; with fewer small ones, tiles do not pay."""
AT_ONCE = 200
"""Tiles whose products stay in the cache; no power of two, which would crowd into a part of it."""
NOTHING = np.empty(0, np.float32)


@dataclass(frozen=True, kw_only=True)
class Tiled:
    """A 3 x 3 convolution with a border of zeros, of maps (b, h, w, c)."""

    weight: Float[Tensor, "o i 3 3"]
    bias: Float[Tensor, " o"]
    gain: Float[Tensor, " i"] | None = None
    """What a map is multiplied by first, and moved by then; the border stays zero."""
    shift: Float[Tensor, " i"] | None = None
    slope: Float[Tensor, " o"] | None = None
    """Of the rectifier for what is negative; None for no rectifier."""
    known: dict[int, Float[Tensor, "p i o"]] = field(default_factory=dict)
    """Weights at the points of tiles, made when first needed."""

    def at_points(self, tile: int) -> Float[Tensor, "p i o"]:
        """Return the weights at the points of tiles of a size."""
        if tile not in self.known:
            rows = transform(tile)
            weight = torch.einsum("ai,bj,ocij->abco", rows, rows, self.weight.double())
            self.known[tile] = weight.flatten(0, 1).float().contiguous()
        return self.known[tile]


@dataclass(frozen=True)
class Part:
    """A share of a convolution: some of the tiles, some of the channels that come out."""

    first: int
    last: int
    begin: int
    end: int


def transform(tile: int) -> Float[Tensor, "p 3"]:
    """Return what takes three weights to their values at the points, divided as interpolation asks."""
    points = POINTS[tile]
    rows = []
    for place, point in enumerate(points):
        others = [point - other for number, other in enumerate(points) if number != place]
        rows.append([point**power / math.prod(others) for power in range(3)])
    if tile == SMALL:
        rows[0] = [-value for value in rows[0]]  # the loops take the first point with the other sign
    return torch.tensor([*rows, [0.0, 0.0, 1.0]], dtype=torch.float64)


def tile_for(x: Float[Tensor, "b h w c"]) -> int:
    """Return the size of tiles that suits a map; 0 where none does."""
    return next((tile for tile in (LARGE, SMALL) if count(x, tile) >= FEWEST), 0)


def count(x: Float[Tensor, "b h w c"], tile: int) -> int:
    """Return how many tiles a map has."""
    b, h, w, _ = x.shape
    return b * -(-h // tile) * -(-w // tile)


def parts(conv: Tiled, x: Float[Tensor, "b h w i"], tile: int, threads: int) -> list[Part]:
    """Return shares for so many threads: of the tiles, or of the channels where tiles are few.

    To spread out the same tiles twice costs less than products with few rows.
    """
    tiles, width = count(x, tile), len(conv.weight)
    if threads > 1 and tiles < AT_ONCE * threads:
        step = -(-width // threads)
        return [Part(0, tiles, begin, min(begin + step, width)) for begin in range(0, width, step)]
    step = min(AT_ONCE, -(-tiles // threads))
    return [Part(begin, min(begin + step, tiles), 0, width) for begin in range(0, tiles, step)]


def convolve(
    conv: Tiled,
    x: Float[Tensor, "b h w i"],
    y: Float[Tensor, "b h w o"],
    part: Part,
    tile: int,
    *,
    plus: Float[Tensor, "b h w o"] | None = None,
) -> None:
    """Write a share of a convolution to `y`, rectified or with `plus` added to it."""
    _, height, width, inner = x.shape
    weight = conv.at_points(tile)[:, :, part.begin : part.end]
    outer = part.end - part.begin
    for start in range(part.first, part.last, AT_ONCE):
        stop = min(start + AT_ONCE, part.last)
        spread = _room("spread", (len(weight), stop - start, inner))
        products = _room("products", (len(weight), stop - start, outer))
        loops.spread(
            _flat(x),
            height,
            width,
            inner,
            _flat(conv.gain),
            _flat(conv.shift),
            _flat(spread),
            tile,
            start,
            stop,
        )
        torch.bmm(spread, weight, out=products)
        bias = _flat(conv.bias[part.begin : part.end])
        slope = None if conv.slope is None else conv.slope[part.begin : part.end]
        loops.collect(
            _flat(products), height, width, outer, bias, _flat(slope), _flat(plus), _flat(y), part.begin,
            y.shape[3], tile, start, stop,
        )  # fmt: skip


_rooms = threading.local()


def _room(name: str, shape: tuple[int, int, int]) -> Float[Tensor, "p n c"]:
    """Return memory of this thread that is used again and again; fresh memory costs more than products."""
    kept: dict[str, Tensor] = _rooms.__dict__
    wanted = math.prod(shape)
    if name not in kept or len(kept[name]) < wanted:
        kept[name] = torch.empty(wanted)
    return kept[name][:wanted].view(shape)


def _flat(values: Tensor | None) -> np.ndarray:
    return NOTHING if values is None else values.reshape(-1).numpy()
