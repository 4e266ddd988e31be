"""Spectacles' glass: what it lets through and what it mirrors."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.graphics import camera as cameras
from phiz.graphics import raster
from phiz.graphics.raster import Hits
from phiz.world.drawn import samples, shading
from phiz.world.drawn.shading import Lamp, Light
from phiz.world.people import Person
from phiz.world.scene import Scene
from phiz.world.surface import Surface

CURVE = 0.17
"""Radius of a lens' curvature, in metres."""


def look_through(
    sheet: Surface, found: Hits, person: Person, scene: Scene, size: int
) -> tuple[Float[Tensor, " p"], Float[Tensor, "3 1"], Float[Tensor, "3 p"]]:
    """Return a lens' share of each pixel, the colour it lets through, and what it mirrors."""
    fine = size * samples.SUB
    screen = cameras.to_screen(scene.camera, sheet.vertices[None], fine, fine)[0]
    hits = samples.blocks(raster.rasterise(screen, sheet.triangles.int(), fine, fine))
    in_front = (hits.triangle >= 0) & (hits.depth < samples.grouped(found.depth))
    share = in_front.float().mean(1)
    points = samples.once_a_pixel(hits, in_front, sheet.triangles)
    through = torch.lerp(torch.ones_like(sheet.colour[0]), sheet.colour[0], person.lens_tint)[:, None]
    through = through * (1 - 0.9 * person.lens_tint)
    mirrored = share.new_zeros(3, share.shape[0])
    if len(points):
        table = torch.cat([sheet.vertices, _normals(sheet)], dim=1)
        mixed = points.mix(table)
        view = shading.unit(scene.camera.position[0] - mixed[:, :3])
        normal = shading.unit(mixed[:, 3:])
        normal = normal * torch.sign(shading.dot(normal, view) + 1e-9)
        ones = torch.ones_like(mixed[:, 0])
        lamps = tuple(
            Lamp(direction=k.direction, colour=k.colour, softness=k.softness, visible=ones)
            for k in scene.keys
        )
        light = Light(ambient=scene.ambient, open=ones, lamps=lamps)
        bright = shading.mirror_lamps(light, normal, view, 0.045).clamp(max=1.5)
        bright = bright + shading.gloss(
            Light(ambient=scene.ambient, open=ones, lamps=()), normal, view, 0.1 * ones, 0.06
        )
        mirrored[:, points.pixel] = bright.T
    return share, through, mirrored


def _normals(sheet: Surface) -> Float[Tensor, "v 3"]:
    """Return the lens' vertex normals, as curved as the lens: a bit more than its mesh."""
    from_middle = sheet.vertices - sheet.vertices.mean(0)
    corners = sheet.vertices[sheet.triangles]
    flat = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]).sum(0)
    flat = torch.nn.functional.normalize(flat, dim=0)
    return shading.unit(flat + from_middle / CURVE)
