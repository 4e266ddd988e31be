"""Portraits for a generator to learn from: one head, held still, seen from a sphere of cameras.

Everything in a portrait but the view is a function of its code (`phiz.world.code`): what the world
leaves to chance, such as where each pore lies, is the same for everybody here. Light and clothes stay
with the head when the camera moves; the background stays with the camera.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.face.coeffs import FaceCoeffs, neutral
from phiz.face.morphable import MorphableModel, Part
from phiz.graphics import camera as cameras
from phiz.graphics import frames, rotation
from phiz.graphics.camera import Camera
from phiz.world import code as codes
from phiz.world.background import Backdrop
from phiz.world.body import resting
from phiz.world.expressions import sample_expression
from phiz.world.lights import PORTRAIT, KeyLight, all_light, direction, hemisphere, kelvin_colour, on_face
from phiz.world.people import Colour, Person, generator, normal, sample_person
from phiz.world.scene import Develop, Scene

PORTRAIT_UNITS_PER_METRE = 0.78
"""Generator units a metre: the published camera, 12 degrees wide at distance 1, shows 0.27 m."""
BELOW_EYES, BEHIND_EYES = 0.01, 0.06
"""Where the middle of the picture lies, in metres from the front of the eyeballs."""
CONVERGENCE = 0.02
"""Radians by which each eye turns inwards."""
MOST_YAW, MOST_PITCH = math.radians(50), math.radians(20)
WIDE_YAW, NEAR_YAW, NEAR_PITCH = math.radians(45), 0.3, 0.155
WIDE_SHARE = 0.3
"""Of the views that are uniform to `WIDE_YAW`; the others are normal."""
FIXED = 465
"""The seed of all that is the same for everybody: pores, fibres, strands."""
PLAIN_WALL = 2382
"""A seed of `phiz.world.background` whose wall is even to a hundredth."""
KEY_TURN, KEY_HEIGHT = (-60.0, 60.0), (12.0, 52.0)
KEY_STRENGTH, KEY_KELVIN = (0.5, 1.1), (4600.0, 6800.0)
"""Degrees, strength and warmth of the key light, the ends of their ranges."""
BOUNCE_KELVIN = 4950
PLAIN_FILM = Develop(
    exposure=1.0,
    white_balance=(1.0, 1.0, 1.0),
    blur=0.0,
    noise=0.0,
    jpeg_quality=0,
    vignette=0.0,
    saturation=1.0,
    contrast=1.0,
)


@dataclass(frozen=True, kw_only=True)
class Portrait:
    """Somebody who sits for a portrait: everything but the view."""

    person: Person
    """Their `number` is that of their cut (`phiz.world.code.CUTS`), not their own."""
    scene: Scene
    """As seen from the front; `seen_from` moves the camera."""
    code: Float[Tensor, " n"]
    background_code: Float[Tensor, " 3"]


def generator_from_world(person: Person, head: MorphableModel) -> Float[Tensor, "4 4"]:
    """Return where a person's head (at the origin of the world, not turned) lies in the generator."""
    return generator_from_head(person.identity, head)


def generator_from_head(identity: Float[Tensor, " i"], head: MorphableModel) -> Float[Tensor, "4 4"]:
    """Return where a head of this identity lies in the generator.

    The generator's origin is the point midway between the eyes, a little below and behind them.
    """
    points = resting.vertices(head, identity) * head.metres_per_unit
    left, right = (points[numbers] for numbers in _eyeballs(cast(Hashable, head)))
    middle = (left.mean(dim=0) + right.mean(dim=0)) / 2
    front = (left[:, 2].max() + right[:, 2].max()) / 2
    origin = torch.stack([middle[0], middle[1] - BELOW_EYES, front - BEHIND_EYES])
    turn = frames.generator_from_head(PORTRAIT_UNITS_PER_METRE)
    return frames.generator_from_head(PORTRAIT_UNITS_PER_METRE, (-(turn[:3, :3] @ origin)).tolist())


def orbit_camera(person: Person, head: MorphableModel, yaw: float, pitch: float) -> tuple[Camera, Camera]:
    """Return the generator's camera and the world's, which give the same picture.

    Into both looks a head of this yaw and pitch: a positive yaw places them to the person's left, a
    positive pitch below.
    """
    seen = view_camera(torch.tensor([yaw]), torch.tensor([pitch]))
    return seen, cameras.move(seen, frames.invert(generator_from_world(person, head)))


def view_camera(yaw: Float[Tensor, " b"], pitch: Float[Tensor, " b"]) -> Camera:
    """Return the generator's cameras into which heads of these angles look straight."""
    turned = rotation.from_euler(torch.stack([pitch, yaw, torch.zeros_like(yaw)], dim=-1))
    return cameras.generator_camera(rotation.invert(turned))


def sample_portrait(seed: int, head: MorphableModel, styles: tuple[str, ...]) -> Portrait:
    """Return somebody who sits for a portrait; the same seed gives the same one everywhere."""
    person = sample_person(seed, head, styles)
    person = replace(
        person,
        number=person.number % codes.CUTS,
        skin=replace(person.skin, seed=FIXED),
        eyes=replace(person.eyes, seed=FIXED),
        hair=replace(person.hair, seed=FIXED),
    )
    rng = generator(seed, "portrait of the code")
    expression = sample_expression(rng, head.expression_names)
    gaze = torch.from_numpy(codes.GAZE_SPREAD * normal(rng, 2).clip(-2.5, 2.5)).float()
    light = torch.from_numpy(normal(rng, codes.LIGHTS)).float()
    behind = torch.from_numpy(normal(rng, codes.BACKGROUND)).float()
    inwards = torch.tensor([[-CONVERGENCE, 0.0], [CONVERGENCE, 0.0]])
    face = replace(
        neutral(head.sizes),
        identity=person.identity[None],
        expression=expression[None],
        gaze=(gaze + inwards)[None],
    )
    return Portrait(
        person=person,
        scene=_scene(face, person, head, light, behind),
        code=codes.encode(person, head, styles, expression=expression, gaze=gaze, light=light, fill=rng),
        background_code=behind,
    )


def sample_view(seed: int, k: int) -> tuple[float, float]:
    """Return yaw and pitch from which portrait `seed` is seen in its picture `k`."""
    rng = generator(seed, f"view {k}")
    near = NEAR_YAW * float(normal(rng, 1)[0])
    wide = WIDE_YAW * (2 * float(rng.random()) - 1)
    yaw = wide if rng.random() < WIDE_SHARE else near
    pitch = NEAR_PITCH * float(normal(rng, 1)[0])
    return min(max(yaw, -MOST_YAW), MOST_YAW), min(max(pitch, -MOST_PITCH), MOST_PITCH)


def seen_from(portrait: Portrait, head: MorphableModel, yaw: float, pitch: float) -> Scene:
    """Return the scene of a portrait seen from another side: only the camera differs."""
    return replace(portrait.scene, camera=orbit_camera(portrait.person, head, yaw, pitch)[1])


def portrait_lights(numbers: Float[Tensor, " 4"]) -> tuple[Float[Tensor, "9 3"], tuple[KeyLight, ...]]:
    """Return the light that four normal numbers stand for: key's turn, height, strength and warmth.

    The lamps are those of `phiz.world.lights.PORTRAIT`. Fill and rim stand opposite the key, however
    it turns, so that nothing jumps.
    """
    share = codes.to_shares(numbers.double().numpy())
    ends = (KEY_TURN, KEY_HEIGHT, KEY_STRENGTH, KEY_KELVIN)
    turn, height, strength, kelvin = (
        low + (high - low) * float(s) for (low, high), s in zip(ends, share, strict=True)
    )
    sky = PORTRAIT.sky[0] * kelvin_colour(PORTRAIT.sky_kelvin[0])
    ambient = hemisphere(sky, sky * kelvin_colour(BOUNCE_KELVIN) * PORTRAIT.ground[0])
    places = (
        (turn, height, strength, kelvin),
        (-turn, PORTRAIT.lamps[1].height[0], PORTRAIT.lamps[1].strength[0], PORTRAIT.lamps[1].kelvin[0]),
        (180 - 0.8 * turn, PORTRAIT.lamps[2].height[0], PORTRAIT.lamps[2].strength[0], 6000.0),
    )
    lamps = tuple(
        KeyLight(
            direction=direction(aside, up),
            colour=strong * kelvin_colour(warm),
            softness=math.radians(lamp.softness[0]),
        )
        for lamp, (aside, up, strong, warm) in zip(PORTRAIT.lamps, places, strict=True)
    )
    return ambient, lamps


def background_colour(numbers: Float[Tensor, " 3"]) -> Colour:
    """Return the wall that three normal numbers stand for: brightness, then two tints; linear light."""
    level, warm, green = (float(s) for s in codes.to_shares(numbers.double().numpy()))
    bright = 0.01 + 0.64 * level**2.2
    tints = (1 + 0.7 * (warm - 0.5), 1 + 0.5 * (green - 0.5), 1 - 0.7 * (warm - 0.5))
    red, green, blue = (bright * tint for tint in tints)
    return red, green, blue


def _scene(
    face: FaceCoeffs,
    person: Person,
    head: MorphableModel,
    light: Float[Tensor, " 4"],
    behind: Float[Tensor, " 3"],
) -> Scene:
    ambient, keys = portrait_lights(light)
    both = all_light(ambient, keys)
    shown = on_face(both, torch.tensor([0.0, 0.0, 1.0]))
    exposure = (0.8 + 0.5 * person.skin.melanin) / float(shown.mean())  # as `phiz.world.scene` meters
    return Scene(
        coeffs=replace(face, light=both[None]),
        camera=orbit_camera(person, head, 0.0, 0.0)[1],
        ambient=ambient,
        keys=keys,
        background=Backdrop(
            kind="wall",
            colours=(background_colour(behind),),
            blur=1.0,
            brightness=1 / exposure,
            seed=PLAIN_WALL,
        ),
        develop=replace(PLAIN_FILM, exposure=exposure),
        seed=FIXED,
    )


@lru_cache(maxsize=4)
def _eyeballs(model: Hashable) -> tuple[Tensor, Tensor]:
    """Return the vertices of the left and of the right eyeball."""
    head = cast(MorphableModel, model)
    left, right = (torch.unique(head.triangles[head.parts == p]) for p in (Part.LEFT_EYE, Part.RIGHT_EYE))
    return left, right
