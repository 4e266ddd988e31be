"""The plain torch twin of the rasteriser: any device, the same answer bit for bit.

Each triangle becomes the rows of its bounding box, each row its pixels; whole-number edge functions
say which of them are inside. The nearest wins through one minimum over (depth, number) packed into
a whole number, which does not depend on the order of work. Rows come in portions, so that memory
stays bounded however many triangles there are.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

BITS = 16
"""Corners are snapped to this many binary places of a pixel, finer than float32 itself from 256 on."""

ONE = 1 << BITS
"""A pixel, in grid steps."""

GUARD = 8192
"""Corners further than this many pixels from the first pixel would overflow the edge functions."""

NEAR = 1e-6
"""Corners closer than this are at or behind the camera."""

PORTION = 1 << 20
"""How many candidate pixels are looked at together."""

NOTHING = torch.iinfo(torch.int64).max


class Setup(NamedTuple):
    """The triangles worth drawing, turned so that their area is positive."""

    number: Int[Tensor, " k"]
    """Where each stands in the caller's list."""
    x: Int[Tensor, "k 3"]
    y: Int[Tensor, "k 3"]
    """Corners in grid steps."""
    nearness: Float[Tensor, "k 3"]
    """One over the depth of each corner, float64."""
    bias: Int[Tensor, "k 3"]
    """0 where the edge across from the corner owns the pixels that lie on it, else -1."""
    flipped: Bool[Tensor, " k"]
    """Whether corners 1 and 2 changed places."""


def rasterise(
    screen: Float[Tensor, "v 3"], triangles: Int[Tensor, "f 3"], height: int, width: int, cull: bool
) -> tuple[Int[Tensor, "h w"], Float[Tensor, "h w 3"], Float[Tensor, "h w"]]:
    """Return triangle numbers, barycentric weights and depths; see `raster.rasterise`."""
    setup = prepare(screen, triangles, cull)
    keys = _nearest(setup, height, width)
    triangle = torch.where(keys == NOTHING, -1, keys & 0xFFFFFFFF).to(torch.int32)
    where = (keys != NOTHING).nonzero()[:, 0]
    weights = screen.new_zeros(height * width, 3, dtype=torch.float32)
    if len(where):
        row = torch.searchsorted(setup.number, triangle[where].long())
        weights[where] = _weights(setup, row, where % width, where // width)
    return (
        triangle.reshape(height, width),
        weights.reshape(height, width, 3),
        _depths(keys).reshape(height, width),
    )


def rasterise_depth(
    screen: Float[Tensor, "v 3"], triangles: Int[Tensor, "f 3"], height: int, width: int, cull: bool
) -> Float[Tensor, "h w"]:
    """Return the depths only."""
    keys = _nearest(prepare(screen, triangles, cull), height, width)
    return _depths(keys).reshape(height, width)


def prepare(screen: Float[Tensor, "v 3"], triangles: Int[Tensor, "f 3"], cull: bool) -> Setup:
    """Return the triangles that can be drawn, with whole-number corners."""
    point = screen.double()
    good = point.isfinite().all(-1) & (point[:, 2] >= NEAR) & (point[:, :2].abs() <= GUARD).all(-1)
    number = good[triangles.long()].all(-1).nonzero()[:, 0]
    corner = point[triangles[number].long()]  # (k, 3, 3)
    grid = torch.floor(corner[..., :2] * ONE + 0.5).long()
    area = _area(grid[..., 0], grid[..., 1])
    keep = area < 0 if cull else area != 0
    number, corner, grid, flipped = number[keep], corner[keep], grid[keep], area[keep] < 0
    order = torch.where(flipped[:, None], grid.new_tensor([0, 2, 1]), grid.new_tensor([0, 1, 2]))
    x, y = grid[..., 0].gather(1, order), grid[..., 1].gather(1, order)
    return Setup(
        number=number,
        x=x,
        y=y,
        nearness=1 / corner[..., 2].gather(1, order),
        bias=_bias(x, y),
        flipped=flipped,
    )


def _area(x: Int[Tensor, "k 3"], y: Int[Tensor, "k 3"]) -> Int[Tensor, " k"]:
    """Return twice the signed area; positive where corners run clockwise (y points down)."""
    return (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (x[:, 2] - x[:, 0]) * (y[:, 1] - y[:, 0])


def _bias(x: Int[Tensor, "k 3"], y: Int[Tensor, "k 3"]) -> Int[Tensor, "k 3"]:
    """Return 0 for top and left edges, -1 for the others.

    Of two triangles that share an edge exactly one has it at its top or left, so a pixel centre on
    the edge belongs to exactly one of them.
    """
    dx = x.roll(-2, dims=1) - x.roll(-1, dims=1)
    dy = y.roll(-2, dims=1) - y.roll(-1, dims=1)
    return torch.where((dy < 0) | ((dy == 0) & (dx > 0)), 0, -1)


def _edges(
    setup: Setup, row: Int[Tensor, " n"], column_x: Int[Tensor, " n"], line_y: Int[Tensor, " n"]
) -> Int[Tensor, "n 3"]:
    """Return the three edge functions at the centres of pixels, each for its own triangle."""
    px, py = column_x * ONE + ONE // 2, line_y * ONE + ONE // 2
    x, y = setup.x[row] - px[:, None], setup.y[row] - py[:, None]
    xj, yj, xk, yk = x.roll(-1, dims=1), y.roll(-1, dims=1), x.roll(-2, dims=1), y.roll(-2, dims=1)
    return xj * yk - xk * yj


def _depth(setup: Setup, row: Int[Tensor, " n"], edges: Int[Tensor, "n 3"]) -> Float[Tensor, " n"]:
    """Return the depths at pixels, from their edge functions: one over depth is linear on the screen.

    Every product is rounded on its own and sums run from left to right, as in the other twin.
    """
    weighted = edges.double() * setup.nearness[row]
    area = (edges[:, 0] + edges[:, 1] + edges[:, 2]).double()
    return (area / ((weighted[:, 0] + weighted[:, 1]) + weighted[:, 2])).float()


def _weights(setup: Setup, row: Tensor, column: Tensor, line: Tensor) -> Float[Tensor, "n 3"]:
    """Return the perspective-correct weights of the corners, in the caller's order."""
    weighted = _edges(setup, row, column, line).double() * setup.nearness[row]
    weighted = torch.where(setup.flipped[row][:, None], weighted[:, [0, 2, 1]], weighted)
    share = 1 / ((weighted[:, 0] + weighted[:, 1]) + weighted[:, 2])
    return (weighted * share[:, None]).float()


def _nearest(setup: Setup, height: int, width: int) -> Int[Tensor, " p"]:
    """Return for each pixel the least (depth, number) of all triangles, packed."""
    keys = torch.full((height * width,), NOTHING, dtype=torch.int64, device=setup.x.device)
    half = ONE // 2
    left = ((setup.x.amin(1) - half + ONE - 1) >> BITS).clamp(min=0)
    right = ((setup.x.amax(1) - half) >> BITS).clamp(max=width - 1)
    top = ((setup.y.amin(1) - half + ONE - 1) >> BITS).clamp(min=0)
    bottom = ((setup.y.amax(1) - half) >> BITS).clamp(max=height - 1)
    lines = torch.where(right >= left, (bottom - top + 1).clamp(min=0), 0)
    owner, offset = _expand(lines)  # one entry for each line of each triangle
    length = (right - left + 1)[owner]
    ends = length.cumsum(0)
    first, done = 0, 0
    while first < len(owner):
        # at least one line a round, however long it is
        last = max(int(torch.searchsorted(ends, done + PORTION, right=True)), first + 1)
        line, step = _expand(length[first:last])
        row = owner[first:last][line]
        y = top[row] + offset[first:last][line]
        _draw(keys, setup, row, left[row] + step, y, width)
        done, first = int(ends[last - 1]), last
    return keys


def _draw(keys: Tensor, setup: Setup, row: Tensor, column: Tensor, line: Tensor, width: int) -> None:
    """Lower the keys of the candidate pixels that are inside their triangles."""
    edges = _edges(setup, row, column, line)
    inside = ((edges + setup.bias[row]) >= 0).all(-1).nonzero()[:, 0]
    row, edges = row[inside], edges[inside]
    packed = (_depth(setup, row, edges).view(torch.int32).long() << 32) | setup.number[row]
    keys.scatter_reduce_(0, line[inside] * width + column[inside], packed, "amin")


def _expand(counts: Int[Tensor, " n"]) -> tuple[Int[Tensor, " m"], Int[Tensor, " m"]]:
    """Return for every member of groups of these sizes its group and its place in it."""
    group = torch.repeat_interleave(counts)
    start = counts.cumsum(0) - counts
    return group, torch.arange(len(group), device=counts.device) - start[group]


def _depths(keys: Int[Tensor, " p"]) -> Float[Tensor, " p"]:
    depth = (keys >> 32).to(torch.int32).view(torch.float32)
    return torch.where(keys == NOTHING, torch.inf, depth)
