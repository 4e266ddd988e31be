"""Where grown hair may not lie: in the skull, over the face, too high on top."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from phiz.world.grown import hair_loops
from phiz.world.grown.hair_fields import (
    MARGIN,
    Floats,
    Place,
    Skull,
    hairline_height,
    locate,
    ramp,
    skin_reach,
    swift,
)

EASED = np.float32(0.9)
"""Share of the opening for the face that curls may not enter."""
SHUT = np.zeros(2, np.float32)


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


def keep_out(
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


def push_out(points: Floats, skull: Skull) -> Floats:
    """Return the strands with every point but the root outside of the skin."""
    return confine(points, skull, None, np.zeros(0, np.float32), np.inf)


def confine(points: Floats, skull: Skull, gate: FaceGate | None, side: Floats, ceiling: float) -> Floats:
    """Return the strands outside of the skin, off the face, and on top no higher than a ceiling.

    The ceiling is soft. Without it the few strands that locks or curls have carried highest stand
    over the head like wires.
    """
    if swift(points):
        return _confined(points, skull, gate, side, ceiling)
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


def _confined(points: Floats, skull: Skull, gate: FaceGate | None, side: Floats, ceiling: float) -> Floats:
    given, out = np.ascontiguousarray(points, np.float32), np.empty(points.shape, np.float32)
    most = np.float32(-1) if gate is None else EASED * gate.angles.max()
    opening = (SHUT, SHUT) if gate is None else (gate.heights, gate.angles)
    shape = skull.centre, skull.radius, skull.hairline
    hair_loops.confine(given, shape, opening, np.asarray(side, np.float32), np.float32(ceiling), most, out)
    return out
