"""Somebody else's film as a motion, in the published way: what the regressor sees in each whole frame.

Angles are absolute and are not smoothed; expressions are the driver's own, with whatever of their identity
the regressor takes for expression. A frame that cannot be read repeats the one before it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.avatar.published_person import seen
from phiz.errors import MediaError
from phiz.face.coeffs import FaceCoeffs, Motion, stack, still
from phiz.face.regress import Regressor


def driven(
    regressor: Regressor,
    pictures: Iterable[Float[Tensor, "3 h w"] | None],
    *,
    start: FaceCoeffs | None = None,
    fps: float = 25.0,
) -> Motion:
    """Return how the face in a film's frames moves; None stands for a frame that cannot be read.

    `start` stands for frames before the first that can be read. The published program breaks there.
    """
    faces: list[FaceCoeffs] = []
    last = start
    for number, picture in enumerate(pictures):
        last = last if picture is None else seen(regressor, picture)
        if last is None:
            raise MediaError(f"frame {number + 1} cannot be read, and there is none before it. Leave it out.")
        faces.append(last)
    if not faces:
        raise MediaError("there is no frame to follow. Give a film or a folder of pictures.")
    face = stack(faces)
    nothing = still(regressor.config.basis, regressor.config.expression, face.batch, fps)
    return replace(nothing, expression=face.expression, rotation=face.rotation, translation=face.translation)


def with_poses(motion: Motion, rotation: Float[Tensor, "t2 3"]) -> Motion:
    """Return a motion with other angles of the head: the last ones stay where there are too few."""
    if not len(rotation):
        raise MediaError("there are no poses to follow. Give a film or a folder of pictures.")
    places = torch.arange(len(motion)).clamp(max=len(rotation) - 1)
    return replace(motion, rotation=rotation[places])
