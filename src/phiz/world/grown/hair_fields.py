"""Where hair may grow and where it may not go, for any head.

A head is star-shaped around a line: the neck's axis up to the middle of the skull, and from there
up the skull's centre. `Skull` therefore holds one distance a direction: how far out the skin lies.
Points are plain numpy here: thousands of strands take a few small steps each.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch

from phiz.face.morphable import REGIONS, MorphableModel, Part
from phiz.world.drawn import loops
from phiz.world.grown import root_loops

Floats = npt.NDArray[np.floating[Any]]
Number = float | np.floating[Any]
Ints = npt.NDArray[np.int64]

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


def region(head: MorphableModel, name: str) -> Floats:
    """Return one soft area of the skin as numpy; kept, so leave it as it is."""
    return _region(cast(Hashable, head), name)


@lru_cache(maxsize=32)
def _region(model: Hashable, name: str) -> Floats:
    head = cast(MorphableModel, model)
    return _kept(np.asarray(head.regions[:, REGIONS.index(name)].numpy(), np.float32))


def triangles_of(head: MorphableModel, parts: tuple[Part, ...], name: str = "", least: float = 0.0) -> Ints:
    """Return the triangles of some parts where a soft area of the skin has more than a least weight.

    Without the area's name, all of those parts; kept, so leave them as they are.
    """
    return _triangles_of(cast(Hashable, head), parts, name, least)


@lru_cache(maxsize=32)
def _triangles_of(model: Hashable, parts: tuple[Part, ...], name: str, least: float) -> Ints:
    head = cast(MorphableModel, model)
    chosen = head.triangles.numpy()[np.isin(head.parts.numpy(), parts)]
    if name:
        chosen = chosen[corner_most(region(head, name), chosen) > least]
    kept: Ints = _kept(np.asarray(chosen, np.int64))
    return kept


def within(vertices: Floats, triangles: Ints, middle: Floats, reach: Number) -> Ints:
    """Return the triangles whose first corner lies in a cube around a place, `reach` from its middle."""
    if swift(vertices):
        near = np.empty(len(triangles), np.bool_)
        root_loops.near(vertices, triangles, np.asarray(middle, np.float32), np.float32(reach), near)
        return np.asarray(triangles[near])
    reached = np.abs(vertices - middle).max(axis=1) < reach
    return np.asarray(triangles[reached[triangles[:, 0]]])


def _kept(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the values as one block that nobody can change."""
    own: npt.NDArray[Any] = np.array(values, order="C")
    own.flags.writeable = False
    return own


def swift(values: npt.NDArray[Any]) -> bool:
    """Return whether compiled loops can work on an array."""
    return loops.ready(torch.from_numpy(np.empty(0, values.dtype)))


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
    share = np.cumsum(_areas(vertices, triangles, density), dtype=np.float64)
    if count == 0 or len(share) == 0 or share[-1] <= 0:
        return no_roots()
    tickets = (np.arange(count) + rng.random(count)) / count * share[-1]
    chosen = _picked(share, tickets)[rng.permutation(count)]
    spread = rng.random((2, count), np.float32)
    if swift(vertices):
        corners, f = np.empty((count, 3), np.int64), np.float32
        out = np.empty((count, 3), f), np.empty((count, 3), f), np.empty((count, 3), f)
        root_loops.stand(vertices, normals, triangles, chosen, spread, corners, out)
        return Roots(corners=corners, weights=out[0], points=out[1], normals=out[2])
    return _stand(vertices, normals, triangles[chosen], spread)


def _picked(share: Floats, tickets: Floats) -> Ints:
    """Return for each ticket, in rising order, the first entry whose share reaches it."""
    if swift(share):
        chosen = np.empty(len(tickets), np.int64)
        root_loops.pick(share, tickets, chosen)
        return chosen
    return np.minimum(np.searchsorted(share, tickets), len(share) - 1)


def _stand(vertices: Floats, normals: Floats, corners: Ints, spread: Floats) -> Roots:
    """Return one root on each triangle."""
    root_u, v = np.sqrt(spread[0]), spread[1]
    weights = np.stack([1 - root_u, root_u * (1 - v), root_u * v], axis=1)
    return Roots(
        corners=corners,
        weights=weights,
        points=np.einsum("nkc,nk->nc", vertices[corners], weights),
        normals=unit(np.einsum("nkc,nk->nc", normals[corners], weights)),
    )


def _areas(vertices: Floats, triangles: Ints, density: Floats) -> Floats:
    """Return twice the triangles' areas times their densities."""
    if swift(vertices):
        out = np.empty(len(triangles), np.float32)
        root_loops.areas(vertices, triangles, density, out)
        return out
    corner = vertices[triangles]
    a, b = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    square = np.einsum("nc,nc->n", a, a) * np.einsum("nc,nc->n", b, b) - np.einsum("nc,nc->n", a, b) ** 2
    return np.asarray(np.sqrt(np.maximum(square, 0)) * np.maximum(density, 0))


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
    if swift(values):
        out = np.empty(len(roots.corners), np.float32)
        root_loops.mix(values, roots.corners, roots.weights, out)
        return out
    return np.asarray(np.einsum("nk,nk->n", values[roots.corners], roots.weights), np.float32)


def unit(vectors: Floats) -> Floats:
    """Return vectors of length one."""
    if vectors.ndim == 2 and swift(vectors):
        out = np.array(vectors, np.float32, order="C")
        root_loops.unit(out)
        return out
    length = np.sqrt(np.einsum("...c,...c->...", vectors, vectors))
    return np.asarray(vectors / np.maximum(length, 1e-12)[..., None], np.float32)


def tangent(vectors: Floats, normals: Floats) -> Floats:
    """Return the part of the vectors along the skin, as unit vectors."""
    if swift(vectors):
        out = np.empty(normals.shape, np.float32)
        root_loops.tangent(np.ascontiguousarray(vectors, np.float32), normals, out)
        return out
    return unit(vectors - normals * np.einsum("nc,nc->n", vectors, normals)[:, None])


def ramp(values: Floats, start: Number | Floats, end: Number | Floats) -> Floats:
    """Return 0 before `start`, 1 after `end` and a smooth step between (start may lie above end)."""
    t = np.minimum(np.maximum((values - start) / (end - start), 0), 1)
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
    x, y, z = (noise.way.T[:, k, None] for k in range(3))
    wave = x * points[:, 0] + y * points[:, 1] + z * points[:, 2]
    wave += noise.phase[:, None]
    np.sin(wave, out=wave)  # in rows: sums of five neighbours would take longer than the waves
    summed = wave.reshape(-1, WAVES, len(points)).sum(axis=1)
    return np.asarray((summed * np.float32((2 / WAVES) ** 0.5)).T, np.float32)


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


def no_roots() -> Roots:
    """Return no roots at all."""
    none = np.zeros((0, 3), np.float32)
    return Roots(corners=np.zeros((0, 3), np.int64), weights=none, points=none, normals=none)
