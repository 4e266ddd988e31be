"""Light of a scene: a soft surround as spherical harmonics, and a few lamps that can throw shadows.

Light is linear. A white, matt surface under irradiance 1 comes out as white (1, 1, 1) before the
picture is developed. Directions are of the world and point from the figure TO the light.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from phiz.graphics.shade import C0, C1, directional_light, irradiance

Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class KeyLight:
    """A lamp, a window or the sun; far away."""

    direction: Float[Tensor, " 3"]
    """Unit vector of the world, towards the lamp."""
    colour: Float[Tensor, " 3"]
    """What it adds to a white surface that faces it."""
    softness: float
    """Angle in radians at which the lamp's disc appears from its middle to its edge."""


class Lamp(NamedTuple):
    """A lamp, with the range in which each number is drawn. Angles are in degrees."""

    strength: Range
    kelvin: Range
    turn: Range
    height: Range
    softness: Range


class Preset(NamedTuple):
    """A kind of light, with the range in which each number is drawn."""

    name: str
    share: float
    sky: Range
    """Light from above; from below comes `ground` times as much."""
    ground: Range
    sky_kelvin: Range
    lamps: tuple[Lamp, ...]


SUN = Lamp((0.7, 1.6), (4800, 6000), (15, 100), (20, 65), (0.5, 3))
CLOUDS = Lamp((0.0, 0.3), (6000, 7500), (0, 60), (40, 80), (30, 40))
LOW_SUN = Lamp((0.6, 1.4), (2600, 3800), (20, 110), (5, 20), (1, 6))
WINDOW = Lamp((0.5, 1.2), (5000, 7500), (35, 95), (0, 35), (12, 30))
CEILING = Lamp((0.3, 0.9), (2600, 4200), (10, 90), (25, 75), (4, 15))
TABLE_LAMP = Lamp((0.0, 0.5), (2600, 5000), (-90, -10), (15, 60), (4, 15))
SOFT_BOX = Lamp((0.7, 1.2), (5000, 5800), (25, 60), (20, 50), (8, 20))
FILL = Lamp((0.1, 0.4), (5000, 5800), (-60, -20), (0, 30), (15, 30))
RIM = Lamp((0.0, 0.8), (5000, 6500), (130, 165), (20, 50), (5, 12))
RING = Lamp((0.1, 0.4), (5000, 6500), (-10, 10), (0, 20), (20, 40))
SPOT = Lamp((0.8, 1.6), (3000, 6500), (55, 110), (5, 45), (2, 12))
WARM_SIGN = Lamp((0.4, 1.0), (2500, 3000), (30, 100), (0, 40), (4, 15))
COLD_SIGN = Lamp((0.3, 0.9), (9000, 9000), (-100, -30), (0, 40), (4, 15))

PRESETS = (
    Preset("sun", 0.14, (0.25, 0.6), (0.2, 0.6), (7000, 9000), (SUN,)),
    Preset("overcast", 0.12, (0.7, 1.1), (0.25, 0.6), (6000, 8000), (CLOUDS,)),
    Preset("evening", 0.06, (0.2, 0.5), (0.3, 0.8), (6000, 9000), (LOW_SUN,)),
    Preset("window", 0.18, (0.15, 0.5), (0.4, 0.9), (3200, 5500), (WINDOW,)),
    Preset("lamps", 0.16, (0.2, 0.5), (0.4, 0.9), (2700, 4500), (CEILING, TABLE_LAMP)),
    Preset("studio", 0.16, (0.1, 0.4), (0.6, 1.0), (5000, 5800), (SOFT_BOX, FILL, RIM)),
    Preset("flat", 0.08, (0.6, 1.0), (0.7, 1.0), (5000, 6500), (RING,)),
    Preset("dramatic", 0.07, (0.02, 0.12), (0.3, 0.9), (3000, 7000), (SPOT,)),
    Preset("coloured", 0.03, (0.1, 0.3), (0.5, 1.0), (4000, 9000), (WARM_SIGN, COLD_SIGN)),
)
PORTRAIT = Preset(
    "portrait",
    0.0,
    (0.34, 0.34),
    (0.7, 0.7),
    (5600, 5600),
    (
        Lamp((0.78, 0.78), (5300, 5300), (38, 38), (32, 32), (11, 11)),
        Lamp((0.2, 0.2), (5800, 5800), (-45, -45), (10, 10), (25, 25)),
        Lamp((0.4, 0.4), (6000, 6000), (150, 150), (35, 35), (7, 7)),
    ),
)
"""What a photographer builds for everybody: a key from the side above, a fill, a rim."""


def sample_lights(
    rng: np.random.Generator, preset: Preset, side: float = 1.0
) -> tuple[Float[Tensor, "9 3"], tuple[KeyLight, ...]]:
    """Return the soft surround and the lamps of one kind of light; `side` -1 mirrors them."""
    sky = _within(rng, preset.sky) * kelvin_colour(_within(rng, preset.sky_kelvin))
    bounce = kelvin_colour(4200 + 1500 * float(rng.random()))
    ambient = hemisphere(sky, sky * bounce * _within(rng, preset.ground))
    lamps = []
    for strength, kelvin, turn, height, softness in preset.lamps:
        lamp = KeyLight(
            direction=direction(side * _within(rng, turn), _within(rng, height)),
            colour=_within(rng, strength) * kelvin_colour(_within(rng, kelvin)),
            softness=math.radians(_within(rng, softness)),
        )
        if float(lamp.colour.max()) > 0.02:
            lamps.append(lamp)
    return ambient, tuple(lamps)


def choose(rng: np.random.Generator) -> Preset:
    """Return one of the kinds of light, each as often as its share says."""
    spot = float(rng.random()) * sum(preset.share for preset in PRESETS)
    for preset in PRESETS:
        spot -= preset.share
        if spot < 0:
            return preset
    return PRESETS[-1]


def all_light(ambient: Float[Tensor, "9 3"], keys: tuple[KeyLight, ...]) -> Float[Tensor, "9 3"]:
    """Return surround and lamps together as nearly as spherical harmonics can hold them."""
    total = ambient
    for key in keys:
        total = total + directional_light(key.direction, key.colour)
    return total


def on_face(light: Float[Tensor, "9 3"], facing: Float[Tensor, " 3"]) -> Float[Tensor, " 3"]:
    """Return how a white face that looks this way is lit on average, a number a channel."""
    up = facing.new_tensor([0.0, 1.0, 0.0])
    side = torch.linalg.cross(up, facing)
    normals = torch.stack([facing, facing + 0.8 * side, facing - 0.8 * side, facing + 0.5 * up])
    lit = irradiance(torch.nn.functional.normalize(normals, dim=-1), light)
    return lit.mean(dim=0).clamp(min=0.02)


def hemisphere(above: Float[Tensor, " 3"], below: Float[Tensor, " 3"]) -> Float[Tensor, "9 3"]:
    """Return the light of a bright sky that fades evenly into the ground's."""
    light = torch.zeros(9, 3)
    light[0] = (above + below) / 2 / C0
    light[1] = -(above - below) / 2 / C1
    return light


def direction(turn_deg: float, height_deg: float) -> Float[Tensor, " 3"]:
    """Return the unit vector to a lamp: 0 turn is at the camera, a positive one on the picture's right."""
    turn, height = math.radians(turn_deg), math.radians(height_deg)
    flat = math.cos(height)
    return torch.tensor([flat * math.sin(turn), math.sin(height), flat * math.cos(turn)])


def kelvin_colour(kelvin: float) -> Float[Tensor, " 3"]:
    """Return the colour of a black body's light, white at 5600 K and of a mean of 1.

    Planck's law at a wavelength for each of red, green and blue.
    """
    waves = (610e-9, 545e-9, 455e-9)

    def glow(wave: float, heat: float) -> float:
        return 1 / (math.exp(0.014388 / (wave * heat)) - 1)

    ratio = torch.tensor([glow(wave, kelvin) / glow(wave, 5600) for wave in waves])
    return ratio / ratio.mean()


def _within(rng: np.random.Generator, ends: Range) -> float:
    return ends[0] + (ends[1] - ends[0]) * float(rng.random())
