"""Somebody of the world as they truly are: painted with any face, from any side, with what is known of it.

What an avatar of them draws can be laid beside it, pixel by pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.avatar import sittings
from phiz.face import models, warp
from phiz.face.coeffs import Motion, still
from phiz.face.morphable import MorphableModel
from phiz.graphics.camera import Camera
from phiz.world import paint, portrait
from phiz.world.figure import Outfit, dress
from phiz.world.portrait import Portrait
from phiz.world.surface import Label

WIDE, FINE = 1.5, 2.0
"""A photo shows so many times what a portrait does, in so many times its pixels."""


class Truth(NamedTuple):
    """Somebody as they are, frame by frame."""

    pictures: Float[Tensor, "t 3 s s"]
    face: Float[Tensor, "t 1 s s"]
    person: Float[Tensor, "t 1 s s"]
    inside: Float[Tensor, "t 1 s s"]
    """1 where one looks into the mouth."""
    points: Float[Tensor, "t 68 2"]


class Sitter(NamedTuple):
    """Somebody who can be painted."""

    seed: int
    who: Portrait
    outfit: Outfit
    head: MorphableModel


def sitting(seed: int) -> Sitter:
    """Return a person of the world, dressed, with a face at rest."""
    head = models.open_model(models.BUILT_IN)
    who = sittings.sitting(seed, head)
    return Sitter(seed, who, dress(who.person, head), head)


def resting(sitter: Sitter, frames: int) -> Motion:
    """Return somebody who does nothing."""
    return still(sitter.head.name, sitter.head.sizes.expression, frames)


@torch.no_grad()
def painted(
    sitter: Sitter, motion: Motion, size: int, yaws: Sequence[float] = (0.0,), *, is_photo: bool = False
) -> Truth:
    """Return somebody who moves, as the world paints them; one yaw, or one for each frame.

    A photo shows more around them, and finer.
    """
    side = round(size * FINE) if is_photo else size
    pictures, labels, covered, points = [], [], [], []
    for frame in range(len(motion)):
        view = portrait.seen_from(sitter.who, sitter.head, yaws[frame % len(yaws)], 0.0)
        scene = paint.at_time(view, motion, frame, sitter.head)
        if is_photo:
            scene = replace(scene, camera=wider(scene.camera))
        # Pores and noise belong to the picture's seed, which `at_time` counts up.
        scene = replace(scene, seed=view.seed)
        found = paint.paint(sitter.who.person, scene, sitter.head, size=side, outfit=sitter.outfit)
        pictures.append(found.image)
        labels.append(found.labels)
        covered.append(found.alpha)
        points.append(found.landmarks68)
    shown = torch.stack(labels)[:, None]
    return Truth(
        pictures=torch.stack(pictures),
        face=((shown > Label.BACKGROUND) & (shown < Label.NECK)).float(),
        person=torch.stack(covered)[:, None],
        inside=(shown == Label.MOUTH).float(),
        points=torch.stack(points),
    )


def wider(camera: Camera) -> Camera:
    """Return a camera that shows more around what it looks at."""
    scale = camera.intrinsics.new_tensor([1 / WIDE, 1 / WIDE, 1.0])
    return replace(camera, intrinsics=camera.intrinsics * scale[:, None])


def cut(truth: Truth, picture_from_crop: Float[Tensor, "t 2 3"], size: int) -> Truth:
    """Return the truth as it lies in crops."""
    square = size, size
    whole = torch.cat([truth.pictures, truth.face, truth.person, truth.inside], dim=1)
    found = warp.sample(whole, picture_from_crop.double(), square)
    return Truth(
        pictures=found[:, :3].clamp(-1, 1),
        face=found[:, 3:4].clamp(0, 1),
        person=found[:, 4:5].clamp(0, 1),
        inside=found[:, 5:].clamp(0, 1),
        points=warp.apply(warp.invert(picture_from_crop.double()), truth.points),
    )
