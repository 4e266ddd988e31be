"""A person as a plain surface, guessed from one photo: what stands in for the sides that nobody saw.

The fitted head is bald and ends at the shoulders. Its scalp is raised until its outline is about that of the
hair; what the photo shows beside it (long hair, a collar, a hat) hangs there as a curtain whose depth goes on
smoothly from the head's edge. Nothing of it is drawn in the end: it only says where things are, roughly.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from phiz.face.morphable import MorphableModel, Part, region
from phiz.graphics import camera as cameras
from phiz.graphics import raster
from phiz.graphics.camera import Camera
from phiz.graphics.raster import Hits
from phiz.graphics.rays import pixel_grid

THICKEST, THICKNESSES = 0.06, 13
"""Metres of hair above the scalp that are tried, from none, and how many."""
GRID = 256
"""Points across the curtain."""
JUMP = 0.01
"""Metres of depth between neighbours of the curtain that tear it."""
INSIDE = 0.5
"""Share of a pixel that a person has to cover."""
GROWN = 5
"""Pixels by which the outline is widened before the head is cut off at it."""
EYEBALLS, UPWARDS = (Part.LEFT_EYE, Part.RIGHT_EYE), 0.05
"""What is beside the nose's root, and metres that tell which way is up."""
LEFT_OUT = (Part.MOUTH, Part.UPPER_TEETH, Part.LOWER_TEETH, Part.TONGUE)
APART = 0.3
"""Metres that lie between hair and anything else for colours that are passed on."""
SURE, NEAREST, MOST_KNOWN = 0.5, 8, 3000
"""Colours at least so sure are passed on, to what has so many of them nearest; how many are looked at."""


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """A surface in metres of the head's frame."""

    vertices: Float[Tensor, "v 3"]
    normals: Float[Tensor, "v 3"]
    triangles: Int[Tensor, "f 3"]
    is_face: Bool[Tensor, " f"]
    """Triangles of the face itself, whose place is well known."""
    colours: Float[Tensor, "v 3"]
    """Of the photo, or what is likely where it does not reach."""


def raised(
    head: MorphableModel,
    vertices: Float[Tensor, "v 3"],
    normals: Float[Tensor, "v 3"],
    camera: Camera,
    matte: Float[Tensor, "1 1 s s"],
    seen: Float[Tensor, "1 1 s s"],
) -> tuple[Float[Tensor, "v 3"], float]:
    """Return the head with its scalp raised until its outline is nearest to the person's, and by how much."""
    scalp = region(head, "scalp")[:, None]
    size = matte.shape[-1]
    person = (matte > INSIDE)[0, 0]
    counts = (seen > INSIDE)[0, 0] & above_eyes(head, vertices, camera, size)
    best, found = None, 0.0
    for thick in torch.linspace(0, THICKEST, THICKNESSES).tolist():
        screen = cameras.to_screen(camera, (vertices + thick * scalp * normals)[None], size, size)[0]
        covered = raster.rasterise_depth(screen, head.triangles, size, size).isfinite()
        wrong = float(((covered != person) & counts).sum())
        if best is None or wrong < best:
            best, found = wrong, thick
    return vertices + found * scalp * normals, found


def above_eyes(
    head: MorphableModel, vertices: Float[Tensor, "v 3"], camera: Camera, size: int
) -> Bool[Tensor, "s s"]:
    """Return which pixels lie above the eyes, whichever way up the head is; below, beards are in the way."""
    balls = [vertices[head.triangles[head.parts == part].long()[:, 0]] for part in EYEBALLS]
    middle = torch.stack([ball.mean(0) for ball in balls]).mean(0)
    points = torch.stack([middle, middle + middle.new_tensor([0.0, UPWARDS, 0.0])])
    here, there = cameras.to_screen(camera, points[None], size, size)[0, :, :2]
    pixels = (pixel_grid(size, size) + 1) * size / 2
    is_above: Tensor = ((pixels - here) * (there - here)).sum(-1) > 0
    return is_above


def filled(values: Float[Tensor, "1 c s s"], known: Float[Tensor, "1 1 s s"]) -> Float[Tensor, "1 c s s"]:
    """Return maps with what is not known filled in smoothly: means of coarser and coarser maps."""
    if values.shape[-1] <= 2:
        mean = (values * known).sum((2, 3), keepdim=True) / known.sum().clamp(min=1e-6)
        return torch.where(known > 0, values, mean.expand_as(values))
    share = functional.avg_pool2d(known, 2)
    coarse = functional.avg_pool2d(values * known, 2) / share.clamp(min=1e-6)
    below = filled(coarse, (share > 0).to(values.dtype))
    grown = functional.interpolate(below, size=values.shape[-2:], mode="bilinear", align_corners=False)
    return torch.lerp(grown, values, known)


def curtain(
    depth: Float[Tensor, "1 1 s s"], person: Float[Tensor, "1 1 s s"], camera: Camera
) -> tuple[Float[Tensor, "n 3"], Int[Tensor, "f 3"]]:
    """Return what hangs where a person is, in the camera's world; depths without end are filled in."""
    known = depth.isfinite().float()
    whole = filled(torch.where(known > 0, depth, torch.zeros_like(depth)), known)
    small = functional.interpolate(whole, size=(GRID, GRID), mode="area")
    inside = functional.interpolate(person, size=(GRID, GRID), mode="area") > INSIDE
    uv = pixel_grid(GRID, GRID)
    points = cameras.unproject(camera, torch.cat([uv, small[0, 0, :, :, None]], dim=-1).reshape(1, -1, 3))[0]
    number = torch.arange(GRID * GRID).reshape(GRID, GRID)
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]
    triangles = torch.cat(
        [torch.stack([a, c, b], -1).reshape(-1, 3), torch.stack([b, c, d], -1).reshape(-1, 3)]
    )
    deep, used = small.flatten()[triangles], inside.flatten()[triangles].all(-1)
    is_whole = deep.amax(-1) - deep.amin(-1) < JUMP
    return points, triangles[used & is_whole].int()


def cut_off(
    vertices: Float[Tensor, "v 3"],
    triangles: Int[Tensor, "f 3"],
    camera: Camera,
    person: Float[Tensor, "1 1 s s"],
    seen: Float[Tensor, "1 1 s s"],
) -> Bool[Tensor, " f"]:
    """Return the triangles that lie within a person's outline, or where the photo shows nothing."""
    wide = functional.max_pool2d(person, 2 * GROWN + 1, stride=1, padding=GROWN)
    free = torch.maximum(wide, 1 - seen)
    uv = cameras.project(camera, vertices[None])[..., :2]
    inside = functional.grid_sample(free, uv[None], align_corners=False, padding_mode="border")
    return (inside.flatten() > INSIDE)[triangles.long()].all(-1)


def crept(
    colours: Float[Tensor, "v 3"],
    sure: Float[Tensor, " v"],
    places: Float[Tensor, "v 3"],
    is_hair: Float[Tensor, " v"],
) -> Float[Tensor, "v 3"]:
    """Return colours with those that are not sure taken from the nearest that are: hair from hair."""
    known = (sure > SURE).nonzero()[:, 0]
    if len(known) < NEAREST:
        return colours
    known = known[:: max(len(known) // MOST_KNOWN, 1)]
    apart = torch.cat([places, APART * is_hair[:, None]], dim=1)
    away, which = torch.cdist(apart, apart[known]).topk(NEAREST, dim=1, largest=False)
    share = 1 / (away + 0.5 * away[:, -1:] + 1e-6)
    near = (share[..., None] * colours[known][which]).sum(1) / share.sum(1, keepdim=True)
    return torch.lerp(near, colours, sure[:, None])


def draw(proxy: Proxy, camera: Camera, size: int) -> tuple[Hits, Float[Tensor, "h w 9"], Bool[Tensor, "h w"]]:
    """Return what a camera in the head's frame sees: hits, then place, normal and colour; and the face."""
    screen = cameras.to_screen(camera, proxy.vertices[None], size, size)[0]
    hits = raster.rasterise(screen, proxy.triangles, size, size)
    every = torch.cat([proxy.vertices, proxy.normals, proxy.colours], dim=-1)
    seen = raster.interpolate(every, proxy.triangles, hits)
    return hits, seen, hits.covered & proxy.is_face[hits.triangle.clamp_min(0).long()]
