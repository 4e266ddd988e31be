"""The compiled twin of the rasteriser: plain loops over triangles and pixels, one thread.

The arithmetic is that of `raster_torch`, step for step and without fast-math, so that both give
the same numbers. Compilation happens at the first call and is kept on disk.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from phiz.compiling import compiled
from phiz.graphics.raster_torch import BITS, GUARD, NEAR, ONE

HALF = ONE // 2


def rasterise(
    screen: Float[Tensor, "v 3"], triangles: Int[Tensor, "f 3"], height: int, width: int, cull: bool
) -> tuple[Int[Tensor, "h w"], Float[Tensor, "h w 3"], Float[Tensor, "h w"]]:
    """Return triangle numbers, barycentric weights and depths; see `raster.rasterise`."""
    grid, nearness, corners = _arrays(screen, triangles)
    depth = np.full((height, width), np.inf, dtype=np.float32)
    triangle = np.full((height, width), -1, dtype=np.int32)
    weights = np.empty((height, width, 3), dtype=np.float32)
    fill(grid, nearness, corners, cull, depth, triangle)
    weigh(grid, nearness, corners, triangle, weights)
    return torch.from_numpy(triangle), torch.from_numpy(weights), torch.from_numpy(depth)


def rasterise_depth(
    screen: Float[Tensor, "v 3"], triangles: Int[Tensor, "f 3"], height: int, width: int, cull: bool
) -> Float[Tensor, "h w"]:
    """Return the depths only."""
    grid, nearness, corners = _arrays(screen, triangles)
    depth = np.full((height, width), np.inf, dtype=np.float32)
    fill(grid, nearness, corners, cull, depth, np.empty((height, width), dtype=np.int32))
    return torch.from_numpy(depth)


def _arrays(screen: Tensor, triangles: Tensor) -> tuple[Any, Any, Any]:
    """Return corners in grid steps, one over their depth (0: not to be drawn), and the triangles."""
    points = np.ascontiguousarray(screen.float().numpy())
    corners = np.ascontiguousarray(triangles.int().numpy())
    if corners.size and (int(corners.min()) < 0 or int(corners.max()) >= len(points)):
        raise IndexError(f"a triangle has a corner that is not among the {len(points)} points")
    grid = np.zeros((len(points), 2), dtype=np.int64)
    nearness = np.zeros(len(points), dtype=np.float64)
    snap(points, grid, nearness)
    return grid, nearness, corners


def _snap(points: Any, grid: Any, nearness: Any) -> None:
    """Write what the other loops need to know about each corner, in place."""
    for i in range(points.shape[0]):
        x, y, depth = points[i, 0], points[i, 1], points[i, 2]
        # Comparisons with NaN are false, so it fails this as infinity does.
        if abs(x) <= GUARD and abs(y) <= GUARD and depth >= NEAR and depth < np.inf:
            grid[i, 0] = np.int64(np.floor(np.float64(x) * ONE + 0.5))
            grid[i, 1] = np.int64(np.floor(np.float64(y) * ONE + 0.5))
            nearness[i] = 1.0 / np.float64(depth)


def _owns(dx: Any, dy: Any) -> Any:
    """Return 0 for a top or left edge, which owns the pixels on it, else -1."""
    return 0 if dy < 0 or (dy == 0 and dx > 0) else -1


def _fill(grid: Any, nearness: Any, triangles: Any, cull: Any, depth: Any, triangle: Any) -> None:
    """Draw all triangles into a depth map and a map of their numbers, in place."""
    height, width = depth.shape
    for number in range(triangles.shape[0]):
        i, j, k = triangles[number, 0], triangles[number, 1], triangles[number, 2]
        n0, n1, n2 = nearness[i], nearness[j], nearness[k]
        if n0 == 0.0 or n1 == 0.0 or n2 == 0.0:
            continue
        x0, y0, x1, y1, x2, y2 = grid[i, 0], grid[i, 1], grid[j, 0], grid[j, 1], grid[k, 0], grid[k, 1]
        left = max((min(x0, x1, x2) + HALF - 1) >> BITS, 0)
        right = min((max(x0, x1, x2) - HALF) >> BITS, width - 1)
        top = max((min(y0, y1, y2) + HALF - 1) >> BITS, 0)
        bottom = min((max(y0, y1, y2) - HALF) >> BITS, height - 1)
        if left > right or top > bottom:
            continue
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area == 0 or (cull and area > 0):
            continue
        if area < 0:  # make corners run clockwise
            x1, y1, n1, x2, y2, n2, area = x2, y2, n2, x1, y1, n1, -area
        b0, b1, b2 = owns(x2 - x1, y2 - y1), owns(x0 - x2, y0 - y2), owns(x1 - x0, y1 - y0)
        px, py = left * ONE + HALF, top * ONE + HALF
        line0 = (x1 - px) * (y2 - py) - (x2 - px) * (y1 - py)
        line1 = (x2 - px) * (y0 - py) - (x0 - px) * (y2 - py)
        line2 = (x0 - px) * (y1 - py) - (x1 - px) * (y0 - py)
        across0, across1, across2 = (y1 - y2) * ONE, (y2 - y0) * ONE, (y0 - y1) * ONE
        down0, down1, down2 = (x2 - x1) * ONE, (x0 - x2) * ONE, (x1 - x0) * ONE
        whole = np.float64(area)
        for y in range(top, bottom + 1):
            e0, e1, e2 = line0, line1, line2
            for x in range(left, right + 1):
                # a sign bit in any of the three means outside
                if ((e0 + b0) | (e1 + b1) | (e2 + b2)) >= 0:
                    total = (np.float64(e0) * n0 + np.float64(e1) * n1) + np.float64(e2) * n2
                    z = np.float32(whole / total)
                    if z < depth[y, x]:  # on a tie the earlier triangle stays
                        depth[y, x] = z
                        triangle[y, x] = number
                e0 += across0
                e1 += across1
                e2 += across2
            line0 += down0
            line1 += down1
            line2 += down2


def _weigh(grid: Any, nearness: Any, triangles: Any, triangle: Any, weights: Any) -> None:
    """Write the perspective-correct weights of the corners of each pixel's triangle, in place."""
    height, width = triangle.shape
    for y in range(height):
        py = y * ONE + HALF
        for x in range(width):
            number = triangle[y, x]
            if number < 0:
                weights[y, x, 0] = weights[y, x, 1] = weights[y, x, 2] = 0.0
                continue
            px = x * ONE + HALF
            i, j, k = triangles[number, 0], triangles[number, 1], triangles[number, 2]
            x0, y0 = grid[i, 0] - px, grid[i, 1] - py
            x1, y1 = grid[j, 0] - px, grid[j, 1] - py
            x2, y2 = grid[k, 0] - px, grid[k, 1] - py
            w0 = np.float64(x1 * y2 - x2 * y1) * nearness[i]
            w1 = np.float64(x2 * y0 - x0 * y2) * nearness[j]
            w2 = np.float64(x0 * y1 - x1 * y0) * nearness[k]
            share = 1.0 / ((w0 + w1) + w2)
            weights[y, x, 0] = w0 * share
            weights[y, x, 1] = w1 * share
            weights[y, x, 2] = w2 * share


owns = compiled(_owns)
snap = compiled(_snap)
fill = compiled(_fill)
weigh = compiled(_weigh)
