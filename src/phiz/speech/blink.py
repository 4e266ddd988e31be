"""Blinks: of human pace and length, at the ends of phrases; and the published program's.

People blink about 26 times a minute while they talk, 17 times at rest, 4 or 5 times while they read
(Bentivoglio et al., 1997). Lids close in less than a tenth of a second and take about twice as long to open
(Evinger et al., 1991). Blinks gather where speech pauses (Nakano and Kitazawa, 2010).
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

A_MINUTE = 20.0
"""Blinks, those at phrase ends not counted; few people mind a face that blinks less than they do."""
LEAST_S = 0.7
"""Between the starts of two blinks."""
LOOSENESS = 0.6
"""Spread of the logarithm of the time between blinks, which is nearly log-normal."""
LONGEST = 3.0
"""Times the mean time between blinks: the tail of that law has stares that look dead."""
AT_PHRASE_END, DELAY_S = 0.6, (0.05, 0.40)
"""How likely a phrase ends with a blink, and how long after the sound it begins."""
CLOSING_S, SHUT_S, OPENING_S = 0.075, 0.03, 0.16
"""How long lids take to close, stay closed and open again,"""
QUICKEST, SLOWEST = 0.85, 1.25
"""times a number between these."""

SHORTEST = 20
"""Published: in films of no more frames nobody blinks."""
GAPS, GAP_OF_FIXED = (10, 70), 80
PULSE = (0.5, 0.9, 1.0, 0.9, 0.5)
PULSE_OF_FIXED = (0.5, 0.6, 0.7, 0.9, 1.0, 0.9, 0.7, 0.6, 0.5)
"""Published: frames between blinks, and how far lids are closed in each frame of one."""


@dataclass(frozen=True, kw_only=True)
class Blink:
    """One blink."""

    start_s: float
    slowness: float = 1.0
    """How much longer than usual it takes."""


def blinks(
    frames: int,
    fps: float,
    chance: torch.Generator,
    *,
    phrase_ends_s: Sequence[float] = (),
    dial: float = 1.0,
) -> Float[Tensor, "t 2"]:
    """Return how far the left and the right lid are closed in each frame, 0 to 1; always both together.

    `phrase_ends_s` are when phrases end. `dial` says how much more often than usual eyes blink; at zero they
    stay open.
    """
    if dial < 0:
        raise ValueError(f"the dial of blinks starts at 0, it cannot be {dial}")
    planned = plan(frames / fps, chance, phrase_ends_s=phrase_ends_s, dial=dial)
    times = torch.arange(frames, dtype=torch.float64) / fps
    lids = torch.zeros(frames, dtype=torch.float64)
    for blink in planned:
        first, last = blink.start_s * fps, (blink.start_s + 2.0 * blink.slowness) * fps
        part = slice(max(math.floor(first), 0), min(math.ceil(last), frames))
        lids[part] = torch.maximum(lids[part], _lid(times[part] - blink.start_s, blink.slowness, 1 / fps))
    return lids.float()[:, None].repeat(1, 2)


def plan(
    seconds: float, chance: torch.Generator, *, phrase_ends_s: Sequence[float] = (), dial: float = 1.0
) -> list[Blink]:
    """Return the blinks of so many seconds, in order; those at phrase ends drive others away."""
    if dial == 0:
        return []
    ending: list[float] = []
    for end in sorted(phrase_ends_s):
        is_one, delay = _number(chance), _between(*DELAY_S, chance)
        if is_one < AT_PHRASE_END * min(dial, 1.0) and (not ending or end + delay - ending[-1] >= LEAST_S):
            ending.append(end + delay)
    mean = 60 / A_MINUTE / dial
    starts, moment = list(ending), mean * _number(chance)
    while moment < seconds:
        # A blink that would come close to one at a phrase end is that one.
        if all(abs(moment - end) >= max(LEAST_S, 0.4 * mean) for end in ending):
            starts.append(moment)
        drawn = math.exp(LOOSENESS * _normal(chance) - LOOSENESS**2 / 2)
        moment += max(LEAST_S, mean * min(drawn, LONGEST))
    return [
        Blink(start_s=start, slowness=_between(QUICKEST, SLOWEST, chance))
        for start in sorted(starts)
        if start < seconds
    ]


def published_ratio(frames: int, chance: random.Random, *, is_exact: bool = False) -> Float[Tensor, " t"]:
    """Return how far lids are closed in each frame, as SadTalker draws it: five frames, after random gaps.

    parity: the published code fails in films of 21 frames exactly, because there is no gap to draw from; here
    nobody blinks in them, unless `is_exact` asks for the failure, too.
    """
    ratio = torch.zeros(frames)
    longest = min(frames // 2, GAPS[1])
    if frames <= SHORTEST:
        return ratio
    least = min(GAPS[0], frames)
    if longest <= least:
        if is_exact:
            raise ValueError(f"the published program draws no blinks for {frames} frames, it fails")
        return ratio
    place = chance.randrange(least, longest)
    while place + len(PULSE) <= frames - 1:
        ratio[place : place + len(PULSE)] = torch.tensor(PULSE)
        place += len(PULSE) + chance.randrange(least, longest)
    return ratio


def published_ratio_fixed(frames: int) -> Float[Tensor, " t"]:
    """Return the same with gaps of 80 frames and blinks of nine; published, but never used."""
    ratio = torch.zeros(frames)
    for place in range(GAP_OF_FIXED, frames - len(PULSE_OF_FIXED), GAP_OF_FIXED + len(PULSE_OF_FIXED)):
        ratio[place : place + len(PULSE_OF_FIXED)] = torch.tensor(PULSE_OF_FIXED)
    return ratio


def _lid(times: Tensor, slowness: float, frame_s: float) -> Tensor:
    """Return how far a lid is closed at times since its blink began: quickly down, slowly up, softly both."""
    shut = max(SHUT_S, frame_s)  # one frame at least shows the eye closed
    down = (times / (CLOSING_S * slowness)).clamp(0, 1)
    up = ((times - CLOSING_S * slowness - shut) / (OPENING_S * slowness)).clamp(0, 1)
    return _soft(down) - _soft(up)


def _soft(x: Tensor) -> Tensor:
    return x * x * (3 - 2 * x)


def _number(chance: torch.Generator) -> float:
    return float(torch.rand((), generator=chance))


def _normal(chance: torch.Generator) -> float:
    return float(torch.randn((), generator=chance))


def _between(low: float, high: float, chance: torch.Generator) -> float:
    return low + (high - low) * _number(chance)
