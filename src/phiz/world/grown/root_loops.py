"""Compiled loops over roots and the skin under them: twins of what `hair_fields` and others do in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np

from phiz.compiling import compiled

ZERO = np.float32(0)


def _areas(vertices: Any, triangles: Any, density: Any, out: Any) -> None:
    """Write twice the triangles' areas times their densities."""
    for n in range(triangles.shape[0]):
        p, q, r = triangles[n, 0], triangles[n, 1], triangles[n, 2]
        ax, ay, az = (
            vertices[q, 0] - vertices[p, 0],
            vertices[q, 1] - vertices[p, 1],
            vertices[q, 2] - vertices[p, 2],
        )
        bx, by, bz = (
            vertices[r, 0] - vertices[p, 0],
            vertices[r, 1] - vertices[p, 1],
            vertices[r, 2] - vertices[p, 2],
        )
        ab = ax * bx + ay * by + az * bz
        square = (ax * ax + ay * ay + az * az) * (bx * bx + by * by + bz * bz) - ab * ab
        out[n] = np.sqrt(max(square, ZERO)) * max(density[n], ZERO)


def _pick(share: Any, tickets: Any, out: Any) -> None:
    """Write for each ticket, in rising order, the first entry whose share reaches it."""
    j, last = 0, share.shape[0] - 1
    for i in range(tickets.shape[0]):
        while j < last and share[j] < tickets[i]:
            j += 1
        out[i] = j


def _stand(
    vertices: Any, normals: Any, triangles: Any, chosen: Any, spread: Any, corners: Any, out: Any
) -> None:
    """Write roots on the chosen triangles; `out` is (weights, points, unit normals)."""
    weights, points, ups = out
    one = np.float32(1)
    for i in range(chosen.shape[0]):
        root, v = np.sqrt(spread[0, i]), spread[1, i]
        a, b, c = one - root, root * (one - v), root * v
        n = chosen[i]
        p, q, r = triangles[n, 0], triangles[n, 1], triangles[n, 2]
        corners[i, 0], corners[i, 1], corners[i, 2] = p, q, r
        weights[i, 0], weights[i, 1], weights[i, 2] = a, b, c
        size = ZERO
        for k in range(3):
            points[i, k] = vertices[p, k] * a + vertices[q, k] * b + vertices[r, k] * c
            up = normals[p, k] * a + normals[q, k] * b + normals[r, k] * c
            ups[i, k] = up
            size += up * up
        size = max(np.sqrt(size), np.float32(1e-12))
        for k in range(3):
            ups[i, k] /= size


def _mix(values: Any, corners: Any, weights: Any, out: Any) -> None:
    """Write values at vertices mixed to the roots."""
    for i in range(corners.shape[0]):
        a = values[corners[i, 0]] * weights[i, 0] + values[corners[i, 1]] * weights[i, 1]
        out[i] = a + values[corners[i, 2]] * weights[i, 2]


def _frames(vertices: Any, normals: Any, corners: Any, weights: Any, rest: Any, frame: Any) -> None:
    """Write where roots stand, and the axes of the skin there, one a column."""
    tiny = np.float32(1e-12)
    for i in range(corners.shape[0]):
        p, q, r = corners[i, 0], corners[i, 1], corners[i, 2]
        a, b, c = weights[i, 0], weights[i, 1], weights[i, 2]
        for k in range(3):
            rest[i, k] = vertices[p, k] * a + vertices[q, k] * b + vertices[r, k] * c
        nx = normals[p, 0] * a + normals[q, 0] * b + normals[r, 0] * c
        ny = normals[p, 1] * a + normals[q, 1] * b + normals[r, 1] * c
        nz = normals[p, 2] * a + normals[q, 2] * b + normals[r, 2] * c
        size = max(np.sqrt(nx * nx + ny * ny + nz * nz), tiny)
        nx, ny, nz = nx / size, ny / size, nz / size
        ex = vertices[q, 0] - vertices[p, 0]
        ey = vertices[q, 1] - vertices[p, 1]
        ez = vertices[q, 2] - vertices[p, 2]
        sx, sy, sz = ny * ez - nz * ey, nz * ex - nx * ez, nx * ey - ny * ex
        size = max(np.sqrt(sx * sx + sy * sy + sz * sz), tiny)
        sx, sy, sz = sx / size, sy / size, sz / size
        frame[i, 0, 0], frame[i, 1, 0], frame[i, 2, 0] = (
            sy * nz - sz * ny,
            sz * nx - sx * nz,
            sx * ny - sy * nx,
        )
        frame[i, 0, 1], frame[i, 1, 1], frame[i, 2, 1] = sx, sy, sz
        frame[i, 0, 2], frame[i, 1, 2], frame[i, 2, 2] = nx, ny, nz


def _near(vertices: Any, triangles: Any, middle: Any, within: Any, out: Any) -> None:
    """Write which triangles have their first corner within a cube around a place."""
    for n in range(triangles.shape[0]):
        p = triangles[n, 0]
        far = abs(vertices[p, 0] - middle[0])
        far = max(far, abs(vertices[p, 1] - middle[1]))
        out[n] = max(far, abs(vertices[p, 2] - middle[2])) < within


def _unit(vectors: Any) -> None:
    """Scale vectors to length one, in place."""
    for i in range(vectors.shape[0]):
        x, y, z = vectors[i, 0], vectors[i, 1], vectors[i, 2]
        size = max(np.sqrt(x * x + y * y + z * z), np.float32(1e-12))
        vectors[i, 0], vectors[i, 1], vectors[i, 2] = x / size, y / size, z / size


def _tangent(vectors: Any, normals: Any, out: Any) -> None:
    """Write the part of vectors along the skin, as unit vectors."""
    for i in range(vectors.shape[0]):
        x, y, z = vectors[i, 0], vectors[i, 1], vectors[i, 2]
        a, b, c = normals[i, 0], normals[i, 1], normals[i, 2]
        high = x * a + y * b + z * c
        x, y, z = x - a * high, y - b * high, z - c * high
        size = max(np.sqrt(x * x + y * y + z * z), np.float32(1e-12))
        out[i, 0], out[i, 1], out[i, 2] = x / size, y / size, z / size


areas = compiled(_areas)
pick = compiled(_pick)
stand = compiled(_stand)
mix = compiled(_mix)
frames = compiled(_frames)
near = compiled(_near)
unit = compiled(_unit)
tangent = compiled(_tangent)
