"""A person's frames in the published order of work, one by one.

    frames = published.animate(avatar, motion, studio)

For each frame: the head's vertices are moved and laid across the frontal plane; LipaintNet's style is drawn,
and the parser finds the mouth in that picture; then the person is drawn with moved samples, with the features
of that mouth in place of their own. Three passes through the whole generator where ours has one, because a
third one is drawn and forgotten (`WASTEFUL`, for measuring).

The order is NeRFFaceSpeech's (Kim et al., 2024), with every quirk that changes a frame; `PublishedQuirks`
mends them one by one. Of a motion it takes the expression, as absolute coefficients of the avatar's own head,
and the head's angles if it is told to; blinks and gaze are not a part of the method.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.animate.lipaint_network import LipaintNet, with_mouth
from phiz.animate.published_blend import blended
from phiz.animate.published_masks import averaged
from phiz.avatar import published_rig
from phiz.avatar.avatar import Avatar
from phiz.avatar.published_quirks import PUBLISHED, PublishedQuirks
from phiz.avatar.published_rig import PublishedRig
from phiz.errors import MissingError, UsageError
from phiz.face import fit_published, models, parse
from phiz.face.bfm import PICTURE
from phiz.face.coeffs import Motion
from phiz.face.morphable import MorphableModel
from phiz.face.parse import Parser
from phiz.generator.generator import Edit, Features, Prepared, Rendering, Warp
from phiz.graphics.camera import Camera


@runtime_checkable
class Networks(Protocol):
    """What the published method asks of a studio."""

    @property
    def parser(self) -> Parser | None: ...
    @property
    def lipaint(self) -> LipaintNet | None: ...


class Shot(NamedTuple):
    """One frame that is to be drawn."""

    expression: Float[Tensor, "1 e"]
    camera: Camera


class Mouth(NamedTuple):
    """What LipaintNet's style draws, of which the mouth is wanted."""

    shot: Shot
    features: Features


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Everything that is the same in all frames."""

    person: Avatar
    model: MorphableModel
    parser: Parser
    lipaint: LipaintNet
    rig: PublishedRig
    prepared: Prepared
    quirks: PublishedQuirks


def animate(
    person: Avatar,
    motion: Motion,
    studio: Networks,
    quirks: PublishedQuirks = PUBLISHED,
    *,
    follows_poses: bool = False,
    model: MorphableModel | None = None,
) -> Iterator[Float[Tensor, "3 h w"]]:
    """Yield what one sees of a person who moves.

    The camera stays where the person was seen from, or stands where a head of the motion's angles looks as
    it does (`follows_poses`). `model` is the person's head model, for whoever has it open already.
    """
    setting = set_up(person, studio, quirks, model)
    check(motion, setting.model)
    mouths = (mouth_of(setting, shot) for shot in shots(setting, motion, follows_poses))
    for mouth, mask in averaged(mouths, is_causal=quirks.averages_past_masks):
        yield frame_of(setting, mouth, mask)


@torch.no_grad()
def set_up(
    person: Avatar,
    studio: Networks,
    quirks: PublishedQuirks = PUBLISHED,
    model: MorphableModel | None = None,
) -> Setting:
    """Return what is found once: how the person's samples hang on their head."""
    parser, lipaint = studio.parser, studio.lipaint
    if parser is None or lipaint is None:
        lack = "no parser" if parser is None else "no LipaintNet"
        raise MissingError(
            f"the published method needs a parser and a LipaintNet; this studio has {lack}. Import them: "
            "phiz import original"
        )
    head = model or models.open_model(person.head)
    prepared = person.prepare()
    return Setting(
        person=person,
        model=head,
        parser=parser,
        lipaint=lipaint,
        rig=published_rig.tie(person, head, parser, quirks, prepared),
        prepared=prepared,
        quirks=quirks,
    )


def check(motion: Motion, model: MorphableModel) -> None:
    """Refuse motions of another head."""
    if motion.basis != model.name or motion.expression.shape[1] != model.sizes.expression:
        raise UsageError(
            f"the motion tells {motion.expression.shape[1]} expressions of {motion.basis!r}; this person's "
            f"head is {model.name!r} with {model.sizes.expression}. Make it one of that head with: phiz head "
            "retarget"
        )


def shots(setting: Setting, motion: Motion, follows_poses: bool) -> Iterator[Shot]:
    """Yield what is to be drawn, frame by frame."""
    config, device = setting.person.generator.config, setting.person.w.device
    for expression, angles in zip(motion.expression.to(device), motion.rotation.to(device), strict=True):
        driven = published_rig.camera_for(config, angles[None])
        yield Shot(expression[None], driven if follows_poses else setting.person.camera)


@torch.no_grad()
def mouth_of(setting: Setting, shot: Shot) -> tuple[Mouth, Float[Tensor, "1 1 n n"]]:
    """Return what LipaintNet's style draws, and where the parser sees a mouth in that picture."""
    person, config = setting.person, setting.person.generator.config
    styles = with_mouth(setting.lipaint, person.w, shot.expression, config.volume_styles)
    seen = drawn(setting, person.with_styles(styles), shot.camera)
    mask = mouth_mask(seen.image, setting.parser, setting.quirks)
    return Mouth(shot, Features(seen.features, seen.small)), mask


@torch.no_grad()
def frame_of(setting: Setting, mouth: Mouth, mask: Float[Tensor, "1 1 n n"]) -> Float[Tensor, "3 h w"]:
    """Return the person with their samples moved and the mouth put in."""
    (expression, camera), quirks = mouth.shot, setting.quirks
    face = replace(setting.person.rest, expression=expression)
    if quirks.wastes_head_picture:
        fit_published.published_picture(setting.model, face, PICTURE)
    moved = published_rig.flat_vertices(setting.person, setting.model, face, setting.rig.used)[0]
    warp = published_rig.warp(setting.rig, moved, quirks)
    if quirks.wastes_pass:
        drawn(setting, _person(setting), camera, warp=warp)
    edit = partial(blended, mouth=mouth.features, mask=mask, quirks=quirks)
    return drawn(setting, _person(setting), camera, warp=warp, edit=edit).image[0]


def drawn(
    setting: Setting,
    prepared: Prepared,
    camera: Camera,
    *,
    warp: Warp | None = None,
    edit: Edit | None = None,
) -> Rendering:
    """Return one pass through the whole generator."""
    generator, quirks = setting.person.generator, setting.quirks
    return generator.render(
        prepared,
        camera,
        depths=setting.rig.depths if quirks.freezes_depths else None,
        warp=warp,
        edit=edit,
        plan=published_rig.plan(generator.config, quirks),
    )


def mouth_mask(
    pictures: Float[Tensor, "b 3 h w"], parser: Parser, quirks: PublishedQuirks
) -> Float[Tensor, "b 1 n n"]:
    """Return where pictures show lips or what is between them, as the parser sees it."""
    labels = parse.parse(parser, published_rig.shown_to_parser(pictures, quirks))
    return torch.isin(labels, labels.new_tensor(parser.config.table.mouth))[:, None].float()


def _person(setting: Setting) -> Prepared:
    return setting.person.prepare() if setting.quirks.prepares_anew else setting.prepared
