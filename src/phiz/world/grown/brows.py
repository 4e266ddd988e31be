"""Brows and lashes: short hairs that follow the face.

Brows lie along the landmarks 17 to 26, lashes on the skin along the curves through 36 to 47: the
open edge of the skin itself often hides deep under the lid.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from phiz.face.morphable import MorphableModel, Part
from phiz.world.grown import facial_loops, hair_fields
from phiz.world.grown.hair_fields import Floats, Ints, Roots, no_roots, ramp, swift, tangent, unit
from phiz.world.grown.hair_rooted import Rooted, root
from phiz.world.people import HairLook
from phiz.world.surface import Label, Strands

BROW_LABELS = {"left": Label.LEFT_BROW, "right": Label.RIGHT_BROW}
"""By the person's side. Flip here should the data set mean the picture's."""
BROW_POINTS = {"left": (22, 23, 24, 25, 26), "right": (21, 20, 19, 18, 17)}
"""Landmarks of each brow from the nose outwards."""
EYE_POINTS = {"left": (42, 43, 44, 45, 46, 47), "right": (39, 38, 37, 36, 41, 40)}
"""Landmarks of each eye: inner corner, upper lid outwards, outer corner, lower lid inwards."""
SKIN_LIKE = (Part.SKIN, Part.NOSE)
MOST_BROW_HAIRS = 380
BROW_SKIN = (0.020, 0.012, 0.008)
"""What brows take from the skin under them, linear light."""
UPPER_LASHES, LOWER_LASHES = 110, 60
STEPS = 5


def grow_brows(
    look: HairLook,
    vertices: Float[Tensor, "v 3"],
    normals: Float[Tensor, "v 3"],
    head: MorphableModel,
    rng: np.random.Generator,
) -> list[Rooted]:
    """Return the person's left and right brow, as grown on the face at rest."""
    skin, normal = vertices.detach().numpy(), normals.detach().numpy()
    landmarks = head.landmarks(vertices[None])[0].detach().numpy()
    grown = [_brow(look, side, skin, normal, landmarks, head, rng) for side in ("left", "right")]
    return _rooted(grown, vertices, normals)


def grow_lashes(
    look: HairLook,
    vertices: Float[Tensor, "v 3"],
    normals: Float[Tensor, "v 3"],
    head: MorphableModel,
    rng: np.random.Generator,
) -> list[Rooted]:
    """Return the lashes of both eyes, upper and lower; nothing where lashes have no length."""
    if look.lash_length <= 0:
        return []
    skin, normal = vertices.detach().numpy(), normals.detach().numpy()
    landmarks = head.landmarks(vertices[None])[0].detach().numpy()
    grown = [_lashes(look, side, skin, normal, landmarks, head, rng) for side in ("left", "right")]
    return _rooted(grown, vertices, normals)


def _rooted(
    grown: list[tuple[Strands, Roots]], vertices: Float[Tensor, "v 3"], normals: Float[Tensor, "v 3"]
) -> list[Rooted]:
    """Return the hairs tied to the skin that they grow on; nothing for places where none grow."""
    return [
        root(strands, torch.from_numpy(roots.corners), torch.from_numpy(roots.weights), vertices, normals)
        for strands, roots in grown
        if strands.count
    ]


def _brow(
    look: HairLook,
    side: str,
    vertices: Floats,
    normals: Floats,
    landmarks: Floats,
    head: MorphableModel,
    rng: np.random.Generator,
) -> tuple[Strands, Roots]:
    line = _smooth(landmarks[list(BROW_POINTS[side])], 24)
    weight = hair_fields.region(head, f"{side}_brow")
    near = hair_fields.triangles_of(head, SKIN_LIKE, f"{side}_brow", 0.004)
    near = hair_fields.within(vertices, near, line.mean(axis=0), 0.045)
    roots = hair_fields.sample(vertices, normals, near, density_on(weight, near), 2400, rng)
    s, t = _along(line, roots)
    half = (0.0026 + 0.0034 * look.brow_thickness) * np.interp(s, (0, 0.12, 0.5, 1), (0.75, 1.0, 0.85, 0.22))
    edge = 1 - np.abs(t) / half
    wish = (
        ramp(edge, -0.15, 0.55) * ramp(s, -0.05, 0.10) * ramp(s, 1.04, 0.9) * (0.35 + 0.65 * ramp(s, 0, 0.25))
    )
    wish = wish / np.maximum(density_on(weight, roots.corners), 0.05)
    wish = wish * rng.uniform(0.6, 1, len(s)) * (hair_fields.mix(weight, roots) > 0.004)
    count = int(MOST_BROW_HAIRS * (0.25 + 0.75 * look.brow_density) * (0.6 + 0.4 * look.brow_thickness))
    kept = _draw(wish, count, rng)
    roots, s, t = roots[kept], s[kept], t[kept] / half[kept]
    return _brow_strands(look, side, roots, s, t, line, rng), roots


def _brow_strands(
    look: HairLook, side: str, roots: Roots, s: Floats, t: Floats, line: Floats, rng: np.random.Generator
) -> Strands:
    """Return hairs that stand up near the nose, lie outwards further on and meet at the ridge."""
    count = len(s)
    course = np.stack(
        [np.interp(s, np.linspace(0, 1, len(line)), a) for a in np.gradient(line, axis=0).T], axis=1
    )
    outward = tangent(course.astype(np.float32), roots.normals)
    up = tangent(np.broadcast_to(np.array([0, 1, 0], np.float32), outward.shape), roots.normals)
    rise = np.interp(s, (0, 0.15, 0.4, 1), (1.5, 0.85, 0.4, 0.12)) - 0.45 * np.clip(t, -1, 1) * ramp(
        s, 0.05, 0.3
    )
    rise = rise + 0.16 * rng.standard_normal(count)
    begin = unit(np.cos(rise)[:, None] * outward + np.sin(rise)[:, None] * up + 0.30 * roots.normals)
    end = unit(outward + (0.25 - 0.2 * s)[:, None] * up + 0.02 * roots.normals)
    length = np.interp(s, (0, 0.2, 0.6, 1), (0.006, 0.0085, 0.0085, 0.0055)) * rng.uniform(0.7, 1.15, count)
    length = length * (0.75 + 0.4 * look.brow_thickness)
    points = bend(roots.points + 0.0002 * roots.normals, begin, end, length.astype(np.float32), 0.55)
    full = rng.uniform(0.00018, 0.00036, count) * (0.8 + 0.4 * look.brow_density)
    # A brow is thin: skin shines through, so that black hair is brown there and blond hair darker.
    dark = tuple(0.6 * c + skin for c, skin in zip(look.colour, BROW_SKIN, strict=True))
    grey = look.grey * 0.6
    return _hairs(points, full, dark, grey, BROW_LABELS[side], rng)


def _lashes(
    look: HairLook,
    side: str,
    vertices: Floats,
    normals: Floats,
    landmarks: Floats,
    head: MorphableModel,
    rng: np.random.Generator,
) -> tuple[Strands, Roots]:
    eye = landmarks[list(EYE_POINTS[side])]
    skin = _lid_triangles(vertices, normals, eye, head)
    if len(skin) == 0:
        return _lash_strands(look, no_roots(), np.zeros(0), eye, rng), no_roots()
    upper = _spread(_smooth(eye[:4], 64), UPPER_LASHES, rng)
    lower = _spread(_smooth(eye[[0, 5, 4, 3]], 64), LOWER_LASHES, rng)
    roots = _beside(vertices, normals, skin, np.concatenate([upper, lower]))
    sign = np.repeat((1.0, -1.0), (UPPER_LASHES, LOWER_LASHES))
    return _lash_strands(look, roots, sign, eye, rng), roots


def _lash_strands(
    look: HairLook, roots: Roots, sign: Floats, eye: Floats, rng: np.random.Generator
) -> Strands:
    """Return lashes that leave the rim forwards and bend away from the eye, fanned out at its ends."""
    inner, outer = eye[0], eye[3]
    axis = outer - inner
    s = np.clip((roots.points - inner) @ axis / (axis @ axis), 0, 1)
    fan = np.outer(s - 0.42, unit(axis))
    away = sign[:, None] * np.array([0, 1, 0], np.float32)
    front = np.array([0, 0, 1], np.float32)
    noise = 0.10 * rng.standard_normal((len(s), 3))
    begin = unit(front + 0.15 * away + 0.9 * fan + noise)
    end = unit(0.55 * front + 1.0 * away + 1.2 * fan + noise)
    most = np.where(sign > 0, 0.0098, 0.0055) * look.lash_length
    length = most * np.interp(s, (0, 0.25, 0.75, 1), (0.45, 0.85, 1.0, 0.8)) * rng.uniform(0.7, 1.1, len(s))
    points = bend(roots.points, begin, end, length.astype(np.float32), 0.8)
    full = np.where(sign > 0, 0.00034, 0.00022) * rng.uniform(0.7, 1.2, len(s))
    dark = tuple(min(0.3 * c, 0.03) for c in look.colour)
    return _hairs(points, full, dark, 0.0, Label.SKIN, rng)


def _lid_triangles(vertices: Floats, normals: Floats, eye: Floats, head: MorphableModel) -> Ints:
    """Return the triangles of the lids that look forwards: not those folded under the lid's edge."""
    whole = hair_fields.triangles_of(head, SKIN_LIKE)
    chosen = hair_fields.within(vertices, whole, eye.mean(axis=0), 0.8 * np.ptp(eye[:, 0]))
    return np.asarray(chosen[hair_fields.corner_mean(normals[:, 2], chosen) > 0.15])


def _spread(curve: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Return places evenly spread along a curve."""
    at = (np.arange(count) + rng.random(count)) / count * (len(curve) - 1)
    first = np.minimum(at.astype(np.int64), len(curve) - 2)
    return np.asarray(curve[first] + (at - first)[:, None] * (curve[first + 1] - curve[first]))


def _beside(vertices: Floats, normals: Floats, skin: Ints, wanted: Floats) -> Roots:
    """Return roots on the skin next to places."""
    middle = (vertices[skin[:, 0]] + vertices[skin[:, 1]] + vertices[skin[:, 2]]) / np.float32(3)
    square = (middle**2).sum(axis=1)
    if swift(vertices):
        found = np.empty(len(wanted), np.int64)
        facial_loops.beside(wanted, np.ascontiguousarray(middle.T, np.float64), square, found)
    else:
        found = (square - 2 * wanted @ middle.T).argmin(axis=1)
    corner = skin[found]
    weights = _barycentric(wanted, vertices[corner])
    return Roots(
        corners=corner,
        weights=weights,
        points=np.einsum("nkc,nk->nc", vertices[corner], weights),
        normals=unit(np.einsum("nkc,nk->nc", normals[corner], weights)),
    )


def _barycentric(points: Floats, corner: Floats) -> Floats:
    """Return the weights of triangles' corners next to points; never outside of the triangle."""
    a, b = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    p = points - corner[:, 0]
    aa, ab, bb = (a * a).sum(axis=1), (a * b).sum(axis=1), (b * b).sum(axis=1)
    pa, pb = (p * a).sum(axis=1), (p * b).sum(axis=1)
    scale = np.maximum(aa * bb - ab * ab, 1e-20)
    u, v = (bb * pa - ab * pb) / scale, (aa * pb - ab * pa) / scale
    weights = np.maximum(np.stack([1 - u - v, u, v], axis=1), 0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def bend(start: Floats, begin: Floats, end: Floats, length: Floats, late: float) -> Floats:
    """Return hairs (n, STEPS, 3) that leave along `begin` and have turned to `end` at their tips."""
    late_turn = np.linspace(0, 1, STEPS, dtype=np.float32)[1:] ** late
    if swift(start):
        out, f = np.empty((len(start), STEPS, 3), np.float32), np.float32
        stride = np.asarray(length / (STEPS - 1), f)
        facial_loops.bend(np.asarray(start, f), begin, end, stride, np.asarray(late_turn, f), out)
        return out
    turn = late_turn[None, :, None]
    direction = unit(begin[:, None] * (1 - turn) + end[:, None] * turn)
    path = np.cumsum(direction * (length / (STEPS - 1))[:, None, None], axis=1)
    return np.asarray(np.concatenate([start[:, None], start[:, None] + path], axis=1), np.float32)


def _hairs(
    points: Floats,
    full: Floats,
    colour: tuple[float, ...],
    grey: float,
    label: Label,
    rng: np.random.Generator,
) -> Strands:
    """Return strands that taper to a point, each a little brighter or darker."""
    count = len(points)
    taper = np.interp(np.linspace(0, 1, STEPS), (0, 0.3, 1), (0.9, 1, 0.12))
    own = np.asarray(colour, np.float32) * np.exp(0.2 * rng.standard_normal((count, 1), np.float32))
    own = np.where(rng.random((count, 1)) < grey, np.float32(0.42), own)
    return Strands(
        points=torch.from_numpy(points),
        width=torch.from_numpy(np.asarray(full[:, None] * taper, np.float32)),
        colour=torch.from_numpy(np.repeat(np.clip(own, 0, 1)[:, None], STEPS, axis=1).astype(np.float32)),
        label=label,
    )


def density_on(weight: Floats, triangles: Ints) -> Floats:
    """Return how densely candidates for brow hairs are drawn: more where brows mostly are."""
    return 0.03 + hair_fields.corner_most(weight, triangles)


def _draw(wish: Floats, count: int, rng: np.random.Generator) -> Ints:
    """Return the numbers of `count` entries, likelier the larger their wish (fewer if wishes run out)."""
    possible = int((wish > 0).sum())
    score = np.log(np.maximum(rng.random(len(wish)), 1e-12)) / np.maximum(wish, 1e-9)
    return np.argsort(-score)[: min(count, possible)]


def _along(line: Floats, roots: Roots) -> tuple[Floats, Floats]:
    """Return how far along the line each root lies, 0 to 1 and beyond, and how far above it."""
    gap = (line**2).sum(axis=1) - 2 * roots.points @ line.T
    nearest = gap.argmin(axis=1)
    ways = unit(np.gradient(line, axis=0))
    total = np.linalg.norm(np.diff(line, axis=0), axis=1).sum()
    if swift(line):
        out = np.empty(len(nearest), np.float32), np.empty(len(nearest), np.float32)
        facial_loops.along(roots.points, roots.normals, line, ways, nearest, np.float32(total), out)
        return out
    course = ways[nearest]
    offset = roots.points - line[nearest]
    ahead = np.einsum("nc,nc->n", offset, course)
    across = offset - ahead[:, None] * course
    across = across - np.einsum("nc,nc->n", across, roots.normals)[:, None] * roots.normals
    s = nearest / (len(line) - 1) + ahead / total
    return s.astype(np.float32), (np.sign(across[:, 1]) * np.linalg.norm(across, axis=1)).astype(np.float32)


def _smooth(points: Floats, count: int) -> Floats:
    """Return a curve through the points (Catmull and Rom, 1974)."""
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    at = np.linspace(0, len(points) - 1, count)
    k = np.minimum(at.astype(int), len(points) - 2)
    t = (at - k)[:, None]
    a, b, c, d = padded[k], padded[k + 1], padded[k + 2], padded[k + 3]
    curve = 2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
    return np.asarray(curve / 2, np.float32)
