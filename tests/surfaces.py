"""Made-up surfaces for tests: a wavy disc, a sphere, and a hemisphere with holes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.spatial import Delaunay

from phiz.train.template.chart import Floats, Ints


def flat_disc(rings: int) -> tuple[Floats, Ints]:
    """Return points of the unit disc, symmetric in x, and anticlockwise triangles."""
    points = [np.zeros((1, 2))]
    for ring in range(1, rings + 1):
        # The offset keeps every vertex off the line x = 0, as a scan's vertices are.
        angle = 2 * np.pi * (np.arange(6 * ring) + 0.5) / (6 * ring)
        points.append(ring / rings * np.stack([np.sin(angle), np.cos(angle)], axis=1))
    flat = np.concatenate(points)
    triangles = Delaunay(flat).simplices.astype(np.int64)
    a, b, c = (flat[triangles[:, k]] for k in range(3))
    turn = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    triangles = triangles[np.abs(turn) > 1e-9]
    return flat, np.where((turn < 0)[np.abs(turn) > 1e-9, None], triangles[:, [0, 2, 1]], triangles)


def wavy_disc(rings: int = 24) -> tuple[Floats, Ints]:
    """Return a disc whose height rises and falls."""
    flat, triangles = flat_disc(rings)
    x, y = flat.T
    return np.stack([x, y, 0.15 * np.cos(4 * x) * np.sin(3 * y)], axis=1), triangles


def holed_hemisphere(rings: int = 30) -> tuple[Floats, Ints]:
    """Return a hemisphere towards +z with two holes for eyes and one for a mouth."""
    flat, triangles = flat_disc(rings)
    polar = np.linalg.norm(flat, axis=1) * np.pi / 2
    way = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)
    points = np.concatenate([way * np.sin(polar)[:, None], np.cos(polar)[:, None]], axis=1)
    centre = points[triangles].mean(axis=1)
    keep = np.ones(len(triangles), bool)
    for x, y, wide, high in ((0.35, 0.25, 0.14, 0.10), (-0.35, 0.25, 0.14, 0.10), (0.0, -0.4, 0.25, 0.08)):
        keep &= ((centre[:, 0] - x) / wide) ** 2 + ((centre[:, 1] - y) / high) ** 2 > 1
    return drop_loose(points, biggest_ring(triangles[keep]))


def biggest_ring(triangles: Ints) -> Ints:
    """Return the triangles without those that hang on a border by one corner only."""
    while True:
        edges = np.sort(
            np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1
        )
        _, number, count = np.unique(edges, axis=0, return_inverse=True, return_counts=True)
        shared = (count[number.ravel()] == 2).reshape(3, -1).sum(axis=0)
        if (shared >= 2).all():
            return triangles
        triangles = triangles[shared >= 2]


def drop_loose(points: Floats, triangles: Ints) -> tuple[Floats, Ints]:
    """Return only the vertices in use."""
    used, number = np.unique(triangles, return_inverse=True)
    return points[used], number.reshape(-1, 3)


def even(length: float) -> Callable[[Floats], Floats]:
    """Return a size field that wants the same edges everywhere."""
    return lambda points: np.full(len(points), length)


def volume(points: Floats, triangles: Ints) -> float:
    """Return what a closed surface encloses; negative if it is inside out."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


def edge_counts(triangles: Ints) -> Ints:
    """Return how many triangles share each edge."""
    edges = np.sort(
        np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1
    )
    return np.asarray(np.unique(edges, axis=0, return_counts=True)[1])
