"""Compiled loops over the hairs of a face: twins of what `brows` and `beard` do in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np

from phiz.compiling import compiled

ZERO, ONE, TINY = np.float32(0), np.float32(1), np.float32(1e-12)


def _bend(start: Any, begin: Any, end: Any, stride: Any, turn: Any, out: Any) -> None:
    """Write hairs that leave along `begin` and have turned to `end` at their tips."""
    for i in range(start.shape[0]):
        x, y, z = start[i, 0], start[i, 1], start[i, 2]
        sx = sy = sz = ZERO
        out[i, 0, 0], out[i, 0, 1], out[i, 0, 2] = x, y, z
        for k in range(turn.shape[0]):
            late, early = turn[k], ONE - turn[k]
            dx = begin[i, 0] * early + end[i, 0] * late
            dy = begin[i, 1] * early + end[i, 1] * late
            dz = begin[i, 2] * early + end[i, 2] * late
            size = max(np.sqrt(dx * dx + dy * dy + dz * dz), TINY)
            sx, sy, sz = sx + dx / size * stride[i], sy + dy / size * stride[i], sz + dz / size * stride[i]
            out[i, k + 1, 0], out[i, k + 1, 1], out[i, k + 1, 2] = x + sx, y + sy, z + sz


def _along(points: Any, normals: Any, line: Any, course: Any, nearest: Any, scale: Any, out: Any) -> None:
    """Write how far along a line points lie, and how far above it along the skin."""
    s, t = out
    last = np.float64(line.shape[0] - 1)
    for i in range(points.shape[0]):
        j = nearest[i]
        ox, oy, oz = points[i, 0] - line[j, 0], points[i, 1] - line[j, 1], points[i, 2] - line[j, 2]
        ahead = ox * course[j, 0] + oy * course[j, 1] + oz * course[j, 2]
        ax, ay, az = ox - ahead * course[j, 0], oy - ahead * course[j, 1], oz - ahead * course[j, 2]
        high = ax * normals[i, 0] + ay * normals[i, 1] + az * normals[i, 2]
        ax, ay, az = ax - high * normals[i, 0], ay - high * normals[i, 1], az - high * normals[i, 2]
        far = np.sqrt(ax * ax + ay * ay + az * az)
        s[i] = np.float32(j / last + np.float64(ahead / scale))
        t[i] = far if ay > ZERO else (-far if ay < ZERO else ZERO)


def _beside(wanted: Any, middle: Any, square: Any, out: Any) -> None:
    """Write which middle lies nearest to each wanted place."""
    gap = np.empty(middle.shape[1], np.float64)
    for i in range(wanted.shape[0]):
        x, y, z = wanted[i, 0], wanted[i, 1], wanted[i, 2]
        for j in range(gap.shape[0]):
            gap[j] = square[j] - 2 * (x * middle[0, j] + y * middle[1, j] + z * middle[2, j])
        best = 0
        for j in range(gap.shape[0]):
            if gap[j] < gap[best]:
                best = j
        out[i] = best


def _hang(
    roots: Any, normals: Any, flow: Any, lift: Any, stride: Any, sag: Any, swing: Any, path: Any
) -> None:
    """Write the hairs of a beard: they sag, at first no deeper than the skin, and wave where they swing."""
    steps = path.shape[1]
    for i in range(path.shape[0]):
        nx, ny, nz = normals[i, 0], normals[i, 1], normals[i, 2]
        rise, lie = np.sin(lift[i]), np.cos(lift[i])
        dx, dy, dz = flow[i, 0] * lie + nx * rise, flow[i, 1] * lie + ny * rise, flow[i, 2] * lie + nz * rise
        size = max(np.sqrt(dx * dx + dy * dy + dz * dz), TINY)
        dx, dy, dz = dx / size, dy / size, dz / size
        x, y, z = roots[i, 0], roots[i, 1], roots[i, 2]
        path[i, 0, 0], path[i, 0, 1], path[i, 0, 2] = x, y, z
        pull = np.float32(18) * stride[i]
        for k in range(1, steps):
            dx, dy, dz = dx + pull * sag[i], dy - pull, dz
            size = max(np.sqrt(dx * dx + dy * dy + dz * dz), TINY)
            dx, dy, dz = dx / size, dy / size, dz / size
            if 2 * k < steps:
                inward = min(dx * nx + dy * ny + dz * nz - np.float32(0.06), ZERO)
                dx, dy, dz = dx - inward * nx, dy - inward * ny, dz - inward * nz
                size = max(np.sqrt(dx * dx + dy * dy + dz * dz), TINY)
                dx, dy, dz = dx / size, dy / size, dz / size
            x, y, z = x + stride[i] * dx, y + stride[i] * dy, z + stride[i] * dz
            path[i, k, 0], path[i, k, 1], path[i, k, 2] = x, y, z
        if swing.shape[0] > 0:
            cx, cy, cz = dy * nz - dz * ny, dz * nx - dx * nz, dx * ny - dy * nx
            size = max(np.sqrt(cx * cx + cy * cy + cz * cz), TINY)
            for k in range(steps):
                path[i, k, 0] += swing[i, k] * (cx / size)
                path[i, k, 1] += swing[i, k] * (cy / size)
                path[i, k, 2] += swing[i, k] * (cz / size)


bend = compiled(_bend)
along = compiled(_along)
beside = compiled(_beside)
hang = compiled(_hang)
