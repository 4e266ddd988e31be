"""From a photo to an avatar: find the face, guess the whole head, make the generator draw the very person.

    someone = invert.of_photo(picture, generator, watch=lambda progress: console.say(str(progress)))

One photo says nothing about the other sides of a head. What the fitted head and the photo's own colours make
likely there (`phiz.avatar.sides`) is what tuning holds on to, so that a turned face is still theirs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from phiz.avatar import framing, matte, sides
from phiz.avatar.avatar import Avatar
from phiz.avatar.descent import Keep, Watch
from phiz.avatar.encoder_network import EncoderNet, fits
from phiz.avatar.framing import Framed
from phiz.avatar.sides import SideConfig, Sitter
from phiz.avatar.tune import TuneConfig, tune
from phiz.face import models, network_files, warp
from phiz.face.fit_points import Landmarker
from phiz.face.parse import Parser
from phiz.generator.generator import Generator
from phiz.graphics import frames, rotation
from phiz.graphics.camera import Camera
from phiz.layers.folding import folded
from phiz.world.data.produce import one_thread

LEAST_DB = 24.0
"""Below it a photo was out of reach."""


@dataclass(frozen=True, kw_only=True)
class InvertConfig:
    """How an avatar is made from a photo."""

    seconds: float = 50.0
    """In all, without reading networks."""
    sides: SideConfig = field(default_factory=SideConfig)
    tuning: TuneConfig = field(default_factory=lambda: TuneConfig(steps=1200))


INVERT = InvertConfig()


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
    parser = folded(network_files.load(network_files.PARSER) if parser is None else parser)
    with one_thread():  # products are so small here that threads only wait for each other
        framed = framing.of_photo(photo, generator.config, finder=finder, head=head)
        known = matte.parsed(parser, framed)
        looked = clock()
        views = sides.views(Sitter(framed, head, known, generator.config), config.sides)
        person, start = begin(framed, generator, encoder)
    guessed = clock()
    left = max(config.seconds - (guessed - begun), 1.0)
    person = tune(person, views, replace(config.tuning, seconds=left), watch=watch, keep=keep, clock=clock)
    reached = masked_psnr(person, framed.crop, known.matte[0, 0] * framed.seen[0])
    about = {
        "start": start,
        "psnr_db": round(reached, 2),
        "seconds": {
            "look": round(looked - begun, 2),
            "guess": round(guessed - looked, 2),
            "tune": round(clock() - guessed, 2),
        },
        "agreeing": round(framed.agreeing, 3),
        "warnings": [*framed.warnings, *out_of_reach(reached)],
    }
    return replace(person, about={**person.about, **about})


def out_of_reach(reached_db: float) -> tuple[str, ...]:
    """Return what to say of a photo that could not be drawn well; nothing of others."""
    if reached_db >= LEAST_DB:
        return ()
    return (
        f"the photo is out of reach: {reached_db:.1f} dB of {LEAST_DB:.0f} on the person. Fine patterns, "
        "glasses, hands and hard shadows are the usual reasons; give it more --seconds, or another photo",
    )


@torch.no_grad()
def begin(framed: Framed, generator: Generator, encoder: EncoderNet | None) -> tuple[Avatar, str]:
    """Return somebody to begin with, and who that is: whom an encoder sees in it, or the mean person."""
    latent, size = generator.config.background_latent, generator.config.resolution
    w = generator.mapping.average.expand(1, generator.config.styles, -1).clone()
    start = "mean"
    if encoder is not None and fits(encoder.config, generator.config):
        upright = warp.join(framed.photo_from_crop.double(), framing.turned_upright(framed.camera, size))
        crop, _ = framing.cut(framed.photo, upright, size)
        w, start = encoder(crop[None]).styles, "encoder"
    person = Avatar(
        generator=generator,
        w=w,
        background=torch.zeros(1, latent) if generator.background is not None else None,
        camera=framed.camera,
        rest=framed.rest,
        head=models.BUILT_IN,
        generator_from_head=framed.generator_from_head,
        photo=framed.photo,
        photo_from_crop=framed.photo_from_crop,
    )
    return person, start


def beside(camera: Camera, yaw: float, pitch: float) -> Camera:
    """Return a camera that sees the head turned by so much more than another does."""
    axes = camera.world_from_camera[0, :3, :3]
    turn = rotation.from_euler(axes.new_tensor([[pitch, yaw, 0.0]]))[0]
    # The head turns by `turn` in the camera's frame: the camera goes the other way around it.
    turned = axes @ turn.T
    far = camera.position[0].norm()
    return replace(camera, world_from_camera=frames.rigid(turned, far * turned[:, 2])[None])


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
    person: Avatar,
    yaws_deg: tuple[float, ...] = (-20.0, 20.0, 30.0),
    crop: Float[Tensor, "3 s s"] | None = None,
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
