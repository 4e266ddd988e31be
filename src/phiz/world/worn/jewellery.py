"""Earrings: studs, hoops and drops at the lobes of any head."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.face.morphable import MorphableModel, Part
from phiz.world.people import Person, generator
from phiz.world.surface import Label, Surface, join
from phiz.world.worn.shapes import Colour, ball, points_of, surface, tube

METALS: tuple[Colour, ...] = ((0.62, 0.42, 0.14), (0.60, 0.60, 0.62), (0.66, 0.40, 0.30))
STONES: tuple[Colour, ...] = ((0.80, 0.77, 0.72), (0.02, 0.10, 0.06), (0.30, 0.01, 0.03), (0.03, 0.05, 0.25))


def earrings(person: Person, vertices: Float[Tensor, "v 3"], head: MorphableModel) -> list[Surface]:
    """Return a pair of earrings, or nothing; `vertices` are the head's at rest and upright, in metres."""
    if not person.earrings:
        return []
    rng = generator(person.number, "earrings")
    kind = int(rng.integers(0, 3))
    metal, stone = METALS[int(rng.integers(0, 3))], STONES[int(rng.integers(0, 4))]
    size = 0.8 + 0.7 * float(rng.random())
    pieces: list[Surface] = []
    for part, side in ((Part.LEFT_EAR, 1.0), (Part.RIGHT_EAR, -1.0)):
        ear = points_of(head, vertices, (part,))
        if len(ear) == 0:
            continue
        lobe = _lobe(ear, side)
        if kind == 0:
            pieces += [_stone(lobe + torch.tensor([0.0, 0.0, 0.001]), 0.0022 * size, stone)]
        elif kind == 1:
            pieces += [_hoop(lobe, 0.009 * size * size, metal)]
        else:
            hang = lobe - torch.tensor([0.0, 0.013 * size, 0.0])
            pieces += [_chain(lobe, hang, metal), _stone(hang, 0.0032 * size, stone, tall=1.7)]
    return [join(pieces)] if pieces else []


def _lobe(ear: Float[Tensor, "n 3"], side: float) -> Float[Tensor, " 3"]:
    """Return a point just outside the soft lower end of an ear."""
    low, high = ear[:, 1].min(), ear[:, 1].max()
    end = ear[ear[:, 1] < low + 0.10 * (high - low)]
    x = side * (end[:, 0] * side).max()
    return torch.stack([x, low + 0.07 * (high - low), end[:, 2].mean()]) + torch.tensor([side * 0.0006, 0, 0])


def _stone(centre: Tensor, radius: float, colour: Colour, tall: float = 1.0) -> Surface:
    points, triangles = ball(centre, (radius, radius * tall, radius))
    return surface(points, triangles, label=Label.EARRING, colour=colour, gloss=0.85)


def _hoop(lobe: Tensor, radius: float, colour: Colour) -> Surface:
    turn = torch.arange(28) * (2 * math.pi / 28)
    ring = torch.stack([torch.zeros(28), turn.cos() - 1, 0.9 * turn.sin()], dim=-1) * radius
    points, triangles = tube(lobe + ring, 0.0008, up=(1.0, 0.0, 0.0), closed=True, corners=6)
    return surface(points, triangles, label=Label.EARRING, colour=colour, gloss=0.9)


def _chain(top: Tensor, end: Tensor, colour: Colour) -> Surface:
    share = torch.linspace(0, 1, 6)[:, None]
    points, triangles = tube(top + share * (end - top), 0.0006, corners=6)
    return surface(points, triangles, label=Label.EARRING, colour=colour, gloss=0.9)
