"""Globes: directions with triangles between them, and how to shrink them onto a closed surface."""

from __future__ import annotations

import numpy as np

from phiz.train.template.chart import Floats, Ints


def bands(rings: int, around: int) -> Ints:
    """Return the triangles between neighbouring rings of equally many vertices."""
    ring, spoke = np.meshgrid(np.arange(rings - 1), np.arange(around), indexing="ij")
    a, b = ring * around + spoke, ring * around + (spoke + 1) % around
    c, d = a + around, b + around
    return np.stack([np.stack([a, b, d], -1), np.stack([a, d, c], -1)], axis=2).reshape(-1, 3)


def globe(angles: Floats, around: int) -> tuple[Floats, Ints]:
    """Return directions and outward triangles of a globe whose first pole is +z."""
    spoke = 2 * np.pi * np.arange(around) / around
    ring = np.stack(
        [
            np.outer(np.sin(angles), np.cos(spoke)),
            np.outer(np.sin(angles), np.sin(spoke)),
            np.outer(np.cos(angles), np.ones(around)),
        ],
        axis=2,
    ).reshape(-1, 3)
    directions = np.concatenate([ring, [[0, 0, 1.0]], [[0, 0, -1.0]]])
    front, back, last = len(ring), len(ring) + 1, (len(angles) - 1) * around
    step = np.arange(around)
    caps = [
        np.stack([np.full(around, front), step, (step + 1) % around], axis=1),
        np.stack([np.full(around, back), last + (step + 1) % around, last + step], axis=1),
    ]
    return directions, np.concatenate([bands(len(angles), around)[:, [0, 2, 1]], *caps])


def shrink(directions: Floats, centre: Floats, vertices: Floats, triangles: Ints) -> Floats:
    """Return where rays from the centre last leave a closed surface."""
    corner = vertices[triangles] - centre
    edge1, edge2 = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    across = np.cross(directions[:, None], edge2[None])
    double = (edge1 * across).sum(-1)
    double = np.where(np.abs(double) < 1e-20, np.nan, double)
    u = -(corner[:, 0] * across).sum(-1) / double
    turned = np.cross(-corner[:, 0], edge1)
    v = (directions[:, None] * turned).sum(-1) / double
    distance = (edge2 * turned).sum(-1) / double
    with np.errstate(invalid="ignore"):
        hit = (u >= -1e-6) & (v >= -1e-6) & (u + v <= 1 + 1e-6) & (distance > 0)
    far = np.where(hit, distance, -np.inf).max(axis=1)
    if not np.isfinite(far).all():
        raise ValueError("a ray from the centre of a closed part leaves it nowhere")
    return np.asarray(centre + far[:, None] * directions)


def sphere_centre(points: Floats) -> Floats:
    """Return the centre of the sphere that fits points best (linear least squares)."""
    matrix = np.concatenate([2 * points, np.ones((len(points), 1))], axis=1)
    solution, *_ = np.linalg.lstsq(matrix, (points**2).sum(axis=1), rcond=None)
    return np.asarray(solution[:3])
