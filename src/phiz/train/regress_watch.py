"""What is looked at while a regressor trains: sheets of the faces that it tells, and how wrong they are."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from phiz.errors import DataError, MediaError
from phiz.face import fit_surface
from phiz.face.bfm import PICTURE as SIDE
from phiz.face.coeffs import FaceCoeffs, neutral
from phiz.face.morphable import MorphableModel
from phiz.face.regress import Regressor, to_face
from phiz.graphics import rotation
from phiz.layers.folding import folded
from phiz.train import photo_changes, regress_photos, regress_truth, state
from phiz.train.ranks import Ranks
from phiz.train.regress_config import TrainRegressConfig
from phiz.train.regress_losses import MILLIMETRE, rigidly_apart
from phiz.train.regress_sources import PortraitSource, WorldPortraits, open_photos, open_world
from phiz.train.regress_stream import STILL, CropBatch, CropChanges, cropped, joined
from phiz.train.regress_truth import Truth, truth_of
from phiz.train.run import Run

SHOWN = 8
"""Pictures of a sheet."""
AT_ONCE = 20
"""Pictures that are measured together."""
AS_FOUND: CropChanges = replace(STILL, points=0.03)
"""Where crops lie that are measured: where a network's points put them."""


def watch(
    config: TrainRegressConfig, run: Run, regressor: Regressor, model: MorphableModel, here: Ranks
) -> None:
    """Keep a sheet and take a measurement where it is time for them."""
    if run.due(config.picture_every) and here.is_first:
        run.picture("faces", sheet(regressor, model, _looked_at(config), here.device))
    if config.check is not None and run.due(config.measure_every):
        check, count = open_world(config.check), config.measure_count
        found = state.from_first(here, lambda: measure(regressor, model, check, count, here.device))
        run.log(found, always=True)


def _looked_at(config: TrainRegressConfig) -> PortraitSource:
    """Return the pictures of sheets: a user's photos, where there are some."""
    if config.photos is not None:
        return open_photos(config.photos, use_skin=config.skin)
    folder = config.check or config.data
    assert folder is not None
    return open_world(folder)


def measure(
    regressor: Regressor,
    model: MorphableModel,
    source: WorldPortraits,
    count: int,
    device: torch.device,
    place: CropChanges = AS_FOUND,
) -> dict[str, float]:
    """Return how wrong a regressor is about known faces, and how wrong the mean face would be."""
    ready = folded(regressor)
    face = fit_surface.chart(model)
    vertices = torch.unique(face.triangles[face.is_face]).to(device)
    found: dict[str, list[Tensor]] = {}
    for batch in _in_batches(source, count, regressor.config.size, place):
        for name, value in _errors(ready, model, batch, vertices, device).items():
            found.setdefault(name, []).append(value)
    return {name: float(torch.cat(values).mean()) for name, values in found.items()}


@torch.no_grad()
def _errors(
    regressor: Regressor, model: MorphableModel, batch: CropBatch, vertices: Tensor, device: torch.device
) -> dict[str, Float[Tensor, " b"]]:
    """Return the errors of each picture."""
    assert batch.face is not None
    assert batch.seen is not None
    truth = truth_of(model, batch.face.to(device), batch.seen.to(device), vertices)
    told = to_face(regressor(batch.pictures.to(device).float() / 255), regressor.config)
    wanted = truth.face
    mean = neutral(model.sizes, wanted.batch, device)
    still = torch.zeros_like(wanted.expression)
    person, rest = (replace(one, expression=still) for one in (told, wanted))
    marks = model.landmarks(model.vertices(told)) * model.metres_per_unit
    seen = regress_truth.project(regress_truth.stand(marks, told))
    landmarks = batch.landmarks.to(device)
    eyes = regress_truth.eye_distance(landmarks)
    turn = rotation.angle_between(*(rotation.from_euler(one.rotation) for one in (told, wanted)))
    return {
        "vertices mm": _apart(model, told, truth.surface, vertices),
        "vertices mm of the mean face": _apart(model, mean, truth.surface, vertices),
        "identity mm": _apart(model, person, _points(model, rest, vertices), vertices),
        "identity mm of the mean face": _apart(model, mean, _points(model, rest, vertices), vertices),
        "rotation degrees": turn.rad2deg(),
        "landmarks % of the eyes' distance": 100 * (seen - landmarks).norm(dim=-1).mean(1) / eyes,
        "landmarks % of the truth": 100 * _held(model, truth, landmarks).mean(1) / eyes,
        "expression": (told.expression - wanted.expression).abs().mean(1),
        "expression of the mean face": wanted.expression.abs().mean(1),
        "gaze degrees": (told.gaze - wanted.gaze).norm(dim=-1).mean(1).rad2deg(),
        "gaze degrees of the mean face": wanted.gaze.norm(dim=-1).mean(1).rad2deg(),
    }


def _points(model: MorphableModel, face: FaceCoeffs, vertices: Tensor) -> Float[Tensor, "b n 3"]:
    return model.vertices(face)[:, vertices] * model.metres_per_unit


def _apart(model: MorphableModel, told: FaceCoeffs, surface: Tensor, vertices: Tensor) -> Float[Tensor, " b"]:
    """Return mean distances of surfaces, in millimetres, one laid on the other as well as it goes."""
    still = replace(told, neck=torch.zeros_like(told.neck))
    return rigidly_apart(_points(model, still, vertices), surface).mean(1) / MILLIMETRE


def _held(model: MorphableModel, truth: Truth, landmarks: Tensor) -> Float[Tensor, "b 68"]:
    """Return how far the true face is from its own picture before the fixed camera: no network is better."""
    marks = model.landmarks(model.vertices(truth.face)) * model.metres_per_unit
    away: Tensor = (regress_truth.project(regress_truth.stand(marks, truth.face)) - landmarks).norm(dim=-1)
    return away


def _in_batches(source: PortraitSource, count: int, size: int, place: CropChanges) -> Iterator[CropBatch]:
    """Yield crops of so many pictures of a source, spread over all of it, unchanged."""
    some: list[CropBatch] = []
    for number in np.linspace(0, source.count - 1, min(count, source.count)).round().astype(int):
        with contextlib.suppress(MediaError):
            rng = np.random.default_rng((0, int(number)))
            portrait = source.read(int(number))
            some.append(cropped(portrait, place, photo_changes.NONE, size, None, rng))
        if len(some) == AT_ONCE:
            yield joined(some)
            some = []
    if some:
        yield joined(some)


@torch.no_grad()
def sheet(
    regressor: Regressor, model: MorphableModel, source: PortraitSource, device: torch.device
) -> Float[Tensor, "3 h w"]:
    """Return crops, the same with the face that was told drawn over them, and that face alone."""
    batches = list(_in_batches(source, SHOWN, regressor.config.size, AS_FOUND))
    if not batches:
        raise DataError(f"none of the pictures near {source.name(0)} can be used. Copy or make them again.")
    crops = joined(batches).pictures.to(device).float() / 255
    return overlaid(regressor, model, crops)


@torch.no_grad()
def overlaid(
    regressor: Regressor, model: MorphableModel, crops: Float[Tensor, "b 3 s s"]
) -> Float[Tensor, "3 h w"]:
    """Return a sheet of crops from 0 to 1: as they are, with the face drawn over them, the face alone."""
    size = regressor.config.size
    read = crops if crops.shape[-1] == size else functional.interpolate(crops, size=(size, size))
    told = to_face(folded(regressor)(read), regressor.config)
    side = max(size, SIDE)
    large = functional.interpolate(crops, size=(side, side), mode="bicubic").clamp(0, 1)
    drawn = regress_photos.draw(model, told, side, front_only=True)
    alone = drawn.picture.clamp(0, 1)
    over = torch.where(drawn.covered, alone, large)
    rows = torch.cat([large, over, alone], dim=2)
    return torch.cat(list(rows), dim=-1).cpu() * 2 - 1
