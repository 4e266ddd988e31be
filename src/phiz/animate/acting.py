"""What a motion asks of a face: its coefficients frame by frame, and where the camera stands for its pose.

A head that turns before a fixed camera looks as if the camera went round a fixed head the other way. Either
the head turns on its neck (`skull`), or the field stays where it is and the camera moves (`camera_of`).
"""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.errors import UsageError
from phiz.face import models, modes, retarget
from phiz.face.coeffs import FaceCoeffs, Motion, neutral
from phiz.face.head import Head
from phiz.face.morphable import MorphableModel
from phiz.graphics import frames, rotation
from phiz.graphics.camera import Camera

BLINKS = ("eyeBlinkLeft", "eyeBlinkRight")
BELOW_EARS = 0.05
"""Metres from the ends of the jaw line down to where a neck turns, for heads that do not say so."""


def fitting(motion: Motion, head: MorphableModel) -> Motion:
    """Return a motion in the expressions of a head model; those of the built-in head are translated."""
    if motion.basis == head.name:
        return motion
    built_in = models.open_model(models.BUILT_IN)
    if motion.basis != built_in.name:
        raise UsageError(
            f"the motion is one of {motion.basis!r}, the avatar has the head {head.name!r}. "
            "Translate it first: phiz head retarget"
        )
    return retarget.retarget(motion, built_in, head)


def faces(rest: FaceCoeffs, motion: Motion, head: MorphableModel) -> FaceCoeffs:
    """Return the faces that a person makes; where the head looks is the camera's business."""
    expression = motion.expression.clone()
    for side, name in enumerate(BLINKS):
        if name in head.expression_names:
            lid = head.expression_names.index(name)
            expression[:, lid] = torch.maximum(expression[:, lid], motion.blink[:, side])
    return replace(modes.repeat(rest, expression), gaze=motion.gaze)


def camera_of(
    camera: Camera, motion: Motion, head: MorphableModel, generator_from_head: Float[Tensor, "4 4"]
) -> Camera:
    """Return the cameras from which a still head looks as if it moved like this before a still one.

    `generator_from_head` is of metres.
    """
    there = generator_from_head @ frames.invert(skull(motion, head)) @ frames.invert(generator_from_head)
    return Camera(
        world_from_camera=there @ camera.world_from_camera,
        intrinsics=camera.intrinsics.expand(len(motion), -1, -1),
    )


def skull(motion: Motion, head: MorphableModel) -> Float[Tensor, "t 4 4"]:
    """Return where the neck puts a head, frame by frame, in metres of the head's frame."""
    pivot = pivot_of(head)
    turn = rotation.from_euler(motion.rotation)
    return frames.rigid(turn, motion.translation + pivot - turn @ pivot)


def pivot_of(head: MorphableModel) -> Float[Tensor, " 3"]:
    """Return about which point the neck turns a head, in metres."""
    if isinstance(head, Head):
        return torch.tensor(head.neck_pivot)
    ends = head.landmarks(head.vertices(neutral(head.sizes)))[0, [0, 16]].mean(0) * head.metres_per_unit
    return ends - ends.new_tensor([0.0, BELOW_EARS, 0.0])
