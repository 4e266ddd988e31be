"""A person and a motion make frames.

    for frame in animate(someone, motion, studio):
        ...                                          # (3, h, w) in [-1, 1]

A `Stage` is set once for a person: what depends on them alone is made there. For each frame the camera goes
where the head's pose puts it, the field is asked where the moved surface says, and what shows between the
lips is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.animate import acting, hull
from phiz.animate.bake import Bake, Quality
from phiz.animate.lashes import Lashes
from phiz.animate.lipaint import Filling
from phiz.animate.lipaint_network import LipaintNet
from phiz.animate.mouth import Mouth
from phiz.avatar.avatar import Avatar
from phiz.avatar.rig import Rig
from phiz.errors import MissingError
from phiz.face import models
from phiz.face.coeffs import Motion
from phiz.face.morphable import MorphableModel
from phiz.generator.generator import Prepared
from phiz.generator.volume import Plan
from phiz.graphics.camera import Camera

MouthKind = Literal["head", "lipaint", "none"]


@runtime_checkable
class Networks(Protocol):
    """What drawing may ask of a studio."""

    @property
    def lipaint(self) -> LipaintNet | None: ...


@dataclass(frozen=True, kw_only=True)
class Look:
    """How frames are drawn."""

    mouth: MouthKind = "head"
    """What shows between the lips: the head model's teeth and tongue, what the network paints, or nothing."""
    turn: Literal["neck", "camera"] = "neck"
    """What turns with the head: the head alone, on its neck, or the camera round the whole figure."""
    quality: Quality = "normal"
    """How carefully: a draft, as well as can be told apart, or with no shortcut at all."""
    batch: int = 8
    """Frames whose faces are made together."""

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise ValueError("--batch must be positive")


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A person, ready to be drawn: everything that no motion changes."""

    avatar: Avatar
    head: MorphableModel
    rig: Rig
    mouth: Mouth
    lashes: Lashes
    person: Prepared
    bake: Bake
    look: Look
    filling: Filling | None = None
    """Who paints the inside of the mouth, where a network does."""

    @staticmethod
    @torch.no_grad()
    def of(avatar: Avatar, look: Look | None = None, studio: Networks | None = None) -> Stage:
        """Return the stage of a person; a network that paints mouths comes from a studio."""
        look = look or Look()
        filling = None
        if look.mouth == "lipaint":
            if studio is None or studio.lipaint is None:
                raise MissingError(
                    "this studio has no network that paints mouths. Train one with 'phiz train lipaint', or "
                    "use --look.mouth head"
                )
            filling = Filling.of(avatar, studio.lipaint)
        head = models.open_model(avatar.head)
        rig = Rig.of(avatar, head)
        person = hull.cleared(avatar.generator, avatar.prepare(), rig.still)
        return Stage(
            avatar=avatar,
            head=head,
            rig=rig,
            mouth=Mouth.of(rig),
            lashes=Lashes.of(rig),
            person=person,
            bake=Bake.of(avatar, rig, person, look.quality),
            look=look,
            filling=filling,
        )

    def neck_share(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """Return in how much of a turn of the head points of the generator's frame take part."""
        still = torch.eye(4).to(points)[None]
        return self.rig.turned(still, acting.pivot_of(self.head)).share(points)

    @torch.no_grad()
    def draw(self, motion: Motion, camera: Camera | None = None) -> Float[Tensor, "t 3 h w"]:
        """Return the frames of a short motion, all at once; `camera` looks on instead of the person's own."""
        generator, avatar = self.avatar.generator, self.avatar
        face = acting.faces(avatar.rest, motion, self.head)
        moved = self.rig.vertices(face)
        camera, neck = camera or avatar.camera, None
        if self.look.turn == "camera":
            camera = acting.camera_of(camera, motion, self.head, avatar.generator_from_head)
        else:
            neck = self.rig.turned(acting.skull(motion, self.head), acting.pivot_of(self.head))
            moved = self.rig.bent(moved, neck)
            camera = camera.repeated(len(motion))
        if self.filling is None:
            image = self.bake.images(camera, moved, neck, self.rig.asked(face))
        else:
            size = generator.config.volume_resolution
            seen = self.rig.seen(camera, moved, size, neck, self.rig.asked(face))
            edit = self.filling.edit(face.expression, camera, seen, avatar.camera)
            plan = Plan(background_camera=avatar.camera)
            image = generator.render(self.person, camera, warp=seen.warp, edit=edit, plan=plan).image
        if self.look.mouth == "head":
            image = self.mouth.painted(image, camera, moved)
        image = self.lashes.painted(image, camera, moved, face.expression)
        return image.clamp(-1, 1)


def animate(
    avatar: Avatar, motion: Motion, studio: Networks | None = None, look: Look | None = None
) -> Iterator[Float[Tensor, "3 h w"]]:
    """Yield the frames of a person who moves like this."""
    return played(Stage.of(avatar, look, studio), motion)


def played(stage: Stage, motion: Motion) -> Iterator[Float[Tensor, "3 h w"]]:
    """Yield the frames of a motion on a stage."""
    motion = acting.fitting(motion, stage.head)
    for start in range(0, len(motion), stage.look.batch):
        yield from stage.draw(motion[start : start + stage.look.batch])
