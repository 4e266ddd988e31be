"""What lies behind the lips: teeth, gums and a tongue of our own shape, placed where a scan has its teeth.

The scanned gums are too thick to look at from nearby and swallow the teeth; ours are strips along
the dental arches with a margin that rises and falls from tooth to tooth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from phiz.train.template.chart import Floats, Ints
from phiz.train.template.globe import globe

TOOTH_SPOKES = 12
TOOTH_HEIGHTS = (0.0125, 0.0095, 0.0060, 0.0030, 0.0010, 0.0002)
"""Distance of a tooth's rings from its biting edge; the first lies inside the gum."""
INCISOR = ((0.70, 0.80, 0.95, 1.0, 0.99, 0.90), (0.95, 1.0, 0.92, 0.66, 0.42, 0.26))
CANINE = ((0.72, 0.86, 0.98, 1.0, 0.80, 0.45), (0.95, 1.0, 0.98, 0.80, 0.50, 0.28))
MOLAR = ((0.78, 0.92, 1.0, 1.0, 0.92, 0.74), (0.86, 0.95, 1.0, 0.98, 0.86, 0.66))
"""Width along the arch and depth across it at each ring, as shares of the tooth's largest."""
LOWERED = {"upper": -0.0020, "lower": -0.0008}
"""How far, in metres, the arches are moved so that the upper edges show when the mouth opens."""
CROWN = (0.0098, 0.0088, 0.0096, 0.0082, 0.0076, 0.0068, 0.0064)
"""Visible height of the teeth of an upper quadrant, from the middle to the back."""
LOWER_CROWN = (0.0084, 0.0086, 0.0096, 0.0084, 0.0078, 0.0070, 0.0066)
PAPILLA = 0.66
"""Share of the crown's height that the gum leaves free between two teeth."""
TONGUE_ROWS, TONGUE_SPOKES = 13, 12


@dataclass(frozen=True, kw_only=True)
class Tooth:
    """Where a tooth of the left side stands."""

    centre: Floats
    edge: float
    """Height of the biting edge."""
    half_depth: float
    """Half the distance from lip to tongue."""


@dataclass(frozen=True, kw_only=True)
class Arch:
    """The left half of a dental arch, from the middle to the last molar."""

    teeth: tuple[Tooth, ...]
    gumward: float
    """+1 where gums lie above (upper jaw), -1 where they lie below."""
    crown: tuple[float, ...]


def split(vertices: Floats, triangles: Ints) -> list[Ints]:
    """Return the triangles of each connected part."""
    count = len(vertices)
    pairs = (triangles.ravel(), np.roll(triangles, 1, axis=1).ravel())
    _, group = connected_components(
        coo_matrix((np.ones(triangles.size), pairs), (count, count)), directed=False
    )
    own = group[triangles[:, 0]]
    return [triangles[own == number] for number in np.unique(own)]


def read_arches(vertices: Floats, teeth: Ints) -> tuple[Arch, Arch]:
    """Return the upper and the lower arch of scanned teeth."""
    parts = [(vertices[np.unique(part)], part) for part in split(vertices, teeth)]
    middle = float(np.mean([points[:, 1].mean() for points, _ in parts]))
    arches = []
    for name, gumward, crown in (("upper", 1.0, CROWN), ("lower", -1.0, LOWER_CROWN)):
        found = []
        for points, part in parts:
            centre = (points.min(axis=0) + points.max(axis=0)) / 2
            if centre[0] > 0 and (centre[1] > middle) == (gumward > 0):
                found.append(_tooth(vertices, part, centre, gumward, LOWERED[name]))
        found.sort(key=lambda tooth: -tooth.centre[2])
        arches.append(Arch(teeth=tuple(found), gumward=gumward, crown=crown))
    return arches[0], arches[1]


def _tooth(vertices: Floats, part: Ints, centre: Floats, gumward: float, shift: float) -> Tooth:
    scanned = vertices[np.unique(part)]
    edge = float(scanned[:, 1].min() if gumward > 0 else scanned[:, 1].max())
    crown = scanned[np.abs(scanned[:, 1] - edge - gumward * 0.0055) < 0.005]
    middle = (crown.min(axis=0) + crown.max(axis=0)) / 2
    middle[1] = edge + gumward * 0.0055
    depth = float(np.ptp(crown[:, 2])) / 2
    return Tooth(centre=middle, edge=edge + shift, half_depth=min(depth, 0.0040))


def tooth_triangles() -> Ints:
    """Return the triangles of every tooth: rings from the root to the edge, and two poles."""
    _, triangles = globe(np.linspace(0, np.pi, len(TOOTH_HEIGHTS) + 2)[1:-1], TOOTH_SPOKES)
    return np.ascontiguousarray(triangles[:, ::-1])


def tooth_points(arch: Arch, number: int) -> Floats:
    """Return the corners of one tooth of the left side; neighbours touch."""
    tooth = arch.teeth[number]
    line = np.stack([t.centre[[0, 2]] for t in arch.teeth])
    line = np.concatenate([[line[0] * [-1, 1]], line, [2 * line[-1] - line[-2]]])
    before, here, after = line[number], line[number + 1], line[number + 2]
    tangent = (after - before) / np.linalg.norm(after - before)
    outward = np.array([-tangent[1], tangent[0]])
    half_width = np.array([np.linalg.norm(here - before), np.linalg.norm(after - here)]) * 0.497
    widths, depths = np.array(INCISOR if number < 2 else CANINE if number == 2 else MOLAR)
    angle = 2 * np.pi * (np.arange(TOOTH_SPOKES) + 0.5) / TOOTH_SPOKES
    # A superellipse: rounder than a box, squarer than an egg.
    across = np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** 0.6
    out = np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** 0.6
    across = across * np.where(across < 0, half_width[0], half_width[1])
    front = tooth.half_depth
    flat = (
        here
        + (across[None] * widths[:, None])[..., None] * tangent
        # The face that shows stays put; an edge gets thin from behind.
        + (front * 0.5 * (1 - depths)[:, None] + out[None] * depths[:, None] * front)[..., None] * outward
    )
    height = tooth.edge + arch.gumward * np.array(TOOTH_HEIGHTS)
    rings = np.stack([flat[..., 0], np.repeat(height[:, None], TOOTH_SPOKES, 1), flat[..., 1]], axis=-1)
    poles = rings[[0, -1]].mean(axis=1)
    poles[1, 1] = tooth.edge
    if arch.gumward < 0:
        rings = rings[:, ::-1]
    return np.concatenate([rings.reshape(-1, 3), poles])


def gums(arch: Arch) -> tuple[Floats, Ints]:
    """Return a strip of gum around the whole arch, right molars over the middle to left molars."""
    base, outward, depth, edge, height = _columns(arch)
    up = arch.gumward
    rows = [
        _row(base, outward, edge + up * 0.0165, 0.7 * depth),
        _row(base, outward, edge + up * (height + 0.0036), depth + 0.0012),
        _row(base, outward, edge + up * height, 0.9 * depth + 0.0002),
        _row(base, outward, edge + up * (height - 0.0004), 0.0 * depth),
        _row(base, outward, edge + up * height, -0.9 * depth - 0.0002),
        _row(base, outward, edge + up * (height + 0.0060), -depth - 0.0030),
    ]
    left = np.stack(rows, axis=1)  # (column, row, 3)
    right = left[:0:-1] * np.array([-1.0, 1.0, 1.0])
    grid = np.concatenate([right, left])
    columns = len(grid)
    points = grid.reshape(-1, 3)
    ring, step = np.meshgrid(np.arange(columns - 1), np.arange(len(rows) - 1), indexing="ij")
    a = ring * len(rows) + step
    b, c, d = a + 1, a + len(rows), a + len(rows) + 1
    triangles = np.stack([np.stack([a, b, d], -1), np.stack([a, d, c], -1)], axis=2).reshape(-1, 3)
    return points, triangles[:, ::-1] if up < 0 else triangles


def _columns(arch: Arch) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Return base, outward direction, half depth, edge and crown height for the left half's columns."""
    centre = np.stack([tooth.centre[[0, 2]] for tooth in arch.teeth])
    depth = np.array([tooth.half_depth for tooth in arch.teeth])
    edge = np.array([tooth.edge for tooth in arch.teeth])
    crown = np.array(arch.crown[: len(centre)])
    line = np.concatenate([[centre[0] * [-1, 1]], centre, [2 * centre[-1] - centre[-2]]])

    def weave(values: Floats) -> Floats:
        """Return values at the middle, each tooth, each gap, and the end."""
        padded = np.concatenate([values[:1], values, values[-1:]])
        between = (padded[1:] + padded[:-1]) / 2
        return np.stack([between[:-1], padded[1:-1]], axis=1).reshape(-1, *values.shape[1:])

    places = np.concatenate([weave_line(line), [line[-1] * 0.5 + line[-2] * 0.5]])
    tangent = np.gradient(np.concatenate([[places[1] * [-1, 1]], places]), axis=0)[1:]
    outward = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    last = np.concatenate
    height = weave(crown)
    height[::2] *= PAPILLA
    return (
        places,
        outward,
        last([weave(depth), depth[-1:]]),
        last([weave(edge), edge[-1:]]),
        last([height, crown[-1:] * 0.4]),
    )


def weave_line(line: Floats) -> Floats:
    """Return the gap before each inner point of a line and the point itself, in turn."""
    gaps = (line[1:-1] + line[:-2]) / 2
    return np.stack([gaps, line[1:-1]], axis=1).reshape(-1, line.shape[1])


def _row(base: Floats, outward: Floats, height: Floats, out: Floats) -> Floats:
    flat = base + outward * out[:, None]
    return np.stack([flat[:, 0], height, flat[:, 1]], axis=1)


def tongue(lower: Arch) -> tuple[Floats, Ints]:
    """Return a closed tongue that rests inside the lower arch, tip just behind the front teeth."""
    tip = float(lower.teeth[0].centre[2]) - lower.teeth[0].half_depth - 0.0012
    floor = float(np.mean([tooth.edge for tooth in lower.teeth[:3]])) - 0.0095
    wide = float(lower.teeth[4].centre[0]) - lower.teeth[4].half_depth - 0.001
    directions, triangles = globe(np.linspace(0, np.pi, TONGUE_ROWS + 2)[1:-1], TONGUE_SPOKES)
    along = (1 - directions[:, 2]) / 2
    width = wide * np.sqrt(np.clip(1 - (1 - np.clip(along / 0.5, 0, 1)) ** 3.4, 0, 1))
    thick = 0.0030 + 0.0068 * np.sqrt(np.clip(along / 0.5, 0, 1))
    swing = np.linalg.norm(directions[:, :2], axis=1) + 1e-9
    side, up = directions[:, 0] / swing, directions[:, 1] / swing
    round_off = np.sqrt(np.clip(1 - np.clip((along - 0.8) / 0.2, 0, 1) ** 2, 0, 1)) * np.clip(
        along / 0.02, 0, 1
    )
    x = side * width * round_off
    groove = -0.0012 * np.exp(-((x / 0.004) ** 2)) * np.clip(up, 0, 1) * np.clip(along / 0.2, 0, 1)
    y = floor + 0.006 * np.sin(np.clip(along, 0, 1) * 2.2) + up * thick * round_off + groove
    z = tip - 0.052 * along
    return np.stack([x, y, z], axis=1), triangles


def tongue_out(points: Floats) -> Floats:
    """Return how far each point of the tongue moves when it is put out: forward, then down over the lip."""
    front = (points[:, 2] - points[:, 2].min()) / np.ptp(points[:, 2])
    reach = front**1.6
    moved = np.zeros_like(points)
    moved[:, 2] = 0.026 * reach
    moved[:, 1] = 0.0055 * reach * (1 - front) * 4 + 0.004 * reach - 0.009 * front**4
    moved[:, 0] = -0.12 * points[:, 0] * reach
    return moved
