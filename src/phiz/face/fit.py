"""Pictures to faces: pose, focal length, shape, light and skin, with how sure each of them is.

    points = fit_points.evenly(xy)                    # 68 points in pixels, or a Landmarker's
    found = fit(model, points, sizes, pictures)
    found.face, found.camera, found.deviation["rotation"]

Points alone give pose, focal length and shape; pictures add light and skin and correct the rest. Works with
any `phiz.face.morphable.MorphableModel`, any way a head is turned, and many pictures at once. There is no
chance in it: the same input gives the same numbers.

Second-order steps find in tens of rounds what first-order ones look for in thousands
(`phiz.face.fit_published`). The picture's unknown focal length and the head's unknown distance do nearly the
same to a face; a prior on the distance chooses, and `deviation` says how little is known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from phiz import checkpoint
from phiz.errors import CheckpointError, DataError
from phiz.face import fit_geometry, fit_photometry, fit_solve
from phiz.face.coeffs import FaceCoeffs
from phiz.face.fit_geometry import Given
from phiz.face.fit_photometry import PHOTO, PhotoConfig
from phiz.face.fit_points import FEWEST, Landmarks
from phiz.face.fit_solve import POSE, State, Term
from phiz.face.morphable import MorphableModel
from phiz.graphics import frames, rotation
from phiz.graphics.camera import Camera

KIND = "fit"
TYPICAL = 2 * math.log(2)
"""Median of a point's squared error in standard deviations, if these are right."""
AGREES = 3.0
"""A point agrees with a fit that is nearer than so many of its standard deviations."""


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """What is known beforehand, and what pictures are worth."""

    field_of_view_deg: float | None = None
    """Angle of view across the picture's longer side; None: find it."""
    nu: float = 4.0
    """Degrees of freedom of the points' errors: the fewer, the less a point that is far off counts."""
    photo: PhotoConfig | None = PHOTO
    """How colours count; None: not at all."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Faces that were fitted, one for each picture, and how far to trust them."""

    model: str
    """Name of the head model."""
    face: FaceCoeffs
    camera: Camera
    """It stands on z, one metre before the world's origin."""
    points: Float[Tensor, "b n 2"]
    """Where the points of the fitted faces show, in pixels."""
    point_error: Float[Tensor, " b"]
    """Mean distance of the points from those given, in pixels; of points that count."""
    agreeing: Float[Tensor, " b"]
    """Share of the points that agree with the fit. Below a half, do not trust it."""
    colour_error: Float[Tensor, " b"]
    """Mean distance of colours on visible skin, in shares of white; NaN without pictures."""
    covariance: Float[Tensor, "b 7 7"]
    """Of turn (radians, about the camera's axes), x and y (metres), log distance, log focal length."""
    deviation: Mapping[str, Float[Tensor, "b ..."]]
    """One standard deviation of rotation, translation, focal (as a share), identity and expression."""

    def __getitem__(self, index: slice) -> Fit:
        tensors = ("points", "point_error", "agreeing", "colour_error", "covariance")
        return Fit(
            model=self.model,
            face=self.face[index],
            camera=self.camera[index],
            deviation={name: value[index] for name, value in self.deviation.items()},
            **{name: getattr(self, name)[index] for name in tensors},
        )

    def save(self, path: Path, about: Mapping[str, object] | None = None) -> None:
        """Write the fit to one safetensors file, with anything else worth knowing about it."""
        config = {**(about or {}), "model": self.model}
        checkpoint.save(path, kind=KIND, config=config, tensors=_flat(self))

    @staticmethod
    def load(path: Path) -> Fit:
        """Read a fit that `save` wrote."""
        saved = checkpoint.load(path, kind=KIND)
        groups: dict[str, dict[str, Tensor]] = {"face": {}, "camera": {}, "deviation": {}}
        alone = {}
        for name, value in saved.tensors.items():
            group, _, rest = name.partition(".")
            if group in groups:
                groups[group][rest] = value
            else:
                alone[name] = value
        try:
            return Fit(
                model=str(saved.config["model"]),
                face=FaceCoeffs(**groups["face"]),
                camera=Camera(**groups["camera"]),
                deviation=groups["deviation"],
                **alone,
            )
        except (KeyError, TypeError) as error:
            raise CheckpointError(
                f"{path} is a fit, but parts of it are missing or unknown ({error}). Fit the picture anew."
            ) from error


def fit(
    model: MorphableModel,
    landmarks: Landmarks,
    sizes: Sequence[tuple[int, int]],
    pictures: Sequence[Float[Tensor, "3 h w"]] | None = None,
    *,
    config: FitConfig | None = None,
    start: tuple[FaceCoeffs, Camera] | None = None,
) -> Fit:
    """Return the faces whose points, and colours, come nearest to those in the pictures.

    `sizes` are the pictures' heights and widths. The pictures themselves may differ in size. `start` is a
    first guess, such as a network's; without it one is found.
    """
    chosen = config or FitConfig()
    if not len(sizes) == landmarks.batch == (len(sizes) if pictures is None else len(pictures)):
        raise ValueError(f"{landmarks.batch} sets of points are for as many pictures, not {len(sizes)}")
    few = landmarks.counted().isfinite().sum(1) < FEWEST
    if bool(few.any()):
        raise DataError(
            f"fewer than {FEWEST} points of picture {int(few.nonzero()[0, 0])} count, too few for a fit. "
            "Find its points anew, or leave it out."
        )
    with torch.no_grad():
        given = _given(model, landmarks, sizes, chosen)
        state = None if start is None else _state(given, *start)
        state = fit_geometry.solve(given, state)
        colour_error = torch.full((landmarks.batch,), torch.nan)
        if pictures is not None and chosen.photo is not None:
            state, colour_error = fit_photometry.refine(given, state, pictures, chosen.photo)
        return _report(given, state, sizes, colour_error)


def camera_of(state: State, sizes: Sequence[tuple[int, int]]) -> Camera:
    """Return the cameras of a state; pixels are square and the axis goes through the picture's middle."""
    focal = state.focal.exp()
    zero, one = torch.zeros_like(focal), torch.ones_like(focal)
    half = focal.new_tensor([[width / 2, height / 2] for height, width in sizes])
    diagonal = torch.stack([focal / half[:, 0], focal / half[:, 1], one], dim=1)
    eye = torch.stack([zero, zero, one], dim=1)
    upright = torch.eye(3).to(eye).expand(len(eye), 3, 3)
    return Camera(
        world_from_camera=frames.rigid(upright, eye).float(), intrinsics=torch.diag_embed(diagonal).float()
    )


def _given(
    model: MorphableModel, landmarks: Landmarks, sizes: Sequence[tuple[int, int]], config: FitConfig
) -> Given:
    xy = landmarks.xy.double()
    focal = None
    if config.field_of_view_deg is not None:
        longer = xy.new_tensor([max(size) for size in sizes])
        focal = longer / 2 / math.tan(math.radians(config.field_of_view_deg) / 2)
    return Given(
        model=model,
        anchors=landmarks.on(model),
        xy=xy,
        sigma=landmarks.counted().double(),
        centre=xy.new_tensor([[width / 2, height / 2] for height, width in sizes]),
        focal=focal,
        nu=config.nu,
    )


def _state(given: Given, face: FaceCoeffs, camera: Camera) -> State:
    """Return a first guess as a state: the head as the camera sees it."""
    seen = camera.camera_from_world
    turned = rotation.from_euler(face.rotation) @ rotation.from_euler(face.neck)
    place = frames.transform(seen, face.translation[:, None])[:, 0]
    focal = camera.intrinsics[:, 0, 0].double() * given.centre[:, 0]
    distance = (-place[:, 2:]).clamp_min(fit_geometry.DISTANCES[0] / 10).log()
    return State(
        turn=rotation.nearest((seen[:, :3, :3] @ turned).double()),
        place=torch.cat([place[:, :2], distance], dim=1).double(),
        focal=(focal if given.focal is None else given.focal).log(),
        shape=torch.cat([face.identity, face.expression], dim=1).double(),
        paint=place.new_zeros(len(place), 0).double(),
    )


def _report(
    given: Given, state: State, sizes: Sequence[tuple[int, int]], colour_error: Float[Tensor, " b"]
) -> Fit:
    marks = fit_geometry.marks(given, state)
    bare = replace(state, paint=state.paint[:, :0])
    terms: list[Term] = [marks, fit_geometry.prior_of(given, bare)]
    seen, apart = marks.errors(state)
    counts = given.sigma.isfinite()
    number = counts.sum(1).clamp_min(1)
    distance = torch.where(counts, (seen.xy - given.xy).norm(dim=-1), 0.0).sum(1) / number
    agreeing = (counts & (apart.square().sum(-1) < AGREES**2)).sum(1) / number
    spread = fit_solve.covariance(bare, terms, fit_geometry.limits(given, bare))
    # Errors larger than they were said to be make everything less certain.
    typical = torch.where(counts, apart.square().sum(-1), torch.nan).nanmedian(1).values
    spread = spread * (typical / TYPICAL).clamp_min(1)[:, None, None]
    return Fit(
        model=given.model.name,
        face=fit_geometry.face_of(given.model, state),
        camera=camera_of(state, sizes),
        points=seen.xy.float(),
        point_error=distance.float(),
        agreeing=agreeing.float(),
        colour_error=colour_error,
        covariance=spread[:, :POSE, :POSE].float(),
        deviation=_deviations(given, bare, spread),
    )


def _deviations(
    given: Given, state: State, spread: Float[Tensor, "b p p"]
) -> dict[str, Float[Tensor, "b ..."]]:
    """Return standard deviations in the units of `FaceCoeffs`."""
    single = spread.diagonal(dim1=1, dim2=2).clamp_min(0).sqrt()
    identity = given.model.sizes.identity
    place = single[:, 3:6].clone()
    place[:, 2] = place[:, 2] * state.place[:, 2].exp()
    found = {
        "rotation": single[:, :3],
        "translation": place,
        "focal": single[:, 6],
        "identity": single[:, POSE : POSE + identity],
        "expression": single[:, POSE + identity :],
    }
    return {name: value.float() for name, value in found.items()}


def _flat(found: Fit) -> dict[str, Tensor]:
    """Return all numbers of a fit under one name each."""
    alone = ("points", "point_error", "agreeing", "colour_error", "covariance")
    flat = {name: getattr(found, name) for name in alone}
    flat |= {f"face.{name}": getattr(found.face, name) for name in found.face.__dataclass_fields__}
    flat |= {f"camera.{name}": getattr(found.camera, name) for name in found.camera.__dataclass_fields__}
    return flat | {f"deviation.{name}": value for name, value in found.deviation.items()}
