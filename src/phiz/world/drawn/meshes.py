"""What meshes are asked for, as fast as the machine can: compiled loops where they run, else torch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int
from torch import Tensor

from phiz.face.morphable import vertex_normals
from phiz.graphics import camera as cameras
from phiz.graphics.camera import Camera
from phiz.world.drawn import loops, mesh_loops

RINGS = 3
"""Cells from a point's own to the farthest that is searched for its nearest neighbour."""


def normals(vertices: Float[Tensor, "v 3"], triangles: Int[Tensor, "f 3"]) -> Float[Tensor, "v 3"]:
    """Return a unit normal for each vertex, as `phiz.face.morphable.vertex_normals` does."""
    if not loops.ready(vertices):
        return vertex_normals(vertices[None], triangles)[0]
    out = np.zeros((vertices.shape[0], 3), np.float32)
    mesh_loops.normals(loops.array(vertices.float()), loops.array(triangles), out)
    return torch.from_numpy(out)


def nearest(
    points: Float[Tensor, "n 3"], others: Float[Tensor, "m 3"], within: float
) -> tuple[Float[Tensor, " n"], Int[Tensor, " n"]]:
    """Return how far the nearest of the other points is from each, and which it is.

    Where none lies within some metres, the distance is infinite and the number 0.
    """
    if not loops.ready(points):
        away, found = torch.cdist(points, others, compute_mode="donot_use_mm_for_euclid_dist").min(dim=1)
        near = away <= within
        return torch.where(near, away, torch.inf), torch.where(near, found, 0)
    there = loops.array(others)
    low, high = there.min(axis=0), there.max(axis=0)
    cell = np.float32(max(within / RINGS, float((high - low).max()) / 96))
    shape = ((high - low) / cell).astype(np.int64) + 1
    start, order = np.zeros(int(shape.prod()) + 1, np.int64), np.empty(len(there), np.int64)
    mesh_loops.sorted_by_cell(there, low, cell, shape, start, order)
    out = np.empty(points.shape[0], np.float32), np.empty(points.shape[0], np.int64)
    mesh_loops.nearest(loops.array(points), there, low, cell, shape, start, order, _rows(float(cell)), out)
    away_, found_ = out
    outside = away_ > within
    away_[outside], found_[outside] = np.inf, 0
    return torch.from_numpy(away_), torch.from_numpy(found_)


def _rows(cell: float) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Return steps to the rows of cells around one, nearest first, and squared least distances to them."""
    steps = np.stack(np.meshgrid(*[np.arange(-RINGS, RINGS + 1)] * 2, indexing="ij"), axis=-1).reshape(-1, 2)
    least = np.square(np.maximum(np.abs(steps) - 1, 0) * cell).sum(axis=1) * 0.9999
    order = np.argsort(least + 1e-9 * np.square(steps).sum(axis=1), kind="stable")
    return np.ascontiguousarray(steps[order]), least[order].astype(np.float32)


def on_screen(camera: Camera, points: Float[Tensor, "n 3"], size: int) -> Float[Tensor, "n 3"]:
    """Return (x px, y px, depth) of points in a square picture, as `camera.to_screen` does."""
    if not loops.ready(points):
        return cameras.to_screen(camera, points[None], size, size)[0]
    view, inside = loops.array(camera.camera_from_world[0]), loops.array(camera.intrinsics[0])
    out = np.empty((points.shape[0], 3), np.float32)
    lens = inside[[0, 1], [0, 1]], inside[:2, 2].copy()
    given = (loops.array(points), view[:3, :3].copy(), view[:3, 3].copy())
    mesh_loops.screen(*given, *lens, (size, size), out)
    return torch.from_numpy(out)
