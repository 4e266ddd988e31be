"""From a photo to an avatar: find the face, find who is like them, make the generator draw the very person.

    someone = invert.of_photo(picture, generator, watch=lambda progress: console.say(str(progress)))

One photo says nothing about the other sides of a head. What the fitted head and the generator together say
of it, as a relief of the photo, is what tuning holds on to, so that a turned face is still a face, and theirs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn import functional

from phiz.avatar import framing, likeness, relief
from phiz.avatar.avatar import Avatar
from phiz.avatar.descent import Keep, Progress, Watch
from phiz.avatar.encoder_network import EncoderNet, fits
from phiz.avatar.framing import Framed
from phiz.avatar.likeness import LikenessConfig
from phiz.avatar.targets import Targets, attention, joined, shrunk, surface
from phiz.avatar.tune import TuneConfig, tune
from phiz.face import models, network_files
from phiz.face.fit_points import Landmarker
from phiz.face.morphable import MorphableModel
from phiz.face.parse import Parser, parse
from phiz.generator.generator import Generator
from phiz.graphics import camera as cameras
from phiz.graphics import frames, rotation
from phiz.graphics.camera import Camera
from phiz.layers.folding import folded

SIDES_DEG = ((-15.0, 0.0), (15.0, 0.0), (-30.0, 0.0), (30.0, 0.0), (0.0, -12.0), (0.0, 12.0))
"""Yaw and pitch, from the photo's own, of the views that hold the head together."""
BARE = (1, 2, 3, 4, 5, 10, 11, 12, 13)
"""Classes of the parser where the fitted head is what one sees."""
SOFT = 2.0
"""Pixels over which the edge of a person is blurred, as the parser cannot tell it more exactly."""
GUESSED = 0.15
"""How much the generator's guess counts from aside, where the photo says nothing."""
MIRRORED = 0.35
"""How much the other half of a face counts."""
ASIDE = 0.15
"""How often each view from aside is looked at, against the photo's own."""
AIM_DB = 27.0
"""Below it a photo was out of reach."""


@dataclass(frozen=True, kw_only=True)
class InvertConfig:
    """How an avatar is made from a photo."""

    seconds: float = 50.0
    """In all, without reading networks."""
    likeness: LikenessConfig = field(default_factory=LikenessConfig)
    tuning: TuneConfig = field(default_factory=lambda: TuneConfig(steps=1200))
    behind: float = 0.1
    """How much what is behind the person counts."""


INVERT = InvertConfig()


class Marked(NamedTuple):
    """What the parser says of a crop."""

    labels: UInt8[Tensor, "s s"]
    person: Float[Tensor, "s s"]
    """Share of each pixel that is the person's."""
    bare: Bool[Tensor, "s s"]


def of_photo(
    photo: Float[Tensor, "3 h w"],
    generator: Generator,
    config: InvertConfig = INVERT,
    *,
    encoder: EncoderNet | None = None,
    finder: Landmarker | None = None,
    parser: Parser | None = None,
    watch: Watch | None = None,
    keep: Keep | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Avatar:
    """Return the person in a photo; raise a `MediaError` if nobody is there.

    `about` of the avatar says how well it went and how long it took, and warns where a photo is out of reach.
    """
    begun = clock()
    head = models.open_model(models.BUILT_IN)
    framed = framing.of_photo(photo, generator.config, finder=finder, head=head)
    parser = folded(network_files.load(network_files.PARSER)) if parser is None else parser
    marked = mark(parser, framed)
    taken = {"fit": clock() - begun}
    person, front, start = begin(framed, marked, generator, head, encoder, config)
    person = likeness.approach(person, front, config.likeness, watch=watch, clock=clock)
    taken["likeness"] = clock() - begun - taken["fit"]
    views = joined([front, *sides(person, framed, marked, head)])
    left = max(config.seconds - (clock() - begun), 1.0)
    person = tune(person, views, replace(config.tuning, seconds=left), watch=watch, keep=keep, clock=clock)
    taken["tuning"] = clock() - begun - sum(taken.values())
    reached = masked_psnr(person, framed.crop, marked.person)
    warnings = list(framed.warnings)
    if reached < AIM_DB:
        warnings.append(
            f"the photo is out of reach: {reached:.1f} dB of {AIM_DB:.0f} on the person. Glasses, hands, hats and "
            "hard shadows are the usual reasons; give it more --seconds, or another photo"
        )
    about = {
        "start": start,
        "psnr_db": round(reached, 2),
        "seconds": {name: round(value, 2) for name, value in taken.items()},
        "agreeing": round(framed.agreeing, 3),
        "warnings": warnings,
    }
    return replace(person, about={**person.about, **about})


@torch.no_grad()
def mark(parser: Parser, framed: Framed) -> Marked:
    """Return what is the person in a crop, and where their face is bare."""
    labels = parse(parser, framed.crop[None])[0]
    person = (labels > 0).float()
    soft = functional.avg_pool2d(person[None, None], 5, 1, 2, count_include_pad=False)[0, 0]
    return Marked(labels, soft, torch.isin(labels, torch.tensor(BARE, dtype=labels.dtype)))


@torch.no_grad()
def begin(
    framed: Framed,
    marked: Marked,
    generator: Generator,
    head: MorphableModel,
    encoder: EncoderNet | None,
    config: InvertConfig,
) -> tuple[Avatar, Targets, str]:
    """Return the nearest of the people one can begin with, the photo as a view, and who that was."""
    latent = generator.config.background_latent
    person = Avatar(
        generator=generator,
        w=generator.mapping.average.expand(1, generator.config.styles, -1).clone(),
        background=torch.zeros(1, latent) if generator.background is not None else None,
        camera=framed.camera,
        rest=framed.rest,
        head=models.BUILT_IN,
        generator_from_head=framed.generator_from_head,
        photo=framed.photo,
        photo_from_crop=framed.photo_from_crop,
    )
    front = front_view(person, framed, marked, head, config)
    some = likeness.starts(generator, framed.rest.identity[0], framed.rest.expression[0], head)
    if encoder is not None and fits(encoder.config, generator.config):
        some["encoder"] = encoder(upright(framed)[None]).styles
    name, person = likeness.nearest(person, some, front)
    return person, front, name


def upright(framed: Framed) -> Float[Tensor, "3 s s"]:
    """Return a crop turned until the head stands upright, as encoders know heads."""
    right, up = framed.camera.world_from_camera[0, :3, :2].unbind(1)
    roll = math.atan2(float(right[2]), float(up[2]))  # the generator's third axis points up
    cosine, sine = math.cos(roll), math.sin(roll)
    turn = framed.crop.new_tensor([[[cosine, sine, 0.0], [-sine, cosine, 0.0]]])
    grid = functional.affine_grid(turn, [1, *framed.crop.shape], align_corners=False)
    return functional.grid_sample(framed.crop[None], grid, padding_mode="reflection", align_corners=False)[0]


@torch.no_grad()
def front_view(
    person: Avatar, framed: Framed, marked: Marked, head: MorphableModel, config: InvertConfig
) -> Targets:
    """Return the photo's own view: its colours, the person's outline, the depth of the bare face."""
    size = person.generator.config.volume_resolution
    picture, cover = framed.crop[None], marked.person[None, None]
    weight = attention(marked.labels[None], cover)
    weight = torch.where(cover > 0.5, weight, config.behind * torch.ones_like(weight)) * framed.seen[None]
    still = placed(person, head)
    nothing = torch.zeros_like(marked.person)
    deep, known = relief.depth_of(head, still, framed.camera, marked.bare, nothing, nothing)
    far, sure = surface(torch.where(known, deep, nothing)[None, None], size)
    opacity = shrunk(cover, size)
    return Targets(
        camera=framed.camera,
        pictures=picture,
        weight=weight,
        depth=far,
        depth_weight=sure,
        opacity=opacity,
        opacity_weight=shrunk(framed.seen[None], size),
        chance=torch.ones(1),
    )


@torch.no_grad()
def sides(person: Avatar, framed: Framed, marked: Marked, head: MorphableModel) -> list[Targets]:
    """Return views from aside: what the photo shows of them, its mirror image, and the generator's guess."""
    generator = person.generator
    prepared = person.prepare()
    drawn = generator.render(prepared, framed.camera)
    depth, opacity = (larger(x, framed.crop.shape[-1]) for x in (drawn.depth, drawn.opacity))
    deep, _ = relief.depth_of(head, placed(person, head), framed.camera, marked.bare, depth, opacity)
    weight = (0.3 + 0.7 * marked.bare.float()) * framed.seen[0]
    shape = relief.Relief(
        picture=framed.crop, weight=weight[None], depth=deep, person=marked.person, camera=framed.camera
    )
    views = []
    for yaw, pitch in SIDES_DEG:
        camera = beside(framed.camera, math.radians(yaw), math.radians(pitch))
        guess = generator.render(prepared, camera)
        own = relief.seen_from(shape, camera)
        other = relief.mirrored(shape, head, framed.rest, framed.generator_from_head, camera)
        views.append(mixed(camera, own, other, guess.image, guess.depth, guess.opacity))
    return views


def mixed(
    camera: Camera,
    own: relief.Aside,
    other: relief.Aside,
    image: Float[Tensor, "1 3 s s"],
    depth: Float[Tensor, "1 r r"],
    opacity: Float[Tensor, "1 r r"],
) -> Targets:
    """Return a view from aside, each of its sources where the better ones know nothing."""
    size = opacity.shape[-1]
    first = own.weight.clamp(0, 1)
    second = (1 - first) * other.weight.clamp(0, 1)
    third = 1 - first - second
    picture = first * own.picture + second * other.picture + third * image[0].clamp(-1, 1)
    weight = first + MIRRORED * second + GUESSED * third
    nothing = torch.zeros_like(own.depth)
    near = torch.where(own.covered, own.depth, torch.where(other.covered, other.depth, nothing))
    far, sure = surface(near[None, None], size)
    known = shrunk((own.covered | other.covered)[None, None].float(), size)
    return Targets(
        camera=camera,
        pictures=picture[None],
        weight=weight[None],
        depth=torch.where(sure > 0, far, depth[:, None]),
        depth_weight=torch.where(sure > 0, 0.5 * sure, GUESSED * opacity[:, None].clamp(0, 1)),
        opacity=torch.maximum(known, opacity[:, None].clamp(0, 1)),
        opacity_weight=torch.where(known > 0.5, 0.5, GUESSED),
        chance=torch.full((1,), ASIDE),
    )


def beside(camera: Camera, yaw: float, pitch: float) -> Camera:
    """Return a camera that sees the head turned by so much more than another does."""
    axes = camera.world_from_camera[0, :3, :3]
    turn = rotation.from_euler(axes.new_tensor([[pitch, yaw, 0.0]]))[0]
    # The head turns by `turn` in the camera's frame: the camera goes the other way around it.
    turned = axes @ turn.T
    far = camera.position[0].norm()
    return replace(camera, world_from_camera=frames.rigid(turned, far * turned[:, 2])[None])


def placed(person: Avatar, head: MorphableModel) -> Float[Tensor, "v 3"]:
    """Return the surface of a person's head at rest, in the generator's frame."""
    return frames.transform(person.generator_from_head, head.vertices(person.rest)[0] * head.metres_per_unit)


def larger(maps: Float[Tensor, "1 r r"], size: int) -> Float[Tensor, "s s"]:
    """Return a map at the size of the picture."""
    return functional.interpolate(maps[None], size=(size, size), mode="bilinear", align_corners=False)[0, 0]


@torch.no_grad()
def masked_psnr(person: Avatar, crop: Float[Tensor, "3 s s"], mask: Float[Tensor, "s s"]) -> float:
    """Return how well a person is drawn from where they were seen, in decibels."""
    made = person.generator.render(person.prepare(), person.camera).image[0].clamp(-1, 1)
    square = ((made - crop) / 2).square().mean(0)
    mean = float((square * mask).sum() / mask.sum().clamp(min=1))
    return -10 * math.log10(max(mean, 1e-10))


@torch.no_grad()
def preview(
    person: Avatar, yaws_deg: tuple[float, ...] = (-20.0, 20.0, 30.0), crop: Float[Tensor, "3 s s"] | None = None
) -> Float[Tensor, "3 h w"]:
    """Return one picture: the photo's crop, the person as drawn, half of each, turned, and how deep."""
    size, prepared = person.generator.config.resolution, person.prepare()
    made = person.generator.render(prepared, person.camera)
    image = made.image[0]
    if crop is None and person.photo is not None and person.photo_from_crop is not None:
        crop, _ = framing.cut(person.photo, person.photo_from_crop.double(), size)
    shown = [image] if crop is None else [crop, image, (crop + image) / 2]
    for yaw in yaws_deg:
        camera = beside(person.camera, math.radians(yaw), 0.0)
        shown.append(person.generator.render(prepared, camera).image[0])
    depth = larger(made.depth, size)
    seen = larger(made.opacity, size).clamp(0, 1)
    grey = ((1.1 - depth) / 0.2).clamp(0, 1) * 2 - 1
    shown.append(torch.lerp(torch.full_like(grey, -1), grey, seen).expand(3, -1, -1))
    return torch.cat(shown, dim=-1).clamp(-1, 1)
