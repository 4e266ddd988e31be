"""From what an inversion found to an avatar with a head, in the published way.

The person is drawn from the front, that picture is made as small and as coarse as a file of 224 pixels, and
the published two-stage fit finds the head in it. Which points of the face lie where is told by whoever calls:
the published method asks a network of another package, ours is `phiz.face.landmarker`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from phiz.avatar import published_rig
from phiz.avatar.avatar import Avatar
from phiz.avatar.published_quirks import PUBLISHED, PublishedQuirks
from phiz.face import bfm
from phiz.face.coeffs import FaceCoeffs
from phiz.face.fit_published import PublishedConfig, fit_published
from phiz.face.morphable import MorphableModel
from phiz.face.regress import Regressor, regress
from phiz.generator.config import GeneratorConfig
from phiz.generator.generator import Generator
from phiz.graphics import frames, rotation
from phiz.graphics.camera import Camera
from phiz.media import image

SIZE = bfm.PICTURE
"""Side of the picture in which the head is looked for."""

Marks = Callable[[Float[Tensor, "3 h w"]], Float[Tensor, "68 2"]]
"""The 68 points of the face in a picture, in pixels, y down."""


def published_person(
    generator: Generator,
    w: Float[Tensor, "1 n w"],
    background: Float[Tensor, "1 l"] | None,
    camera: Camera,
    *,
    model: MorphableModel,
    head: str,
    marks: Marks,
    config: PublishedConfig | None = None,
    quirks: PublishedQuirks = PUBLISHED,
    about: Mapping[str, object] | None = None,
) -> Avatar:
    """Return somebody whose styles and camera are known, with the head that was fitted to their frontal view.

    `head` is the name by which `phiz.face.models.open_model` opens `model` again.
    """
    with torch.no_grad():
        view = published_rig.frontal_view(generator, generator.prepare(w, background), quirks)
        picture = stored(
            functional.interpolate(view.image, size=(SIZE, SIZE), mode="bicubic", align_corners=False)
        )
    fitted = fit_published(model, marks(picture[0])[None], SIZE, pictures=picture, config=config).face
    return with_head(
        Avatar(
            generator=generator,
            w=w,
            background=background,
            camera=camera,
            rest=fitted,
            head=head,
            generator_from_head=torch.eye(4),
            about=about or {},
        )
    )


def with_head(person: Avatar) -> Avatar:
    """Return a person whose head at rest is turned and shifted by a matrix, no longer by its coefficients."""
    face = person.rest
    here = frames.rigid(rotation.from_euler(face.rotation[0]), face.translation[0])
    rest = replace(
        face, rotation=torch.zeros_like(face.rotation), translation=torch.zeros_like(face.translation)
    )
    return replace(person, rest=rest, generator_from_head=frames.generator_from_head().to(here) @ here)


def seen(regressor: Regressor, picture: Float[Tensor, "3 h w"]) -> FaceCoeffs:
    """Return the face that the regressor sees in a whole picture.

    parity: the picture is squeezed to the crop's size as it is, although the network learned from crops
    about the face.
    """
    size = regressor.config.size
    small = functional.interpolate(
        stored(picture[None]), size=(size, size), mode="bicubic", antialias=True, align_corners=False
    )
    return regress(regressor, stored(small))


def pose_of(regressor: Regressor, picture: Float[Tensor, "3 h w"], config: GeneratorConfig) -> Camera:
    """Return the camera from which the person in a photo is seen."""
    return published_rig.camera_for(config, seen(regressor, picture).rotation)


def stored(pictures: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
    """Return pictures as they come back from files of 8 bits."""
    return image.from_bytes(image.to_bytes(pictures))
