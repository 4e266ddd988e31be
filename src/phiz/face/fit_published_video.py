"""The published fitting of a film: one person's shape from some frames, then frame by frame.

Two things in it are surely not meant; `PublishedVideoConfig` keeps both unless told otherwise:

- Each frame's pose is pulled towards that of the FIRST frame, which is set once as "the last frame".
- Shape and skin are said to be frozen but go on moving in every frame; those kept are the first ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from phiz.face.coeffs import FaceCoeffs, stack
from phiz.face.fit_published import SHARED, PublishedConfig, fit_published
from phiz.face.morphable import MorphableModel

PERSON = PublishedConfig(one_person=True)
FRAME = PublishedConfig(rigid_steps=50, free_steps=30)


@dataclass(frozen=True, kw_only=True)
class PublishedVideoConfig:
    """Steps of the published fitting of films."""

    shape: PublishedConfig = PERSON
    """How the person is found."""
    shape_frames: int = 16
    """From so many frames, picked by chance."""
    frame: PublishedConfig = FRAME
    """How each frame is found, from where the last one was."""
    anchor: Literal["first", "last"] = "first"
    """Which frame's pose pulls; the published one is the first, the meant one surely the last."""
    freezes_person: bool = False
    """Hold shape and skin in the frames, as the published words have it and the published code has not."""


AS_MEANT = PublishedVideoConfig(anchor="last", freezes_person=True)


def fit_published_video(
    model: MorphableModel,
    landmarks: Float[Tensor, "t 68 2"],
    size: int,
    generator: torch.Generator,
    *,
    pictures: Float[Tensor, "t 3 s s"] | None = None,
    config: PublishedVideoConfig | None = None,
    triangles: Int[Tensor, "f 3"] | None = None,
) -> FaceCoeffs:
    """Return the face of each frame; shape and skin are the same in all of them."""
    chosen = config or PublishedVideoConfig()
    count = len(landmarks)
    picked = torch.randperm(count, generator=generator)[: chosen.shape_frames].sort().values
    some = None if pictures is None else pictures[picked]
    person = fit_published(
        model, landmarks[picked], size, pictures=some, config=chosen.shape, triangles=triangles
    ).face
    shared = {name: getattr(person, name)[:1] for name in SHARED}
    last, anchor = person[:1], None
    frames = []
    for t in range(count):
        last = fit_published(
            model,
            landmarks[t : t + 1],
            size,
            pictures=None if pictures is None else pictures[t : t + 1],
            config=chosen.frame,
            start=last,
            triangles=triangles,
            anchor=anchor,
            held=SHARED if chosen.freezes_person else (),
        ).face
        frames.append(last)
        if anchor is None or chosen.anchor == "last":
            anchor = last
    found = stack(frames)
    return replace(found, **{name: value.expand(count, -1) for name, value in shared.items()})
