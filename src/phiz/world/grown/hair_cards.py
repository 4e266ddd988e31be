"""Modelled hair as strands: combed once along the hairs in its texture, then worn by anybody.

The modelled surface is a picture of hair. Drawn as it is it would be a sheet; instead strands are
laid on it that run the way the painted hairs run, take their light and dark and end where the
picture ends. From there on they are strands like all others: lit, tucked under hats, shadowed.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import avg_pool2d

from phiz.face.morphable import MorphableModel
from phiz.world.grown import hair_bounds, hair_colours, hair_fields, hair_skull
from phiz.world.grown.hair_fields import Floats, Ints, unit
from phiz.world.grown.hair_meshes import HairMesh, displaced, read_hair_meshes, sample
from phiz.world.grown.hair_styles import STYLES
from phiz.world.people import HairLook
from phiz.world.surface import Label, Strands

PREFIX = "mesh:"
SPOTS = 16_000
"""Points of the surface that strands may pass through."""
STRANDS, STEPS = 4200, 12
LONGEST = 0.11
"""Metres that a strand runs."""
WIDTH = 0.0019
OPAQUE = 0.4
CHUNK = 64
SMOOTH = 15
"""Pixels over which the direction of painted hair is averaged."""
COLD = 1e-5
"""Weight of the texture's own v direction, where nothing painted tells."""


@dataclass(frozen=True, kw_only=True)
class Spots:
    """Points spread over a modelled surface."""

    points: Floats
    along: Floats
    """Direction of the painted hair there; its sign means nothing."""
    faces: Ints
    opaque: Floats


@dataclass(frozen=True, kw_only=True)
class Combed:
    """A modelled style as strands on the head that it was bound to."""

    mesh: HairMesh
    corners: Int[Tensor, "n k 3"]
    """Vertices of the mesh around each point of each strand."""
    weights: Float[Tensor, "n k 3"]
    light: Float[Tensor, "n k"]


def styles_for(head: MorphableModel) -> tuple[str, ...]:
    """Return the names of all hair styles that a head can wear: grown ones and those it came with."""
    return (*STYLES, *(PREFIX + name for name in _supplied(cast(Hashable, head))))


def wear(
    look: HairLook, vertices: Float[Tensor, "v 3"], head: MorphableModel, rng: np.random.Generator
) -> Strands:
    """Return a modelled style on a person's face at rest, in their colour."""
    found = _supplied(cast(Hashable, head))
    name = look.style.removeprefix(PREFIX)
    if name not in found:
        raise ValueError(f"the head {head.name!r} has no hair {name!r}; it has {', '.join(found) or 'none'}")
    combed = _combed(cast(Hashable, head), name)
    whole = displaced(combed.mesh, vertices)
    points = torch.einsum("nkcx,nkc->nkx", whole[combed.corners], combed.weights).numpy()
    skull = hair_skull.measure(vertices.detach().numpy(), head)
    points = hair_bounds.push_out(points, skull)
    count, steps = points.shape[:2]
    place = hair_fields.locate(points[:, 0], skull.centre)
    layer = np.clip((place.reach - hair_fields.skin_reach(skull, place)) / 0.012, 0.3, 1).astype(np.float32)
    lock = np.asarray(rng.integers(0, 150, count), np.int64)
    colour = hair_colours.tint(look, layer, lock, steps, 0.5, rng) * combed.light.numpy()[..., None]
    taper = np.interp(np.linspace(0, 1, steps), (0, 0.2, 0.75, 1), (0.5, 1, 1, 0.15))
    width = WIDTH * rng.uniform(0.6, 1.3, (count, 1)) * taper
    return Strands(
        points=torch.from_numpy(np.asarray(points, np.float32)),
        width=torch.from_numpy(np.asarray(width, np.float32)),
        colour=torch.from_numpy(np.clip(colour, 0, 1).astype(np.float32)),
        label=Label.HAIR,
    )


@lru_cache(maxsize=2)
def _supplied(head: Hashable) -> dict[str, HairMesh]:
    """Return the modelled hair that came with a head, by name."""
    arrays = getattr(head, "hair_arrays", {})
    return {mesh.name: mesh for mesh in read_hair_meshes(arrays, getattr(head, "mean", None))}


@lru_cache(maxsize=16)
def _combed(head: Hashable, name: str) -> Combed:
    return comb(_supplied(head)[name], np.random.default_rng(0))


def comb(mesh: HairMesh, rng: np.random.Generator, *, strands: int = STRANDS, spots: int = SPOTS) -> Combed:
    """Return strands laid on the surface along its painted hair; takes seconds, so keep it."""
    cloud = _spread(mesh, spots, rng)
    seeds = np.flatnonzero(cloud.opaque > OPAQUE)
    seeds = rng.permutation(seeds)[:strands]
    stride = LONGEST / (STEPS - 1) * rng.uniform(0.6, 1.0, len(seeds)).astype(np.float32)
    down, up = (_walk(mesh, cloud, seeds, stride, sign) for sign in (1.0, -1.0))
    # Half of a strand lies on either side of where it was seeded; it starts at its upper end.
    faces = np.concatenate([up[0][:, :0:-1], down[0]], axis=1)
    points = np.concatenate([up[1][:, :0:-1], down[1]], axis=1)
    corners, weights = _weighed(mesh, faces, points)
    uv = torch.einsum("nkcx,nkc->nkx", mesh.uv[corners], weights)
    light, _ = sample(mesh, uv.reshape(-1, 2))
    return Combed(
        mesh=mesh, corners=corners, weights=weights, light=light.reshape(faces.shape).clamp(0.25, 2.2)
    )


def _spread(mesh: HairMesh, count: int, rng: np.random.Generator) -> Spots:
    """Return points spread evenly over the surface, with the painted direction at each."""
    vertices, triangles = mesh.vertices.numpy(), mesh.triangles.numpy()
    flat = np.zeros_like(vertices)
    roots = hair_fields.sample(vertices, flat, triangles, np.ones(len(triangles), np.float32), count, rng)
    faces = _number_of(roots.corners, triangles)
    uv = torch.from_numpy(np.einsum("nkc,nk->nc", mesh.uv.numpy()[roots.corners], roots.weights))
    _, opaque = sample(mesh, uv.float())
    course = torch.nn.functional.grid_sample(
        painted(mesh)[None], (uv.float() * 2 - 1)[None, None], align_corners=False, padding_mode="border"
    )[0, :, 0].T.numpy()
    # Half angles undo the doubling that lets opposite directions be averaged.
    angle = 0.5 * np.arctan2(course[:, 1], course[:, 0])
    along = _on_surface(mesh, faces, np.cos(angle), np.sin(angle))
    return Spots(points=roots.points, along=along, faces=faces, opaque=opaque.numpy())


def painted(mesh: HairMesh) -> Float[Tensor, "2 h w"]:
    """Return which way the painted hair runs: cosine and sine of twice its angle from u towards v."""
    dv, du = torch.gradient(mesh.luminance * (mesh.alpha > OPAQUE), dim=(0, 1))
    inside = -torch.nn.functional.max_pool2d(-mesh.alpha[None], 9, 1, 4)[0] > OPAQUE
    # Brightness changes across hairs and not along them: the direction of least change (Kass and
    # Witkin, 1987), averaged as double angles.
    twice = torch.stack([dv * dv - du * du, -2 * du * dv]) * inside
    for _ in range(2):
        twice = avg_pool2d(twice[None], SMOOTH, 1, SMOOTH // 2)[0]
    twice[0] -= COLD
    return twice


def _on_surface(mesh: HairMesh, faces: Ints, u: Floats, v: Floats) -> Floats:
    """Return directions of the texture as unit vectors in space, pointing down where they can."""
    corner, place = (a.numpy()[mesh.triangles.numpy()[faces]] for a in (mesh.vertices, mesh.uv))
    a, b = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    p, q = place[:, 1] - place[:, 0], place[:, 2] - place[:, 0]
    area = p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]
    area = np.where(np.abs(area) < 1e-12, 1e-12, area)
    share_a, share_b = (u * q[:, 1] - v * q[:, 0]) / area, (v * p[:, 0] - u * p[:, 1]) / area
    way = unit(a * share_a[:, None] + b * share_b[:, None])
    return np.asarray(way * np.where(way[:, 1:2] > 0, -1, 1), np.float32)


def _walk(mesh: HairMesh, spots: Spots, seeds: Ints, stride: Floats, sign: float) -> tuple[Ints, Floats]:
    """Return triangles and points (n, k) of half strands; they stand still where the hair ends."""
    steps = STEPS // 2 + 1
    corner = mesh.vertices.numpy()[mesh.triangles.numpy()]
    normal = unit(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]))
    square = np.square(spots.points).sum(axis=1)
    point, way, face = spots.points[seeds], spots.along[seeds] * np.float32(sign), spots.faces[seeds]
    faces, points = [face], [point]
    alive = np.ones(len(seeds), bool)
    for _ in range(steps - 1):
        ahead = point + way * stride[:, None]
        near = _nearest(ahead, spots.points, square)
        there, lean = spots.faces[near], normal[spots.faces[near]]
        off = np.einsum("nc,nc->n", ahead - spots.points[near], lean)
        laid = ahead - off[:, None] * lean
        alive = (
            alive
            & (spots.opaque[near] > OPAQUE)
            & (np.linalg.norm(laid - spots.points[near], axis=1) < 0.008)
        )
        next_way = spots.along[near]
        turn = np.einsum("nc,nc->n", next_way, way)
        alive &= np.abs(turn) > 0.3
        next_way = unit(0.5 * way + next_way * np.sign(turn)[:, None])
        point = np.where(alive[:, None], laid, point)
        way = np.where(alive[:, None], next_way, way)
        face = np.where(alive, there, face)
        faces.append(face)
        points.append(point)
    return np.stack(faces, axis=1), np.stack(points, axis=1)


def _nearest(points: Floats, spots: Floats, square: Floats) -> Ints:
    """Return the number of the spot nearest to each point, some points at a time: the table is large."""
    doubled, less = torch.from_numpy(-2 * np.ascontiguousarray(spots.T)), torch.from_numpy(square)
    parts = torch.split(torch.from_numpy(np.ascontiguousarray(points)), CHUNK)
    return np.asarray(
        torch.cat([torch.addmm(less, p, doubled).argmin(dim=1) for p in parts]).numpy(), np.int64
    )


def _weighed(mesh: HairMesh, faces: Ints, points: Floats) -> tuple[Tensor, Tensor]:
    """Return the corners of triangles and the weights that make points of them, also a little outside."""
    corners = mesh.triangles.numpy()[faces]
    corner = mesh.vertices.numpy()[corners]
    a, b, p = (
        corner[..., 1, :] - corner[..., 0, :],
        corner[..., 2, :] - corner[..., 0, :],
        points - corner[..., 0, :],
    )
    aa, ab, bb = (a * a).sum(-1), (a * b).sum(-1), (b * b).sum(-1)
    pa, pb = (p * a).sum(-1), (p * b).sum(-1)
    scale = np.maximum(aa * bb - ab * ab, 1e-16)
    u = np.clip((bb * pa - ab * pb) / scale, -3, 4)
    v = np.clip((aa * pb - ab * pa) / scale, -3, 4)
    weights = np.stack([1 - u - v, u, v], axis=-1).astype(np.float32)
    return torch.from_numpy(corners), torch.from_numpy(weights)


def _number_of(corners: Ints, triangles: Ints) -> Ints:
    """Return which triangle each row of corners is."""
    most = int(triangles.max()) + 1
    code = (triangles[:, 0] * most + triangles[:, 1]) * most + triangles[:, 2]
    order = np.argsort(code)
    wanted = (corners[:, 0] * most + corners[:, 1]) * most + corners[:, 2]
    return np.asarray(order[np.searchsorted(code[order], wanted)], np.int64)
