"""New vertices and triangles for a patch: dense where asked, mirror-symmetric, well shaped.

Only the half with x >= 0 is laid out; the other half is its mirror image, so that every vertex has
a partner. Points are spread by dart throwing and Lloyd's relaxation (spacing follows a size
field), connected on the chart by Delaunay's rule, then improved by flipping edges in space.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import Delaunay, cKDTree

from phiz.train.template.chart import Chart, Floats, Ints, Spots, border_loops, locate, nearest_on

Flags = npt.NDArray[np.bool_]
SizeField = Callable[[Floats], Floats]
"""Wanted edge length, in metres, at points (n, 3)."""

CANDIDATES_EACH = 40
RELAXATIONS = 12


@dataclass(frozen=True, kw_only=True)
class Remeshed:
    """A new triangulation and where its vertices lie on the old surface."""

    spots: Spots
    points: Floats
    triangles: Ints
    mirror: Ints
    """The partner of each vertex; a vertex of the middle is its own."""
    fixed: Ints
    """For each point that was asked for, its vertex (x >= 0 half)."""


@dataclass(frozen=True, kw_only=True)
class _Sites:
    spots: Spots
    points: Floats
    flat: Floats


def _sites(chart: Chart, triangle: Ints, weight: Floats) -> _Sites:
    spots = Spots(triangle=triangle, weight=weight)
    return _Sites(
        spots=spots,
        points=spots.on(chart.vertices, chart.triangles),
        flat=spots.on(chart.flat, chart.triangles),
    )


def _join(parts: list[_Sites]) -> _Sites:
    return _Sites(
        spots=Spots(
            triangle=np.concatenate([p.spots.triangle for p in parts]),
            weight=np.concatenate([p.spots.weight for p in parts]),
        ),
        points=np.concatenate([p.points for p in parts]),
        flat=np.concatenate([p.flat for p in parts]),
    )


def remesh(
    chart: Chart, size: SizeField, wanted: Floats, rng: np.random.Generator, clearance: float = 0.55
) -> Remeshed:
    """Return a new mesh of the patch in which every ``wanted`` point (x >= 0) is a vertex."""
    real = chart.triangles[: chart.real]
    spots, _ = nearest_on(wanted, chart.vertices, real)
    fixed = _sites(chart, spots.triangle, spots.weight)
    middle = _middle_line(chart, size, fixed.points[fixed.points[:, 0] < 1e-6])
    anchored = _join([fixed, middle])
    cloud = _candidates(chart, size, rng)
    length = size(cloud.points)
    free = _relax(cloud, _throw(cloud, length, anchored, clearance, rng), length, anchored)
    chosen = _sites(chart, cloud.spots.triangle[free], cloud.spots.weight[free])
    half = _join([anchored, chosen])
    is_middle = np.zeros(len(half.points), bool)
    is_middle[: len(anchored.points)] = anchored.points[:, 0] < 1e-6
    triangles = _triangulate(chart, half, is_middle)
    triangles = _flip_edges(half.points, half.flat, triangles)
    return _mirrored(chart, half, triangles, is_middle, len(wanted))


def _middle_line(chart: Chart, size: SizeField, taken: Floats) -> _Sites:
    """Return points along the cut x = 0, spaced by the size field, none next to ``taken`` ones."""
    real = chart.triangles[: chart.real]
    found_triangle, found_weight = [], []
    for i, j in ((0, 1), (1, 2), (2, 0)):
        left, right = chart.vertices[real[:, i], 0], chart.vertices[real[:, j], 0]
        crossing = np.flatnonzero((left < 0) & (right >= 0))
        share = left[crossing] / (left[crossing] - right[crossing])
        weight = np.zeros((len(crossing), 3))
        weight[:, i], weight[:, j] = 1 - share, share
        found_triangle.append(crossing)
        found_weight.append(weight)
    line = _sites(chart, np.concatenate(found_triangle), np.concatenate(found_weight))
    keep: list[int] = []
    spacing = size(line.points)
    blocked = list(taken)
    # Starting from the face and walking outwards gives an even line on both sides of each hole.
    for index in np.lexsort((line.points[:, 1], -line.points[:, 2])):
        here = line.points[index]
        if all(np.linalg.norm(here - other) > 0.8 * spacing[index] for other in blocked):
            keep.append(int(index))
            blocked.append(here)
    chosen = np.array(keep, np.int64)
    return _sites(chart, line.spots.triangle[chosen], line.spots.weight[chosen])


def _candidates(chart: Chart, size: SizeField, rng: np.random.Generator) -> _Sites:
    real = chart.triangles[: chart.real]
    corner = chart.vertices[real]
    area = np.linalg.norm(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1) / 2
    wanted = area / (0.87 * size(corner.mean(axis=1)) ** 2)
    count = max(400, int(wanted.sum() * CANDIDATES_EACH))
    triangle = rng.choice(len(real), size=count, p=wanted / wanted.sum())
    root, second = np.sqrt(rng.random(count)), rng.random(count)
    weight = np.stack([1 - root, root * (1 - second), root * second], axis=1)
    cloud = _sites(chart, triangle, weight)
    keep = cloud.points[:, 0] > 0.35 * size(cloud.points)
    return _sites(chart, triangle[keep], weight[keep])


def _throw(
    cloud: _Sites, length: Floats, anchored: _Sites, clearance: float, rng: np.random.Generator
) -> Ints:
    """Return candidates that keep their distance from each other and from the anchored points."""
    spacing = 0.78 * length
    tree = cKDTree(cloud.points)
    alive = np.ones(len(cloud.points), bool)
    near_anchor, _ = cKDTree(anchored.points).query(cloud.points)
    alive &= near_anchor > clearance * length
    chart_tree = cKDTree(cloud.flat)
    accepted = []
    for index in rng.permutation(len(cloud.points)):
        if not alive[index]:
            continue
        accepted.append(index)
        rivals = np.array(tree.query_ball_point(cloud.points[index], spacing[index]))
        # Two sides of a thin sheet are close in space and far apart on the chart.
        _, ring = chart_tree.query(cloud.flat[index], k=min(len(alive), 4 * CANDIDATES_EACH))
        alive[np.intersect1d(rivals, ring)] = False
        alive[index] = False
    return np.array(accepted, np.int64)


def _relax(cloud: _Sites, chosen: Ints, length: Floats, anchored: _Sites) -> Ints:
    """Return candidates in better places: Lloyd's algorithm with the anchored points held."""
    weight = 1 / length**2
    for _ in range(RELAXATIONS):
        sites = np.concatenate([anchored.points, cloud.points[chosen]])
        flats = np.concatenate([anchored.flat, cloud.flat[chosen]])
        owner = _owners(cloud, sites, flats)
        total = np.bincount(owner, weight, len(sites))
        mean = (
            np.stack([np.bincount(owner, weight * cloud.points[:, k], len(sites)) for k in range(3)], axis=1)
            / np.maximum(total, 1e-12)[:, None]
        )
        chosen = _snap(cloud, chosen, mean[len(anchored.points) :], owner, len(anchored.points))
    return chosen


def _owners(cloud: _Sites, sites: Floats, flats: Floats) -> Ints:
    """Return the nearest site of each candidate, among the few that are nearest on the chart."""
    _, near = cKDTree(flats).query(cloud.flat, k=min(12, len(flats)))
    distance = np.linalg.norm(sites[near] - cloud.points[:, None], axis=2)
    return np.asarray(near[np.arange(len(near)), distance.argmin(axis=1)])


def _snap(cloud: _Sites, chosen: Ints, mean: Floats, owner: Ints, held: int) -> Ints:
    """Return for each moved site its own candidate that lies nearest to the wanted place."""
    distance = np.full(len(cloud.points), np.inf)
    mine = owner >= held
    distance[mine] = np.linalg.norm(cloud.points[mine] - mean[owner[mine] - held], axis=1)
    order = np.lexsort((distance, owner))
    first = np.unique(owner[order], return_index=True)
    result = chosen.copy()
    for site, place in zip(*first, strict=True):
        if site >= held:
            result[site - held] = order[place]
    return np.asarray(result)


def _triangulate(chart: Chart, half: _Sites, is_middle: Flags) -> Ints:
    """Return Delaunay triangles of the half, less those outside the patch or across the middle."""
    triangles = Delaunay(half.flat).simplices.astype(np.int64)
    corner = half.flat[triangles]
    turn = np.cross(
        np.pad(corner[:, 1] - corner[:, 0], ((0, 0), (0, 1))),
        np.pad(corner[:, 2] - corner[:, 0], ((0, 0), (0, 1))),
    )[:, 2]
    triangles = np.where(turn[:, None] < 0, triangles[:, [0, 2, 1]], triangles)
    holder, weight = locate(chart, corner.mean(axis=1))
    centre_x = np.einsum("nk,nk->n", weight, chart.vertices[chart.triangles[holder], 0])
    keep = (holder < chart.real) & ~is_middle[triangles].all(axis=1) & (centre_x > 0)
    keep &= np.abs(turn) > 1e-14
    return np.asarray(triangles[keep])


def _flip_edges(points: Floats, flat: Floats, triangles: Ints, rounds: int = 12) -> Ints:
    """Return the triangles after flipping edges whose opposite angles exceed two right angles."""
    result = triangles.copy()
    for _ in range(rounds):
        if not _flip_round(points, flat, result):
            break
    return np.asarray(result)


def _flip_round(points: Floats, flat: Floats, triangles: Ints) -> int:
    """Flip, in place, edges that should be, at most one a triangle; return how many."""
    angles = _angles(points[triangles]).ravel()
    sides: dict[tuple[int, int], int] = {}
    for number, (a, b, c) in enumerate(triangles.tolist()):
        # Each directed edge knows the corner of its triangle that looks at it.
        sides[a, b], sides[b, c], sides[c, a] = 3 * number + 2, 3 * number, 3 * number + 1
    touched: set[int] = set()
    flips = 0
    for (a, b), side in list(sides.items()):
        facing = sides.get((b, a), -1)
        if a > b or facing < 0 or angles[side] + angles[facing] <= np.pi + 1e-6:
            continue
        one, other = side // 3, facing // 3
        if one in touched or other in touched:
            continue
        c = int(triangles[one].sum()) - a - b
        d = int(triangles[other].sum()) - a - b
        if (c, d) in sides or (d, c) in sides or not _may_flip(points, flat, a, b, c, d):
            continue
        triangles[one], triangles[other] = (c, a, d), (d, b, c)
        sides[c, d] = sides[d, c] = 3 * one
        touched |= {one, other}
        flips += 1
    return flips


def _angles(corners: Floats) -> Floats:
    """Return the angle at each corner of triangles (n, 3, 3)."""
    u, v = np.roll(corners, -1, axis=1) - corners, np.roll(corners, 1, axis=1) - corners
    return np.asarray(np.arctan2(np.linalg.norm(np.cross(u, v), axis=2), (u * v).sum(axis=2)))


def _may_flip(points: Floats, flat: Floats, a: int, b: int, c: int, d: int) -> bool:
    """Return whether replacing the edge a b by c d folds nothing, neither on the chart nor in space."""

    def turn(i: int, j: int, k: int) -> float:
        u, v = flat[j] - flat[i], flat[k] - flat[i]
        return float(u[0] * v[1] - u[1] * v[0])

    def normal(i: int, j: int, k: int) -> Floats:
        across = np.cross(points[j] - points[i], points[k] - points[i])
        return np.asarray(across / max(float(np.linalg.norm(across)), 1e-20))

    if turn(c, a, d) <= 0 or turn(d, b, c) <= 0:
        return False
    before = normal(a, b, c) + normal(b, a, d)
    return float(normal(c, a, d) @ before) > 0.5 and float(normal(d, b, c) @ before) > 0.5


def _mirrored(chart: Chart, half: _Sites, triangles: Ints, is_middle: Flags, asked: int) -> Remeshed:
    """Return the half and its mirror image as one mesh."""
    used = np.unique(triangles)
    if missing := set(range(asked)) - set(used.tolist()):
        raise ValueError(f"{len(missing)} wanted points are in no triangle of the new mesh")
    renumber = np.full(len(half.points), -1, np.int64)
    renumber[used] = np.arange(len(used))
    triangles = renumber[triangles]
    points, middle = half.points[used].copy(), is_middle[used]
    points[middle, 0] = 0
    partner = np.arange(len(used))
    partner[~middle] = len(used) + np.arange((~middle).sum())
    mirror = np.concatenate([partner, np.flatnonzero(~middle)])
    reflected = points[~middle] * np.array([-1.0, 1.0, 1.0])
    everything = np.concatenate([points, reflected])
    both = np.concatenate([triangles, partner[triangles][:, [0, 2, 1]]])
    spots, _ = nearest_on(everything, chart.vertices, chart.triangles[: chart.real])
    return Remeshed(spots=spots, points=everything, triangles=both, mirror=mirror, fixed=renumber[:asked])


def check_closed_but_for(triangles: Ints, borders: int) -> None:
    """Raise when the mesh has other borders than expected: then the layout went wrong."""
    found = len(border_loops(triangles))
    if found != borders:
        raise ValueError(f"the new mesh has {found} borders, expected {borders}")
