"""Compiled loops over the samples of a picture: the twins of `phiz.world.drawn.samples` in torch."""

from __future__ import annotations

from typing import Any

import numpy as np

from phiz.compiling import compiled

GROUPS = 5
"""Skin, eyes, mouth, hair, things."""


def _sort(triangle: Any, depth: Any, kind: Any, label_of: Any, nothing: Any, way: Any, out: Any) -> None:
    """Sort all samples by what they show, and say of each pixel what it is, in place.

    `kind` is each triangle's group (-1: none); `way` is how a group is sampled: 0 once a pixel,
    1 every sample, 2 every other. `out` is (label, alpha, depth, flat numbers, shares, counts).
    """
    label, alpha, far, flat, share, counts = out
    rows, columns = triangle.shape[0] // 2, triangle.shape[1] // 2
    wide = triangle.shape[1]
    named = np.empty(4, np.int64)
    group = np.empty(4, np.int64)
    where = np.empty(4, np.int64)
    for row in range(rows):
        for column in range(columns):
            pixel = row * columns + column
            covered = 0
            for s in range(4):
                at = (2 * row + (s >> 1)) * wide + 2 * column + (s & 1)
                number = triangle[2 * row + (s >> 1), 2 * column + (s & 1)]
                where[s] = at
                if number < 0:
                    named[s], group[s], where[s] = nothing, -1, -1
                else:
                    named[s], group[s] = label_of[number], kind[number]
                    covered += 1
            label[pixel] = nothing
            alpha[pixel] = np.float32(covered) * np.float32(0.25)
            far[pixel] = np.inf
            if covered == 0:
                continue
            winner = commonest(named)
            label[pixel] = winner
            total, number = np.float32(0), 0
            for s in range(4):
                if named[s] == winner and where[s] >= 0:
                    z = depth[2 * row + (s >> 1), 2 * column + (s & 1)]
                    if z < np.inf:
                        total += z
                        number += 1
            if number > 0:
                far[pixel] = total / np.float32(number)
            place(group, where, way, flat, share, counts)


def _commonest(named: Any) -> Any:
    """Return the commonest of four numbers; of equals, the first."""
    best, most = named[0], 0
    for a in range(4):
        votes = 0
        for b in range(4):
            if named[a] == named[b]:
                votes += 1
        if votes > most:
            best, most = named[a], votes
    return best


def _place(group: Any, where: Any, way: Any, flat: Any, share: Any, counts: Any) -> None:
    """Add the points that one pixel gives to each group's list."""
    for s in range(4):
        g = group[s]
        if g < 0:
            continue
        rank, total = 0, 0
        for other in range(4):
            if group[other] == g:
                total += 1
                if other < s:
                    rank += 1
        weight = 0.25
        if way[g] == 0:
            if rank > 0:
                continue
            weight = 0.25 * total
        elif way[g] == 2:
            if rank % 2 == 1:
                continue
            weight = 0.25 * total / ((total + 1) // 2)
        n = counts[g]
        flat[g, n] = where[s]
        share[g, n] = weight
        counts[g] = n + 1


def _gather(flat: Any, triangle: Any, weights: Any, triangles: Any, out: Any) -> None:
    """Write pixel, triangle, weights and corners of the points at some samples, in place."""
    pixel, number, mix, corner = out
    wide = triangle.shape[1]
    for i in range(flat.shape[0]):
        y, x = flat[i] // wide, flat[i] % wide
        pixel[i] = (y >> 1) * (wide >> 1) + (x >> 1)
        t = triangle[y, x]
        number[i] = t
        for k in range(3):
            mix[i, k] = weights[y, x, k]
            corner[i, k] = triangles[t, k]


def _mix(weights: Any, corners: Any, table: Any, first: Any, out: Any) -> None:
    """Write the mix of the corners' rows of a table at each point, in place."""
    channels = table.shape[1]
    for i in range(weights.shape[0]):
        a, b, c = corners[i, 0] - first, corners[i, 1] - first, corners[i, 2] - first
        u, v, w = weights[i, 0], weights[i, 1], weights[i, 2]
        for k in range(channels):
            out[i, k] = u * table[a, k] + v * table[b, k] + w * table[c, k]


def _add(pixel: Any, share: Any, light: Any, albedo: Any, normals: Any, sums: Any) -> None:
    """Add the points' values to their pixels, in place."""
    for i in range(pixel.shape[0]):
        p, w = pixel[i], share[i]
        for k in range(3):
            sums[p, k] += light[i, k] * w
            sums[p, 3 + k] += albedo[i, k] * w
            sums[p, 6 + k] += normals[i, k] * w


def _relief(pixel: Any, places: Any, normals: Any, height: Any, width: Any, where: Any, out: Any) -> None:
    """Write normals tilted by a height map over a picture's points, in place; see `samples.relief`."""
    f = np.float32
    for i in range(pixel.shape[0]):
        where[pixel[i]] = i
    for i in range(pixel.shape[0]):
        x, y, z = normals[i, 0], normals[i, 1], normals[i, 2]
        out[i, 0], out[i, 1], out[i, 2] = x, y, z
        a, b = where[pixel[i] + 1], where[pixel[i] + width]
        if a < 0 or b < 0:
            continue
        px, py, pz = places[i, 0], places[i, 1], places[i, 2]
        ax, ay, az = places[a, 0] - px, places[a, 1] - py, places[a, 2] - pz
        bx, by, bz = places[b, 0] - px, places[b, 1] - py, places[b, 2] - pz
        r1x, r1y, r1z = by * z - bz * y, bz * x - bx * z, bx * y - by * x
        area = ax * r1x + ay * r1y + az * r1z
        near = ax * ax + ay * ay + az * az < f(36e-6) and bx * bx + by * by + bz * bz < f(36e-6)
        if not near or abs(area) <= f(1e-12):
            continue
        r2x, r2y, r2z = y * az - z * ay, z * ax - x * az, x * ay - y * ax
        dx, dy = (height[a] - height[i]) / area, (height[b] - height[i]) / area
        sx, sy, sz = dx * r1x + dy * r2x, dx * r1y + dy * r2y, dx * r1z + dy * r2z
        steep = f(0.9) / max(np.sqrt(sx * sx + sy * sy + sz * sz), f(0.9))
        x, y, z = x - sx * steep, y - sy * steep, z - sz * steep
        long = f(1) / max(np.sqrt(x * x + y * y + z * z), f(1e-12))
        out[i, 0], out[i, 1], out[i, 2] = x * long, y * long, z * long


relief = compiled(_relief)
commonest = compiled(_commonest)
place = compiled(_place)
sort = compiled(_sort)
gather = compiled(_gather)
mix = compiled(_mix)
add = compiled(_add)
