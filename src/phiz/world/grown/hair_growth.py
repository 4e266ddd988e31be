"""How strands grow: a few steps each, all strands at once, bent by comb, weight and skull."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from phiz.world.grown import hair_loops, hair_roots
from phiz.world.grown.hair_bounds import SHUT, FaceGate, confine, keep_out
from phiz.world.grown.hair_fields import (
    Floats,
    Ints,
    Roots,
    Skull,
    locate,
    ramp,
    ripple,
    swift,
    tangent,
    unit,
)
from phiz.world.grown.hair_styles import HEAD_HALF_WIDTH, HairStyle

DOWN = np.array([0, -1, 0], np.float32)
PIECE = 150
"""Strands whose locks are looked for together."""
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
class _Run:
    """What strands take on their way."""

    direction: Floats
    """(n, 3) at the roots."""
    pull: Floats
    """(n, 3): what turns them, a metre."""
    volume: Floats
    gap: Floats
    """(n,): how wide each leaves the face open, about 1."""
    reach: Floats
    way: Floats
    """(k,): where along a strand its points lie."""
    loose: float
    hug: float
    gate: FaceGate | None


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
    around = (relative - whorl) / 0.016
    swirl = 0.9 * np.exp(-np.einsum("nc,nc->n", around, around))
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
    reach = locate(roots.points, skull.centre).reach + volume + np.float32(loose)
    run = _Run(
        direction=direction, pull=pull, volume=volume, gap=gap, reach=reach, way=way,
        loose=loose, hug=style.hug, gate=gate if style.open_face else None,
    )  # fmt: skip
    grown = (_swiftly if swift(roots.points) else _plainly)(run, skull, roots, made)
    if steps == style.steps:
        return grown
    at = np.linspace(0, steps - 1, style.steps)
    return resample(grown, np.broadcast_to(at, (count, style.steps)))


def _swiftly(run: _Run, skull: Skull, roots: Roots, made: Plan) -> Floats:
    """Return the strands' points (n, k, 3) by compiled loops."""
    f, gate = np.float32, run.gate
    points = np.empty((len(roots.points), len(run.way), 3), f)
    given = (run.direction, np.broadcast_to(run.pull, roots.points.shape), made.length, run.volume)
    strands = tuple(np.ascontiguousarray(a, f) for a in (*given, made.side, run.gap))
    opening = (SHUT, SHUT) if gate is None else (gate.heights, gate.angles)
    shape = skull.centre, skull.radius, skull.hairline
    how = gate is not None, f(run.loose), f(0.15 * run.loose), f(0.08 * run.hug)
    hair_loops.grow(shape, opening, roots.points, strands, run.way, how, run.reach, points)
    return points


def _plainly(run: _Run, skull: Skull, roots: Roots, made: Plan) -> Floats:
    """Return the strands' points (n, k, 3), all strands together a step at a time."""
    way, loose, direction, reach = run.way, run.loose, run.direction, run.reach
    points = np.empty((len(way), len(roots.points), 3), np.float32)
    points[0] = roots.points
    for k in range(1, len(way)):
        stride = made.length * (way[k] - way[k - 1])
        direction = unit(direction + run.pull * stride[:, None])
        rise = run.volume * np.minimum(1, made.length * way[k] / 0.035)
        tip = points[k - 1] + stride[:, None] * direction
        before = reach - 0.08 * run.hug * stride
        points[k], reach = keep_out(skull, tip, rise, loose, before, run.gate, made.side, run.gap)
        direction = unit(points[k] - points[k - 1])
    return np.ascontiguousarray(points.transpose(1, 0, 2))


def course(steps: int) -> Floats:
    """Return how far along a strand each of its points lies, 0 to 1: closer where it leaves the head."""
    t: Floats = np.linspace(0, 1, steps, dtype=np.float32)
    return t * (0.5 + 0.5 * t)


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
    near, own = -2 * lead.T, (lead**2).sum(axis=1)
    lock = np.concatenate([np.argmin(some @ near + own, axis=1) for some in _pieces(key)])
    if style.clump <= 0:
        return points, lock
    t = np.linspace(0, 1, points.shape[1], dtype=np.float32)[:, None] ** 1.3
    leader = leaders[lock]
    if swift(points):
        drawn = np.empty(points.shape, np.float32)
        pull, farthest = np.ravel(np.float32(style.clump) * t), np.float32(FARTHEST**2)
        hair_loops.draw_in(np.ascontiguousarray(points), leader, pull, farthest, drawn)
        return drawn, lock
    target = points[leader] + 0.35 * (points[:, :1] - points[leader, :1])
    way = target - points
    # Around whorl and parting the nearest lock may lie on the other side: leave it alone.
    far = np.square(way[:, -1]).sum(axis=1) > FARTHEST**2
    way[far] = 0
    return points + way * (style.clump * t), lock


def _pieces(rows: Floats) -> list[Floats]:
    """Return the rows in pieces: small products stay on one core, where others would only spin."""
    return [rows[k : k + PIECE] for k in range(0, len(rows), PIECE)]


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
    bend = rng.standard_normal((count, 2), np.float32) * style.frizz
    bend *= np.minimum(1, made.length / 0.08)[:, None]
    loose = rng.random(count) < style.flyaway
    # Those that leave the rest leave it backwards: a hair across the face looks like a scratch.
    bend[loose, 0] = -1.6 * np.sign(points[loose, -1, 0]) * np.abs(bend[loose, 0])
    swing: tuple[Floats, Floats] | None = None
    if style.curl > 0:
        distance = made.length[:, None] * course(steps)
        locks = int(lock.max()) + 1
        begin = rng.random(locks)[lock] + style.curl_spread * rng.uniform(-0.5, 0.5, count)
        rate = 2 * np.pi / (style.curl_length * rng.uniform(0.8, 1.25, locks)[lock])
        phase = (2 * np.pi * begin).astype(np.float32)[:, None] + rate.astype(np.float32)[:, None] * distance
        size: Floats = (style.curl * rng.uniform(0.6, 1.3, (count, 1))).astype(np.float32)
        size = size * np.minimum(1, distance / (1.2 * style.curl_length))
        swing = size * np.cos(phase), size * np.sin(phase)
    moved = (_wind if swift(points) else _wind_plainly)(points, skull, bend, t**1.5, swing)
    ceiling = 1.1 * style.volume if style.hug > 0.55 else np.inf
    kept_off = gate if style.open_face else None
    return confine(moved, skull, kept_off, made.side, ceiling)


def _wind(
    points: Floats, skull: Skull, bend: Floats, strength: Floats, swing: tuple[Floats, Floats] | None
) -> Floats:
    """Return the strands bent and wound by compiled loops."""
    f = np.float32
    none = np.zeros((0, 0), f)
    across, up = (none, none) if swing is None else (np.asarray(a, f) for a in swing)
    out = np.empty(points.shape, f)
    given = np.ascontiguousarray(points, f), skull.centre, np.asarray(bend, f), np.asarray(strength, f)
    hair_loops.wind(*given, across, up, out)
    return out


def _wind_plainly(
    points: Floats, skull: Skull, bend: Floats, strength: Floats, swing: tuple[Floats, Floats] | None
) -> Floats:
    """Return the strands bent, and wound where `swing` says how far curls carry each point."""
    along = np.diff(points, axis=1, append=2 * points[:, -1:] - points[:, -2:-1])
    away = points - skull.centre
    across = unit(_cross(along, away))
    up = unit(_cross(across, along))
    moved = points + strength[None, :, None] * (bend[:, None, :1] * across + np.abs(bend[:, None, 1:]) * up)
    if swing is not None:
        moved = moved + swing[0][..., None] * across + swing[1][..., None] * up
    return np.asarray(moved, np.float32)


def _cross(a: Floats, b: Floats) -> Floats:
    """Return the cross product; several times as fast as numpy's for many short vectors."""
    ax, ay, az = a[..., 0], a[..., 1], a[..., 2]
    bx, by, bz = b[..., 0], b[..., 1], b[..., 2]
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=-1)


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
    if swift(points):
        out = np.empty((*at.shape, 3), np.float32)
        hair_loops.resample(np.ascontiguousarray(points), np.ascontiguousarray(at), out)
        return out
    first = np.minimum(at.astype(np.int64), points.shape[1] - 2)
    part = (at - first).astype(np.float32)[..., None]
    flat = points.reshape(-1, 3)
    index = first + (np.arange(len(points)) * points.shape[1])[:, None]
    before = flat[index]
    return np.asarray(before + (flat[index + 1] - before) * part, np.float32)
