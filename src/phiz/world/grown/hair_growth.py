"""How strands grow: a few steps each, all strands at once, bent by comb, weight and skull."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from phiz.world.grown import hair_roots
from phiz.world.grown.hair_fields import (
    MARGIN,
    Floats,
    Ints,
    Place,
    Roots,
    Skull,
    hairline_height,
    locate,
    ramp,
    ripple,
    skin_reach,
    tangent,
    unit,
)
from phiz.world.grown.hair_styles import HEAD_HALF_WIDTH, HairStyle

DOWN = np.array([0, -1, 0], np.float32)
EASED = np.float32(0.9)
"""Share of the opening for the face that curls may not enter."""
FARTHEST = 0.05
"""Metres over which the tip of a strand is not drawn to a lock."""
PART_WAVE = 0.0008
"""How far a parting strays from a straight line, in metres."""
MOST_STEPS = 12
"""Steps that a strand grows in; curls, which need more points, are laid over them."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What each strand sets out to do."""

    length: Floats
    layer: Floats
    """0 next to the skin, 1 outermost."""
    combed: Floats
    """(n, 3): where the comb points at the root, along the skin."""
    side: Floats
    """-1 or 1: which side of the parting, positive is the person's left."""
    top: Floats
    """1 on top of the head, 0 at its sides."""


@dataclass(frozen=True, kw_only=True)
class FaceGate:
    """Which part of the face hair keeps off: half its angle, by height."""

    heights: Floats
    """Rising."""
    angles: Floats


def face_gate(skull: Skull, landmarks: Floats) -> FaceGate:
    """Return the opening for the face from the 68 points and the hairline."""
    jaw = np.abs(locate(landmarks[[3, 13]], skull.centre).angle).mean()
    brow, eye = landmarks[17:27, 1].max(), landmarks[36:48, 1].mean()
    front = float(hairline_height(skull, np.zeros(1, np.float32))[0])
    heights = [
        landmarks[8, 1] - 0.05,
        landmarks[8, 1],
        landmarks[48:60, 1].mean(),
        eye,
        brow,
        front - 0.014,
        front - 0.003,
    ]
    angles = [0.55 * jaw, 0.8 * jaw, 1.0 * jaw, 1.02 * jaw, 0.95 * jaw, 0.35 * jaw, 0.0]
    return FaceGate(heights=np.asarray(heights, np.float32), angles=np.asarray(angles, np.float32))


def plan(style: HairStyle, skull: Skull, roots: Roots, layer: Floats, rng: np.random.Generator) -> Plan:
    """Return lengths and directions at the roots."""
    place = locate(roots.points, skull.centre)
    turn = np.abs(place.angle)
    top = ramp(place.rise, 0.03, 0.075)
    front = ramp(turn, 1.25, 0.7) * ramp(place.rise, 0.125, 0.075)
    back = ramp(turn, 1.7, 2.4)
    length = style.side + (style.back - style.side) * back
    length = length + (style.top - length) * top
    length = length + (style.front - length) * front * ramp(place.rise, 0.025, 0.05)
    short = 1 - style.fade * ramp(place.rise, 0.035, -0.045) * 0.85
    spread = 1 + style.ragged * rng.standard_normal(len(length), np.float32)
    part = (style.part or 0.0) * HEAD_HALF_WIDTH
    jag = PART_WAVE * ripple(roots.points, 0.05, rng, 1)[:, 0]
    side = np.where(roots.points[:, 0] - part + jag > 0, 1, -1).astype(np.float32)
    return Plan(
        length=np.maximum(length * short * np.clip(spread, 0.45, 1.6), 0.002).astype(np.float32),
        layer=layer,
        combed=_comb(style, skull, roots, side, rng),
        side=side,
        top=top,
    )


def _comb(style: HairStyle, skull: Skull, roots: Roots, side: Floats, rng: np.random.Generator) -> Floats:
    """Return where hair points at its root: away from whorl and parting, and where it is combed to."""
    relative = roots.points - skull.centre
    whorl = hair_roots.whorl(style)
    away = tangent(relative - whorl, roots.normals)
    direction = style.crown * away + style.downward * tangent(
        np.broadcast_to(DOWN, away.shape), roots.normals
    )
    if style.part is not None:
        reach = hair_roots.part_reach(style, relative)
        lateral = np.stack([side, 0 * side - 0.2, 0 * side - 0.25 - 0.6 * style.backward], axis=1).astype(
            np.float32
        )
        lateral = tangent(lateral, roots.normals)
        direction = direction * (1 - 0.8 * reach)[:, None] + (style.parted * reach)[:, None] * lateral
    aim = np.array([style.sideways, 0, style.forward - style.backward], np.float32)
    upper = ramp(relative[:, 1], -0.02, 0.04)[:, None]
    direction = direction + tangent(aim + 0 * relative, roots.normals) * (np.linalg.norm(aim) * upper)
    direction = unit(direction) + style.wander * ripple(roots.points, 0.03, rng)
    # Hair that left the whorl evenly on all sides would bare it.
    swirl = 0.9 * np.exp(-np.square((relative - whorl) / 0.016).sum(axis=1))
    direction = direction + (0.12 + swirl)[:, None] * rng.standard_normal(direction.shape, np.float32)
    if style.part is not None:  # one hair that crosses a parting stands over it like a wire
        onward = (relative[:, 2] < 0) & (relative[:, 1] > 0.05) & (direction[:, 2] > 0)
        direction[onward, 2] *= -1
    return tangent(direction, roots.normals)


def grow(
    style: HairStyle, skull: Skull, roots: Roots, made: Plan, gate: FaceGate, rng: np.random.Generator
) -> Floats:
    """Return the strands' points (n, k, 3), step by step from the roots."""
    steps, count = min(style.steps, MOST_STEPS), len(roots.points)
    lift = style.side_lift + (style.lift - style.side_lift) * made.top
    lift = np.minimum(lift * (0.35 + 0.65 * made.layer) * rng.uniform(0.75, 1.25, count), 1.52).astype(
        np.float32
    )
    direction = made.combed * np.cos(lift)[:, None] + roots.normals * np.sin(lift)[:, None]
    volume = (style.side_volume + (style.volume - style.side_volume) * made.top) * made.layer
    way = course(steps)
    pull = style.gravity * DOWN + style.comb * made.combed * made.top[:, None]
    loose = 0.002 + (1 - style.hug) * 0.06
    gap = rng.uniform(0.9, 1.15, count).astype(np.float32)
    points = np.empty((steps, count, 3), np.float32)
    points[0] = roots.points
    reach = locate(roots.points, skull.centre).reach + volume + np.float32(loose)
    for k in range(1, steps):
        stride = made.length * (way[k] - way[k - 1])
        direction = unit(direction + pull * stride[:, None])
        rise = volume * np.minimum(1, made.length * way[k] / 0.035)
        tip = points[k - 1] + stride[:, None] * direction
        points[k], reach = _keep_out(
            skull,
            tip,
            rise,
            loose,
            reach - 0.08 * style.hug * stride,
            gate if style.open_face else None,
            made.side,
            gap,
        )
        direction = unit(points[k] - points[k - 1])
    grown = np.ascontiguousarray(points.transpose(1, 0, 2))
    if steps == style.steps:
        return grown
    at = np.linspace(0, steps - 1, style.steps)
    return resample(grown, np.broadcast_to(at, (count, style.steps)))


def course(steps: int) -> Floats:
    """Return how far along a strand each of its points lies, 0 to 1: closer where it leaves the head."""
    t: Floats = np.linspace(0, 1, steps, dtype=np.float32)
    return t * (0.5 + 0.5 * t)


def _keep_out(
    skull: Skull,
    points: Floats,
    rise: Floats,
    loose: float,
    before: Floats,
    gate: FaceGate | None,
    side: Floats,
    gap: Floats,
) -> tuple[Floats, Floats]:
    """Return points moved off the face, out of the skull and down to where hair of this layer lies.

    `before` is how far out the strands were a step ago, and the second thing returned how far out
    they are now: hair that hangs falls straight down, it does not spread like a cone.
    """
    place = locate(points, skull.centre)
    if gate is not None:
        place = _off_the_face(place, points[:, 1], gate, side, gap)
    else:
        front = ramp(np.abs(place.angle), 1.1, 0.8)
        fallen = points[:, 1] < hairline_height(skull, place.angle)
        rise = np.where(fallen, rise * (1 - 0.75 * front), rise)
    skin = skin_reach(skull, place)
    hangs = place.rise < 0.005
    low = skin + clearance(place) + np.where(hangs, np.float32(0.5), np.float32(1)) * rise
    high = np.where(hangs, before + 0.15 * loose, low + loose)
    reach = np.maximum(np.minimum(place.reach, high), low).astype(np.float32)
    return settle(skull, points, place, reach), reach


def clearance(place: Place) -> Floats:
    """Return how far above the skin hair lies at least: more where long steps cross the shoulders."""
    return np.asarray(MARGIN + 0.24 * np.clip(-0.12 - place.rise, 0, 0.07), np.float32)


def settle(skull: Skull, points: Floats, place: Place, reach: Floats) -> Floats:
    """Return points at other distances from the axis."""
    axis = np.broadcast_to(skull.centre, points.shape).copy()
    axis[:, 1] = np.minimum(points[:, 1], skull.centre[1])
    return np.asarray(axis + reach[:, None] * place.out, np.float32)


def _off_the_face(
    place: Place, height: Floats, gate: FaceGate, side: Floats, gap: Floats | np.float32
) -> Place:
    """Return places turned sideways until they leave the face free."""
    least = np.interp(height, gate.heights, gate.angles).astype(np.float32) * gap
    inside = np.abs(place.angle) < least
    angle = np.where(inside, side * least, place.angle)
    flat = np.hypot(place.out[:, 0], place.out[:, 2])
    out = np.stack([flat * np.sin(angle), place.out[:, 1], flat * np.cos(angle)], axis=1)
    return Place(
        angle=angle, rise=place.rise, reach=place.reach, out=np.where(inside[:, None], out, place.out)
    )


def gather_locks(
    points: Floats, made: Plan, style: HairStyle, rng: np.random.Generator
) -> tuple[Floats, Ints]:
    """Return the strands drawn together to locks towards their tips, and each strand's lock."""
    count = len(points)
    leaders = rng.choice(count, min(style.clumps, count), replace=False)
    key = np.concatenate(
        [points[:, 0], points[:, points.shape[1] // 2] * 0.4, made.side[:, None] * 0.02], axis=1
    )
    lead = key[leaders]
    gap = key @ (-2 * lead.T)
    gap += (lead**2).sum(axis=1)
    lock = np.argmin(gap, axis=1)
    if style.clump <= 0:
        return points, lock
    t = np.linspace(0, 1, points.shape[1], dtype=np.float32)[:, None] ** 1.3
    leader = leaders[lock]
    target = points[leader] + 0.35 * (points[:, :1] - points[leader, :1])
    way = target - points
    # Around whorl and parting the nearest lock may lie on the other side: leave it alone.
    far = np.square(way[:, -1]).sum(axis=1) > FARTHEST**2
    way[far] = 0
    return points + way * (style.clump * t), lock


def curl(
    points: Floats,
    made: Plan,
    lock: Ints,
    style: HairStyle,
    skull: Skull,
    gate: FaceGate,
    rng: np.random.Generator,
) -> Floats:
    """Return the strands waved, bent and frizzed, still outside of the skull."""
    count, steps = points.shape[:2]
    t: Floats = np.linspace(0, 1, steps, dtype=np.float32)
    along = np.diff(points, axis=1, append=2 * points[:, -1:] - points[:, -2:-1])
    away = points - skull.centre
    across = unit(_cross(along, away))
    up = unit(_cross(across, along))
    bend = rng.standard_normal((count, 2), np.float32) * style.frizz
    bend *= np.minimum(1, made.length / 0.08)[:, None]
    loose = rng.random(count) < style.flyaway
    # Those that leave the rest leave it backwards: a hair across the face looks like a scratch.
    bend[loose, 0] = -1.6 * np.sign(points[loose, -1, 0]) * np.abs(bend[loose, 0])
    strength = (t**1.5)[None, :, None]
    moved = points + strength * (bend[:, None, :1] * across + np.abs(bend[:, None, 1:]) * up)
    if style.curl > 0:
        distance = made.length[:, None] * course(steps)
        locks = int(lock.max()) + 1
        begin = rng.random(locks)[lock] + style.curl_spread * rng.uniform(-0.5, 0.5, count)
        rate = 2 * np.pi / (style.curl_length * rng.uniform(0.8, 1.25, locks)[lock])
        phase = (2 * np.pi * begin).astype(np.float32)[:, None] + rate.astype(np.float32)[:, None] * distance
        size: Floats = (style.curl * rng.uniform(0.6, 1.3, (count, 1))).astype(np.float32)
        size = size * np.minimum(1, distance / (1.2 * style.curl_length))
        moved = moved + (size * np.cos(phase))[..., None] * across + (size * np.sin(phase))[..., None] * up
    ceiling = 1.1 * style.volume if style.hug > 0.55 else np.inf
    kept_off = gate if style.open_face else None
    return confine(np.asarray(moved, np.float32), skull, kept_off, made.side, ceiling)


def _cross(a: Floats, b: Floats) -> Floats:
    """Return the cross product; several times as fast as numpy's for many short vectors."""
    ax, ay, az = a[..., 0], a[..., 1], a[..., 2]
    bx, by, bz = b[..., 0], b[..., 1], b[..., 2]
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=-1)


def push_out(points: Floats, skull: Skull) -> Floats:
    """Return the strands with every point but the root outside of the skin."""
    return confine(points, skull, None, np.zeros(0, np.float32), np.inf)


def confine(points: Floats, skull: Skull, gate: FaceGate | None, side: Floats, ceiling: float) -> Floats:
    """Return the strands outside of the skin, off the face, and on top no higher than a ceiling.

    The ceiling is soft. Without it the few strands that locks or curls have carried highest stand
    over the head like wires.
    """
    count, steps = points.shape[:2]
    flat = points[:, 1:].reshape(-1, 3).copy()
    place = locate(flat, skull.centre)
    wrong = np.zeros(len(flat), bool)
    if gate is not None:
        front = (np.abs(place.angle) < EASED * gate.angles.max()) & (flat[:, 1] < gate.heights[-1])
        near = np.flatnonzero(front)
        turned = _off_the_face(place[near], flat[near, 1], gate, side[near // (steps - 1)], EASED)
        wrong[near] = turned.angle != place.angle[near]
        place.angle[near], place.out[near] = turned.angle, turned.out
    low = skin_reach(skull, place) + clearance(place)
    wrong |= place.reach < low
    reach = np.maximum(place.reach, low)
    if ceiling < np.inf:
        room = np.float32(0.5 * ceiling) * (1 + 3 * np.clip((0.085 - place.rise) / 0.07, 0, 1))
        over = reach - low - room
        tall = over > 0
        wrong |= tall
        reach[tall] = (reach - over + room * (1 - np.exp(-over / room)))[tall]
    flat[wrong] = settle(skull, flat[wrong], place[wrong], reach[wrong])
    return np.concatenate([points[:, :1], flat.reshape(count, steps - 1, 3)], axis=1)


def trim(
    points: Floats, skull: Skull, cut: tuple[float, float, float], eyes: float, rng: np.random.Generator
) -> Floats:
    """Return the strands cut where they first pass the height that a straight cut has there."""
    count, steps = points.shape[:2]
    place = locate(points[:, -1], skull.centre)
    turn = np.abs(place.angle)
    front, side, back = cut
    level = side + (back - side) * ramp(turn, 1.6, 2.3) + (front - side) * ramp(turn, 0.95, 0.6)
    ragged = rng.standard_normal(count) + ripple(points[:, -1], 0.05, rng, 1)[:, 0]
    level = eyes + level + 0.003 * ragged
    under = points[..., 1] < level[:, None]
    under[:, 0] = False
    any_under = under.any(axis=1)
    last = np.where(any_under, under.argmax(axis=1), steps - 1)
    rows = np.arange(count)
    above, below = points[rows, last - 1, 1], points[rows, last, 1]
    share = np.where(any_under, (above - level) / np.maximum(above - below, 1e-6), 1)
    end = np.clip(last - 1 + share, 0.6, steps - 1)
    return resample(points, end[:, None] * np.linspace(0, 1, steps))


def resample(points: Floats, at: Floats) -> Floats:
    """Return points between the steps of each strand: `at` (n, k) counts steps."""
    first = np.minimum(at.astype(np.int64), points.shape[1] - 2)
    part = (at - first).astype(np.float32)[..., None]
    flat = points.reshape(-1, 3)
    index = first + (np.arange(len(points)) * points.shape[1])[:, None]
    before = flat[index]
    return np.asarray(before + (flat[index + 1] - before) * part, np.float32)
