"""People of seeds as the world paints them: somebody who sits for a portrait, seen from many sides.

The world knows who a seed stands for, so the generator need not guess: the very person is painted, face at
rest, and a generator of their own is tuned until it draws them as crisply as it can.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from phiz.avatar import seeds
from phiz.avatar.avatar import Avatar
from phiz.avatar.descent import Keep, Watch
from phiz.avatar.targets import Targets, attention, surface
from phiz.avatar.tune import TUNE, TuneConfig, tune
from phiz.errors import UsageError
from phiz.face import models
from phiz.face.morphable import MorphableModel
from phiz.generator.generator import Generator
from phiz.world import paint, portrait
from phiz.world.figure import dress
from phiz.world.grown.hair_cards import styles_for
from phiz.world.portrait import PORTRAIT_UNITS_PER_METRE, Portrait

YAWS_DEG = (-40.0, -30.0, -20.0, -10.0, 0.0, 10.0, 20.0, 30.0, 40.0)
PITCHES_DEG = (-12.0, 0.0, 12.0)
View = tuple[float, float]
"""Yaw and pitch in radians."""


def of_seed(
    generator: Generator,
    seed: int,
    *,
    views: tuple[View, ...] | None = None,
    config: TuneConfig = TUNE,
    watch: Watch | None = None,
    keep: Keep | None = None,
) -> Avatar:
    """Return whom a seed stands for, tuned until they look as the world paints them."""
    head = models.open_model(models.BUILT_IN)
    if generator.config.labels or not seeds.is_coded(generator, head):
        raise UsageError(
            "this generator's codes are not those of our world, so the world cannot paint whom a seed stands "
            "for. Take the seed as the generator draws it, without painting."
        )
    sitter = sitting(seed, head)
    person = seeds.of_code(
        generator,
        seeds.at_rest(sitter.code, head),
        sitter.background_code[None],
        head,
        about={"seed": seed, "painted": True},
    )
    painted = views_of(sitter, head, generator.config.resolution, generator.config.volume_resolution, views)
    return tune(person, painted, config, watch=watch, keep=keep)


def sitting(seed: int, head: MorphableModel) -> Portrait:
    """Return the portrait of a seed with its face at rest and its eyes straight ahead."""
    sitter = portrait.sample_portrait(seed, head, styles_for(head))
    face = sitter.scene.coeffs
    still = replace(face, expression=torch.zeros_like(face.expression), gaze=torch.zeros_like(face.gaze))
    return replace(sitter, scene=replace(sitter.scene, coeffs=still))


def default_views() -> tuple[View, ...]:
    """Return from where people are painted: more often level than from above or below."""
    level = [(math.radians(yaw), 0.0) for yaw in YAWS_DEG]
    tilted = [
        (math.radians(yaw), math.radians(pitch)) for pitch in PITCHES_DEG if pitch for yaw in YAWS_DEG[::2]
    ]
    return (*level, *tilted)


@torch.no_grad()
def views_of(
    sitter: Portrait,
    head: MorphableModel,
    size: int,
    volume_size: int,
    views: tuple[View, ...] | None = None,
) -> Targets:
    """Return a sitter painted from some sides, with depth and coverage."""
    chosen = default_views() if views is None else views
    outfit = dress(sitter.person, head)
    pictures = [
        paint.paint(
            sitter.person, portrait.seen_from(sitter, head, yaw, pitch), head, size=size, outfit=outfit
        )
        for yaw, pitch in chosen
    ]
    images = torch.stack([picture.image for picture in pictures])
    labels = torch.stack([picture.labels for picture in pictures])
    depth = torch.stack([picture.depth for picture in pictures])[:, None] * PORTRAIT_UNITS_PER_METRE
    alpha = torch.stack([picture.alpha for picture in pictures])[:, None]
    far, is_sure = surface(depth, volume_size)
    opacity = functional.interpolate(alpha, size=(volume_size, volume_size), mode="area")
    yaws, pitches = (torch.tensor(some) for some in zip(*chosen, strict=True))
    return Targets(
        camera=portrait.view_camera(yaws, pitches),
        pictures=images,
        weight=attention(labels, alpha),
        depth=far,
        depth_weight=is_sure,
        opacity=opacity,
        opacity_weight=torch.ones_like(opacity),
        chance=nearness(yaws, pitches),
    )


def nearness(yaws: Float[Tensor, " v"], pitches: Float[Tensor, " v"]) -> Float[Tensor, " v"]:
    """Return how often to look at views: those from the front more often than those from far aside."""
    return 0.4 + 0.6 * torch.exp(-(yaws.square() + 2 * pitches.square()) / (2 * math.radians(25) ** 2))
