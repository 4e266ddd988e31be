"""A photo as a relief: how deep each of its pixels lies, and what follows for cameras beside its own.

Inside the face the fitted head says how deep; around it, for hair and shoulders, the generator does, moved
so that both meet. What a camera aside sees of the relief is known; what the relief hides is not.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from phiz.avatar.rig import spread_out
from phiz.face.coeffs import FaceCoeffs
from phiz.face.morphable import MorphableModel
from phiz.graphics import camera as cameras
from phiz.graphics import frames, raster, shade
from phiz.graphics.camera import Camera

STEEP = 0.012
"""Generator units between neighbouring pixels; what is steeper is an edge, not a surface."""
GRAZING, PLAIN = 0.2, 0.5
"""Cosines between surface and ray in the photo: below the first nothing is known, from the second on all."""
BLEND = 0.05
"""Of the picture's side: over which the head's depth goes over into the generator's."""
BEHIND = 0.008
"""Generator units by which a point may lie behind the relief and still be what its pixel shows."""
LEAST_SHADE, MOST_SHADE = 0.5, 2.0
"""Limits to how much brighter one half of a face is than the other."""


@dataclass(frozen=True, kw_only=True)
class Relief:
    """A picture, and how deep it is."""

    picture: Float[Tensor, "3 s s"]
    weight: Float[Tensor, "1 s s"]
    """How much each pixel counts where it is seen from aside."""
    depth: Float[Tensor, "s s"]
    person: Float[Tensor, "s s"]
    """Share of each pixel that is the person's."""
    camera: Camera


@dataclass(frozen=True, kw_only=True)
class Aside:
    """What is known of the view from another side."""

    picture: Float[Tensor, "3 s s"]
    weight: Float[Tensor, "1 s s"]
    depth: Float[Tensor, "s s"]
    covered: Bool[Tensor, "s s"]


def depth_of(
    head: MorphableModel,
    surface: Float[Tensor, "v 3"],
    camera: Camera,
    face: Bool[Tensor, "s s"],
    drawn: Float[Tensor, "s s"],
    opacity: Float[Tensor, "s s"],
) -> tuple[Float[Tensor, "s s"], Bool[Tensor, "s s"]]:
    """Return how deep a photo's pixels lie, and where the head itself said so.

    `surface` is the head's in the generator's frame, `face` where the photo shows it bare; `drawn` and
    `opacity` are what the generator thinks.
    """
    size = face.shape[-1]
    screen = cameras.to_screen(camera, surface[None], size, size)[0]
    hits = raster.rasterise(screen, head.triangles, size, size, cull=True)
    known = hits.covered & face
    mesh = torch.where(hits.covered, hits.depth, torch.zeros_like(hits.depth))
    solid = (opacity > 0.6).float()
    away = spread_out(drawn[None, None], solid[None, None], BLEND * size)[0][0, 0]
    # Where the generator has nothing near by, the head's own depth, spread wide, is the best there is.
    wide = spread_out(mesh[None, None], hits.covered[None, None].float(), 3 * BLEND * size)[0][0, 0]
    around = torch.where(away > 0, away, wide)
    step, near = spread_out((mesh - around)[None, None], known[None, None].float(), BLEND * size)
    return torch.where(known, mesh, around + (step * near)[0, 0]), known


def seen_from(relief: Relief, camera: Camera) -> Aside:
    """Return what another camera sees of a relief."""
    size = relief.depth.shape[-1]
    line = (torch.arange(size) + 0.5) * 2 / size - 1
    v, u = torch.meshgrid(line, line, indexing="ij")
    uvd = torch.stack([u, v, relief.depth], dim=-1).reshape(1, -1, 3)
    points = cameras.unproject(relief.camera, uvd)[0]
    triangles = _grid(relief)
    facing = _facing(points, triangles, relief.camera)
    sure = ((facing - GRAZING) / (PLAIN - GRAZING)).clamp(0, 1)
    screen = cameras.to_screen(camera, points[None], size, size)[0]
    hits = raster.rasterise(screen, triangles, size, size, cull=True)
    each = torch.cat([relief.picture, relief.weight]).flatten(1).T
    shown = raster.interpolate(each, triangles, hits).permute(2, 0, 1)
    certain = torch.where(hits.covered, sure[hits.triangle.clamp(min=0).long()], torch.zeros_like(hits.depth))
    depth = torch.where(hits.covered, hits.depth, torch.zeros_like(hits.depth))
    return Aside(picture=shown[:3], weight=shown[3:] * certain, depth=depth, covered=hits.covered)


def mirrored(
    relief: Relief,
    head: MorphableModel,
    rest: FaceCoeffs,
    generator_from_head: Float[Tensor, "4 4"],
    camera: Camera,
) -> Aside:
    """Return a head from another side in the colours of its other half, as bright as this half should be.

    Faces are nearly alike on both sides; their light is not, so colours are scaled by the fitted one.
    """
    size = relief.depth.shape[-1]
    metres = head.vertices(rest)[0] * head.metres_per_unit
    here = frames.transform(generator_from_head, metres)
    there = frames.transform(generator_from_head, metres * metres.new_tensor([-1.0, 1.0, 1.0]))
    normals = head.normals(metres[None])[0]
    opposite = normals * normals.new_tensor([-1.0, 1.0, 1.0])
    lit, lit_there = (shade.irradiance(n, rest.light[0]).clamp(min=0.05) for n in (normals, opposite))
    ratio = (lit / lit_there).clamp(LEAST_SHADE, MOST_SHADE)
    uvd = cameras.project(relief.camera, there[None])[0]
    maps = torch.cat([relief.picture, relief.weight, relief.depth[None]])
    found = functional.grid_sample(maps[None], uvd[None, None, :, :2], align_corners=False)[0, :, 0].T
    looks = _cosines(there, _turned(opposite, generator_from_head), relief.camera)
    is_seen = (uvd[:, 2] < found[:, 4] + BEHIND) & (uvd[:, :2].abs() < 1).all(-1)
    sure = found[:, 3] * ((looks - GRAZING) / (PLAIN - GRAZING)).clamp(0, 1) * is_seen
    colours = ((found[:, :3] + 1) / 2 * ratio).clamp(0, 1) * 2 - 1
    hits = raster.rasterise(
        cameras.to_screen(camera, here[None], size, size)[0], head.triangles, size, size, cull=True
    )
    each = torch.cat([colours, sure[:, None]], dim=1)
    shown = raster.interpolate(each, head.triangles, hits).permute(2, 0, 1)
    depth = torch.where(hits.covered, hits.depth, torch.zeros_like(hits.depth))
    return Aside(picture=shown[:3], weight=shown[3:], depth=depth, covered=hits.covered)


def _grid(relief: Relief) -> Int[Tensor, "f 3"]:
    """Return the triangles between neighbouring pixels of the person that lie on one surface."""
    size = relief.depth.shape[-1]
    number = torch.arange(size * size).reshape(size, size)
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]
    both = [torch.stack(corners, dim=-1).reshape(-1, 3) for corners in ((a, c, b), (b, c, d))]
    triangles = torch.cat(both)
    depth, person = relief.depth.flatten()[triangles], relief.person.flatten()[triangles]
    whole = (depth.amax(1) - depth.amin(1) < STEEP) & (person.amin(1) > 0.5)
    return triangles[whole].int()


def _facing(
    points: Float[Tensor, "p 3"], triangles: Int[Tensor, "f 3"], camera: Camera
) -> Float[Tensor, " f"]:
    """Return the cosines between triangles' normals and the rays to a camera."""
    first, second, third = (points[triangles[:, k].long()] for k in range(3))
    across = torch.linalg.cross(second - first, third - first)
    return _cosines(first, functional.normalize(across, dim=-1, eps=1e-20), camera)


def _cosines(
    points: Float[Tensor, "p 3"], normals: Float[Tensor, "p 3"], camera: Camera
) -> Float[Tensor, " p"]:
    to = functional.normalize(camera.position[0] - points, dim=-1)
    return (to * normals).sum(-1)


def _turned(normals: Float[Tensor, "v 3"], matrix: Float[Tensor, "4 4"]) -> Float[Tensor, "v 3"]:
    return functional.normalize(frames.turn(matrix, normals), dim=-1)
