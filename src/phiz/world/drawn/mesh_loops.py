"""Compiled loops over meshes: normals, nearest points, places in a picture."""

from __future__ import annotations

from typing import Any

import numpy as np

from phiz.compiling import compiled


def _normals(points: Any, triangles: Any, out: Any) -> None:
    """Write unit normals, each the mean of its triangles' weighted by their areas, in place."""
    for f in range(triangles.shape[0]):
        a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        ux, uy, uz = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1], points[b, 2] - points[a, 2]
        vx, vy, vz = points[c, 0] - points[a, 0], points[c, 1] - points[a, 1], points[c, 2] - points[a, 2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for k in range(3):
            corner = triangles[f, k]
            out[corner, 0] += nx
            out[corner, 1] += ny
            out[corner, 2] += nz
    for v in range(points.shape[0]):
        long = np.sqrt(out[v, 0] * out[v, 0] + out[v, 1] * out[v, 1] + out[v, 2] * out[v, 2])
        scale = np.float32(1) / max(long, np.float32(1e-20))
        for k in range(3):
            out[v, k] *= scale


def _sorted_by_cell(points: Any, low: Any, cell: Any, shape: Any, start: Any, order: Any) -> None:
    """Write the points' numbers cell by cell, and where each cell's begin, in place."""
    count = points.shape[0]
    own = np.empty(count, np.int64)
    for i in range(count):
        at = 0
        for k in range(3):
            at = at * shape[k] + min(int((points[i, k] - low[k]) / cell), shape[k] - 1)
        own[i] = at
        start[at + 1] += 1
    for c in range(1, start.shape[0]):
        start[c] += start[c - 1]
    fill = start[:-1].copy()
    for i in range(count):
        order[fill[own[i]]] = i
        fill[own[i]] += 1


def _nearest(
    points: Any, others: Any, low: Any, cell: Any, shape: Any, start: Any, order: Any, rows: Any, out: Any
) -> None:
    """Write the nearest other point among the cells around each, and how far it is, in place.

    `rows` holds the steps (two axes) to the rows of cells that are near enough, nearest first, and
    the least distance to each; `out` is (distances, numbers).
    """
    away, found = out
    steps, least = rows
    reach = steps[:, 0].max()
    for i in range(points.shape[0]):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        at0 = int(np.floor((x - low[0]) / cell))
        at1 = int(np.floor((y - low[1]) / cell))
        at2 = int(np.floor((z - low[2]) / cell))
        best, number = np.float32(np.inf), 0
        first, last = max(at2 - reach, 0), min(at2 + reach + 1, shape[2])
        for r in range(steps.shape[0] if first < last else 0):
            if least[r] > best:
                break
            p, q = at0 + steps[r, 0], at1 + steps[r, 1]
            if p < 0 or q < 0 or p >= shape[0] or q >= shape[1]:
                continue
            row = (p * shape[1] + q) * shape[2]
            for k in range(start[row + first], start[row + last]):
                j = order[k]
                dx, dy, dz = x - others[j, 0], y - others[j, 1], z - others[j, 2]
                square = dx * dx + dy * dy + dz * dz
                if square < best or (square == best and j < number):
                    best, number = square, j
        away[i] = np.sqrt(best)
        found[i] = number


def _lamp_screen(seen: Any, size: Any, margin: Any, far: Any, out: Any) -> Any:
    """Write where a lamp's map shows each point; return its lower left corner, width and scale."""
    x0 = x1 = seen[0, 0]
    y0 = y1 = seen[0, 1]
    for i in range(seen.shape[0]):
        x, y = seen[i, 0], seen[i, 1]
        x0, x1 = min(x0, x), max(x1, x)
        y0, y1 = min(y0, y), max(y1, y)
    width = np.float64(max(x1 - x0, y1 - y0)) * margin
    scale = size / width
    step, tall, back = np.float32(scale), np.float32(size), np.float32(far * width)
    for i in range(seen.shape[0]):
        out[i, 0] = (seen[i, 0] - x0) * step
        out[i, 1] = tall - (seen[i, 1] - y0) * step
        out[i, 2] = back - seen[i, 2]
    return x0, y0, width, scale


def _screen(points: Any, turn: Any, shift: Any, focal: Any, middle: Any, size: Any, out: Any) -> None:
    """Write (x px, y px, depth) of points before a camera, in place."""
    half_w, half_h = np.float32(0.5 * size[1]), np.float32(0.5 * size[0])
    one = np.float32(1)
    for i in range(points.shape[0]):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        cx = turn[0, 0] * x + turn[0, 1] * y + turn[0, 2] * z + shift[0]
        cy = turn[1, 0] * x + turn[1, 1] * y + turn[1, 2] * z + shift[1]
        depth = -(turn[2, 0] * x + turn[2, 1] * y + turn[2, 2] * z + shift[2])
        out[i, 0] = (focal[0] * cx / depth + middle[0] + one) * half_w
        out[i, 1] = (middle[1] - focal[1] * cy / depth + one) * half_h
        out[i, 2] = depth


def _smooth_radius(directions: Any, away: Any, radius: Any, spread: Any, out: Any) -> None:
    """Write how far some points are from a centre in each direction: a mean, and no less than any near.

    `away` holds rows of x, y and z. Beyond some 25 degrees of the narrowest spread no point counts.
    """
    steep = spread * spread / np.float32(2)
    close, far = np.float32(np.cos(np.float64(0.6) * spread)), np.float32(1) - np.float32(20) * steep
    count = away.shape[1]
    near = np.empty(count, np.float32)
    least, base = 1e-12 * count, 0.0
    for j in range(count):
        base += 1e-12 * radius[j]
    for i in range(directions.shape[0]):
        x, y, z = directions[i, 0], directions[i, 1], directions[i, 2]
        for j in range(count):
            near[j] = x * away[0, j] + y * away[1, j] + z * away[2, j]
        weights, total, most = least, base, np.float32(0)
        for j in range(count):
            if near[j] > far:
                weight = np.exp((near[j] - np.float32(1)) / steep)
                weights += weight
                total += weight * radius[j]
                if near[j] > close:
                    most = max(most, radius[j])
        out[i] = max(np.float32(total / weights), most)


smooth_radius = compiled(_smooth_radius)
normals = compiled(_normals)
sorted_by_cell = compiled(_sorted_by_cell)
nearest = compiled(_nearest)
lamp_screen = compiled(_lamp_screen)
screen = compiled(_screen)
