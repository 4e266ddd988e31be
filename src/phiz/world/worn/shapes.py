"""Triangles for things that are made, not grown: tubes, sheets, balls."""

from __future__ import annotations

import math
from collections.abc import Hashable
from functools import lru_cache
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor

from phiz.face.morphable import MorphableModel, Part
from phiz.world.surface import Label, Material, Surface

Colour = tuple[float, float, float]


def surface(
    vertices: Float[Tensor, "v 3"],
    triangles: Int[Tensor, "f 3"],
    *,
    label: Label,
    colour: Colour | Float[Tensor, "v 3"],
    gloss: float = 0.1,
    material: Material = Material.PLAIN,
    sides: int = 2,
) -> Surface:
    """Return triangles of one label, with one colour or a colour for each vertex."""
    tint = torch.as_tensor(colour, dtype=torch.float32)
    return Surface(
        material=material,
        vertices=vertices.float(),
        triangles=triangles,
        labels=torch.full((triangles.shape[0],), int(label)),
        colour=tint.expand(vertices.shape[0], 3).clone(),
        gloss=torch.full((vertices.shape[0],), gloss),
        along=torch.zeros(vertices.shape[0], 3),
        sides=sides,
    )


def grid(rows: int, columns: int, *, ring: bool = False) -> Int[Tensor, "f 3"]:
    """Return the triangles of a sheet of points (rows, columns); `ring` joins last column and first.

    They run anticlockwise where rows go down and columns go right.
    """
    row = torch.arange(rows - 1)[:, None]
    column = torch.arange(columns if ring else columns - 1)[None]
    right = (column + 1) % columns
    a, b = row * columns + column, row * columns + right
    c, d = a + columns, b + columns
    first = torch.stack([a, c, b], dim=-1).reshape(-1, 3)
    second = torch.stack([b, c, d], dim=-1).reshape(-1, 3)
    return torch.cat([first, second])


def tube(
    path: Float[Tensor, "k 3"],
    width: float | Float[Tensor, " k"],
    depth: float | Float[Tensor, " k"] | None = None,
    *,
    up: tuple[float, float, float] = (0.0, 1.0, 0.0),
    closed: bool = False,
    corners: int = 8,
) -> tuple[Float[Tensor, "v 3"], Int[Tensor, "f 3"]]:
    """Return a bar along a path: radii `width` (across, level with `up`) and `depth` (towards `up`)."""
    count = path.shape[0]
    wide = torch.as_tensor(width, dtype=torch.float32).expand(count)
    deep = wide if depth is None else torch.as_tensor(depth, dtype=torch.float32).expand(count)
    if closed:
        ahead = path.roll(-1, 0) - path.roll(1, 0)
    else:
        ahead = torch.cat([path[1:2] - path[:1], path[2:] - path[:-2], path[-1:] - path[-2:-1]])
    ahead = unit(ahead)
    over = torch.tensor(up).expand_as(ahead)
    spare = over.roll(1, dims=-1)  # where the path runs along `up`
    over = torch.where((ahead * over).sum(-1, keepdim=True).abs() > 0.98, spare, over)
    across = unit(torch.linalg.cross(ahead, over))
    over = torch.linalg.cross(across, ahead)
    turn = torch.arange(corners) * (2 * math.pi / corners)
    ring = across[:, None] * turn.cos()[None, :, None] * wide[:, None, None]
    ring = ring + over[:, None] * turn.sin()[None, :, None] * deep[:, None, None]
    points = (path[:, None] + ring).reshape(-1, 3)
    rings = torch.cat([torch.arange(count), torch.zeros(int(closed), dtype=torch.long)])
    triangles = grid(rings.shape[0], corners, ring=True)
    triangles = rings[triangles // corners] * corners + triangles % corners
    if closed:
        return points, triangles
    return _capped(points, triangles, path, corners)


def _capped(
    points: Tensor, triangles: Tensor, path: Tensor, corners: int
) -> tuple[Float[Tensor, "v 3"], Int[Tensor, "f 3"]]:
    count = path.shape[0]
    here = torch.arange(corners)
    after = (here + 1) % corners
    first, last = points.shape[0], points.shape[0] + 1
    start = torch.stack([torch.full_like(here, first), here, after], dim=-1)
    end = (count - 1) * corners
    stop = torch.stack([torch.full_like(here, last), end + after, end + here], dim=-1)
    return torch.cat([points, path[:1], path[-1:]]), torch.cat([triangles, start, stop])


def ball(
    centre: Float[Tensor, " 3"], radii: tuple[float, float, float], rows: int = 9, columns: int = 12
) -> tuple[Float[Tensor, "v 3"], Int[Tensor, "f 3"]]:
    """Return an ellipsoid with its axes along x, y and z."""
    polar = torch.linspace(0, math.pi, rows)[:, None]
    turn = torch.arange(columns)[None] * (2 * math.pi / columns)
    parts = [polar.sin() * turn.sin(), polar.cos().expand(rows, columns), polar.sin() * turn.cos()]
    points = torch.stack(parts, dim=-1).reshape(-1, 3) * torch.tensor(radii) + centre
    return points, grid(rows, columns, ring=True)


def smooth_path(points: Float[Tensor, "k *d"], samples: int) -> Float[Tensor, "n *d"]:
    """Return a smooth curve through some points, at evenly spaced parameters (Catmull and Rom, 1974)."""
    count = points.shape[0]
    spot = torch.linspace(0, count - 1, samples)
    at = spot.floor().long().clamp(max=count - 2)
    s = (spot - at).reshape(-1, *[1] * (points.dim() - 1))
    before = torch.cat([2 * points[:1] - points[1:2], points[:-1]])
    beyond = torch.cat([points[2:], 2 * points[-1:] - points[-2:-1], points[-1:]])
    p0, p1, p2, p3 = before[at], points[at], points[at + 1], beyond[at]
    return p1 + 0.5 * s * (p2 - p0 + s * (2 * p0 - 5 * p1 + 4 * p2 - p3 + s * (3 * (p1 - p2) + p3 - p0)))


def unit(vectors: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 3"]:
    """Return vectors of length 1."""
    return torch.nn.functional.normalize(vectors, dim=-1, eps=1e-12)


def points_of(
    head: MorphableModel, vertices: Float[Tensor, "v 3"], parts: tuple[Part, ...]
) -> Float[Tensor, "n 3"]:
    """Return the vertices of some parts of a head, each once."""
    own: Tensor = numbers_of(cast(Hashable, head), parts)
    return vertices[own]


@lru_cache(maxsize=32)
def numbers_of(model: Hashable, parts: tuple[Part, ...]) -> Int[Tensor, " n"]:
    """Return the numbers of the vertices of some parts of a head model, rising; they are kept."""
    head = cast(MorphableModel, model)
    chosen = torch.zeros_like(head.parts, dtype=torch.bool)
    for part in parts:
        chosen |= head.parts == part
    return cast(Tensor, torch.unique(head.triangles[chosen]))
