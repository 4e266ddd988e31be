"""Where hair leaves the skin: spread over the scalp, and closer where its roots are in sight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from phiz.face.morphable import MorphableModel, Part
from phiz.world.grown import hair_fields
from phiz.world.grown.hair_fields import Floats, Ints, Roots, Skull, hairline_height, locate, ramp
from phiz.world.grown.hair_styles import HEAD_HALF_WIDTH, HairStyle

GROWN_PARTS = (Part.SCALP, Part.SKIN, Part.NECK)
SPARE = 1.2
"""Roots tried for each strand wanted: some fall outside of the hairline."""
SEAM_SHARE, SEAM_MOST = 0.2, 560
"""Further strands that start where roots are in sight: a share of the rest, and at most so many."""
SEAM_TRIES = 9
PART_REACH, WHORL_REACH = 0.0045, 0.013
"""How far from a parting and from the whorl roots stand closer, in metres."""
RIM = 0.10
"""How much of that closeness a hairline gets; it is many times as long as a parting."""


@dataclass(frozen=True, kw_only=True)
class Planted:
    """Roots, those of the layer under the others first."""

    roots: Roots
    edge: Floats
    """How far inside of the hairline each stands: 0 at its edge, 1 inside."""
    seam: Floats
    """How much each root is in sight: 1 at a parting, at the whorl and at the hairline."""
    valley: Floats
    """1 where hair must lie low, else it bridges the parting; wider than what is in sight."""
    under: int
    """How many belong to the layer under the others."""


def plant(
    style: HairStyle,
    skull: Skull,
    vertices: Floats,
    normals: Floats,
    head: MorphableModel,
    rng: np.random.Generator,
) -> Planted:
    """Return where a style's strands grow.

    A few thousand strands stand 4 mm apart, which nobody sees where hair lies over its neighbours'
    roots. At partings and hairlines nothing lies over them, so that further strands start there.
    """
    chosen = hair_fields.triangles_of(head, GROWN_PARTS, "scalp", 0.05)
    density = dense(style, skull, vertices, head)
    uneven = hair_fields.waves(0.014, rng, 1)
    wanted = style.count + style.under
    share = hair_fields.corner_mean(density, chosen)
    spread = hair_fields.sample(vertices, normals, chosen, share, int(wanted * SPARE), rng)
    spread = _inside(spread, density, uneven, rng)[:wanted]
    under = round(len(spread.points) * style.under / wanted)
    close = _in_sight(style, skull, vertices, normals, chosen, density, rng)
    close = _inside(close, density, uneven, rng)[: min(int(SEAM_SHARE * wanted), SEAM_MOST)]
    roots = hair_fields.together(spread, close)
    here = hair_fields.mix(density, roots)
    return Planted(
        roots=roots,
        edge=ramp(here, 0.2, 0.95),
        seam=seam(style, skull, roots.points, here, 2.2, 1.0),
        valley=seam(style, skull, roots.points, here, 4.0, 0.0),
        under=under,
    )


def seam(
    style: HairStyle, skull: Skull, points: Floats, density: Floats, wide: float = 1.0, rim_share: float = RIM
) -> Floats:
    """Return how much roots at points are in sight, 0 to 1, and `wide` times as far around."""
    relative = points - skull.centre
    rim = ramp(density, 0.2, 0.5) * ramp(density, 1.0, 0.75) * rim_share
    most = rim
    if style.part is not None:
        across = (points[:, 0] - style.part * HEAD_HALF_WIDTH) / (PART_REACH * wide)
        most = np.maximum(most, np.exp(-(across**2)) * part_reach(style, relative))
    if style.tail == 0 and style.bun == 0 and style.crown > 0.2:
        away = (relative - whorl(style)) / (WHORL_REACH * wide)
        most = np.maximum(most, 0.6 * np.exp(-np.einsum("nc,nc->n", away, away)))
    return np.asarray(most, np.float32)


def part_reach(style: HairStyle, relative: Floats) -> Floats:
    """Return where the parting rules, 0 to 1, at points seen from the skull's centre."""
    return ramp(relative[:, 2], style.part_end - 0.02, style.part_end + 0.025) * ramp(
        relative[:, 1], 0.0, 0.03
    )


def whorl(style: HairStyle) -> Floats:
    """Return the point that hair radiates from, seen from the skull's centre."""
    return np.array([0.008 * (1 if (style.part or 0) >= 0 else -1), 0.083, -0.045], np.float32)


def _in_sight(
    style: HairStyle,
    skull: Skull,
    vertices: Floats,
    normals: Floats,
    triangles: Ints,
    density: Floats,
    rng: np.random.Generator,
) -> Roots:
    """Return roots as close as `seam` says: drawn per triangle first and then one by one."""
    middle, here = hair_fields.corner_mean(vertices, triangles), hair_fields.corner_mean(density, triangles)
    likely = seam(style, skull, middle, here, 2.5) * (here > 0.1)
    tries = min(int(SEAM_SHARE * (style.count + style.under)), SEAM_MOST) * SEAM_TRIES
    roots = hair_fields.sample(vertices, normals, triangles[likely > 0.02], likely[likely > 0.02], tries, rng)
    if len(roots.points) == 0:
        return roots
    now = seam(style, skull, roots.points, hair_fields.mix(density, roots))
    before = seam(
        style,
        skull,
        hair_fields.corner_mean(vertices, roots.corners),
        hair_fields.corner_mean(density, roots.corners),
        4.0,
    )
    odds = now / np.maximum(before, 0.02)
    return roots[odds > odds.max() * rng.random(len(odds), np.float32)]


def _inside(roots: Roots, density: Floats, uneven: hair_fields.Waves, rng: np.random.Generator) -> Roots:
    """Return the roots that stand inside of a hairline which is neither straight nor sharp."""
    here = hair_fields.mix(density, roots)
    least = 0.14 + 0.16 * hair_fields.rippled(roots.points, uneven)[:, 0]
    return roots[here > least + 0.8 * rng.random(len(here)) ** 1.2]


def dense(style: HairStyle, skull: Skull, vertices: Floats, head: MorphableModel) -> Floats:
    """Return how densely a style grows at each of a head's vertices, 0 to 1."""
    density: Floats = hair_fields.region(head, "scalp").copy()
    own = np.flatnonzero(density > 0)
    density[own] *= growth(style, skull, vertices[own])
    return density


def growth(style: HairStyle, skull: Skull, points: Floats) -> Floats:
    """Return the style's own density at points: receding, bald or faded hair grows less."""
    place = locate(points, skull.centre)
    turn = np.abs(place.angle)
    above = points[:, 1] - hairline_height(skull, place.angle)
    density = np.ones(len(points), np.float32)
    if style.recede > 0:
        temple = 0.3 + 0.9 * np.exp(-(((turn - 0.62) / 0.28) ** 2))
        gone = style.recede * temple * ramp(turn, 1.25, 0.95)
        density *= ramp(above, gone - 0.003, gone + 0.006) * ramp(turn, 1.3, 1.2) + ramp(turn, 1.2, 1.3)
    if style.bald > 0:
        line = 0.024 - 0.016 * ramp(turn, 1.5, 2.6) + 0.004 * np.sin(5 * place.angle + 1)
        density *= ramp(place.rise, line + 0.04, line - 0.006) * ramp(turn, 0.7, 1.15)
    if style.fade > 0:
        density *= 1 - style.fade * 0.2 * ramp(place.rise, 0.02, -0.05)
    return density
