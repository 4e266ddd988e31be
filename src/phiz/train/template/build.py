"""Our own head's topology, laid out on a scanned mean head.

Skin, inner mouth and gums are meshed anew (`remesh`); teeth and eyeballs are globes shrunk onto the
scanned ones; eye sockets are rings behind the lids. Every vertex remembers its spot on the scan,
so that whatever the scan does (another person, another expression) the head can follow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from phiz.train.template import mouth
from phiz.train.template.chart import Floats, Ints, Spots, border_loops, locate, make_chart, nearest_on
from phiz.train.template.globe import bands, globe, shrink, sphere_centre
from phiz.train.template.remesh import SizeField, check_closed_but_for, remesh

LIP_COLUMNS = 15
"""Vertices of one lip edge from the middle to the corner, both included."""
LID_POINTS = 44
SHOULDER_POINTS = 15
SOCKET_RINGS = (0.86, 0.6)
"""Radii of the rings behind the lids on the socket's chart; the rim is 1."""
EYE_SPOKES = 20

IRIS_RINGS = (6.0, 12.0, 18.0, 24.0, 30.0, 38.0, 50.0, 70.0, 95.0, 125.0, 155.0)
"""Angles in degrees from the gaze at which an eyeball has a ring of vertices."""


@dataclass(frozen=True, kw_only=True)
class Scan:
    """A mean head to be meshed anew, in metres, with its anatomy told apart."""

    vertices: Floats
    skin: Ints
    mouth: Ints
    left_socket: Ints
    gums: Ints
    teeth: Ints
    left_eye: Ints
    regions: Floats
    """(v, n) in the order of `phiz.face.morphable.REGIONS`."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One connected part of the new head."""

    name: str
    points: Floats
    triangles: Ints
    mirror: Ints


@dataclass(frozen=True, kw_only=True)
class Template:
    """The new head's topology and how it hangs on the scan."""

    points: Floats
    triangles: Ints
    piece: npt.NDArray[np.generic]
    """For each triangle, the name of its piece."""
    mirror: Ints
    upper_lip_edge: Ints
    lower_lip_edge: Ints
    """Facing vertices of the closed mouth, from the person's left corner to the right one."""
    left_lid_rim: Ints


def compact(vertices: Floats, triangles: Ints) -> tuple[Floats, Ints]:
    """Return only the vertices that the triangles use, renumbered."""
    used = np.unique(triangles)
    number = np.full(len(vertices), -1, np.int64)
    number[used] = np.arange(len(used))
    return vertices[used], number[triangles]


def along_loop(points: Floats, count: int) -> Floats:
    """Return ``count`` evenly spaced points of an open poly-line, both ends included."""
    step = np.linalg.norm(np.diff(points, axis=0), axis=1)
    length = np.concatenate([[0], np.cumsum(step)])
    places = np.linspace(0, length[-1], count)
    return np.stack([np.interp(places, length, points[:, k]) for k in range(3)], axis=1)


def half_of_loop(ring: Floats) -> Floats:
    """Return the x >= 0 part of a symmetric ring as an open line that starts and ends at x = 0."""
    following = np.roll(ring, -1, axis=0)
    entry = int(np.flatnonzero((ring[:, 0] < 0) & (following[:, 0] >= 0))[0])
    rolled = np.roll(ring, -(entry + 1), axis=0)
    inside = rolled[: int(np.argmax(rolled[:, 0] < 0))]

    def cut(a: Floats, b: Floats) -> Floats:
        share = a[0] / (a[0] - b[0])
        return np.asarray([[0.0, *(a + share * (b - a))[1:]]])

    start = cut(ring[entry], rolled[0])
    end = cut(inside[-1], rolled[len(inside)])
    first = [start] if inside[0, 0] > 1e-6 else []
    last = [end] if inside[-1, 0] > 1e-6 else []
    line = np.concatenate([*first, inside, *last])
    line[[0, -1], 0] = 0
    return line


def lip_edges(skin_vertices: Floats, ring: Ints) -> tuple[Floats, Floats]:
    """Return the left half of the upper and of the lower lip's edge, middle to corner."""
    line = half_of_loop(skin_vertices[ring])
    if line[0, 1] < line[-1, 1]:
        line = line[::-1]
    corner = int(line[:, 0].argmax())
    return along_loop(line[: corner + 1], LIP_COLUMNS), along_loop(line[corner:][::-1], LIP_COLUMNS)


def skin_size(scan: Scan, rims: Floats, lids: Floats) -> SizeField:
    """Return how long the skin's edges should be: short where faces move and bend."""
    nose, ears = scan.regions[:, 7] > 0.5, scan.regions[:, 11] > 0.5
    lips = scan.regions[:, 5:7].max(axis=1) > 0.5
    used = np.zeros(len(scan.vertices), bool)
    used[scan.skin] = True
    sites = [(rims, 0.0016), (lids, 0.0015), (scan.vertices[lips & used], 0.0021)]
    sites += [(scan.vertices[nose & used], 0.0030), (scan.vertices[ears & used], 0.0028)]
    trees = [(cKDTree(points), length) for points, length in sites]

    def size(points: Floats) -> Floats:
        wanted = np.where(points[:, 2] > 0.03, 0.0062, 0.0115)
        wanted = np.where(points[:, 1] < -0.085, 0.0115, wanted)
        wanted = np.where(points[:, 1] < -0.135, 0.019, wanted)
        for tree, length in trees:
            wanted = np.minimum(wanted, length + 0.14 * tree.query(points)[0])
        return np.asarray(wanted)

    return size


def rim_size(rim: Floats, start: float, growth: float, largest: float) -> SizeField:
    """Return edges that grow with the distance from a rim."""
    tree = cKDTree(rim)
    return lambda points: np.minimum(start + growth * tree.query(points)[0], largest)


def build(scan: Scan, rng: np.random.Generator) -> Template:
    """Return the head's topology laid out on a scan."""
    vertices, skin = compact(scan.vertices, scan.skin)
    loops = border_loops(skin)
    outer = min(loops, key=lambda loop: float(vertices[loop, 1].mean()))
    inner = [loop for loop in loops if loop is not outer]
    lips = max(inner, key=lambda loop: float(np.ptp(vertices[loop, 0])))
    eyes = [loop for loop in inner if loop is not lips]
    left = next(vertices[loop] for loop in eyes if vertices[loop, 0].mean() > 0)
    upper, lower = lip_edges(vertices, lips)
    lids = along_loop(np.concatenate([left, left[:1]]), LID_POINTS + 1)[:-1]
    shoulders = along_loop(half_of_loop(vertices[outer]), SHOULDER_POINTS)
    lip_line = np.concatenate([upper, lower[:-1]])
    rims = np.concatenate([lip_line, lip_line * [-1, 1, 1]])
    both_lids = np.concatenate([lids, lids * [-1, 1, 1]])
    wanted = np.concatenate([lip_line, lids, shoulders])
    face = remesh(make_chart(vertices, skin, outer), skin_size(scan, rims, both_lids), wanted, rng)
    check_closed_but_for(face.triangles, 4)
    lip_ids = face.fixed[: len(lip_line)]
    lid_ids = face.fixed[len(lip_line) : len(lip_line) + LID_POINTS]
    assembly = _Assembly(Piece(name="skin", points=face.points, triangles=face.triangles, mirror=face.mirror))
    _add_mouth(assembly, scan, lip_line, lip_ids, rng)
    _add_sockets(assembly, scan, lids, lid_ids)
    _add_teeth(assembly, scan)
    _add_eyes(assembly, scan)
    up, low = (
        lip_ids[:LIP_COLUMNS],
        np.concatenate([lip_ids[LIP_COLUMNS:], lip_ids[LIP_COLUMNS - 1 : LIP_COLUMNS]]),
    )
    return Template(
        points=np.concatenate(assembly.points),
        triangles=np.concatenate(assembly.triangles),
        piece=np.concatenate(assembly.names),
        mirror=np.concatenate(assembly.mirror),
        upper_lip_edge=_across(up, face.mirror),
        lower_lip_edge=_across(low, face.mirror),
        left_lid_rim=lid_ids,
    )


def _across(half: Ints, mirror: Ints) -> Ints:
    """Return a row of vertices from the left corner over the middle to the right corner."""
    return np.concatenate([half[::-1], mirror[half[1:]]])


class _Assembly:
    """The pieces so far; each knows where its vertices begin."""

    def __init__(self, first: Piece) -> None:
        self.points: list[Floats] = []
        self.triangles: list[Ints] = []
        self.names: list[npt.NDArray[np.str_]] = []
        self.mirror: list[Ints] = []
        self.count = 0
        self.add(first)

    def add(self, piece: Piece) -> None:
        self.points.append(piece.points)
        self.triangles.append(piece.triangles + self.count)
        self.names.append(np.full(len(piece.triangles), piece.name))
        self.mirror.append(piece.mirror + self.count)
        self.count += len(piece.points)

    def weld(self, piece: Piece, seam: Ints, onto: Ints) -> None:
        """Add a piece some of whose vertices are vertices of the skin already."""
        number = np.full(len(piece.points), -1, np.int64)
        number[seam] = onto
        rest = number < 0
        number[rest] = self.count + np.arange(rest.sum())
        self.points.append(piece.points[rest])
        self.triangles.append(number[piece.triangles])
        self.names.append(np.full(len(piece.triangles), piece.name))
        self.mirror.append(number[piece.mirror[rest]])
        self.count += int(rest.sum())


def _add_mouth(
    assembly: _Assembly, scan: Scan, lips: Floats, lip_ids: Ints, rng: np.random.Generator
) -> None:
    vertices, triangles = compact(scan.vertices, scan.mouth)
    chart = make_chart(vertices, triangles, border_loops(triangles)[0])
    bag = remesh(chart, rim_size(lips, 0.0020, 0.28, 0.0095), lips, rng)
    check_closed_but_for(bag.triangles, 1)
    mirror = assembly.mirror[0]
    seam = np.concatenate([bag.fixed, bag.mirror[bag.fixed]])
    onto = np.concatenate([lip_ids, mirror[lip_ids]])
    assembly.weld(
        Piece(name="mouth", points=bag.points, triangles=bag.triangles, mirror=bag.mirror), seam, onto
    )


def _add_sockets(assembly: _Assembly, scan: Scan, lids: Floats, lid_ids: Ints) -> None:
    """Weld rings behind the lids; they close the gap to the eyeball seen from the side."""
    vertices, triangles = compact(scan.vertices, scan.left_socket)
    chart = make_chart(vertices, triangles, border_loops(triangles)[0])
    rim, _ = nearest_on(lids, vertices, triangles)
    flat = rim.on(chart.flat, chart.triangles)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    rings = [lids]
    for radius in SOCKET_RINGS:
        holder, weight = locate(chart, flat * radius)
        rings.append(Spots(triangle=holder, weight=weight).on(chart.vertices, chart.triangles))
    left = np.concatenate(rings)
    strip = bands(len(rings), len(lids))
    corner = left[strip[0]]
    towards_eye = left.mean(axis=0) - corner.mean(axis=0)
    across = np.cross(corner[1] - corner[0], corner[2] - corner[0])
    if across @ towards_eye < 0:
        strip = strip[:, [0, 2, 1]]
    count = len(left)
    points = np.concatenate([left, left * [-1, 1, 1]])
    triangles = np.concatenate([strip, strip[:, [0, 2, 1]] + count])
    mirror = np.concatenate([np.arange(count) + count, np.arange(count)])
    seam = np.concatenate([np.arange(len(lids)), np.arange(len(lids)) + count])
    onto = np.concatenate([lid_ids, assembly.mirror[0][lid_ids]])
    assembly.weld(Piece(name="socket", points=points, triangles=triangles, mirror=mirror), seam, onto)


def _add_eyes(assembly: _Assembly, scan: Scan) -> None:
    vertices, triangles = compact(scan.vertices, scan.left_eye)
    directions, triangles_out = globe(np.radians(IRIS_RINGS), EYE_SPOKES)
    back = vertices[vertices[:, 2] < np.quantile(vertices[:, 2], 0.6)]
    left = shrink(directions, sphere_centre(back), vertices, triangles)
    count = len(left)
    mirror = np.concatenate([np.arange(count) + count, np.arange(count)])
    points = np.concatenate([left, left * [-1, 1, 1]])
    assembly.add(Piece(name="left_eye", points=left, triangles=triangles_out, mirror=mirror[:count]))
    flipped = triangles_out[:, [0, 2, 1]]
    assembly.add(
        Piece(name="right_eye", points=points[count:], triangles=flipped, mirror=mirror[count:] - count)
    )


def _add_teeth(assembly: _Assembly, scan: Scan) -> None:
    """Add the teeth of both arches, their gums, and the tongue."""
    shape = mouth.tooth_triangles()
    arches = dict(zip(("upper", "lower"), mouth.read_arches(scan.vertices, scan.teeth), strict=True))
    for name, arch in arches.items():
        for number in range(len(arch.teeth)):
            assembly.add(_pair(f"{name}_teeth", mouth.tooth_points(arch, number), shape))
    for name, arch in arches.items():
        points, triangles = mouth.gums(arch)
        assembly.add(_symmetric(f"{name}_gums", points, triangles))
    assembly.add(_symmetric("tongue", *mouth.tongue(arches["lower"])))


def _pair(name: str, left: Floats, triangles: Ints) -> Piece:
    """Return a part of the left side together with its mirror image."""
    count = len(left)
    return Piece(
        name=name,
        points=np.concatenate([left, left * [-1, 1, 1]]),
        triangles=np.concatenate([triangles, triangles[:, [0, 2, 1]] + count]),
        mirror=np.concatenate([np.arange(count) + count, np.arange(count)]),
    )


def _symmetric(name: str, points: Floats, triangles: Ints) -> Piece:
    """Return a part that is its own mirror image."""
    distance, mirror = cKDTree(points).query(points * [-1, 1, 1])
    if distance.max() > 1e-6:
        raise ValueError(f"{name} is not symmetric")
    return Piece(name=name, points=points, triangles=triangles, mirror=np.asarray(mirror, np.int64))
