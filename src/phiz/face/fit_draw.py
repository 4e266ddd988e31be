"""Fitted faces as pictures: what the camera would see if the fit were all there is."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from phiz.face.coeffs import FaceCoeffs
from phiz.face.fit_surface import face_parts
from phiz.face.morphable import MorphableModel
from phiz.graphics import camera as cameras
from phiz.graphics import raster, rotation, shade
from phiz.graphics.camera import Camera
from phiz.graphics.raster import Hits


@torch.no_grad()
def draw(
    model: MorphableModel, face: FaceCoeffs, camera: Camera, height: int, width: int
) -> tuple[Float[Tensor, "b 3 h w"], Bool[Tensor, "b h w"]]:
    """Return heads in their light, black around them, and the pixels that show the face itself.

    Ears, eyes and necks are drawn, but they are not the face: nothing was fitted to them.
    """
    surface = model.vertices(face)
    turned = rotation.from_euler(face.rotation).mT
    world = surface * model.metres_per_unit @ turned + face.translation[:, None]
    colours = model.colours(face) * shade.irradiance(model.normals(surface) @ turned, face.light)
    screen = cameras.to_screen(camera, world, height, width)
    hits = raster.rasterise_batch(screen, model.triangles, height, width)
    drawn = raster.interpolate(colours, model.triangles, hits).clamp(0, 1)
    return drawn.movedim(-1, 1) * 2 - 1, face_pixels(hits, face_parts(model))


def face_pixels(hits: Hits, is_face: Bool[Tensor, " f"]) -> Bool[Tensor, "*b h w"]:
    """Return the pixels that show triangles of the face."""
    shown: Tensor = hits.covered & is_face[hits.triangle.clamp_min(0).long()]
    return shown


def colour_error(
    drawn: Float[Tensor, "b 3 h w"], picture: Float[Tensor, "b 3 h w"], mask: Bool[Tensor, "b h w"]
) -> Float[Tensor, " b"]:
    """Return the mean distance of colours inside a mask, in shares of white; NaN where nothing is inside."""
    distance: Tensor = (drawn - picture).norm(dim=1) / 2
    return (distance * mask).sum((1, 2)) / mask.sum((1, 2))


def overlay(
    picture: Float[Tensor, "3 h w"],
    drawn: Float[Tensor, "3 h w"],
    mask: Bool[Tensor, "h w"],
    points: Float[Tensor, "n 2"],
) -> Float[Tensor, "3 h w2"]:
    """Return a picture with its points, and the same picture with the face drawn over it, side by side."""
    height, width = picture.shape[-2:]
    marked = picture.clone()
    size = max(min(height, width) // 200, 1)
    for x, y in points.round().long().tolist():
        marked[:, max(y - size, 0) : max(y + size, 0), max(x - size, 0) : max(x + size, 0)] = (
            marked.new_tensor([-1.0, 1.0, -0.2])[:, None, None]
        )
    return torch.cat([marked, torch.where(mask, drawn, picture)], dim=2)
