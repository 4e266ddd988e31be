"""Beards, from stubble to long: hairs on the jaw that follow the face."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from phiz.face.morphable import MorphableModel, Part
from phiz.world.grown import facial_loops, hair_fields
from phiz.world.grown.hair_colours import GREY
from phiz.world.grown.hair_fields import Floats, Ints, Roots, ramp, ripple, swift, tangent, unit
from phiz.world.grown.hair_rooted import Rooted, root
from phiz.world.people import HairLook
from phiz.world.surface import Label, Strands

SKIN_LIKE = (Part.SKIN, Part.NECK, Part.NOSE)
LEAST = 0.02
"""Of the density at a corner: triangles with less everywhere stay bare."""


@dataclass(frozen=True, kw_only=True)
class BeardStyle:
    """Numbers from which a beard grows; lengths in metres."""

    count: int
    cheek: float
    chin: float
    lip: float
    """Length of the moustache."""
    steps: int = 5
    width: float = 0.0006
    spread: float = 0.25
    """How much neighbouring hairs disagree."""
    wave: float = 0.0
    lift: float = 0.45
    cheeks: float = 1.0
    """How dense the cheeks are; the moustache and the chin are always full."""
    chin_only: bool = False
    lip_only: bool = False


# fmt: off
BEARDS: Mapping[str, BeardStyle] = {
    "stubble": BeardStyle(
        count=3600, cheek=0.0016, chin=0.0018, lip=0.0018, steps=3, width=0.00026, cheeks=0.8,
    ),
    "moustache": BeardStyle(count=1100, cheek=0, chin=0, lip=0.010, width=0.00042, lip_only=True, lift=0.35),
    "goatee": BeardStyle(count=1500, cheek=0.010, chin=0.020, lip=0.010, width=0.0007, chin_only=True),
    "short": BeardStyle(count=3400, cheek=0.0065, chin=0.010, lip=0.008, width=0.0007, spread=0.35),
    "full": BeardStyle(
        count=3000, cheek=0.015, chin=0.032, lip=0.013, steps=7, width=0.0009, wave=0.0015, spread=0.3,
    ),
    "long": BeardStyle(
        count=2600, cheek=0.028, chin=0.10, lip=0.018, steps=9, width=0.0011, wave=0.003, spread=0.25,
    ),
}
# fmt: on


def grow_beard(
    look: HairLook,
    vertices: Float[Tensor, "v 3"],
    normals: Float[Tensor, "v 3"],
    head: MorphableModel,
    rng: np.random.Generator,
) -> list[Rooted]:
    """Return the beard as grown on the face at rest; an empty list for "none"."""
    if look.beard == "none":
        return []
    style = BEARDS[look.beard]
    skin, normal = vertices.detach().numpy(), normals.detach().numpy()
    landmarks = head.landmarks(vertices[None])[0].detach().numpy()
    density = _density(style, skin, landmarks, head)
    chosen = _bearded(cast(Hashable, head))[0]
    chosen = chosen[hair_fields.corner_most(density, chosen) > LEAST]
    roots = hair_fields.sample(
        skin, normal, chosen, hair_fields.corner_mean(density, chosen), style.count, rng
    )
    here = hair_fields.mix(density, roots)
    bare = hair_fields.mix(_lips(head), roots) < 0.3
    roots = roots[bare & (here > 0.04 + 0.3 * rng.random(len(here)))]
    here = np.clip(hair_fields.mix(density, roots), 0, 1)
    if len(here) == 0:
        return []
    strands = _strands(look, style, roots, here, landmarks, rng)
    return [
        root(strands, torch.from_numpy(roots.corners), torch.from_numpy(roots.weights), vertices, normals)
    ]


def beard_cover(look: HairLook, vertices: Float[Tensor, "v 3"], head: MorphableModel) -> Float[Tensor, " v"]:
    """Return how much the roots of the beard darken the skin at each vertex, 0 to 1."""
    if look.beard == "none":
        return torch.zeros(len(vertices))
    style = BEARDS[look.beard]
    landmarks = head.landmarks(vertices[None])[0].detach().numpy()
    density = _density(style, vertices.detach().numpy(), landmarks, head)
    most = 0.35 if look.beard == "stubble" else 0.75 * (1 - 0.6 * look.grey)  # grey roots do not show
    return torch.from_numpy(np.asarray(most * ramp(density, 0.05, 0.9), np.float32))


def _density(style: BeardStyle, points: Floats, landmarks: Floats, head: MorphableModel) -> Floats:
    """Return how densely the style grows at each vertex."""
    density = np.zeros(len(points), np.float32)
    own = _bearded(cast(Hashable, head))[1]
    points = points[own]
    beard, moustache = hair_fields.region(head, "beard")[own], hair_fields.region(head, "moustache")[own]
    mouth, chin = landmarks[48:60].mean(axis=0), landmarks[8]
    half = float(np.ptp(landmarks[48:60, 0])) / 2
    height, sideways = points[:, 1], np.abs(points[:, 0] - mouth[0])
    # The moustache slopes from under the nose to a little outside of the mouth's corners.
    slope = np.clip(sideways / (1.3 * half), 0, 1.4) ** 2
    roof = landmarks[33, 1] - 0.002 + (mouth[1] + 0.007 - landmarks[33, 1]) * slope
    lip = (
        moustache
        * ramp(height, mouth[1] - 0.004, mouth[1] + 0.003)
        * ramp(height, roof + 0.003, roof - 0.003)
    )
    lip = lip * ramp(sideways, 1.35 * half, 1.0 * half)
    if style.lip_only:
        wanted = lip
    elif style.chin_only:
        below = 1.15 * half - 0.25 * np.clip(mouth[1] - height, 0, 0.06)
        line = np.where(height > mouth[1], 1.25 * half, below)
        ring = ramp(sideways, line + 0.003, line - 0.003) * ramp(height, chin[1] - 0.020, chin[1] - 0.008)
        ring = ring * ramp(height, roof + 0.003, roof - 0.003) * (points[:, 2] > 0.3 * chin[2])
        wanted = np.maximum(beard, moustache) * ring
    else:
        wanted = np.maximum(style.cheeks * beard * _outline(points, landmarks, half), lip)
    density[own] = wanted * (_lips(head)[own] < 0.3)
    return density


@lru_cache(maxsize=2)
def _bearded(model: Hashable) -> tuple[Ints, Ints]:
    """Return the triangles and the vertices of a head that a beard can grow on at all."""
    head = cast(MorphableModel, model)
    most = np.maximum(hair_fields.region(head, "beard"), hair_fields.region(head, "moustache"))
    skin = hair_fields.triangles_of(head, SKIN_LIKE)
    return skin[hair_fields.corner_most(most, skin) > LEAST], np.flatnonzero(most > 0)


def _lips(head: MorphableModel) -> Floats:
    return np.maximum(hair_fields.region(head, "upper_lip"), hair_fields.region(head, "lower_lip"))


def _outline(points: Floats, landmarks: Floats, half: float) -> Floats:
    """Return 1 below the line from the sideburns down the cheek to the mouth, and before the ears."""
    mouth, ear = landmarks[48:60].mean(axis=0), landmarks[[0, 16]]
    width = np.abs(ear[:, 0] - mouth[0]).mean() - half
    out = np.clip((np.abs(points[:, 0] - mouth[0]) - half) / width, 0, 1.2)
    line = mouth[1] + 0.009 + (ear[:, 1].mean() - mouth[1]) * out**2.6
    height, forth = points[:, 1], points[:, 2]
    uneven = 0.002 * np.sin(310 * forth + 2) + 0.0015 * np.sin(790 * forth)
    behind = ear[:, 2].mean() - 0.045 + 0.5 * np.clip(mouth[1] - height, 0, 0.06)
    return ramp(height + uneven, line + 0.007, line - 0.006) * ramp(forth, behind - 0.014, behind + 0.006)


def _strands(
    look: HairLook, style: BeardStyle, roots: Roots, here: Floats, landmarks: Floats, rng: np.random.Generator
) -> Strands:
    count, points = len(here), roots.points
    mouth, chin = landmarks[48:60].mean(axis=0), landmarks[8]
    half = float(np.ptp(landmarks[48:60, 0]) / 2)
    lip = ramp(points[:, 1], mouth[1] - 0.002, mouth[1] + 0.006) * ramp(
        np.abs(points[:, 0]), 1.4 * half, 1.1 * half
    )
    low = ramp(points[:, 1], mouth[1] - 0.01, chin[1] + 0.008) * ramp(
        np.abs(points[:, 0]), 2.2 * half, 0.7 * half
    )
    length: Floats = style.cheek + (style.chin - style.cheek) * low
    length = (length + (style.lip - length) * lip) * rng.uniform(0.65, 1.15, count) * (0.45 + 0.55 * here)
    length = _keep_off_the_mouth(length, points, lip, landmarks, half)
    path = _grow(style, roots, lip, length.astype(np.float32), mouth, rng)
    taper = np.interp(np.linspace(0, 1, style.steps), (0, 0.3, 1), (0.9, 1, 0.15))
    width = style.width * rng.uniform(0.55, 1.3, count)[:, None] * (0.35 + 0.65 * here)[:, None] * taper
    own = np.asarray(look.beard_colour, np.float32) * np.exp(
        0.36 * rng.standard_normal((count, 1), np.float32)
    )
    pale = np.asarray(GREY, np.float32) * 0.9 * np.exp(0.2 * rng.standard_normal((count, 1), np.float32))
    own = np.where(rng.random((count, 1)) < look.grey, pale, own)
    shade = 0.38 + 0.62 * np.linspace(0, 1, style.steps) ** 0.7
    colour = np.clip(own[:, None] * shade[:, None], 0, 1)
    return Strands(
        points=torch.from_numpy(path),
        width=torch.from_numpy(np.asarray(width, np.float32)),
        colour=torch.from_numpy(np.asarray(colour, np.float32)),
        label=Label.SKIN,
    )


def _keep_off_the_mouth(
    length: Floats, points: Floats, lip: Floats, landmarks: Floats, half: float
) -> Floats:
    """Return lengths such that the moustache ends at the upper lip, save at the mouth's corners."""
    upper = landmarks[48:55]
    edge = np.interp(points[:, 0], upper[:, 0], upper[:, 1])
    room = np.maximum(points[:, 1] - edge, 0) * 1.15 + 0.0025
    middle = lip * ramp(np.abs(points[:, 0]), 1.05 * half, 0.85 * half)
    return np.where(middle > 0.3, np.minimum(length, room), length)


def _grow(
    style: BeardStyle, roots: Roots, lip: Floats, length: Floats, mouth: Floats, rng: np.random.Generator
) -> Floats:
    """Return the hairs' points: down the cheeks, outwards over the lip, down and forwards at the chin."""
    count, normals = len(length), roots.normals
    side = np.sign(roots.points[:, 0] - mouth[0] + 0.001 * rng.standard_normal(count))
    down = tangent(np.array([0, -1, 0.12], np.float32) + 0 * normals, normals)
    outwards = tangent(np.stack([side, -0.9 + 0 * side, 0 * side], axis=1).astype(np.float32), normals)
    flow = unit(down * (1 - lip)[:, None] + outwards * lip[:, None])
    flow = flow + style.spread * (
        0.7 * ripple(roots.points, 0.02, rng) + rng.standard_normal((count, 3), np.float32)
    )
    flow = tangent(flow.astype(np.float32), normals)
    lift = style.lift * rng.uniform(0.5, 1.2, count)[:, None] * (1 - 0.4 * lip)[:, None]
    stride = (length / (style.steps - 1)).astype(np.float32)
    swing = np.zeros((0, style.steps), np.float32)
    if style.wave > 0:
        t = np.linspace(0, 1, style.steps, dtype=np.float32)
        phase = (rng.uniform(0, 2 * np.pi, (count, 1)) + 9 * t).astype(np.float32)
        swing = np.asarray(style.wave * t * np.sin(phase), np.float32)
    # Long beards hang and draw together below the chin; short ones stay as they grow.
    sag = np.asarray(roots.points[:, 0] * np.float32(-0.25 / 0.05))
    hang = _hang if swift(flow) else _hang_plainly
    return hang(roots, flow, np.asarray(lift[:, 0], np.float32), stride, sag, swing)


def _hang(roots: Roots, flow: Floats, lift: Floats, stride: Floats, sag: Floats, swing: Floats) -> Floats:
    """Return the hairs' points by compiled loops."""
    path = np.empty((len(flow), swing.shape[1], 3), np.float32)
    facial_loops.hang(roots.points, roots.normals, flow, lift, stride, sag, swing, path)
    return path


def _hang_plainly(
    roots: Roots, flow: Floats, lift: Floats, stride: Floats, sag: Floats, swing: Floats
) -> Floats:
    """Return the hairs' points, all hairs together a step at a time."""
    normals, steps = roots.normals, swing.shape[1]
    direction = unit(flow * np.cos(lift)[:, None] + normals * np.sin(lift)[:, None])
    path = np.empty((len(flow), steps, 3), np.float32)
    path[:, 0] = roots.points
    down = np.stack([sag, 0 * sag - 1, 0 * sag], axis=1)
    for k in range(1, steps):
        direction = unit(direction + 18 * stride[:, None] * down)
        inward = np.minimum(np.einsum("nc,nc->n", direction, normals) - 0.06, 0) * (k < steps / 2)
        direction = unit(direction - inward[:, None] * normals)
        path[:, k] = path[:, k - 1] + stride[:, None] * direction
    if len(swing):
        path += swing[..., None] * unit(np.cross(direction, normals))[:, None]
    return path
