"""Hair that is tied: pony tails and buns."""

from __future__ import annotations

import numpy as np

from phiz.world.grown import hair_loops
from phiz.world.grown.hair_bounds import push_out, settle
from phiz.world.grown.hair_fields import (
    MARGIN,
    SKULL_RADIUS,
    Floats,
    Ints,
    Roots,
    Skull,
    locate,
    ramp,
    ripple,
    skin_reach,
    swift,
    unit,
)
from phiz.world.grown.hair_growth import DOWN, Plan
from phiz.world.grown.hair_styles import HairStyle

TIE = 0.012
"""Radius of the bundle where it is tied."""
Extra = tuple[Floats, Floats, Floats, Ints]
"""Points, widths, layers and locks of further strands."""


def gather(
    style: HairStyle, skull: Skull, roots: Roots, made: Plan, rng: np.random.Generator
) -> tuple[Floats, Ints]:
    """Return strands that lie along the skull from their roots to where they are tied."""
    count, steps = len(roots.points), style.steps
    knot, out = knot_place(style, skull)
    spot = knot + (TIE * 0.7) * unit(rng.standard_normal((count, 3)).astype(np.float32)) - 0.004 * out
    start, end = unit(roots.points - skull.centre), unit(spot - skull.centre)
    cosine = np.clip(np.einsum("nc,nc->n", start, end), -0.9999, 0.9999)
    angle = np.arccos(cosine)[:, None]
    t = np.linspace(0, 1, steps, dtype=np.float32)
    way = np.sin((1 - t) * angle)[..., None] * start[:, None] + np.sin(t * angle)[..., None] * end[:, None]
    ahead = unit(way)
    # Hair at the temples swings back over the ears, rather than taking the shortest way.
    volume = (style.side_volume + (style.volume - style.side_volume) * made.top) * made.layer
    height = np.linspace(0, 1, steps) * np.linalg.norm(spot - skull.centre, axis=1)[:, None]
    height = height + (1 - t) * np.linalg.norm(roots.points - skull.centre, axis=1)[:, None]
    points = skull.centre + ahead * height[..., None]
    laid = lay(points.astype(np.float32), skull, volume[:, None] * np.minimum(1, 4 * t), ramp(t, 0.8, 1.0))
    laid[:, 0] = roots.points
    laid[:, 1:] += 0.0008 * ripple(laid[:, 1:].reshape(-1, 3), 0.03, rng).reshape(count, steps - 1, 3)
    lock = rng.integers(0, style.clumps, count)
    stray = (rng.random(count) < style.flyaway)[:, None, None]
    lifted = laid + stray * 0.0025 * np.sin(np.pi * t)[None, :, None] * ahead
    return push_out(np.asarray(lifted, np.float32), skull), lock


def lay(points: Floats, skull: Skull, rise: Floats, near: Floats) -> Floats:
    """Return strands laid on the skin, `rise` (n, k) above it.

    Where `near` (k,) is 1 they stay as far out as they are.
    """
    if swift(points):
        out = np.empty(points.shape, np.float32)
        shape = skull.centre, skull.radius, skull.hairline
        hair_loops.lay(points, shape, np.asarray(rise, np.float32), near, out)
        return out
    flat = points.reshape(-1, 3)
    place = locate(flat, skull.centre)
    skin = skin_reach(skull, place) + MARGIN + rise.reshape(-1)
    kept = np.tile(near, len(points))
    reach = np.maximum(skin, place.reach * kept + skin * (1 - kept))
    return settle(skull, flat, place, reach.astype(np.float32)).reshape(points.shape)


def knot_place(style: HairStyle, skull: Skull) -> tuple[Floats, Floats]:
    """Return where hair is tied, and which way is out of the head there."""
    turn = style.gather_rise / SKULL_RADIUS
    out = np.array([0, np.sin(max(turn, 0)), -np.cos(max(turn, 0))], np.float32)
    below = np.array([0, min(style.gather_rise, 0), 0], np.float32)
    place = locate((skull.centre + below + 0.1 * out)[None], skull.centre)
    reach = float(skin_reach(skull, place)[0])
    return skull.centre + below + (reach + 0.008) * out, out


def extras(style: HairStyle, skull: Skull, rng: np.random.Generator) -> list[Extra]:
    """Return what hangs from the tie or is wound around it."""
    if style.tail > 0:
        return [_tail(style, skull, rng)]
    if style.bun > 0:
        return [_bun(style, skull, rng)]
    return []


def _tail(
    style: HairStyle, skull: Skull, rng: np.random.Generator, count: int = 900, steps: int = 12
) -> Extra:
    knot, out = knot_place(style, skull)
    spread = rng.standard_normal((count, 3)).astype(np.float32)
    spot = knot + TIE * 0.6 * unit(spread)
    length = style.tail * np.clip(1 + 0.2 * rng.standard_normal(count), 0.4, 1.4)
    stride = (length / (steps - 1)).astype(np.float32)[:, None]
    direction = unit(out + np.array([0, 0.35, 0], np.float32) + 0.10 * spread)
    points = np.empty((steps, count, 3), np.float32)
    points[0] = spot
    for k in range(1, steps):
        direction = unit(direction + 22 * stride * DOWN)
        tip = points[k - 1] + stride * direction
        place = locate(tip, skull.centre)
        low = skin_reach(skull, place) + 0.006
        points[k] = settle(skull, tip, place, np.maximum(place.reach, low))
        direction = unit(points[k] - points[k - 1])
    hanging = points.transpose(1, 0, 2)
    belly = np.sin(np.pi * np.linspace(0, 1, steps) ** 0.7).astype(np.float32)
    hanging = hanging + 0.008 * belly[:, None] * spread[:, None]
    layer = np.clip(np.linalg.norm(spread, axis=1) / 2.2, 0.1, 1).astype(np.float32)
    return (
        push_out(np.asarray(hanging, np.float32), skull),
        _width(count, steps, 0.0024, rng),
        layer,
        rng.integers(0, 60, count),
    )


def _bun(
    style: HairStyle, skull: Skull, rng: np.random.Generator, count: int = 700, steps: int = 10
) -> Extra:
    """Return arcs around a ball: each follows a circle whose axis leans a little from the knot's."""
    knot, out = knot_place(style, skull)
    centre = knot + out * style.bun * 0.55
    axis = unit(out + 0.45 * rng.standard_normal((count, 3)).astype(np.float32))
    first = unit(np.cross(axis, rng.standard_normal((count, 3)).astype(np.float32)))
    second = np.cross(axis, first)
    turn = rng.uniform(1.6, 3.2, count)[:, None] * np.linspace(0, 1, steps)
    height = rng.uniform(-0.75, 0.75, count)[:, None, None]
    layer = rng.random(count).astype(np.float32)
    ring = np.cos(turn)[..., None] * first[:, None] + np.sin(turn)[..., None] * second[:, None]
    size = style.bun * (0.86 + 0.14 * layer + 0.02 * rng.standard_normal(count))[:, None, None]
    ball = size * (np.sqrt(1 - height**2) * ring + 0.85 * height * axis[:, None])
    return (
        push_out(np.asarray(centre + ball, np.float32), skull),
        _width(count, steps, 0.0034, rng),
        layer,
        rng.integers(0, 40, count),
    )


def _width(count: int, steps: int, full: float, rng: np.random.Generator) -> Floats:
    taper = np.interp(np.linspace(0, 1, steps), (0, 0.2, 0.7, 1), (0.8, 1, 0.9, 0.15))
    return np.asarray(full * rng.uniform(0.6, 1.3, count)[:, None] * taper, np.float32)
