"""A person who never lived: everything about them that does not change from picture to picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from phiz.face.morphable import MorphableModel
from phiz.world.body import resting

C = TypeVar("C")
Colour = tuple[float, float, float]
Hat = Literal["none", "beanie", "cap", "brim", "headscarf"]
Glasses = Literal["none", "round", "square", "aviator", "sunglasses"]
Clothing = Literal["crew", "v_neck", "collar", "turtleneck", "hoodie", "off_shoulder"]
Beard = Literal["none", "stubble", "moustache", "goatee", "short", "full", "long"]

HATS: tuple[Hat, ...] = ("beanie", "cap", "brim", "headscarf")
GLASSES: tuple[Glasses, ...] = ("round", "square", "aviator", "sunglasses")
CLOTHES: tuple[Clothing, ...] = ("crew", "v_neck", "collar", "turtleneck", "hoodie", "off_shoulder")
BEARDS: tuple[Beard, ...] = ("stubble", "moustache", "goatee", "short", "full", "long")
"""What can be worn; "none" is drawn apart."""

IDENTITY_SPREAD, IDENTITY_LIMIT = 0.8, 2.2
"""Coefficients of the head's identity modes: 0.8 times normal, never beyond the limit."""
IRIS_RADIUS_M = 0.0059
"""A human iris hardly varies in size."""


@dataclass(frozen=True, kw_only=True)
class Skin:
    """What makes one skin differ from another."""

    melanin: float
    """0 is the fairest human skin, 1 the darkest."""
    redness: float
    """How much blood shows, 0 to 1."""
    age: float
    """0 a smooth young adult, 1 deeply lined."""
    freckles: float
    moles: int
    oil: float
    """How much the skin shines, 0 to 1."""
    lip_colour: tuple[float, float, float]
    """Linear light."""
    lipstick: float
    eye_shadow: float
    eye_liner: float
    blush: float
    make_up_colour: tuple[float, float, float]
    seed: int
    """Where the pores, freckles and lines lie."""


@dataclass(frozen=True, kw_only=True)
class Eyes:
    """Irises and the white around them."""

    colour: tuple[float, float, float]
    """Linear light, mid iris."""
    inner: tuple[float, float, float]
    """Around the pupil."""
    iris_radius: float
    """As an angle in radians seen from the eyeball's centre."""
    pupil: float
    """Share of the iris radius."""
    redness: float
    seed: int


@dataclass(frozen=True, kw_only=True)
class HairLook:
    """Head hair, brows, lashes and beard."""

    style: str
    """A name in `phiz.world.grown.hair.STYLES`."""
    colour: tuple[float, float, float]
    """Linear light, mid length."""
    grey: float
    brow_density: float
    brow_thickness: float
    lash_length: float
    beard: Beard
    beard_colour: tuple[float, float, float]
    seed: int


@dataclass(frozen=True, kw_only=True)
class Person:
    """One person of the world; the same seed makes the same person everywhere."""

    number: int
    """Who this is: pictures of one person share it."""
    identity: Float[Tensor, " i"]
    skin: Skin
    eyes: Eyes
    hair: HairLook
    glasses: Glasses
    glasses_colour: tuple[float, float, float]
    lens_tint: float
    hat: Hat
    hat_colour: tuple[float, float, float]
    clothing: Clothing
    cloth_colour: tuple[float, float, float]
    cloth_second_colour: tuple[float, float, float]
    earrings: bool


class Look(NamedTuple):
    """A colour with the names of nothing: linear light, how common it is on fair and on dark skin."""

    colour: Colour
    fair: float
    dark: float


HAIR_COLOURS = (
    Look((0.010, 0.009, 0.009), 0.08, 0.66),  # black
    Look((0.026, 0.016, 0.011), 0.20, 0.26),  # darkest brown
    Look((0.060, 0.033, 0.019), 0.24, 0.06),  # brown
    Look((0.130, 0.078, 0.042), 0.18, 0.01),  # light brown
    Look((0.300, 0.200, 0.100), 0.14, 0.005),  # dark blond
    Look((0.500, 0.380, 0.220), 0.07, 0.005),  # blond
    Look((0.200, 0.062, 0.020), 0.05, 0.0),  # red
    Look((0.090, 0.026, 0.013), 0.04, 0.0),  # auburn
)
DYED_HAIR = (
    (0.62, 0.52, 0.38),
    (0.30, 0.02, 0.02),
    (0.50, 0.10, 0.26),
    (0.05, 0.14, 0.36),
    (0.05, 0.24, 0.20),
    (0.20, 0.07, 0.32),
    (0.34, 0.11, 0.02),
)
EYE_COLOURS = (
    Look((0.030, 0.014, 0.008), 0.10, 0.62),  # darkest brown
    Look((0.080, 0.036, 0.015), 0.20, 0.30),  # brown
    Look((0.140, 0.085, 0.030), 0.14, 0.05),  # hazel
    Look((0.120, 0.150, 0.070), 0.12, 0.01),  # green
    Look((0.120, 0.200, 0.320), 0.28, 0.01),  # blue
    Look((0.200, 0.240, 0.270), 0.16, 0.01),  # grey
)
MAKE_UP = (
    (0.45, 0.020, 0.030),
    (0.30, 0.012, 0.040),
    (0.50, 0.130, 0.130),
    (0.16, 0.020, 0.035),
    (0.42, 0.060, 0.120),
    (0.28, 0.080, 0.050),
)
CLOTH_COLOURS = (
    (0.015, 0.015, 0.018),
    (0.85, 0.84, 0.82),
    (0.020, 0.030, 0.090),
    (0.20, 0.21, 0.22),
    (0.40, 0.020, 0.025),
    (0.030, 0.10, 0.045),
    (0.55, 0.42, 0.26),
    (0.080, 0.18, 0.42),
    (0.60, 0.28, 0.34),
    (0.62, 0.42, 0.05),
    (0.13, 0.065, 0.030),
    (0.20, 0.10, 0.28),
    (0.10, 0.30, 0.30),
    (0.65, 0.20, 0.06),
)
FRAME_COLOURS = (
    (0.010, 0.010, 0.012),
    (0.060, 0.022, 0.010),
    (0.45, 0.32, 0.12),
    (0.42, 0.43, 0.45),
    (0.030, 0.040, 0.110),
    (0.30, 0.020, 0.025),
    (0.50, 0.38, 0.28),
)
DYED_SINCE = 0.2
"""How often somebody's hair has another colour on another day."""
SHORT_STYLES = frozenset(
    ("none", "receding", "buzz", "short_crop", "side_part", "swept_back", "undercut", "curly_short")
)
"""Styles that hair of a more masculine look favours; any other name counts as the other kind."""
RECEDED = frozenset(("none", "receding"))
UNDER_HATS = frozenset(("afro", "bun", "ponytail"))
"""Too much hair on the crown to wear a hat over."""
CURLY = frozenset(("afro", "curly_short", "long_curly"))


def sample_person(seed: int, head: MorphableModel, styles: tuple[str, ...]) -> Person:
    """Return a person who never lived: the same seed makes the same one on every machine.

    All draws are uniform numbers and plain arithmetic (`normal` included), so that nothing which
    decides a label depends on how a machine rounds a logarithm.
    """
    if not styles:
        raise ValueError("sample_person() needs at least one hair style to choose from")
    rng = generator(seed, "person")
    manly = float(rng.random())
    spot = float(rng.random())
    age = spot * (0.4 + 0.6 * spot)
    melanin = float(rng.random())
    fancy = float(rng.random()) * (1.15 - manly)  # how much make-up and jewellery
    hair = _hair(rng, manly, age, melanin, styles)
    identity = np.clip(IDENTITY_SPREAD * normal(rng, head.sizes.identity), -IDENTITY_LIMIT, IDENTITY_LIMIT)
    wears = _glasses(rng, age)
    hat = _hat(rng, hair.style, manly)
    return Person(
        number=seed,
        identity=torch.from_numpy(identity.astype(np.float32)),
        skin=_skin(rng, manly, age, melanin, fancy),
        eyes=_eyes(rng, age, melanin, head),
        hair=hair,
        glasses=wears,
        glasses_colour=_vary(rng, _one_of(rng, FRAME_COLOURS)),
        lens_tint=0.75 + 0.2 * float(rng.random()) if wears == "sunglasses" else 0.08 * float(rng.random()),
        hat=hat,
        hat_colour=_vary(rng, _one_of(rng, CLOTH_COLOURS)),
        clothing=_clothing(rng, manly),
        cloth_colour=_vary(rng, _one_of(rng, CLOTH_COLOURS)),
        cloth_second_colour=_vary(rng, _one_of(rng, CLOTH_COLOURS)),
        earrings=bool(rng.random() < (0.08 + 0.5 * fancy)) and hat != "headscarf",
    )


def on_another_day(person: Person, seed: int, head: MorphableModel, styles: tuple[str, ...]) -> Person:
    """Return the same person with other hair, beard, make-up, glasses, hat and clothes.

    Bones, skin, eyes and brows stay; so does the colour of the hair, unless it was dyed since.
    """
    other = sample_person(seed, head, styles)
    is_dyed = float(generator(seed, "another day").random()) < DYED_SINCE
    skin = replace(
        person.skin,
        oil=other.skin.oil,
        lipstick=other.skin.lipstick,
        eye_shadow=other.skin.eye_shadow,
        eye_liner=other.skin.eye_liner,
        blush=other.skin.blush,
        make_up_colour=other.skin.make_up_colour,
    )
    hair = replace(
        person.hair,
        style=other.hair.style,
        colour=other.hair.colour if is_dyed else person.hair.colour,
        beard=other.hair.beard,
        seed=other.hair.seed,
    )
    return replace(
        other, number=person.number, identity=person.identity, skin=skin, eyes=person.eyes, hair=hair
    )


def generator(seed: int, purpose: str) -> np.random.Generator:
    """Return a stream of random numbers of its own for each purpose, so that none disturbs another."""
    words = [seed, *purpose.encode()]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(words)))


def normal(rng: np.random.Generator, count: int) -> npt.NDArray[np.float64]:
    """Return nearly normal numbers: twelve uniform ones less six, the same bits on every machine."""
    total = np.zeros(count)
    for row in rng.random((12, count)):
        total = total + row
    return total - 6


def fitzpatrick(skin: Skin) -> int:
    """Return the skin type from 1 (fairest) to 6 (darkest)."""
    return min(int(skin.melanin * 6), 5) + 1


def _one_of(rng: np.random.Generator, options: Sequence[C], weights: Sequence[float] | None = None) -> C:
    """Return one of the options, each as likely as its weight says."""
    share = np.ones(len(options)) if weights is None else np.asarray(weights, np.float64)
    edges = np.add.accumulate(share)
    spot = float(rng.random()) * float(edges[-1])
    return options[min(int(np.searchsorted(edges, spot, side="right")), len(options) - 1)]


def _vary(rng: np.random.Generator, colour: Colour, amount: float = 0.25) -> Colour:
    """Return a colour near another: brighter or darker, and a little off in each channel."""
    level = 1 + amount * (2 * float(rng.random()) - 1)
    tilt = 1 + 0.3 * amount * (2 * rng.random(3) - 1)
    red, green, blue = (float(min(c * level * t, 0.95)) for c, t in zip(colour, tilt, strict=True))
    return red, green, blue


def _mix(a: Colour, b: Colour, share: float) -> Colour:
    red, green, blue = (x + (y - x) * share for x, y in zip(a, b, strict=True))
    return red, green, blue


def _from_table(rng: np.random.Generator, table: Sequence[Look], melanin: float) -> Colour:
    """Return a colour of the table; dark skin comes mostly, not always, with dark colours."""
    dark = min(max((melanin - 0.2) / 0.35, 0.0), 1.0)
    weights = [look.fair * (1 - dark) + look.dark * dark for look in table]
    return _vary(rng, _one_of(rng, [look.colour for look in table], weights))


def _skin(rng: np.random.Generator, manly: float, age: float, melanin: float, fancy: float) -> Skin:
    fair_lips: Colour = (0.42, 0.155, 0.135)
    dark_lips: Colour = (0.13, 0.055, 0.047)
    painted = rng.random() < 0.75 * fancy
    freckled = rng.random() < 0.25 * (1 - melanin) + 0.03
    return Skin(
        melanin=melanin,
        redness=float(0.5 * rng.random() + 0.5 * rng.random()) * (1 - 0.5 * melanin),
        age=age,
        freckles=float(rng.random()) if freckled else 0.0,
        moles=int(rng.integers(0, 9)) if rng.random() < 0.6 else 0,
        oil=float(rng.random()),
        lip_colour=_vary(rng, _mix(fair_lips, dark_lips, melanin), 0.3),
        lipstick=float(0.35 + 0.65 * rng.random()) if painted else 0.0,
        eye_shadow=float(rng.random()) if painted and rng.random() < 0.6 else 0.0,
        eye_liner=float(rng.random()) if painted and rng.random() < 0.7 else 0.0,
        blush=float(0.8 * rng.random()) if painted and rng.random() < 0.6 else 0.0,
        make_up_colour=_vary(rng, _one_of(rng, MAKE_UP), 0.35),
        seed=int(rng.integers(0, 2**31)),
    )


def _eyes(rng: np.random.Generator, age: float, melanin: float, head: MorphableModel) -> Eyes:
    colour = _from_table(rng, EYE_COLOURS, melanin)
    warm: Colour = (0.16, 0.085, 0.03)
    return Eyes(
        colour=colour,
        inner=_mix(colour, warm, float(rng.random()) * 0.8),
        iris_radius=IRIS_RADIUS_M / resting.eye_radius(head) * (0.94 + 0.12 * float(rng.random())),
        pupil=0.24 + 0.3 * float(rng.random()),
        redness=float(rng.random()) * (0.35 + 0.4 * age),
        seed=int(rng.integers(0, 2**31)),
    )


def _hair(
    rng: np.random.Generator, manly: float, age: float, melanin: float, styles: tuple[str, ...]
) -> HairLook:
    natural = _from_table(rng, HAIR_COLOURS, melanin)
    is_dyed = rng.random() < 0.04 + 0.08 * (1 - manly)
    greying = (age - 0.5) * 2.2 + 0.5 * (float(rng.random()) - 0.5)
    grey = min(max(greying, 0.0), 1.0) * float(rng.random() < 0.75)
    weights = [_style_weight(name, manly, age, melanin) for name in styles]
    beard: Beard = "none"
    if manly > 0.5 and rng.random() < 0.62:
        beard = _one_of(rng, BEARDS, (0.30, 0.12, 0.14, 0.22, 0.16, 0.06))
    return HairLook(
        style=_one_of(rng, styles, weights),
        colour=_vary(rng, _one_of(rng, DYED_HAIR)) if is_dyed else natural,
        grey=0.0 if is_dyed else grey,
        brow_density=0.35 + 0.65 * float(rng.random()),
        brow_thickness=0.45 + 0.35 * manly + 0.3 * float(rng.random()),
        lash_length=0.3 + 0.4 * (1 - manly) + 0.3 * float(rng.random()),
        beard=beard,
        beard_colour=_mix(_vary(rng, natural), (0.48, 0.47, 0.45), 0.8 * grey),
        seed=int(rng.integers(0, 2**31)),
    )


def _style_weight(name: str, manly: float, age: float, melanin: float) -> float:
    """Return how likely a hair style is for somebody; no style is ever impossible."""
    weight = 0.25 + (2.0 * manly if name in SHORT_STYLES else 2.0 * (1 - manly))
    if name in RECEDED:
        weight *= 0.35 + 1.6 * age * manly
    if name in CURLY:
        weight *= 0.6 + 1.4 * melanin
    return weight


def _glasses(rng: np.random.Generator, age: float) -> Glasses:
    if rng.random() > 0.2 + 0.1 * age:
        return "none"
    return _one_of(rng, GLASSES, (0.28, 0.36, 0.14, 0.22))


def _hat(rng: np.random.Generator, style: str, manly: float) -> Hat:
    if rng.random() > 0.09 or style in UNDER_HATS:
        return "none"
    return _one_of(rng, HATS, (0.32, 0.32, 0.18, 0.18 * 2 * (1 - manly)))


def _clothing(rng: np.random.Generator, manly: float) -> Clothing:
    return _one_of(rng, CLOTHES, (0.26, 0.17, 0.26, 0.11, 0.13, 0.14 * 2 * max(0.5 - manly, 0.0)))
