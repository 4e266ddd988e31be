"""One picture to be taken of one person: pose, expression, lens, light, background, film.

The world: metres, y up. The figure stands near the origin and looks along +z when all its angles
are zero; the camera stands on +z and looks back along -z, upright.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import cast

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from phiz.face.coeffs import FaceCoeffs, neutral
from phiz.face.morphable import MorphableModel, Part
from phiz.graphics import frames, rotation
from phiz.graphics.camera import Camera, from_fov
from phiz.world.background import KINDS, Backdrop
from phiz.world.body import resting
from phiz.world.expressions import MOODS, sample_expression, weights
from phiz.world.lights import PORTRAIT, KeyLight, Preset, all_light, choose, on_face, sample_lights
from phiz.world.people import Colour, Person, generator, normal

MAX_YAW, MAX_PITCH, MAX_ROLL = math.radians(60), math.radians(30), math.radians(15)
NECK_LIMIT = (math.radians(22), math.radians(42), math.radians(13))
"""Pitch, yaw and roll of the head on the shoulders in a picture; necks could a little more."""
GAZE_LIMIT = (math.radians(32), math.radians(22))
"""How far eyes turn to the side, and up or down."""
NARROW, WIDE = math.radians(8), math.radians(35)
"""Vertical angle of view: a long lens, a telephone at arm's length."""
FILL = (0.45, 0.85)
"""Share of the picture's height between the chin and the crown."""
WALLS: tuple[Colour, ...] = (
    (0.62, 0.60, 0.56),
    (0.35, 0.36, 0.38),
    (0.09, 0.095, 0.10),
    (0.55, 0.45, 0.33),
    (0.22, 0.30, 0.40),
    (0.12, 0.17, 0.12),
    (0.30, 0.10, 0.09),
    (0.60, 0.52, 0.55),
    (0.03, 0.035, 0.05),
)
ACCENTS: tuple[Colour, ...] = (
    (0.30, 0.03, 0.03),
    (0.05, 0.10, 0.30),
    (0.45, 0.30, 0.08),
    (0.06, 0.16, 0.08),
    (0.70, 0.68, 0.62),
    (0.02, 0.02, 0.02),
    (0.18, 0.09, 0.04),
    (0.40, 0.42, 0.45),
    (0.40, 0.12, 0.25),
)
OUTDOORS = frozenset(("sun", "overcast", "evening"))


@dataclass(frozen=True, kw_only=True)
class Develop:
    """What lens, sensor and file do to linear light; sizes are shares of the picture's height."""

    exposure: float
    """Linear light is multiplied by this."""
    white_balance: tuple[float, float, float]
    """Gain of red, green and blue, on linear light."""
    blur: float
    """Standard deviation of the lens blur on everything, as a share of the height."""
    noise: float
    """Standard deviation of the sensor's noise at mid grey, on sRGB values in [0, 1]."""
    jpeg_quality: int
    """0 leaves the picture as it is; else 1 to 100."""
    vignette: float
    """How much darker the corners are, 0 to 1."""
    saturation: float
    """1 leaves the colours alone."""
    contrast: float
    """1 leaves it alone; slope of the sRGB values about mid grey."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Everything about one picture that is not the person."""

    coeffs: FaceCoeffs
    """A batch of one. `rotation` turns the whole figure, `neck` the head on its shoulders; `light`
    holds all light of the scene, key lights included, as spherical harmonics."""
    camera: Camera
    """A batch of one."""
    ambient: Float[Tensor, "9 3"]
    """Surrounding light WITHOUT the key lights, as `phiz.graphics.shade.irradiance` takes it,
    for normals of the world."""
    keys: tuple[KeyLight, ...]
    background: Backdrop
    """Made at any size with `phiz.world.background.paint`."""
    develop: Develop
    seed: int
    """Drives what is left to chance when the picture is painted: noise, strand by strand."""


def sample_scene(seed: int, person: Person, head: MorphableModel) -> Scene:
    """Return one picture to take of a person; the same seed gives the same scene everywhere."""
    rng = generator(seed, "scene")
    turned, neck = _pose(rng)
    gaze = _gaze(rng, turned + neck)
    face = replace(
        neutral(head.sizes),
        identity=person.identity[None],
        expression=sample_expression(rng, head.expression_names)[None],
        rotation=turned[None],
        neck=neck[None],
        gaze=gaze[None],
    )
    preset = choose(rng)
    lit = sample_lights(rng, preset, side=1.0 if rng.random() < 0.5 else -1.0)
    exposure, tint = _metered(lit, turned + neck, person)
    exposure = exposure * 2 ** (0.35 * float(normal(rng, 1)[0]))
    fov = NARROW + (WIDE - NARROW) * float(rng.random()) ** 2
    fill = FILL[0] + (FILL[1] - FILL[0]) * float(rng.random())
    room = 1 - fill
    offset = (0.35 * room * float(rng.random() * 2 - 1), 0.15 * room * float(rng.random() * 2 - 1) - 0.02)
    camera, face = _compose(face, head, fov, fill, offset)
    return Scene(
        coeffs=replace(face, light=all_light(*lit)[None]),
        camera=camera,
        ambient=lit[0],
        keys=lit[1],
        background=_backdrop(rng, preset, exposure),
        develop=_develop(rng, exposure, tint),
        seed=int(rng.integers(0, 2**31)),
    )


def portrait_scene(seed: int, person: Person, head: MorphableModel) -> Scene:
    """Return a flattering portrait: from the front, at rest, three-quarter light."""
    rng = generator(seed, "portrait")
    smile = weights(MOODS["smile"], head.expression_names, strength=0.22)
    face = replace(neutral(head.sizes), identity=person.identity[None], expression=smile[None])
    return _portrait(rng, person, head, face)


def turntable(person: Person, head: MorphableModel, count: int, seed: int = 0) -> tuple[Scene, ...]:
    """Return the scenes of one full turn of the figure, lit as for a portrait."""
    first = portrait_scene(seed, person, head)
    scenes = []
    for k in range(count):
        turned = torch.tensor([[0.0, 2 * math.pi * k / count, 0.0]])
        face = replace(first.coeffs, rotation=turned)
        camera, face = _compose(face, head, math.radians(16), 0.6, (0.0, -0.02))
        scenes.append(replace(first, coeffs=face, camera=camera))
    return tuple(scenes)


def _portrait(rng: np.random.Generator, person: Person, head: MorphableModel, face: FaceCoeffs) -> Scene:
    lit = sample_lights(rng, PORTRAIT, side=1.0 if rng.random() < 0.5 else -1.0)
    exposure, _ = _metered(lit, torch.zeros(3), person)
    camera, face = _compose(face, head, math.radians(16), 0.6, (0.0, -0.02))
    plain = Develop(
        exposure=exposure,
        white_balance=(1.0, 1.0, 1.0),
        blur=0.0,
        noise=0.0,
        jpeg_quality=0,
        vignette=0.08,
        saturation=1.0,
        contrast=1.0,
    )
    wall = WALLS[int(rng.integers(0, len(WALLS)))]
    return Scene(
        coeffs=replace(face, light=all_light(*lit)[None]),
        camera=camera,
        ambient=lit[0],
        keys=lit[1],
        background=Backdrop(
            kind="studio",
            colours=(wall,),
            blur=0.05,
            brightness=0.7 / exposure,
            seed=int(rng.integers(0, 2**31)),
        ),
        develop=plain,
        seed=int(rng.integers(0, 2**31)),
    )


def _pose(rng: np.random.Generator) -> tuple[Float[Tensor, " 3"], Float[Tensor, " 3"]]:
    """Return the turn of the figure and of the head on it: most look ahead, some far to the side."""
    near = np.radians([8.0, 16.0, 4.5]) * normal(rng, 3)
    far = np.array([0.5, 1.0, 0.5]) * (MAX_PITCH, MAX_YAW, MAX_ROLL) * (2 * rng.random(3) - 1)
    total = np.where(rng.random() < 0.35, far, near)
    most = np.array([MAX_PITCH, MAX_YAW, MAX_ROLL])
    total = np.clip(total, -most, most)
    share = np.array([0.5, 0.15, 0.6]) + np.array([0.4, 0.7, 0.4]) * rng.random(3)
    against = rng.random() < 0.15  # shoulders turned one way, the face back to the camera
    if against:
        share[1] = -0.8 * float(rng.random())
    neck = np.clip(total * share, -np.array(NECK_LIMIT), NECK_LIMIT)
    turned = torch.from_numpy((total - neck).astype(np.float32))
    return turned, torch.from_numpy(neck.astype(np.float32))


def _gaze(rng: np.random.Generator, pose: Float[Tensor, " 3"]) -> Float[Tensor, "2 2"]:
    """Return where both eyes look: into the camera, straight ahead, or anywhere."""
    pitch, yaw = float(pose[0]), float(pose[1])
    jitter = 0.035 * normal(rng, 2)
    spot = float(rng.random())
    if spot < 0.5:
        aim = np.array([-yaw, -pitch]) + jitter
    elif spot < 0.75:
        aim = 2 * jitter
    else:
        aim = np.array([0.24, 0.14]) * normal(rng, 2)
    aim = np.clip(aim, -np.array(GAZE_LIMIT), GAZE_LIMIT)
    inwards = 0.012 + 0.03 * float(rng.random())  # both eyes meet at what they look at
    both = np.array([[aim[0] - inwards, aim[1]], [aim[0] + inwards, aim[1]]])
    return torch.from_numpy(both.astype(np.float32))


def _compose(
    face: FaceCoeffs, head: MorphableModel, fov: float, fill: float, offset: tuple[float, float]
) -> tuple[Camera, FaceCoeffs]:
    """Return a camera, and the face moved so that the head has this size and place in the picture."""
    points = resting.vertices(head, face.identity[0])
    shown = points[_shown(cast(Hashable, head))]
    low, high = shown.min(dim=0).values, shown.max(dim=0).values
    distance = float(high[1] - low[1]) / (2 * fill * math.tan(fov / 2))
    turn = rotation.from_euler(face.rotation)[0]
    aim = distance * math.tan(fov / 2) * torch.tensor([offset[0] * 2, offset[1] * 2, 0.0])
    eye = torch.tensor([[0.0, 0.0, distance]])
    camera = from_fov(frames.rigid(torch.eye(3)[None], eye), fov)
    return camera, replace(face, translation=(aim - turn @ ((low + high) / 2))[None])


@lru_cache(maxsize=4)
def _shown(model: Hashable) -> Int[Tensor, " n"]:
    """Return the vertices of the head without its neck, eyes and mouth."""
    head = cast(MorphableModel, model)
    return cast(Tensor, torch.unique(head.triangles[is_head(head)]))


def is_head(head: MorphableModel) -> Bool[Tensor, " f"]:
    """Return which triangles belong to the head without its neck, eyes and mouth."""
    kept = torch.zeros_like(head.parts, dtype=torch.bool)
    for part in (Part.SKIN, Part.NOSE, Part.SCALP, Part.LEFT_EAR, Part.RIGHT_EAR):
        kept |= head.parts == part
    return kept


def _metered(
    lit: tuple[Tensor, tuple[KeyLight, ...]], pose: Float[Tensor, " 3"], person: Person
) -> tuple[float, Float[Tensor, " 3"]]:
    """Return the exposure of a camera that meters on the face, and the colour of the light there.

    Dark skin gets a little more light, not so much that it would come out fair.
    """
    colour = on_face(all_light(*lit), rotation.from_euler(pose)[:, 2])
    mean = float(colour.mean())
    return (0.8 + 0.5 * person.skin.melanin) / mean, colour / mean


def _backdrop(rng: np.random.Generator, preset: Preset, exposure: float) -> Backdrop:
    if preset.name in OUTDOORS:
        kind = KINDS[int(rng.choice((4, 4, 5, 5, 2, 0)))]
    elif preset.name in ("studio", "flat", "dramatic"):
        kind = KINDS[int(rng.choice((6, 6, 6, 0, 1)))]
    else:
        kind = KINDS[int(rng.choice((0, 1, 1, 2, 2, 3)))]
    if preset.name in ("coloured", "evening") and rng.random() < 0.5:
        kind = "lights"
    first: Colour = WALLS[int(rng.integers(0, len(WALLS)))]
    if kind == "foliage":
        first = ((0.05, 0.11, 0.025), (0.12, 0.17, 0.05), (0.20, 0.13, 0.03))[int(rng.integers(0, 3))]
    elif kind == "sky":
        first = ((0.22, 0.42, 0.85), (0.55, 0.62, 0.70), (0.85, 0.45, 0.30))[int(rng.integers(0, 3))]
    picks: list[Colour] = [ACCENTS[int(k)] for k in rng.integers(0, len(ACCENTS), 4)]
    if kind == "foliage":
        picks[0] = ((0.03, 0.07, 0.02), (0.16, 0.22, 0.07), (0.25, 0.20, 0.06))[int(rng.integers(0, 3))]
    elif kind == "lights":
        picks = [(1.0, 0.6, 0.25), (1.0, 0.85, 0.6), (0.5, 0.7, 1.0), picks[0]]
    return Backdrop(
        kind=kind,
        colours=(first, *picks),
        blur=0.012 + 0.07 * float(rng.random()) ** 2,
        brightness=(0.35 + 1.1 * float(rng.random())) / exposure,
        seed=int(rng.integers(0, 2**31)),
    )


def _develop(rng: np.random.Generator, exposure: float, tint: Float[Tensor, " 3"]) -> Develop:
    """Return the settings of a camera that takes most of the light's tint away, but not all of it."""
    red, green, blue = tint.pow(-(0.55 + 0.45 * float(rng.random()))).tolist()
    warm = 0.06 * float(normal(rng, 1)[0])
    is_poor = rng.random() < 0.4  # a small sensor, a web camera, a picture sent on too often
    return Develop(
        exposure=exposure,
        white_balance=(red * (1 + warm), green, blue * (1 - warm)),
        blur=0.0026 * float(rng.random()) ** 2 * (1.6 if is_poor else 1.0),
        noise=0.035 * float(rng.random()) ** 2 if is_poor else 0.008 * float(rng.random()),
        jpeg_quality=int(rng.integers(30, 96)) if rng.random() < 0.6 else 0,
        vignette=0.35 * float(rng.random()) ** 2,
        saturation=1 + 0.15 * float(normal(rng, 1)[0]),
        contrast=1 + 0.10 * float(normal(rng, 1)[0]),
    )
