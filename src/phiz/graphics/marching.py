"""Where a field of numbers on a grid reaches a level: a closed surface of triangles (marching cubes).

Each cell between eight grid points is cut on its own (Lorensen and Cline, 1987). Which triangles a cell
gets depends only on which of its corners lie above the level; the 256 answers are worked out here, not
listed. On each face of the cell every run of corners above the level is cut off by one line, so that
two cells always draw the same lines on the face that they share, and no triangle has a side on a
face that is not such a line. So each edge belongs to exactly two triangles, except on the grid's border.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

CORNERS = tuple(itertools.product((0, 1), repeat=3))
"""Steps along x, y and z from a cell's first corner; their order numbers the corners."""
EDGES = tuple((corner, axis) for axis in range(3) for corner in range(8) if not CORNERS[corner][axis])
"""A cell's edges: the corner where each starts, and the axis along which it goes."""
MOST = 5
"""Triangles in one cell."""

Loop = tuple[int, ...]
Three = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Surface:
    """Triangles over shared vertices, anticlockwise seen from where the values are lower."""

    vertices: Float[Tensor, "n 3"]
    """In grid coordinates: whole numbers are grid points."""
    triangles: Int[Tensor, "f 3"]


def isosurface(values: Float[Tensor, "x y z"], level: float, *, closed: bool = False) -> Surface:
    """Return the surface between what is above the level and what is not.

    Vertices lie on lines between neighbouring grid points, where the values, taken as straight
    in between, reach the level; gradients flow to them. What reaches beyond the grid ends in an open
    border there, or, if `closed`, in flat walls on the grid's outermost points.
    """
    _check(values)
    if closed:
        return _walled(values, level)
    inside = values > level
    strides = torch.tensor(values.contiguous().stride(), device=values.device)
    keys, vertices = _crossings(values, inside, level, strides)
    return Surface(vertices=vertices, triangles=_triangles(inside, keys, strides))


def isosurface_by_cells(values: Float[Tensor, "x y z"], level: float, *, closed: bool = False) -> Surface:
    """Return what `isosurface` does, cell after cell: its plain twin.

    Vertices and triangles may come in another order.
    """
    _check(values)
    if closed:
        return _walled(values, level, by_cells=True)
    known: dict[tuple[int, ...], int] = {}
    vertices: list[list[float]] = []
    triangles = []
    numbers = values.tolist()
    for cell in itertools.product(*(range(size - 1) for size in values.shape)):
        points = [(cell[0] + i, cell[1] + j, cell[2] + k) for i, j, k in CORNERS]
        heights = [numbers[i][j][k] for i, j, k in points]
        case = sum((height > level) << corner for corner, height in enumerate(heights))
        for triangle in (three for loop in _loops(case) for three in _cut(loop)):
            names = [(*points[EDGES[edge][0]], EDGES[edge][1]) for edge in triangle]
            for name, (corner, axis) in zip(names, (EDGES[edge] for edge in triangle), strict=True):
                if name not in known:
                    low, high = heights[corner], heights[corner | 4 >> axis]
                    known[name] = len(vertices)
                    vertices.append([float(x) for x in points[corner]])
                    vertices[-1][axis] += (level - low) / (high - low)
            triangles.append([known[name] for name in names])
    return Surface(
        vertices=torch.tensor(vertices, dtype=_precision(values), device=values.device).reshape(-1, 3),
        triangles=torch.tensor(triangles, dtype=torch.int64, device=values.device).reshape(-1, 3),
    )


def largest_component(surface: Surface) -> Surface:
    """Return the part with the largest area among those that hang together, and only its vertices."""
    triangles = surface.triangles
    if not len(triangles):
        return surface
    piece = components(surface)[triangles[:, 0]]
    first, second, third = surface.vertices.detach()[triangles].unbind(dim=1)
    areas = torch.linalg.cross(second - first, third - first).norm(dim=-1)
    total = areas.new_zeros(len(surface.vertices)).index_add(0, piece, areas)
    used, renumbered = torch.unique(triangles[piece == total.argmax()], return_inverse=True)
    return Surface(vertices=surface.vertices[used], triangles=renumbered)


def components(surface: Surface) -> Int[Tensor, " n"]:
    """Return for each vertex the lowest number of all the vertices that triangles tie it to."""
    label = torch.arange(len(surface.vertices), device=surface.vertices.device)
    while True:
        tied = label[surface.triangles]
        lowest = tied.amin(dim=1, keepdim=True).expand_as(tied)
        joined = label.scatter_reduce(0, tied.flatten(), lowest.flatten(), "amin")
        while not torch.equal(joined, joined[joined]):
            joined = joined[joined]
        if torch.equal(joined, label):
            return label
        label = joined


def _check(values: Tensor) -> None:
    if min(values.shape) < 2:
        raise ValueError(f"a grid of {tuple(values.shape)} points has no cells; it needs 2 along each axis")
    if not bool(values.isfinite().all()):
        raise ValueError("the grid holds values that are not finite; a surface needs numbers everywhere")


def _precision(values: Tensor) -> torch.dtype:
    """Return float32, or float64 for such values: half precision cannot tell places on a fine grid."""
    return torch.promote_types(values.dtype, torch.float32)


def _walled(values: Tensor, level: float, *, by_cells: bool = False) -> Surface:
    """Return the surface in a grid with a layer below the level around it, pressed flat onto the grid."""
    outside = min(float(values.detach().min()), level) - 1
    padded = torch.nn.functional.pad(values, (1, 1, 1, 1, 1, 1), value=outside)
    found = (isosurface_by_cells if by_cells else isosurface)(padded, level)
    last = found.vertices.new_tensor([size - 1 for size in values.shape])
    pressed = torch.minimum((found.vertices - 1).clamp(min=0), last)
    return Surface(vertices=pressed, triangles=found.triangles)


def _crossings(values: Tensor, inside: Tensor, level: float, strides: Tensor) -> tuple[Tensor, Tensor]:
    """Return the edges of the grid that the surface crosses, as rising numbers, and where it does.

    An edge's number is that of its first point, plus the number of all points for each earlier axis.
    """
    values = values.to(_precision(values))
    keys, places = [], []
    for axis, size in enumerate(values.shape):
        first, second = (inside.narrow(axis, start, size - 1) for start in (0, 1))
        at = (first != second).nonzero()
        low = values.narrow(axis, 0, size - 1)[tuple(at.T)]
        high = values.narrow(axis, 1, size - 1)[tuple(at.T)]
        along = torch.eye(3, dtype=values.dtype, device=values.device)[axis]
        keys.append(at @ strides + axis * values.numel())
        places.append(at + ((level - low) / (high - low))[:, None] * along)
    return torch.cat(keys), torch.cat(places)


def _triangles(inside: Tensor, keys: Tensor, strides: Tensor) -> Tensor:
    """Return the triangles of all cells, as rows of `keys`."""
    device = inside.device
    case = torch.zeros([size - 1 for size in inside.shape], dtype=torch.uint8, device=device)
    for number, steps in enumerate(CORNERS):
        corner = inside[tuple(slice(step, step + size) for step, size in zip(steps, case.shape, strict=True))]
        case |= corner.to(torch.uint8) << number
    at = ((case != 0) & (case != 255)).nonzero()
    edges = torch.tensor(_table(), device=device)[case[tuple(at.T)].long()]  # (cells, MOST, 3)
    used = edges[..., 0] >= 0
    start = (at @ strides)[:, None].expand_as(used)[used]
    offset = torch.tensor([CORNERS[corner] for corner, _ in EDGES], device=device) @ strides
    offset = offset + inside.numel() * torch.tensor([axis for _, axis in EDGES], device=device)
    return torch.searchsorted(keys, start[:, None] + offset[edges[used]])


@functools.cache
def _table() -> list[list[Three]]:
    """Return for each case the three edges of each of its triangles, filled up with -1."""
    rows = []
    for case in range(256):
        found = [triangle for loop in _loops(case) for triangle in _cut(loop)]
        rows.append(found + [(-1, -1, -1)] * (MOST - len(found)))
    return rows


@functools.cache
def _faces() -> tuple[tuple[int, ...], ...]:
    """Return the corners of each face of a cell, anticlockwise seen from outside."""
    faces = []
    for axis in range(3):
        right, up = 4 >> (axis + 1) % 3, 4 >> (axis + 2) % 3
        ring = (0, right, right | up, up)
        faces += [ring[::-1], tuple(corner | 4 >> axis for corner in ring)]
    return tuple(faces)


def _sides(face: Sequence[int]) -> list[tuple[int, int, int]]:
    """Return the edges around a face, each with the corners that it leads from and to."""
    numbers = {frozenset((corner, corner | 4 >> axis)): n for n, (corner, axis) in enumerate(EDGES)}
    around = [*face[1:], face[0]]
    return [(numbers[frozenset(ends)], *ends) for ends in zip(face, around, strict=True)]


@functools.cache
def _loops(case: int) -> tuple[Loop, ...]:
    """Return the lines around each piece of surface in a cell: edges that they cross, one after the other.

    Bit `k` of the case says whether corner `k` is above the level. Around a face, the line from where
    one comes upon corners above the level to where one leaves them cuts just those off.
    """
    follows: dict[int, int] = {}
    for face in _faces():
        crossed = [
            (edge, bool(case >> to & 1))
            for edge, start, to in _sides(face)
            if (case >> start ^ case >> to) & 1
        ]
        for (edge, enters), (after, _) in zip(crossed, crossed[1:] + crossed[:1], strict=True):
            if enters:
                follows[edge] = after
    loops = []
    while follows:
        loop = [min(follows)]
        while (after := follows.pop(loop[-1])) != loop[0]:
            loop.append(after)
        loops.append(tuple(loop))
    return tuple(loops)


@functools.cache
def _cut(loop: Loop) -> tuple[Three, ...]:
    """Return the triangles that fill a loop with the shortest sides, none across a face."""
    last = len(loop) - 1
    best: dict[tuple[int, int], tuple[float, tuple[Three, ...]]] = {}
    for span in range(1, last + 1):
        for i, j in zip(range(last + 1 - span), range(span, last + 1), strict=True):
            across = 0.0 if span in (1, last) else _length(loop[i], loop[j])
            ways = [
                (
                    best[i, k][0] + best[k, j][0] + across,
                    (*best[i, k][1], (loop[i], loop[k], loop[j]), *best[k, j][1]),
                )
                for k in range(i + 1, j)
            ]
            best[i, j] = min(ways, default=(0.0, ()))
    return best[0, last][1]


def _length(first: int, second: int) -> float:
    """Return how far the middles of two edges lie apart; infinite if they lie on one face."""
    for face in _faces():
        if {first, second} <= {edge for edge, _, _ in _sides(face)}:
            return math.inf
    return math.dist(_middle(first), _middle(second))


def _middle(edge: int) -> tuple[float, ...]:
    corner, axis = EDGES[edge]
    return tuple(place + 0.5 * (axis == k) for k, place in enumerate(CORNERS[corner]))
