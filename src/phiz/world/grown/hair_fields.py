"""Where hair may grow and where it may not go, for any head.

A head is star-shaped around a line: the neck's axis up to the middle of the skull, and from there
up the skull's centre. `Skull` therefore holds one distance a direction: how far out the skin lies.
Points are plain numpy here: thousands of strands take a few small steps each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from phiz.face.morphable import REGIONS, MorphableModel, Part

Floats = npt.NDArray[np.floating[Any]]
Number = float | np.floating[Any]
Ints = npt.NDArray[np.int64]

OUTER_PARTS = (Part.SKIN, Part.NOSE, Part.LEFT_EAR, Part.RIGHT_EAR, Part.SCALP, Part.NECK, Part.SHOULDERS)
COARSE_PARTS = (Part.SCALP, Part.NECK, Part.SHOULDERS)
"""Where triangles are so wide that their middles count as well."""
AROUND, ALONG = 64, 48
LOWEST = -0.24
"""Metres below the skull's centre where the map of the skull ends."""
SKULL_RADIUS = 0.09
"""Turns the angle of elevation above the centre into metres along the skull."""
CELL = (SKULL_RADIUS * np.pi / 2 - LOWEST) / ALONG
WAVES = 5
MARGIN = 0.0012
"""Hair lies at least this far out of the skin."""


@dataclass(frozen=True, kw_only=True)
class Skull:
    """How far out the skin lies in each direction."""

    centre: Floats
    """Of the skull; below its height, distances are from the vertical line through it."""
    radius: Floats
    """(ALONG, AROUND): by place along the axis from the neck to the crown, and by angle."""
    hairline: Floats
    """(AROUND,): height above which hair grows, by angle around the vertical axis."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Points around the skull, each seen from the nearest point of its axis."""

    angle: Floats
    """Around the vertical axis: 0 is straight ahead, positive to the person's left."""
    rise: Floats
    """Metres along the skull from the height of its centre: up positive."""
    reach: Floats
    """Distance from the axis."""
    out: Floats
    """(n, 3): unit direction away from the axis."""

    def __getitem__(self, chosen: npt.NDArray[np.bool_] | Ints) -> Place:
        return Place(
            angle=self.angle[chosen], rise=self.rise[chosen], reach=self.reach[chosen], out=self.out[chosen]
        )


@dataclass(frozen=True, kw_only=True)
class Roots:
    """Points of the skin that hair grows from."""

    corners: Ints
    weights: Floats
    points: Floats
    normals: Floats

    def __getitem__(self, chosen: npt.NDArray[np.bool_] | Ints | slice) -> Roots:
        return Roots(
            corners=self.corners[chosen],
            weights=self.weights[chosen],
            points=self.points[chosen],
            normals=self.normals[chosen],
        )


@dataclass(frozen=True, kw_only=True)
class Waves:
    """Plane waves that add up to smooth noise."""

    way: Floats
    """(3, channels * WAVES): direction times angular frequency."""
    phase: Floats


def measure(vertices: Floats, head: MorphableModel) -> Skull:
    """Return the map of a head from its outer skin and its scalp."""
    triangles, parts = head.triangles.numpy(), head.parts.numpy()
    scalp = region(head, "scalp")
    hairy = vertices[scalp > 0.5]
    low, high = hairy.min(axis=0), hairy.max(axis=0)
    height = high[1] - 0.5 * (high[2] - low[2])
    centre = np.array([0, height, (low[2] + high[2]) / 2], np.float32)
    outer = triangles[np.isin(parts, OUTER_PARTS)]
    touched = np.zeros(len(vertices), bool)
    touched[outer] = True
    wide = triangles[np.isin(parts, COARSE_PARTS)]
    place = locate(np.concatenate([vertices[touched], corner_mean(vertices, wide)]), centre)
    radius = _outermost(place)
    return Skull(centre=centre, radius=radius, hairline=_hairline(hairy, centre))


def region(head: MorphableModel, name: str) -> Floats:
    """Return one soft area of the skin as numpy."""
    return np.asarray(head.regions[:, REGIONS.index(name)].numpy(), np.float32)


def locate(points: Floats, centre: Floats) -> Place:
    """Return points in coordinates around the axis."""
    x, y, z = (points - centre).T
    across = x * x + z * z
    above = np.maximum(y, np.float32(0))
    reach = np.sqrt(np.maximum(across + above * above, np.float32(1e-12)))
    rise = np.minimum(y, 0) + np.float32(SKULL_RADIUS) * np.arctan2(above, np.sqrt(across))
    out = np.stack([x, above, z], axis=1) / reach[:, None]
    return Place(angle=np.arctan2(x, z), rise=rise, reach=reach, out=out)


def skin_reach(skull: Skull, place: Place) -> Floats:
    """Return how far from the axis the skin lies behind each point."""
    column = (place.angle / (2 * np.pi) + 0.5) * AROUND
    row = np.clip((place.rise - LOWEST) / CELL - 0.5, 0, ALONG - 1.001)
    west, south = np.floor(column), np.floor(row)
    u, v = column - west, row - south
    left = west.astype(np.int64) % AROUND
    first = south.astype(np.int64) * AROUND
    right, flat = first + (left + 1) % AROUND, skull.radius.ravel()
    left += first
    a, b, c, d = flat[left], flat[right], flat[left + AROUND], flat[right + AROUND]
    below = a + (b - a) * u
    return np.asarray(below + (c + (d - c) * u - below) * v, np.float32)


def hairline_height(skull: Skull, angle: Floats) -> Floats:
    """Return the height of the lowest hair in each direction around the head."""
    column = (angle / (2 * np.pi) + 0.5) * AROUND
    west = np.floor(column)
    left = west.astype(np.int64) % AROUND
    height = skull.hairline[left]
    return np.asarray(height + (skull.hairline[(left + 1) % AROUND] - height) * (column - west), np.float32)


def sample(
    vertices: Floats,
    normals: Floats,
    triangles: Ints,
    density: Floats,
    count: int,
    rng: np.random.Generator,
) -> Roots:
    """Return about evenly spread roots: as many on a triangle as its area times its density asks for."""
    corner = vertices[triangles]
    a, b = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    square = np.einsum("nc,nc->n", a, a) * np.einsum("nc,nc->n", b, b) - np.einsum("nc,nc->n", a, b) ** 2
    share = np.cumsum(np.sqrt(np.maximum(square, 0)) * np.maximum(density, 0), dtype=np.float64)
    if count == 0 or len(share) == 0 or share[-1] <= 0:
        return Roots(corners=np.zeros((0, 3), np.int64), weights=_none(), points=_none(), normals=_none())
    tickets = (np.arange(count) + rng.random(count)) / count * share[-1]
    chosen = np.minimum(np.searchsorted(share, tickets), len(triangles) - 1)
    chosen = chosen[rng.permutation(count)]
    u, v = rng.random((2, count), np.float32)
    root_u = np.sqrt(u)
    weights = np.stack([1 - root_u, root_u * (1 - v), root_u * v], axis=1)
    corners = triangles[chosen]
    normal = np.einsum("nkc,nk->nc", normals[corners], weights)
    return Roots(
        corners=corners,
        weights=weights,
        points=np.einsum("nkc,nk->nc", vertices[corners], weights),
        normals=unit(normal),
    )


def corner_mean(values: Floats, triangles: Ints) -> Floats:
    """Return the mean over each triangle's corners of values at vertices."""
    first, second, third = triangles.T
    return np.asarray((values[first] + values[second] + values[third]) * np.float32(1 / 3), np.float32)


def corner_most(values: Floats, triangles: Ints) -> Floats:
    """Return the largest value among each triangle's corners."""
    first, second, third = triangles.T
    return np.asarray(np.maximum(np.maximum(values[first], values[second]), values[third]), np.float32)


def mix(values: Floats, roots: Roots) -> Floats:
    """Return values at vertices mixed to the roots."""
    return np.asarray(np.einsum("nk,nk->n", values[roots.corners], roots.weights), np.float32)


def unit(vectors: Floats) -> Floats:
    """Return vectors of length one."""
    length = np.sqrt(np.einsum("...c,...c->...", vectors, vectors))
    return np.asarray(vectors / np.maximum(length, 1e-12)[..., None], np.float32)


def tangent(vectors: Floats, normals: Floats) -> Floats:
    """Return the part of the vectors along the skin, as unit vectors."""
    return unit(vectors - normals * np.einsum("nc,nc->n", vectors, normals)[:, None])


def ramp(values: Floats, start: Number | Floats, end: Number | Floats) -> Floats:
    """Return 0 before `start`, 1 after `end` and a smooth step between (start may lie above end)."""
    t = np.clip((values - start) / (end - start), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def waves(wavelength: float, rng: np.random.Generator, channels: int = 3) -> Waves:
    """Return smooth noise that can be asked for at any points."""
    count = WAVES * channels
    direction = unit(rng.standard_normal((count, 3)).astype(np.float32))
    turns = rng.uniform(0.6, 1.5, count).astype(np.float32) * np.float32(2 * np.pi / wavelength)
    phase = rng.uniform(0, 2 * np.pi, count).astype(np.float32)
    return Waves(way=(direction * turns[:, None]).T, phase=phase)


def rippled(points: Floats, noise: Waves) -> Floats:
    """Return the noise at points (n, channels): about unit size, alike within a wavelength."""
    wave = np.sin(points @ noise.way + noise.phase)
    summed = wave.reshape(len(points), -1, WAVES).sum(axis=2)
    return np.asarray(summed * (2 / WAVES) ** 0.5, np.float32)


def ripple(points: Floats, wavelength: float, rng: np.random.Generator, channels: int = 3) -> Floats:
    """Return smooth noise of about unit size, the same for neighbours within a wavelength."""
    return rippled(points, waves(wavelength, rng, channels))


def together(first: Roots, second: Roots) -> Roots:
    """Return the roots of both."""
    return Roots(
        corners=np.concatenate([first.corners, second.corners]),
        weights=np.concatenate([first.weights, second.weights]),
        points=np.concatenate([first.points, second.points]),
        normals=np.concatenate([first.normals, second.normals]),
    )


def _none() -> Floats:
    return np.zeros((0, 3), np.float32)


def _outermost(place: Place) -> Floats:
    """Return the largest reach in each cell; cells without a point take from their neighbours."""
    column = ((place.angle / (2 * np.pi) + 0.5) * AROUND + 0.5).astype(np.int64) % AROUND
    row = np.floor((place.rise - LOWEST) / CELL).astype(np.int64)
    inside = (row >= 0) & (row < ALONG)
    cell = row[inside] * AROUND + column[inside]
    flat = np.zeros(ALONG * AROUND, np.float32)
    np.maximum.at(flat, cell, place.reach[inside])
    grid = flat.reshape(ALONG, AROUND)
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
