"""Glasses that sit on the nose and the ears of any head.

They are built for the head at rest and upright, and move with the skull.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.face.morphable import MorphableModel, Part
from phiz.world.people import Person, generator
from phiz.world.surface import Label, Material, Surface, join
from phiz.world.worn.shapes import ball, grid, points_of, smooth_path, surface, tube

TILT, WRAP = math.radians(7), math.radians(6)
"""Lenses lean out at the top and round towards the temples."""
CLEARANCE = 0.0035
"""Metres between the skin and the lens plane at the nearest place."""
EYE_DISTANCE = 0.063
"""Between the middles of the eyes of a head of ordinary size."""
OUTLINE = 48
TEMPLE = 24


class Shape(NamedTuple):
    """Outline of a lens: half width, half height, squareness (2 is an ellipse), and the frame's radius."""

    wide: float
    high: float
    power: float
    drop: float
    """How much the lower outer corner hangs, as aviators' do."""
    rims: tuple[float, float]
    """Thinnest and thickest rim."""


SHAPES: Mapping[str, Shape] = {
    "round": Shape(0.0235, 0.0225, 2.0, 0.0, (0.0008, 0.0017)),
    "square": Shape(0.0265, 0.0185, 3.6, 0.0, (0.0010, 0.0026)),
    "aviator": Shape(0.0270, 0.0215, 2.5, 0.22, (0.0008, 0.0013)),
    "sunglasses": Shape(0.0290, 0.0225, 3.0, 0.08, (0.0014, 0.0030)),
}


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Where a pair of glasses sits on one head; x is always the distance from the middle."""

    x: float
    y: float
    z: float
    """Middle of the lens."""
    shape: Shape
    rim: float
    ear: Float[Tensor, " 3"]
    """Where the temple rests, above the left ear."""

    def plane(self, x: Float[Tensor, "*n"], y: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """Return z of the lens plane of the left lens."""
        return self.z + math.tan(TILT) * (y - self.y) - math.tan(WRAP) * (x - self.x)


def glasses(person: Person, vertices: Float[Tensor, "v 3"], head: MorphableModel) -> list[Surface]:
    """Return frame and lenses, or nothing for somebody without glasses.

    `vertices` are the head's at rest and upright, in metres. A clear lens carries the label
    BACKGROUND, which stands for "what lies behind it"; a dark one is GLASSES itself.
    """
    if person.glasses == "none":
        return []
    fit = _fit(person, vertices, head)
    frame: list[Surface] = []
    lenses: list[Surface] = []
    for side in (1.0, -1.0):
        rim = _outline(fit, side)
        frame.append(_bar(person, rim, fit.rim, 1.5 * fit.rim, closed=True))
        temple = _temple(fit, side, vertices, head)
        slim = torch.linspace(1.0, 0.7, TEMPLE) * min(fit.rim, 0.0014)
        frame.append(_bar(person, temple, slim, slim * (1.2 + 500 * fit.rim)))
        frame.append(_pad(person, fit, side, vertices, head))
        lenses.append(_lens(person, fit, side, rim))
    frame.append(_bar(person, _bridge(fit, vertices, head), 0.9 * fit.rim, 1.2 * fit.rim))
    return [join(frame), join(lenses)]


def _fit(person: Person, vertices: Tensor, head: MorphableModel) -> Fit:
    rng = generator(person.number, "glasses")
    marks = head.landmarks(vertices[None])[0]
    left, right = marks[42:48].mean(dim=0), marks[36:42].mean(dim=0)
    size = float((left - right).norm()) / EYE_DISTANCE
    drawn = SHAPES[person.glasses]
    grow = size * (0.93 + 0.16 * float(rng.random()))
    shape = drawn._replace(wide=drawn.wide * grow, high=drawn.high * grow)
    rim = drawn.rims[0] + (drawn.rims[1] - drawn.rims[0]) * float(rng.random())
    ears = points_of(head, vertices, (Part.LEFT_EAR,))
    top = ears[ears[:, 1].argmax()]
    inner = float(ears[:, 0].min())
    height = float(ears[:, 1].max() - ears[:, 1].min())
    x = max(float(left[0] - right[0]) / 2 + 0.0015, shape.wide + 0.0065 * size)
    y = float(left[1] + right[1]) / 2 - 0.002
    ear = torch.tensor([inner + 0.002, float(top[1]) - 0.10 * height, float(ears[:, 2].mean())])
    flat = Fit(x=x, y=y, z=0.0, shape=shape, rim=rim, ear=ear)
    # As near as the brow, the cheek and the lashes let it come, on either side.
    skin = points_of(head, vertices, (Part.SKIN, Part.NOSE, Part.LEFT_EYE, Part.RIGHT_EYE))
    out, up = skin[:, 0].abs() - x, skin[:, 1] - y
    near = ((out / (shape.wide + rim)) ** 2 < 1) & ((up / (shape.high + rim)) ** 2 < 1)
    near = near & (out > -0.8 * shape.wide) & (skin[:, 2] > 0.3 * float(left[2]))
    gap = skin[near, 2] - flat.plane(skin[near, 0].abs(), skin[near, 1])
    z = max(float(gap.max()) + CLEARANCE + 0.5 * rim, float(left[2]) + 0.012)
    return Fit(x=x, y=y, z=z, shape=shape, rim=rim, ear=ear)


def _outline(fit: Fit, side: float) -> Float[Tensor, "k 3"]:
    turn = torch.arange(16 * OUTLINE) * (2 * math.pi / (16 * OUTLINE))
    cos, sin = turn.cos(), turn.sin()
    power = 2 / fit.shape.power
    out = cos.sign() * cos.abs() ** power * fit.shape.wide
    up = sin.sign() * sin.abs() ** power * fit.shape.high
    hang = fit.shape.drop * (0.5 - 0.5 * up / fit.shape.high)
    out = out * (1 - 0.5 * hang) + 0.15 * hang * fit.shape.wide
    up = up * (1 + 0.6 * hang)
    # Points at even distances: the curve above crowds them where it turns.
    length = torch.hypot(out - out.roll(1), up - up.roll(1)).cumsum(0)
    even = (torch.arange(OUTLINE) + 0.5) * (float(length[-1]) / OUTLINE)
    chosen = torch.searchsorted(length, even).clamp(max=len(length) - 1)
    x, y = fit.x + out[chosen], fit.y + up[chosen]
    return torch.stack([side * x, y, fit.plane(x, y)], dim=-1)


def _bar(
    person: Person, path: Tensor, width: float | Tensor, depth: float | Tensor, closed: bool = False
) -> Surface:
    points, triangles = tube(path, width, depth, closed=closed, corners=8)
    gloss = 0.35 + 0.4 * person.lens_tint
    return surface(points, triangles, label=Label.GLASSES, colour=person.glasses_colour, gloss=gloss)


def _lens(person: Person, fit: Fit, side: float, rim: Float[Tensor, "k 3"]) -> Surface:
    middle = rim.mean(dim=0)
    share = torch.tensor([1.0, 0.75, 0.5, 0.25, 0.0])[:, None, None]
    points = middle + share * (rim - middle)  # (5, k, 3)
    points[..., 2] += 0.0012 * (1 - share[..., 0] ** 2)
    triangles = grid(5, OUTLINE, ring=True)
    if side < 0:
        triangles = triangles.flip(-1)
    if person.glasses == "sunglasses":
        base = torch.tensor(person.glasses_colour) / max(max(person.glasses_colour), 0.02)
        through = (1 - person.lens_tint) * (0.75 + 0.25 * base)
        # Many sunglasses are darker at the top.
        height = ((points[..., 1] - fit.y) / fit.shape.high).reshape(-1, 1).clamp(-1, 1)
        colour = (through * (1 - 0.4 * height)).clamp(0, 1)
    else:
        colour = torch.tensor([0.97, 0.99, 0.98]).expand(points.shape[0] * OUTLINE, 3) * (
            1 - person.lens_tint
        )
    label = Label.GLASSES if person.glasses == "sunglasses" else Label.BACKGROUND
    return surface(
        points.reshape(-1, 3), triangles, label=label, colour=colour, gloss=0.9, material=Material.GLASS
    )


def _nose(vertices: Tensor, head: MorphableModel, y: float) -> Tensor:
    """Return the points of the nose and between the eyes near one height."""
    skin = points_of(head, vertices, (Part.NOSE, Part.SKIN))
    return skin[((skin[:, 1] - y).abs() < 0.004) & (skin[:, 0].abs() < 0.016) & (skin[:, 2] > 0)]


def _bridge(fit: Fit, vertices: Tensor, head: MorphableModel) -> Float[Tensor, "k 3"]:
    across = torch.linspace(-1, 1, 15)
    reach = fit.x - 0.97 * fit.shape.wide
    y = fit.y + 0.30 * fit.shape.high
    x = across * reach
    arch = 1 - across**2
    height = y + 0.0025 * arch
    rim = float(fit.plane(torch.tensor(reach), torch.tensor(y)))
    nose = _nose(vertices, head, y + 0.002)
    front = float(nose[:, 2].max()) + 0.0015 + fit.rim if len(nose) else rim
    return torch.stack([x, height, rim + max(front - rim, 0.001) * arch], dim=-1)


def _pad(person: Person, fit: Fit, side: float, vertices: Tensor, head: MorphableModel) -> Surface:
    """Return the pad between the rim and the side of the nose, with its wire."""
    y = fit.y - 0.12 * fit.shape.high
    x = torch.tensor(fit.x - 0.96 * fit.shape.wide)
    rim = torch.stack([side * x, torch.tensor(y), fit.plane(x, torch.tensor(y))])
    nose = _nose(vertices, head, y)
    nose = nose[nose[:, 0] * side > 0]
    touch = rim - torch.tensor([side * 0.002, 0.0, 0.004])
    if len(nose):
        deep = rim - torch.tensor([0.0, 0.0, 0.006])
        touch = nose[(nose - deep).norm(dim=-1).argmin()] + torch.tensor([side * 0.0008, 0.0, 0.0008])
    points, triangles = ball(touch, (0.0011, 0.0042, 0.0022), rows=7, columns=8)
    pad = surface(points, triangles, label=Label.GLASSES, colour=(0.5, 0.48, 0.45), gloss=0.5)
    wire = _bar(person, smooth_path(torch.stack([rim, (rim + touch) / 2, touch]), 5), 0.0006, 0.0006)
    return join([pad, wire])


def _temple(fit: Fit, side: float, vertices: Tensor, head: MorphableModel) -> Float[Tensor, "k 3"]:
    """Return the bar from the hinge along the temple to the ear, and down behind it."""
    x = torch.tensor(fit.x + fit.shape.wide)
    y = torch.tensor(fit.y + 0.42 * fit.shape.high)
    hinge = torch.stack([x + 0.5 * fit.rim, y, fit.plane(x, y) - 0.002])
    behind = fit.ear + torch.tensor([-0.002, -0.004, -0.016])
    tip = fit.ear + torch.tensor([-0.005, -0.026, -0.026])
    share = torch.linspace(0, 1, 16)[:, None]
    straight = hinge + share * (fit.ear - hinge)
    path = torch.cat([straight, smooth_path(torch.stack([fit.ear, behind, tip]), TEMPLE - 15)[1:]])
    skull = points_of(head, vertices, (Part.SKIN, Part.SCALP, Part.NECK))
    skull = skull[skull[:, 0] * side > 0] * torch.tensor([side, 1.0, 1.0])
    away = torch.cdist(path[:, 1:], skull[:, 1:])
    nearest = torch.where(away < 0.009, skull[None, :, 0], torch.full((), -1.0)).max(dim=1).values
    outside = torch.maximum(path[:, 0], nearest + 0.0018)
    bell = torch.tensor([0.25, 0.5, 0.25])[None, None]
    for _ in range(3):  # a bar bends gently: smooth, but never back into the head
        eased = torch.nn.functional.pad(outside[None, None], (1, 1), mode="replicate")
        outside = torch.maximum(torch.nn.functional.conv1d(eased, bell)[0, 0], nearest + 0.0012)
    outside[0] = hinge[0]
    return torch.stack([side * outside, path[:, 1], path[:, 2]], dim=-1)
