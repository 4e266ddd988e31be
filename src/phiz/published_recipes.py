"""The four recipes in the published way: who somebody is, what they do, frames, each by the published order.

They need a studio folder of the published networks (``phiz import original``). `phiz.pipelines` calls them
when it is asked for the published method.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from phiz.animate import published, published_driving
from phiz.avatar import descent, pivotal, projector
from phiz.avatar.avatar import Avatar
from phiz.avatar.descent import Watch
from phiz.avatar.published_person import Marks, pose_of, published_person
from phiz.errors import MissingError
from phiz.face import align, landmarker, models
from phiz.face.coeffs import Motion, still
from phiz.face.fit_published import PublishedConfig
from phiz.face.regress import Regressor
from phiz.generator import poses
from phiz.media import audio, video
from phiz.speech.expression import ExpressionNet, express
from phiz.speech.windows import of_waveform
from phiz.studio import Studio

PSI = 0.7
"""The truncation that the published examples use for seeds."""


@dataclass(frozen=True, kw_only=True)
class PublishedEffort:
    """How long the published descents go on; the published numbers take hours without a GPU."""

    projection: projector.ProjectConfig = projector.PUBLISHED
    tuning: pivotal.TuneConfig = pivotal.PUBLISHED
    fit: PublishedConfig = field(default_factory=PublishedConfig)


def marks_of(picture: Float[Tensor, "3 h w"]) -> Float[Tensor, "68 2"]:
    """Return the 68 points of the face in a picture, by our own network."""
    return landmarker.built_in().points(picture).sparse[0]


def of_seed(
    studio: Studio, seed: int, *, marks: Marks = marks_of, effort: PublishedEffort | None = None
) -> Avatar:
    """Return whom a seed stands for, seen from a camera that it stands for as well; nothing is inverted."""
    generator, effort = studio.drawing(), effort or PublishedEffort()
    # parity: numbers of the generator that numpy keeps for old programs
    chance = np.random.RandomState(seed)
    z = torch.from_numpy(chance.randn(1, generator.config.z_size)).float()
    latent = torch.from_numpy(chance.randn(1, generator.config.background_latent)).float()
    camera = poses.sample(generator.config, 1, torch.Generator().manual_seed(seed))
    with torch.no_grad():
        styles = generator.styles(z, psi=PSI)
    return _person(studio, styles, latent, camera.world_from_camera, marks, effort, {"seed": seed})


def of_photo(
    studio: Studio,
    photo: Float[Tensor, "3 h w"],
    *,
    marks: Marks = marks_of,
    effort: PublishedEffort | None = None,
    watch: Watch | None = None,
    aligned: bool = False,
) -> Avatar:
    """Return the person in a photo: projection into W, then all of the generator tuned to it.

    The photo is cut as FFHQ's pictures are unless it is `aligned` already.
    """
    generator, effort = studio.drawing(), effort or PublishedEffort()
    size = generator.config.resolution
    picture = photo if aligned else align.ffhq(photo, marks(photo)).picture
    picture = functional.interpolate(picture[None], size=(size, size), mode="bicubic", antialias=True)
    picture = picture.clamp(-1, 1)
    camera = pose_of(_regressor(studio), picture[0], generator.config)
    found = projector.project(generator, picture, camera, descent.seeded(), effort.projection, watch=watch)
    pivot = pivotal.Pivot(w=found.w, background=found.background)
    tuned = pivotal.tune(generator, pivot, picture, camera, config=effort.tuning, watch=watch)
    own = replace(studio, generator=tuned.generator)
    about: dict[str, object] = {"method": "published"}
    return _person(own, found.w, found.background, camera.world_from_camera, marks, effort, about)


def said(studio: Studio, someone: Avatar, sound: Path) -> Motion:
    """Return the expressions of somebody who says what is heard, as published: fed back, and scaled."""
    network = studio.expression
    if not isinstance(network, ExpressionNet):
        raise _lacking("its network of speech")
    told = express(network, of_waveform(audio.read(sound)), someone.rest.expression[0])
    motion = still(network.config.basis, told.shape[1], len(told))
    return replace(motion, expression=told)


def driven(studio: Studio, film: Path) -> Motion:
    """Return how the face in a film moves, as the published regressor sees it frame by frame."""
    return published_driving.driven(_regressor(studio), video.read(film))


def painted(
    studio: Studio, someone: Avatar, motion: Motion, *, follows_poses: bool
) -> Iterator[Float[Tensor, "3 h w"]]:
    """Yield frames in the published order of work."""
    drawn = published.animate(
        someone, motion, studio, follows_poses=follows_poses, model=models.open_model(_head(studio, someone))
    )
    return (frame.clamp(-1, 1) for frame in drawn)


def _person(
    studio: Studio,
    styles: Float[Tensor, "1 n w"],
    latent: Float[Tensor, "1 l"] | None,
    pose: Float[Tensor, "1 4 4"],
    marks: Marks,
    effort: PublishedEffort,
    about: dict[str, object],
) -> Avatar:
    generator = studio.drawing()
    camera = replace(poses.frozen(generator.config), world_from_camera=pose)
    make = partial(published_person, generator, styles, latent, camera, marks=marks, config=effort.fit)
    name = _head(studio, None)
    return make(model=models.open_model(name), head=name, about=about)


def _head(studio: Studio, someone: Avatar | None) -> str:
    """Return the head model of a studio, wherever the person was made."""
    if studio.facemodel is not None:
        return str(studio.facemodel)
    if someone is not None:
        return someone.head
    raise _lacking("its head model")


def _regressor(studio: Studio) -> Regressor:
    if studio.regressor is None:
        raise _lacking("its regressor")
    return studio.regressor


def _lacking(what: str) -> MissingError:
    return MissingError(
        f"the published method needs {what}, which this studio lacks. Give the folder that "
        "'phiz import original' makes: --networks studio"
    )
