"""Head hair: roots on the scalp, strands that grow from them, colours along them.

Hair moves with the skull only, so that it is grown once a person (on the face at rest) and then
turned with the head. Everything is found from the head's regions and landmarks: any head will do.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from phiz.face.morphable import MorphableModel
from phiz.world.grown import (
    hair_bounds,
    hair_cards,
    hair_colours,
    hair_gathered,
    hair_growth,
    hair_roots,
    hair_skull,
)
from phiz.world.grown.hair_fields import Floats, ramp
from phiz.world.grown.hair_styles import STYLES, HairStyle
from phiz.world.people import HairLook
from phiz.world.surface import Label, Strands

__all__ = ["STYLES", "HairStyle", "grow_hair", "scalp_cover"]

TAPER = (0.75, 1.0, 0.95, 0.8, 0.12)
"""Width along a strand, as shares of the full width."""
FINE, OPENED = 0.0005, 0.012
"""Ribbons that start in sight, at a parting or a hairline, start no wider than `FINE`; that far from
their roots they are as wide as others."""
SHAVEN = 0.7
"""How dark the skin is under hair of a few millimetres; under longer hair it is 1."""


def grow_hair(
    look: HairLook,
    vertices: Float[Tensor, "v 3"],
    normals: Float[Tensor, "v 3"],
    head: MorphableModel,
    rng: np.random.Generator,
) -> list[Strands]:
    """Return the head's hair, rigid with the skull; an empty list for the style "none".

    `vertices` are this person's face at rest. The same `rng` state gives the same hair.
    """
    if look.style.startswith(hair_cards.PREFIX):
        return [hair_cards.wear(look, vertices, head, rng)]
    style = _style(look)
    if style.count + style.under == 0:
        return []
    style = _vary(style, rng)
    skin, normal = vertices.detach().numpy(), normals.detach().numpy()
    skull = hair_skull.measure(skin, head)
    planted = hair_roots.plant(style, skull, skin, normal, head, rng)
    roots, edge = planted.roots, planted.edge
    under = np.arange(len(edge)) < planted.under
    layer = np.where(under, 0.25, 1.0) * rng.random(len(edge)) ** 0.8
    layer = np.where(under, layer, 0.12 + 0.88 * layer).astype(np.float32)
    layer = layer * (
        1 - 0.75 * np.maximum(planted.seam, planted.valley)
    )  # what starts in sight must lie flat
    made = hair_growth.plan(style, skull, roots, layer, rng)
    landmarks = head.landmarks(vertices[None])[0].detach().numpy()
    gate = hair_bounds.face_gate(skull, landmarks)
    if style.tail > 0 or style.bun > 0:
        points, lock = hair_gathered.gather(style, skull, roots, made, rng)
    else:
        points = hair_growth.grow(style, skull, roots, made, gate, rng)
        points, lock = hair_growth.gather_locks(points, made, style, rng)
        points = hair_growth.curl(points, made, lock, style, skull, gate, rng)
    if style.cut is not None:
        points = hair_growth.trim(points, skull, style.cut, float(landmarks[36:48, 1].mean()), rng)
    fine = edge * np.clip(made.length / 0.009, 0.28, 1)  # cropped hair shows as dots, not as scales
    width = _widths(style, under, fine, planted.seam, made.length, points.shape[1], rng)
    colour = hair_colours.tint(look, layer, lock, points.shape[1], style.shine, rng)
    return [_strands(points, width, colour)] + [
        _strands(p, w, hair_colours.tint(look, u, k, p.shape[1], style.shine, rng))
        for p, w, u, k in hair_gathered.extras(style, skull, rng)
    ]


def scalp_cover(look: HairLook, vertices: Float[Tensor, "v 3"], head: MorphableModel) -> Float[Tensor, " v"]:
    """Return how much roots darken the skin at each vertex, 0 to 1: paint the skin under hair so."""
    modelled = look.style.startswith(hair_cards.PREFIX)
    style = STYLES["short_crop"] if modelled else _style(look)
    if style.count + style.under == 0:
        return torch.zeros(len(vertices))
    skin = vertices.detach().numpy()
    skull = hair_skull.measure(skin, head)
    longest = max(style.top, style.back)
    thick = SHAVEN + (1 - SHAVEN) * min(max((longest - 0.008) / 0.022, 0.0), 1.0)
    density = hair_roots.dense(style, skull, skin, head)
    return torch.from_numpy(np.asarray(thick * ramp(density, 0.08, 0.42), np.float32))


def _style(look: HairLook) -> HairStyle:
    if look.style not in STYLES:
        raise ValueError(f"no hair style {look.style!r}; there are {', '.join(sorted(STYLES))}")
    return STYLES[look.style]


def _vary(style: HairStyle, rng: np.random.Generator) -> HairStyle:
    """Return the style as one person wears it: on either side, somewhat longer, fuller or wilder."""
    mirror = 1.0 if rng.random() < 0.5 else -1.0
    long, full, wild, waved = rng.uniform((0.85, 0.75, 0.7, 0.85), (1.2, 1.25, 1.4, 1.2))
    cut = style.cut
    if cut is not None:
        front, side, back = cut
        shift = rng.uniform(-0.015, 0.015)
        cut = (front + rng.uniform(-0.007, 0.006), side + shift, back + shift)
    return replace(
        style,
        part=None if style.part is None else mirror * style.part + rng.uniform(-0.06, 0.06),
        sideways=mirror * style.sideways,
        top=style.top * long,
        front=style.front * long,
        side=style.side * long,
        back=style.back * long,
        volume=style.volume * full,
        side_volume=style.side_volume * full,
        wander=style.wander * wild,
        curl=style.curl * waved,
        curl_length=style.curl_length * waved,
        cut=cut,
    )


def _widths(
    style: HairStyle,
    under: npt.NDArray[np.bool_],
    edge: Floats,
    seam: Floats,
    length: Floats,
    steps: int,
    rng: np.random.Generator,
) -> Floats:
    """Return the ribbons' widths (n, k): tapering, and fine at the hairline and where hair parts."""
    full = np.where(under, style.under_width, style.width) * rng.uniform(0.65, 1.3, len(edge))
    full = (full * (0.22 + 0.78 * edge)).astype(np.float32)
    t = np.linspace(0, 1, steps)
    width = full[:, None] * np.interp(t, np.linspace(0, 1, len(TAPER)), TAPER).astype(np.float32)
    grown = np.minimum(length[:, None] * hair_growth.course(steps) / OPENED, 1)
    opened = np.minimum(width, FINE) + np.maximum(width - FINE, 0) * grown
    return np.asarray(width + (opened - width) * seam[:, None], np.float32)


def _strands(points: Floats, width: Floats, colour: Floats) -> Strands:
    return Strands(
        points=torch.from_numpy(np.asarray(points, np.float32)),
        width=torch.from_numpy(np.asarray(width, np.float32)),
        colour=torch.from_numpy(np.asarray(colour, np.float32)),
        label=Label.HAIR,
    )
