"""The map of a head that hair keeps to: how far out the skin lies in each direction."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import numpy as np

from phiz.face.morphable import MorphableModel, Part
from phiz.world.grown import hair_loops
from phiz.world.grown.hair_fields import (
    ALONG,
    AROUND,
    CELL,
    LOWEST,
    Floats,
    Ints,
    Skull,
    corner_mean,
    locate,
    region,
    swift,
    triangles_of,
)

OUTER_PARTS = (Part.SKIN, Part.NOSE, Part.LEFT_EAR, Part.RIGHT_EAR, Part.SCALP, Part.NECK, Part.SHOULDERS)
COARSE_PARTS = (Part.SCALP, Part.NECK, Part.SHOULDERS)
"""Where triangles are so wide that their middles count as well."""


@dataclass(frozen=True, kw_only=True)
class Traits:
    """What the maps of all people of one head model share."""

    hairy: Ints
    """Vertices of the scalp."""
    outer: Ints
    """Vertices of the outer skin."""
    wide: Ints
    """Triangles whose middles count as well."""


def measure(vertices: Floats, head: MorphableModel) -> Skull:
    """Return the map of a head from its outer skin and its scalp; the last few people's are kept."""
    return _measure(np.asarray(vertices, np.float32).tobytes(), cast(Hashable, head))


@lru_cache(maxsize=4)
def _measure(numbers: bytes, model: Hashable) -> Skull:
    vertices = np.frombuffer(numbers, np.float32).reshape(-1, 3)
    traits = _traits(model)
    hairy = vertices[traits.hairy]
    low, high = hairy.min(axis=0), hairy.max(axis=0)
    height = high[1] - 0.5 * (high[2] - low[2])
    centre = np.array([0, height, (low[2] + high[2]) / 2], np.float32)
    radius = smoothed(farthest(vertices, traits.outer, traits.wide, centre))
    return Skull(centre=centre, radius=radius, hairline=_hairline(hairy, centre))


@lru_cache(maxsize=2)
def _traits(model: Hashable) -> Traits:
    head = cast(MorphableModel, model)
    touched = np.unique(triangles_of(head, OUTER_PARTS))
    return Traits(
        hairy=np.flatnonzero(region(head, "scalp") > 0.5),
        outer=touched,
        wide=triangles_of(head, COARSE_PARTS),
    )


def farthest(vertices: Floats, outer: Ints, wide: Ints, centre: Floats) -> Floats:
    """Return the largest reach in each cell of the map, 0 where there is no point."""
    flat = np.zeros(ALONG * AROUND, np.float32)
    if swift(vertices):
        hair_loops.outermost(vertices, outer, wide, centre, flat.reshape(ALONG, AROUND))
        return flat.reshape(ALONG, AROUND)
    place = locate(np.concatenate([vertices[outer], corner_mean(vertices, wide)]), centre)
    column = ((place.angle / (2 * np.pi) + 0.5) * AROUND + 0.5).astype(np.int64) % AROUND
    row = np.floor((place.rise - LOWEST) / CELL).astype(np.int64)
    inside = (row >= 0) & (row < ALONG)
    np.maximum.at(flat, row[inside] * AROUND + column[inside], place.reach[inside])
    return flat.reshape(ALONG, AROUND)


def smoothed(grid: Floats) -> Floats:
    """Return the map without gaps, which take from their neighbours, and without steps."""
    for _ in range(12):
        if (grid > 0).all():
            break
        grid = np.where(grid > 0, grid, _around(grid))
    spread = np.maximum(grid, 0.5 * (_rows(grid, 1) + _rows(grid, -1)))
    return np.asarray(0.5 * spread + 0.25 * (np.roll(spread, 1, 1) + np.roll(spread, -1, 1)), np.float32)


def _rows(grid: Floats, by: int) -> Floats:
    return np.concatenate([grid[by:], grid[-by:]] if by > 0 else [grid[:-by], grid[:by]])


def _around(grid: Floats) -> Floats:
    """Return the mean of the filled neighbours of each cell, 0 where there is none."""
    near = np.stack([np.roll(grid, 1, 1), np.roll(grid, -1, 1), _rows(grid, 1), _rows(grid, -1)])
    filled = (near > 0).sum(axis=0)
    return np.asarray(near.sum(axis=0) / np.maximum(filled, 1), np.float32)


def _hairline(hairy: Floats, centre: Floats) -> Floats:
    """Return the lowest scalp vertex by angle; its gaps are filled from the sides."""
    angle = np.arctan2(hairy[:, 0] - centre[0], hairy[:, 2] - centre[2])
    column = ((angle / (2 * np.pi) + 0.5) * AROUND + 0.5).astype(np.int64) % AROUND
    line = np.full(AROUND, np.inf, np.float32)
    np.minimum.at(line, column, hairy[:, 1])
    known = np.isfinite(line)
    filled = np.interp(np.arange(AROUND), np.flatnonzero(known), line[known], period=AROUND)
    return np.asarray(filled, np.float32)
