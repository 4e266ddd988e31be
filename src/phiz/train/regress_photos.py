"""What a regressor tells of photos of which only points and skin are known: the published objective.

The face that was told is drawn before the fixed camera and compared with the photo: colours on skin, points,
who a recogniser thinks they are. Gradients go through the drawing into all numbers.

Two things differ from the published trainer. Its points counted from the middles of pixels and its drawings
from their corners, half a pixel apart; here both count from corners. And the front of the Basel model is
where its authors must have meant it to be (see `phiz.face.bfm`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from phiz.errors import UsageError
from phiz.face import align, fit_surface, warp
from phiz.face.align import RECOGNITION_SIZE
from phiz.face.bfm import PICTURE as SIDE
from phiz.face.bfm import Bfm
from phiz.face.coeffs import FaceCoeffs
from phiz.face.morphable import MorphableModel
from phiz.graphics import raster, rotation, shade
from phiz.train import regress_losses as losses
from phiz.train import regress_truth
from phiz.train.regress_config import PhotoWeights
from phiz.train.regress_told import Crops

Recognise = Callable[[Float[Tensor, "b 3 s s"]], Float[Tensor, "b e"]]


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """Faces before the fixed camera, drawn as the published method does."""

    picture: Float[Tensor, "b 3 s s"]
    """From 0 on, sRGB times light; 0 where there is no head."""
    covered: Bool[Tensor, "b 1 s s"]
    """Pixels that show the head, or its front only."""
    marks: Float[Tensor, "b 68 2"]
    """The landmarks, in pixels of 224."""
    albedo: Float[Tensor, "b v 3"]
    """The skin's own colour."""


def front(model: MorphableModel) -> Int[Tensor, "f 3"]:
    """Return the triangles of a model's front, on which colours are compared."""
    if isinstance(model, Bfm):
        return model.front_triangles
    return model.triangles[fit_surface.face_parts(model)]


def draw(model: MorphableModel, face: FaceCoeffs, size: int, *, front_only: bool) -> Drawing:
    """Return faces as the fixed camera sees them, in pictures of `size` pixels."""
    surface = model.vertices(face)
    scale = model.metres_per_unit
    turned = rotation.from_euler(face.rotation).mT
    world = surface * scale @ turned + face.translation[:, None]
    albedo = model.colours(face)
    colours = albedo * shade.irradiance(model.normals(surface) @ turned, face.light)
    flat = regress_truth.project(world) * (size / SIDE)
    screen = torch.cat([flat, regress_truth.EYE - world[..., 2:]], dim=-1)
    hits = raster.rasterise_batch(screen, model.triangles, size, size)
    drawn = raster.interpolate(colours, model.triangles, raster.with_gradients(screen, model.triangles, hits))
    shown = raster.rasterise_batch(screen, front(model), size, size) if front_only else hits
    marks = model.landmarks(surface) * scale @ turned + face.translation[:, None]
    return Drawing(
        picture=drawn.movedim(-1, 1),
        covered=shown.covered[:, None],
        marks=regress_truth.project(marks),
        albedo=albedo,
    )


def photo_losses(
    model: MorphableModel,
    told: FaceCoeffs,
    crops: Crops,
    weights: PhotoWeights,
    recognise: Recognise | None,
    *,
    front_only: bool = True,
    predicted_points: bool = True,
) -> dict[str, Float[Tensor, ""]]:
    """Return all published losses on crops, weighed."""
    drawing = draw(model, told, crops.pictures.shape[-1], front_only=front_only)
    mask = crops.skin * drawing.covered
    each = (weights.identity, weights.expression, weights.texture)
    found = {
        "photo": losses.photo_loss(drawing.picture, crops.pictures, mask),
        "landmark": losses.landmark_loss(drawing.marks, crops.landmarks, crops.counts),
        "coefficients": losses.coefficient_loss(told.identity, told.expression, told.texture, weights=each),
        "gamma": losses.gamma_loss(told.light),
        "reflectance": losses.reflectance_loss(drawing.albedo, model.skin_mask),
    }
    if weights.perceptual:
        if recognise is None:
            raise UsageError("a perceptual loss needs a recogniser, or a weight of 0: --photo.perceptual 0")
        marks = drawing.marks.detach() if predicted_points else crops.landmarks
        found["perceptual"] = losses.perceptual_loss(
            recognise(recognition_crops(drawing.picture, marks)),
            recognise(recognition_crops(crops.pictures, crops.landmarks)),
        )
    return {name: getattr(weights, name) * value for name, value in found.items() if getattr(weights, name)}


def recognition_crops(
    pictures: Float[Tensor, "b 3 s s"], marks: Float[Tensor, "b 68 2"]
) -> Float[Tensor, "b 3 112 112"]:
    """Return what a recogniser sees, from -1 to 1, of pictures from 0 to 1; marks are pixels of 224."""
    size = pictures.shape[-1]
    frames = align.recognition_frame(marks * (size / SIDE))
    square = (RECOGNITION_SIZE, RECOGNITION_SIZE)
    return warp.sample(pictures * 2 - 1, frames, square, is_smooth=False)
