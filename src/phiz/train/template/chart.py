"""A flat map of a curved patch, so that new triangles can be laid out on paper.

A patch with one outer border (holes are closed with a fan first) goes to the unit disc by Tutte's
embedding with Floater's mean value weights (Floater, 2003): every inner vertex is a weighted mean of
its neighbours, so that no triangle folds over and angles nearly survive.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import spsolve
from scipy.spatial import cKDTree

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

NEAREST = (12, 60, 400)
"""How many triangles to try when looking for the one that holds a point; more only when needed."""


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A patch in space and the same patch on paper."""

    vertices: Floats
    """(v, 3); closed holes add a vertex each at the end."""
    triangles: Ints
    """(f, 3); closed holes add their fans at the end."""
    real: int
    """How many of the triangles belong to the patch itself."""
    flat: Floats
    """(v, 2) in the unit disc."""


@dataclass(frozen=True, kw_only=True)
class Spots:
    """Points on a surface: which triangle, and where in it."""

    triangle: Ints
    weight: Floats
    """(n, 3) barycentric."""

    def on(self, vertices: Floats, triangles: Ints) -> Floats:
        """Return the points for any values (n, c) that live on the vertices."""
        return np.asarray(np.einsum("nk,nkc->nc", self.weight, vertices[triangles[self.triangle]]))


def border_loops(triangles: Ints) -> list[Ints]:
    """Return each border as a ring of vertices, the longest first; the patch lies on their left."""
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    known = {(int(a), int(b)) for a, b in edges}
    following = {a: b for a, b in known if (b, a) not in known}
    loops = []
    while following:
        start, current = following.popitem()
        ring = [start]
        while current != start:
            ring.append(current)
            if current not in following:
                raise ValueError(
                    "two borders of the patch meet in a vertex, or it is not a surface; mend the scan"
                )
            current = following.pop(current)
        loops.append(np.array(ring, np.int64))
    return sorted(loops, key=len, reverse=True)


def make_chart(vertices: Floats, triangles: Ints, outer: Ints) -> Chart:
    """Return the flat map of a patch whose border ``outer`` becomes the unit circle."""
    members = set(outer.tolist())
    holes = [loop for loop in border_loops(triangles) if not members & set(loop.tolist())]
    points, fans = [vertices], [triangles]
    for number, loop in enumerate(holes):
        hub = len(vertices) + number
        points.append(vertices[loop].mean(axis=0, keepdims=True))
        fans.append(np.stack([np.roll(loop, -1), loop, np.full(len(loop), hub)], axis=1))
    all_points, all_triangles = np.concatenate(points), np.concatenate(fans)
    flat = _embed(all_points, all_triangles, outer)
    return Chart(vertices=all_points, triangles=all_triangles, real=len(triangles), flat=flat)


def _mean_value_weights(vertices: Floats, triangles: Ints) -> tuple[Ints, Ints, Floats]:
    """Return row, column and value of the weights: tan of half angles over edge length."""
    rows, columns, values = [], [], []
    for k in range(3):
        here, left, right = triangles[:, k], triangles[:, (k + 1) % 3], triangles[:, (k + 2) % 3]
        to_left, to_right = vertices[left] - vertices[here], vertices[right] - vertices[here]
        length_left = np.linalg.norm(to_left, axis=1) + 1e-12
        length_right = np.linalg.norm(to_right, axis=1) + 1e-12
        cosine = np.clip((to_left * to_right).sum(axis=1) / (length_left * length_right), -1, 1)
        half = np.tan(np.arccos(cosine) / 2) + 1e-9
        rows += [here, here]
        columns += [left, right]
        values += [half / length_left, half / length_right]
    return np.concatenate(rows), np.concatenate(columns), np.concatenate(values)


def _embed(vertices: Floats, triangles: Ints, outer: Ints) -> Floats:
    count = len(vertices)
    around = np.linalg.norm(vertices[outer] - np.roll(vertices[outer], 1, axis=0), axis=1)
    angle = 2 * np.pi * np.cumsum(around) / around.sum()
    target = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    row, column, value = _mean_value_weights(vertices, triangles)
    inner = np.ones(count, bool)
    inner[outer] = False
    keep = inner[row]
    matrix = coo_matrix((-value[keep], (row[keep], column[keep])), (count, count)).tocsr()
    diagonal = np.where(inner, -np.asarray(matrix.sum(axis=1)).ravel(), 1.0)
    system = (matrix + coo_matrix((diagonal, (np.arange(count),) * 2), (count, count))).tocsc()
    right = np.zeros((count, 2))
    right[outer] = target
    return np.stack([spsolve(system, right[:, k]) for k in range(2)], axis=1)


def locate(chart: Chart, flat: Floats) -> tuple[Ints, Floats]:
    """Return, for points on paper, the triangle that holds each and its barycentric weights."""
    corners = chart.flat[chart.triangles]
    tree = cKDTree(corners.mean(axis=1))
    found = np.full(len(flat), -1, np.int64)
    weights = np.zeros((len(flat), 3))
    best = np.full(len(flat), -np.inf)
    for nearest in NEAREST:
        open_points = np.flatnonzero(best < -1e-9)
        if not len(open_points):
            break
        _, near = tree.query(flat[open_points], k=min(nearest, len(corners)))
        bary = barycentric(flat[open_points, None], corners[near])
        score = bary.min(axis=2)
        winner = score.argmax(axis=1)
        rows = np.arange(len(open_points))
        found[open_points], best[open_points] = near[rows, winner], score[rows, winner]
        weights[open_points] = bary[rows, winner]
    clipped = np.clip(weights, 0, None)
    return found, clipped / clipped.sum(axis=1, keepdims=True)


def barycentric(points: Floats, corners: Floats) -> Floats:
    """Return the barycentric weights (..., 3) of plane points in plane triangles (..., 3, 2)."""
    a, b, c = corners[..., 0, :], corners[..., 1, :], corners[..., 2, :]
    double = _cross(b - a, c - a)
    double = np.where(np.abs(double) < 1e-30, 1e-30, double)
    second = _cross(points - a, c - a) / double
    third = _cross(b - a, points - a) / double
    return np.stack([1 - second - third, second, third], axis=-1)


def _cross(a: Floats, b: Floats) -> Floats:
    return np.asarray(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])


def nearest_on(points: Floats, vertices: Floats, triangles: Ints, tries: int = 16) -> tuple[Spots, Floats]:
    """Return the nearest spots of a surface and their distances.

    Only the ``tries`` triangles with the nearest centres are looked at, which is enough where
    neighbours are of similar size.
    """
    tree = cKDTree(vertices[triangles].mean(axis=1))
    _, near = tree.query(points, k=min(tries, len(triangles)))
    near = near.reshape(len(points), -1)  # a single neighbour comes without its axis
    corners = vertices[triangles[near]]  # (n, k, 3, 3)
    weight = _closest_weights(points[:, None], corners)
    there = np.einsum("nkj,nkjc->nkc", weight, corners)
    distance = np.linalg.norm(there - points[:, None], axis=2)
    winner = distance.argmin(axis=1)
    rows = np.arange(len(points))
    spots = Spots(triangle=near[rows, winner], weight=weight[rows, winner])
    return spots, distance[rows, winner]


def _closest_weights(points: Floats, corners: Floats) -> Floats:
    """Return the weights of the closest point of each triangle: inside, or on the best edge."""
    a, b, c = corners[..., 0, :], corners[..., 1, :], corners[..., 2, :]
    u, v, w = b - a, c - a, points - a
    uu, uv, vv = (u * u).sum(-1), (u * v).sum(-1), (v * v).sum(-1)
    wu, wv = (w * u).sum(-1), (w * v).sum(-1)
    double = np.maximum(uu * vv - uv * uv, 1e-30)
    second, third = (vv * wu - uv * wv) / double, (uu * wv - uv * wu) / double
    inside = np.stack([1 - second - third, second, third], axis=-1)
    options = [np.where((inside >= 0).all(-1, keepdims=True), inside, np.nan)]
    for i, j in ((0, 1), (1, 2), (2, 0)):
        start, edge = corners[..., i, :], corners[..., j, :] - corners[..., i, :]
        t = np.clip(((points - start) * edge).sum(-1) / np.maximum((edge * edge).sum(-1), 1e-30), 0, 1)
        along = np.zeros(inside.shape)
        along[..., i], along[..., j] = 1 - t, t
        options.append(along)
    stacked = np.stack(options)
    there = np.einsum("onkj,nkjc->onkc", stacked, corners)
    distance = np.linalg.norm(there - points, axis=-1)
    choice = np.nanargmin(distance, axis=0)
    return np.asarray(np.take_along_axis(stacked, choice[None, ..., None], axis=0)[0])
