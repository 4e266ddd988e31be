"""How heads move while their owners speak: poses from what is said, how it is said, and chance.

A head is hardly ever still while somebody speaks and hardly moves while they listen; its quick movements
come with stressed syllables, its changes of posture with the joints between phrases (Hadar et al., 1983).
Nods begin a little before the vowel of an accent and turn mostly about one axis, by a few degrees; some swing
back, some come in twos, and how many accents get one is a matter of who speaks (Graf et al., 2002). Loudness
and pitch go along with the head, up where a phrase begins and down where it ends (Munhall et al., 2004).
How far heads move, and how fast, differs with mood more than the bond to the voice does (Busso et al., 2007).

Goals are set by these rules; a head follows them as a mass on a damped spring, so that nothing jumps and
hardly anything is left above 6 Hz.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from phiz.world.voices.beats import ACCENT, Beat
from phiz.world.voices.curves import FPS
from phiz.world.voices.engines import Phone

Curve = Float[NDArray[np.float64], " n"]
Angles = Float[NDArray[np.float64], "n 3"]
Triple = tuple[float, float, float]

FINE = 4
"""Steps of the mass in each frame: 100 a second."""
PHRASE_S = 0.18
"""A silence this long ends a phrase."""
EARLY_S = 0.2
"""How long before a phrase the head sets out."""
NOD_S = (0.10, 0.12, 0.30)
"""How long before a vowel a nod begins, after it is lowest, and takes to come back from there."""
SECOND_S, SECOND = 0.30, 0.55
"""When the second beat of a double nod follows, and how large it is."""
APART_S = 0.28
"""Nods follow each other no faster; the larger stays."""
BREATH_DEG, BREATH_HZ = 0.15, 0.25
SETTLING_S = 0.9
"""How fast a head comes to rest in silence: to a third."""
NECK_M = (0.0, -0.075, -0.015)
"""Where our own head turns on its neck."""
LEAN_M = 0.003
"""Spread of the slow way forward, back and aside."""


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How somebody moves their head; angles in degrees, as pitch, yaw, roll where there are three."""

    nod: float
    """Size of a nod on a usual accent."""
    share: float
    """How many accents have one."""
    double: float
    """How many nods come in twos."""
    aside: float
    """How far nods also turn and tilt, as a share of their size."""
    sway: Triple
    """Spread of the slow sway while talking."""
    sway_hz: float
    posture: Triple
    """Spread of the posture that is taken with a new phrase."""
    lift: float
    """How far up where a phrase begins."""
    settle: float
    """How far down where it ends."""
    quick_hz: float
    """Of the spring that the head is on."""
    still: float
    """Spread of the drift in silence."""


MANNERS: dict[str, Manner] = {
    "plain": Manner(
        nod=3.0, share=0.65, double=0.20, aside=0.25, sway=(0.8, 1.5, 0.9), sway_hz=0.22,
        posture=(1.0, 1.8, 1.2), lift=1.2, settle=1.5, quick_hz=2.4, still=0.20,
    ),
    "calm": Manner(
        nod=2.0, share=0.50, double=0.10, aside=0.15, sway=(0.6, 1.0, 0.6), sway_hz=0.15,
        posture=(0.8, 1.5, 0.8), lift=0.8, settle=1.2, quick_hz=1.9, still=0.15,
    ),
    "lively": Manner(
        nod=4.5, share=0.85, double=0.35, aside=0.40, sway=(1.2, 2.4, 1.5), sway_hz=0.35,
        posture=(1.6, 3.2, 1.9), lift=2.0, settle=2.0, quick_hz=3.0, still=0.35,
    ),
    "nodding": Manner(
        nod=5.0, share=0.95, double=0.45, aside=0.10, sway=(0.6, 0.8, 0.5), sway_hz=0.20,
        posture=(0.9, 1.2, 0.7), lift=1.5, settle=1.8, quick_hz=2.8, still=0.20,
    ),
    "swaying": Manner(
        nod=1.5, share=0.40, double=0.10, aside=0.50, sway=(0.9, 3.4, 2.2), sway_hz=0.22,
        posture=(1.0, 2.2, 1.8), lift=0.8, settle=1.0, quick_hz=1.9, still=0.30,
    ),
    "newsreader": Manner(
        nod=2.8, share=0.75, double=0.15, aside=0.10, sway=(0.5, 0.7, 0.4), sway_hz=0.20,
        posture=(0.8, 0.9, 0.5), lift=1.8, settle=2.2, quick_hz=2.6, still=0.12,
    ),
    "thoughtful": Manner(
        nod=2.2, share=0.50, double=0.15, aside=0.40, sway=(0.9, 1.2, 1.8), sway_hz=0.14,
        posture=(1.4, 1.6, 2.3), lift=0.5, settle=1.8, quick_hz=1.8, still=0.25,
    ),
    "shaking": Manner(
        nod=1.8, share=0.70, double=0.40, aside=1.30, sway=(0.6, 2.0, 0.9), sway_hz=0.30,
        posture=(0.9, 2.0, 1.0), lift=1.0, settle=1.2, quick_hz=2.8, still=0.20,
    ),
    "turning": Manner(
        nod=2.5, share=0.55, double=0.15, aside=0.30, sway=(0.7, 1.6, 0.8), sway_hz=0.20,
        posture=(1.2, 3.6, 1.4), lift=1.0, settle=1.2, quick_hz=2.2, still=0.20,
    ),
    "still": Manner(
        nod=1.0, share=0.35, double=0.05, aside=0.15, sway=(0.3, 0.4, 0.25), sway_hz=0.12,
        posture=(0.4, 0.5, 0.3), lift=0.4, settle=0.5, quick_hz=1.8, still=0.08,
    ),
}  # fmt: skip
"""By name; the first is what anybody does."""
STYLES = tuple(MANNERS)


def poses(
    said: Sequence[Phone],
    beats: Sequence[Beat],
    seconds: float,
    manner: Manner,
    rng: np.random.Generator,
) -> Float[NDArray[np.float32], "t 6"]:
    """Return a pose a frame: pitch (down), yaw and roll in radians, x, y and z in metres; zero is rest."""
    frames = math.floor(seconds * FPS + 1e-6)
    # A mass lags behind its goals; they are set so much earlier.
    lag = 2 / (2 * math.pi * manner.quick_hz)
    clock: Curve = (np.arange(frames * FINE, dtype=np.float64) + 0.5) / (FPS * FINE)
    ahead = clock + lag
    talk = talking(said, ahead)
    goals = _swaying(len(clock), manner, talk, rng)
    goals += _postures(said, ahead, manner, rng)
    goals[:, 0] += _phrasing(said, ahead, manner, rng)
    goals += _nods(chosen(beats, manner, rng), ahead, manner, rng)
    goals += _small_beats(beats, ahead, manner)
    goals[:, 0] += BREATH_DEG * np.sin(2 * math.pi * (BREATH_HZ * clock + rng.random()))
    angles = np.deg2rad(_followed(goals, manner.quick_hz))
    lean = LEAN_M * manner.sway[1] / 1.5 * _slow(len(clock), manner.sway_hz / 2, rng)
    places = _carried(angles) + lean * (0.2 + 0.8 * talk[:, None])
    whole = np.concatenate([angles, places], axis=1)
    middles = whole.reshape(frames, FINE, 6)[:, FINE // 2 - 1 : FINE // 2 + 1]
    found: Float[NDArray[np.float32], "t 6"] = middles.mean(axis=1).astype(np.float32)
    return found


def mixed(manners: Sequence[Manner], shares: Sequence[float]) -> Manner:
    """Return a manner between others."""
    whole = sum(shares)
    made: dict[str, Any] = {}
    for field in fields(Manner):
        rows = np.array([getattr(one, field.name) for one in manners], dtype=np.float64)
        value = np.tensordot(np.array(shares) / whole, rows, axes=1)
        made[field.name] = tuple(value.tolist()) if value.ndim else float(value)
    return Manner(**made)


def phrases(said: Sequence[Phone]) -> list[tuple[float, float]]:
    """Return where phrases begin and end: what is said between silences."""
    found: list[tuple[float, float]] = []
    for phone in said:
        if not phone.symbol:
            continue
        if found and phone.start - found[-1][1] < PHRASE_S:
            found[-1] = (found[-1][0], phone.end)
        else:
            found.append((phone.start, phone.end))
    return found


def talking(said: Sequence[Phone], clock: Curve) -> Curve:
    """Return how much somebody talks, 0 to 1: rises before a phrase and fades after it."""
    much = np.zeros(len(clock))
    for first, last in phrases(said):
        rise = ((clock - first + EARLY_S) / (2 * EARLY_S)).clip(0, 1)
        fall = np.exp(-(clock - last).clip(0) / SETTLING_S)
        much = np.maximum(much, rise * rise * (3 - 2 * rise) * fall)
    return much


def chosen(beats: Sequence[Beat], manner: Manner, rng: np.random.Generator) -> list[Beat]:
    """Return the accents that get a nod."""
    kept: list[Beat] = []
    for beat in beats:
        if beat.size <= ACCENT or rng.random() >= manner.share * min(0.55 + 0.35 * beat.size, 1.0):
            continue
        if kept and beat.moment - kept[-1].moment < APART_S:
            if beat.size <= kept[-1].size:
                continue
            kept.pop()
        kept.append(beat)
    return kept


def _nods(nods: Sequence[Beat], clock: Curve, manner: Manner, rng: np.random.Generator) -> Angles:
    """Return nods: down before the vowel, lowest in it; large ones begin with a little way up."""
    goals = np.zeros((len(clock), 3))
    for nod in nods:
        size = manner.nod * min(0.55 + 0.4 * nod.size, 1.5) * float(np.exp(rng.normal(0, 0.22)))
        moment = nod.moment + float(rng.normal(0, 0.025))
        curve = _bump(clock - moment)
        curve -= 0.18 * _bump(clock - moment + NOD_S[0] + NOD_S[1])
        if rng.random() < manner.double:
            curve += SECOND * _bump(clock - moment - SECOND_S)
        aside = manner.aside * rng.normal(0, 1, 2) * (0.8, 0.6)
        goals += size * curve[:, None] * np.array([1.0, *aside])
    return goals


def _small_beats(beats: Sequence[Beat], clock: Curve, manner: Manner) -> Angles:
    """Return what other syllables do that stand out a little."""
    goals = np.zeros((len(clock), 3))
    for beat in beats:
        if 0 < beat.size <= ACCENT:
            goals[:, 0] += 0.16 * manner.nod * _bump(clock - beat.moment)
    return goals


def _bump(clock: Curve) -> Curve:
    """Return one nod about the time 0, of height one."""
    before, lowest, back = NOD_S
    down = ((clock + before) / (before + lowest)).clip(0, 1)
    up = ((clock - lowest) / back).clip(0, 1)
    bump: Curve = 0.5 * (np.cos(math.pi * up) - np.cos(math.pi * down))
    return bump


def _postures(said: Sequence[Phone], clock: Curve, manner: Manner, rng: np.random.Generator) -> Angles:
    """Return a posture for each phrase, near the one before, left again in silence."""
    goals = np.zeros((len(clock), 3))
    spans = phrases(said)
    posture = np.zeros(3)
    for number, (first, last) in enumerate(spans):
        posture = 0.45 * posture + rng.normal(0, 0.9, 3) * np.array(manner.posture)
        until = spans[number + 1][0] if number + 1 < len(spans) else math.inf
        here = (clock >= first - EARLY_S) & (clock < until - EARLY_S)
        left = 0.25 + 0.75 * np.exp(-(clock - last - 0.3).clip(0) / SETTLING_S)
        if until - last > 1.0:
            left = np.where(clock > last + 1.0, left * np.exp(-(clock - last - 1.0).clip(0) / 1.5), left)
        goals[here] = posture * left[here, None]
    return goals


def _phrasing(said: Sequence[Phone], clock: Curve, manner: Manner, rng: np.random.Generator) -> Curve:
    """Return the pitch of phrases: up before they begin, sinking as the voice does, down where they end."""
    pitch = np.zeros(len(clock))
    for first, last in phrases(said):
        much = float(rng.uniform(0.5, 1.4))
        place = ((clock - first + EARLY_S) / max(last - first, 0.3)).clip(0, 1)
        rise = np.exp(-(((clock - first) / 0.35) ** 2))
        up = -manner.lift * np.where(clock < first, rise, 1 - place)
        down = manner.settle * np.where(clock < last, place**2, np.exp(-(clock - last).clip(0) / 0.8))
        pitch += much * (up + down)
    return pitch


def _swaying(count: int, manner: Manner, talk: Curve, rng: np.random.Generator) -> Angles:
    """Return the slow sway while somebody talks, and the smaller drift while nobody does."""
    sway = _slow(count, manner.sway_hz, rng) * np.array(manner.sway)
    drift = _slow(count, 0.12, rng) * manner.still
    both: Angles = talk[:, None] * sway + (1 - talk[:, None]) * drift
    return both


def _slow(count: int, hertz: float, rng: np.random.Generator) -> Angles:
    """Return three curves of spread one that change about as often as `hertz` says."""
    width = FPS * FINE / (2 * math.pi * hertz)
    reach = math.ceil(3 * width)
    bell = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    bell /= np.sqrt((bell**2).sum())
    size = 1 << (count + 4 * reach).bit_length()  # transforms of powers of two are the fastest
    chance = np.fft.rfft(rng.normal(0, 1, (3, size)))
    curves: Angles = np.fft.irfft(chance * np.fft.rfft(bell, size), size)[:, -count:].T
    return curves


def _followed(goals: Angles, hertz: float) -> Angles:
    """Return how a mass on a critically damped spring follows goals, at rest before."""
    omega = 2 * math.pi * hertz
    step = 1 / (FPS * FINE)
    clock = np.arange(round(8 / omega / step)) * step
    answer = clock * np.exp(-omega * clock)
    answer /= answer.sum()
    size = 1 << (len(goals) + len(answer)).bit_length()
    both = np.fft.rfft(goals, size, axis=0) * np.fft.rfft(answer, size)[:, None]
    followed: Angles = np.fft.irfft(both, size, axis=0)[: len(goals)]
    return followed


def _carried(angles: Angles) -> Angles:
    """Return how far a head's middle goes when it turns on its neck, for small angles."""
    x, y, z = NECK_M
    pitch, yaw, roll = angles.T
    places: Angles = np.stack([roll * y - yaw * z, pitch * z - roll * x, yaw * x - pitch * y], axis=1)
    return places
