"""What a regressor tells of crops, held against the truth: the losses on rendered people."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from phiz.face.bfm import DECIMETRE
from phiz.face.bfm import PICTURE as SIDE
from phiz.face.coeffs import FaceCoeffs
from phiz.face.morphable import MorphableModel
from phiz.graphics import shade
from phiz.train import regress_losses as losses
from phiz.train import regress_truth
from phiz.train.regress_config import TruthWeights
from phiz.train.regress_truth import Truth, Yardstick

NEAREST = 0.3
"""Cosine below which the surface is seen too much from the side to tell its colour."""
SURELY = 0.9
"""How much of what is shown has to be skin."""
BLINKS = ("eyeBlinkLeft", "eyeBlinkRight")
MARKS = 68


@dataclass(frozen=True, kw_only=True)
class Crops:
    """Crops on the device where they are learned from."""

    pictures: Float[Tensor, "b 3 s s"]
    """From 0 to 1."""
    skin: Float[Tensor, "b 1 s s"]
    landmarks: Float[Tensor, "b 68 2"]
    counts: Float[Tensor, "b 68"]


def truth_losses(
    model: MorphableModel,
    stick: Yardstick,
    told: FaceCoeffs,
    truth: Truth,
    crops: Crops,
    weights: TruthWeights,
) -> dict[str, Float[Tensor, ""]]:
    """Return all losses on crops of known faces, weighed."""
    face = truth.face
    points = stick.at(told.identity, told.expression)
    exact = stick.at(face.identity, face.expression)
    marks = regress_truth.project(regress_truth.stand(points[:, :MARKS], told))
    found = {
        "vertices": losses.distance(points[:, MARKS:], exact[:, MARKS:]) / losses.MILLIMETRE,
        "landmarks": losses.distance(marks, crops.landmarks),
        "rotation": losses.turn_loss(told.rotation, face.rotation),
        "translation": losses.distance(told.translation[:, None], face.translation[:, None]) / DECIMETRE,
        "identity": (told.identity - face.identity).square().mean(),
        "expression": (told.expression - face.expression).square().mean(),
        "gaze": _gaze_loss(model, told, face),
        "jaw": (told.jaw - face.jaw).abs().mean(),
        "colours": _colours(stick, told, truth, crops),
        "gamma": losses.gamma_loss(told.light),
        "texture": told.texture.square().sum(1).mean(),
    }
    return {name: getattr(weights, name) * value for name, value in found.items() if getattr(weights, name)}


def _gaze_loss(model: MorphableModel, told: FaceCoeffs, face: FaceCoeffs) -> Float[Tensor, ""]:
    """Return how wrong open eyes look."""
    apart: Tensor = (told.gaze - face.gaze).norm(dim=-1)  # (b, 2)
    names = list(model.expression_names)
    if not set(BLINKS) <= set(names):
        return apart.mean()
    shut = face.expression[:, [names.index(name) for name in BLINKS]].clamp(0, 1)
    return (apart * (1 - shut)).mean()


def _colours(stick: Yardstick, told: FaceCoeffs, truth: Truth, crops: Crops) -> Float[Tensor, ""]:
    """Return how far the told skin in the told light is from what the crop shows of the true surface."""
    where = truth.shown[:, None] * (2 / SIDE) - 1
    layers = torch.cat([crops.pictures, crops.skin], dim=1)
    shown = functional.grid_sample(layers, where, padding_mode="zeros", align_corners=False)[:, :, 0].mT
    visible = (truth.nearness > NEAREST) & (shown[..., 3] > SURELY)
    drawn = stick.colours(told.texture) * shade.irradiance(truth.normals, told.light)
    return losses.colour_loss(drawn, shown[..., :3], visible.float())
