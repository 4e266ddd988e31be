"""Who somebody is, what they do and how they are lit, as one code ``z`` of nearly normal numbers.

A generator that is to draw the world wants one vector whose every number is about normal. Here that
vector is laid out over what the world knows: identity, expression, gaze, light, skin, eyes, colours,
and the kinds of hair, beard and clothes.

Numbers that are not normal by themselves go through their ranks among a fixed sample of people. Where
many people share a value (no freckles), the number says nothing, and any number of the value's share
of the ranks will do; chance picks one. A kind out of ``k`` is ``k`` numbers: with `Category.bias` added,
the largest names the kind. The bias is what makes plain normal numbers choose kinds as often as the
world does: without it, half the people drawn from normal numbers would wear hats.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from phiz.face.morphable import MorphableModel
from phiz.world.expressions import sample_expression
from phiz.world.people import (
    BEARDS,
    CLOTHES,
    GLASSES,
    HATS,
    IDENTITY_SPREAD,
    Colour,
    Person,
    generator,
    normal,
    sample_person,
)

Numbers = npt.NDArray[np.float64]

SAMPLE, SAMPLE_FIRST = 1500, 7 * 10**8
"""People among whom ranks are counted, and the number of the first."""
FACES = 5000
"""Faces from which the components of expressions are found."""
COMPONENTS = 32
"""Of 44 weights that move; they hold 97 % of what moves. The rest is rare, or left against right."""
SQUASH = 2.0
"""Standard deviations at which components of expressions stop growing: rare faces lie far out."""
CUTS = 4
"""Patterns and make of what somebody wears: people of the same remainder wear the same."""
LIGHTS, BACKGROUND = 4, 3
GAZE_SPREAD = 0.06
"""Radians; one standard deviation of where portraits look."""


class Category(NamedTuple):
    """One kind out of several: `length` numbers of the code, beginning at `start`."""

    name: str
    options: tuple[str, ...]
    start: int
    bias: tuple[float, ...]
    """Added to the numbers before the largest is looked for."""

    @property
    def length(self) -> int:
        return len(self.options)


@dataclass(frozen=True, kw_only=True)
class CodeLayout:
    """What stands where in a code."""

    size: int
    parts: tuple[tuple[str, int, int], ...]
    """Name, start and length of everything, in order."""
    categories: tuple[Category, ...]
    background: int = BACKGROUND
    """Numbers of a background's code, which is a vector of its own."""

    @property
    def groups(self) -> tuple[tuple[int, int], ...]:
        """Return start and length of each category, for a soft-max of ``z + bias``."""
        return tuple((c.start, c.length) for c in self.categories)

    def bias(self) -> Float[Tensor, " n"]:
        """Return what to add to a code before the largest of each group is looked for; 0 elsewhere."""
        out = torch.zeros(self.size)
        for c in self.categories:
            out[c.start : c.start + c.length] = torch.tensor(c.bias)
        return out

    def where(self, name: str) -> slice:
        """Return where a part stands."""
        for part, start, length in self.parts:
            if part == name:
                return slice(start, start + length)
        raise ValueError(f"a code has no part {name!r}; it has {', '.join(p[0] for p in self.parts)}")

    def as_json(self) -> dict[str, object]:
        """Return the layout as plain JSON."""
        kinds = [
            {"name": c.name, "options": list(c.options), "start": c.start, "bias": list(c.bias)}
            for c in self.categories
        ]
        parts = [list(part) for part in self.parts]
        return {"size": self.size, "parts": parts, "categories": kinds, "background": self.background}


def code_layout(head: MorphableModel, styles: tuple[str, ...]) -> CodeLayout:
    """Return what stands where in the codes of a head model's people; kept once made."""
    return _layout(cast(Hashable, head), styles)


def encode(
    person: Person,
    head: MorphableModel,
    styles: tuple[str, ...],
    *,
    expression: Float[Tensor, " e"],
    gaze: Float[Tensor, " 2"],
    light: Float[Tensor, " 4"],
    fill: np.random.Generator,
) -> Float[Tensor, " n"]:
    """Return the code of one portrait.

    `gaze` is yaw and pitch in radians, `light` four normal numbers. `fill` picks the numbers that say
    nothing; the same generator gives the same code.
    """
    tables = _tables(cast(Hashable, head), styles)
    layout = code_layout(head, styles)
    continuous = [
        person.identity.double().numpy() / IDENTITY_SPREAD,
        _components(head.expression_names, expression.double().numpy()),
        gaze.double().numpy() / GAZE_SPREAD,
        light.double().numpy(),
        to_normal(_ranks(np.concatenate(list(_facts(person).values())), tables.sorted, fill)),
    ]
    kinds = _kinds(person)
    chosen = [
        _numbers_for(c.options.index(kinds[c.name]), np.asarray(c.bias), fill) for c in layout.categories
    ]
    return torch.from_numpy(np.concatenate([*continuous, *chosen]).astype(np.float32))


def with_expression(
    code: Float[Tensor, " n"],
    expression: Float[Tensor, " e"],
    head: MorphableModel,
    styles: tuple[str, ...],
) -> Float[Tensor, " n"]:
    """Return the code of the same portrait with another expression, and eyes that look straight ahead."""
    layout = code_layout(head, styles)
    numbers = _components(head.expression_names, expression.double().numpy())
    out = code.clone()
    out[layout.where("expression")] = torch.from_numpy(numbers).to(code)
    out[layout.where("gaze")] = 0
    return out


def identity_of(layout: CodeLayout, code: Float[Tensor, " n"]) -> Float[Tensor, " i"]:
    """Return the head model's identity that a code stands for."""
    return code[layout.where("identity")] * IDENTITY_SPREAD


def decode_categories(layout: CodeLayout, code: Float[Tensor, " n"]) -> dict[str, str]:
    """Return the kinds that a code names: hair style, beard, glasses, hat, clothing, earrings, cut."""
    shown = code + layout.bias()
    return {c.name: c.options[int(shown[c.start : c.start + c.length].argmax())] for c in layout.categories}


def to_normal(shares: Numbers) -> Numbers:
    """Return the normal numbers below which these shares of all normal numbers lie."""
    return cast(Numbers, torch.special.ndtri(torch.from_numpy(shares)).numpy())


def to_shares(numbers: Numbers) -> Numbers:
    """Return which share of all normal numbers lies below each of these: `to_normal` undone."""
    return cast(Numbers, torch.special.ndtr(torch.from_numpy(numbers)).numpy())


@dataclass(frozen=True, kw_only=True)
class _Tables:
    """What is counted once: the sample's numbers, rising, and how often each kind occurs."""

    sorted: Numbers
    """(numbers, people)"""
    shares: dict[str, dict[str, int]]


@lru_cache(maxsize=4)
def _layout(model: Hashable, styles: tuple[str, ...]) -> CodeLayout:
    head = cast(MorphableModel, model)
    facts = _facts(sample_person(SAMPLE_FIRST, head, styles))
    lengths = {
        "identity": head.sizes.identity,
        "expression": min(COMPONENTS, len(_moving(head.expression_names))),
        "gaze": 2,
        "light": LIGHTS,
        **{name: len(values) for name, values in facts.items()},
    }
    options: dict[str, tuple[str, ...]] = {
        "style": styles,
        "beard": ("none", *BEARDS),
        "glasses": ("none", *GLASSES),
        "hat": ("none", *HATS),
        "clothing": CLOTHES,
        "earrings": ("no", "yes"),
        "cut": tuple(str(k) for k in range(CUTS)),
    }
    shares = _tables(model, styles).shares
    parts, categories, start = [], [], 0
    for name, length in lengths.items():
        parts.append((name, start, length))
        start += length
    for name, names in options.items():
        counts = [shares[name].get(option, 0) + 1 for option in names]
        if name == "cut":
            counts = [1] * CUTS
        categories.append(Category(name=name, options=names, start=start, bias=biases(counts)))
        parts.append((name, start, len(names)))
        start += len(names)
    return CodeLayout(size=start, parts=tuple(parts), categories=tuple(categories))


@lru_cache(maxsize=4)
def _tables(model: Hashable, styles: tuple[str, ...]) -> _Tables:
    head = cast(MorphableModel, model)
    people = [sample_person(SAMPLE_FIRST + k, head, styles) for k in range(SAMPLE)]
    numbers = np.array([np.concatenate(list(_facts(person).values())) for person in people]).T
    shares: dict[str, dict[str, int]] = {}
    for person in people:
        for name, kind in _kinds(person).items():
            found = shares.setdefault(name, {})
            found[kind] = found.get(kind, 0) + 1
    return _Tables(sorted=np.sort(numbers, axis=1), shares=shares)


def _facts(person: Person) -> dict[str, list[float]]:
    """Return the numbers about a person that are not normal yet."""
    skin, eyes, hair = person.skin, person.eyes, person.hair
    return {
        "skin": [skin.melanin, skin.redness, skin.age, skin.freckles, float(skin.moles), skin.oil],
        "lips": _tones(skin.lip_colour),
        "make_up": [skin.lipstick, skin.eye_shadow, skin.eye_liner, skin.blush],
        "make_up_colour": _tones(skin.make_up_colour),
        "iris": _tones(eyes.colour),
        "inner_iris": _tones(eyes.inner),
        "eyes": [eyes.iris_radius, eyes.pupil, eyes.redness],
        "hair_colour": _tones(hair.colour),
        "hair": [hair.grey, hair.brow_density, hair.brow_thickness, hair.lash_length],
        "beard_colour": _tones(hair.beard_colour),
        "glasses_colour": _tones(person.glasses_colour),
        "lens_tint": [person.lens_tint],
        "hat_colour": _tones(person.hat_colour),
        "cloth_colour": _tones(person.cloth_colour),
        "second_cloth_colour": _tones(person.cloth_second_colour),
    }


def _kinds(person: Person) -> dict[str, str]:
    return {
        "style": person.hair.style,
        "beard": person.hair.beard,
        "glasses": person.glasses,
        "hat": person.hat,
        "clothing": person.clothing,
        "earrings": "yes" if person.earrings else "no",
        "cut": str(person.number % CUTS),
    }


def _tones(colour: Colour) -> list[float]:
    """Return a colour as brightness and two tints, on scales of the kind that eyes have."""
    red, green, blue = colour
    return [red + green + blue, red / (red + green + blue), blue / (red + green + blue)]


def _ranks(values: Numbers, table: Numbers, fill: np.random.Generator) -> Numbers:
    """Return the share of people whose number is below each value; chance decides between equals."""
    count = table.shape[1]
    chance = fill.random(len(values))
    out = np.empty(len(values))
    for k, (value, row) in enumerate(zip(values, table, strict=True)):
        low, high = np.searchsorted(row, value, "left"), np.searchsorted(row, value, "right")
        if low == high and 0 < low < count:  # between two people
            place = low - 0.5 + (value - row[low - 1]) / (row[low] - row[low - 1])
        else:
            place = low + (chance[k] if high > low + 1 else 0.5) * (high - low)
        out[k] = min(max(place, 0.5), count - 0.5) / count
    return out


def biases(counts: Sequence[int]) -> tuple[float, ...]:
    """Return what to add to normal numbers so that each is the largest as often as its count says.

    The share of number ``k`` is the integral over ``x`` of its density at ``x`` times the chance that
    all others lie below; the biases are found by correcting them until these shares are right.
    """
    wanted = np.asarray(counts, np.float64) / sum(counts)
    x = np.linspace(-8, 8, 641)
    density = np.exp(-0.5 * x * x) * (x[1] - x[0]) / math.sqrt(2 * math.pi)
    bias = np.zeros(len(wanted))
    for _ in range(200):
        below = to_shares(x[:, None, None] + bias[None, :, None] - bias[None, None, :])
        below[:, np.arange(len(bias)), np.arange(len(bias))] = 1
        found = (density[:, None] * below.prod(axis=2)).sum(axis=0)
        bias += 0.5 * np.log(wanted / found)
        bias -= bias.mean()
    return tuple(round(float(b), 4) for b in bias)


def _numbers_for(kind: int, bias: Numbers, fill: np.random.Generator) -> Numbers:
    """Return normal numbers of which, with the bias added, that of this kind is the largest."""
    for _ in range(2000):
        drawn = np.stack([normal(fill, len(bias)) for _ in range(16)])
        fits = np.flatnonzero((drawn + bias).argmax(axis=1) == kind)
        if len(fits):
            return cast(Numbers, drawn[fits[0]])
    raise AssertionError(f"kind {kind} is all but impossible with the biases {bias}")


def _moving(names: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(np.flatnonzero(_component_table(names)[0]).tolist())


def _components(names: tuple[str, ...], expression: Numbers) -> Numbers:
    """Return the components of a face, each of a spread of one, none far out."""
    _, mean, axes, spread = _component_table(names)
    return _squashed((expression - mean) @ axes) / spread


def _squashed(numbers: Numbers) -> Numbers:
    return SQUASH * np.arcsinh(numbers / SQUASH)


@lru_cache(maxsize=4)
def _component_table(names: tuple[str, ...]) -> tuple[npt.NDArray[np.bool_], Numbers, Numbers, Numbers]:
    """Return which weights move, their means, the axes (weights x components), and a last spread."""
    rng = generator(0, "faces of the code")
    faces = np.stack([sample_expression(rng, names).double().numpy() for _ in range(FACES)])
    mean = faces.mean(axis=0)
    power, axes = np.linalg.eigh(np.cov(faces.T))
    moves = faces.std(axis=0) > 0
    kept = np.argsort(-power)[: min(COMPONENTS, int(moves.sum()))]
    axes = axes[:, kept] * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(len(axes))])[kept]
    axes = axes / np.sqrt(power[kept])
    return moves, mean, axes, _squashed((faces - mean) @ axes).std(axis=0)
