"""How something is said, beyond which sounds: loudness and pitch, and what they do to jaw, brows and lids.

Loud syllables are made with larger movements (Schulman, 1989). Brows go up with accents in pitch
(Cave et al., 1996), and lids like to close where a phrase ends (Nakano and Kitazawa, 2010).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from phiz.face.morphable import ARKIT_NAMES
from phiz.world.voices import ipa
from phiz.world.voices.engines import Phone, Samples

RATE = 16_000
HOP, SIZE = 240, 800
"""Samples from look to look (15 ms) and in each look: three periods of the lowest voice."""
LOWEST, HIGHEST = 60.0, 450.0
"""Pitch in hertz."""
LEAST_EFFORT, MOST_EFFORT = 0.6, 1.35
DB_FOR_A_THIRD = 12.0
"""By how much louder than usual a vowel is whose jaw opens a third more."""
ACCENT = 0.6
"""Spreads above the mean from which an accent is worth a brow."""
BROW_S, BROW = 0.16, 0.45
"""How wide a brow's rise is, to a third, and how high the highest."""
BLINK_S = (0.08, 0.04, 0.16)
"""How long lids take to close, stay closed and open again."""
BLINK_SHARE, BLINK_EVERY_S = 0.55, 4.5
"""How often a phrase's end comes with a blink, and after how long there is one anyway."""
PHRASE_S = 0.15
"""A silence this long ends a phrase."""

Curve = Float[NDArray[np.float64], " n"]


@dataclass(frozen=True, kw_only=True)
class Heard:
    """Loudness and pitch, every 15 ms."""

    decibels: Curve
    pitch: Curve
    """In hertz; 0 where there is none."""


def listen(samples: Samples) -> Heard:
    """Return loudness and pitch of a clean voice at 16 kHz; pitch by autocorrelation (Boersma, 1993)."""
    padded = np.pad(samples.astype(np.float32), SIZE // 2)
    looks = np.lib.stride_tricks.sliding_window_view(padded, SIZE)[::HOP]
    window = np.hanning(SIZE).astype(np.float32)
    power = np.abs(np.fft.rfft(looks * window, 2 * SIZE)) ** 2
    together = np.fft.irfft(power, 2 * SIZE)[:, : SIZE // 2]
    own = np.fft.irfft(np.abs(np.fft.rfft(window, 2 * SIZE)) ** 2)[: SIZE // 2]
    first, last = int(RATE / HIGHEST), int(RATE / LOWEST)
    level = together[:, :1] + 1e-9
    alike = together / level / (own / own[0])
    alike = alike[:, first:last] * (1 - 0.1 * np.arange(last - first) / (last - first))  # no octave too low
    best = alike.argmax(axis=1)
    decibels = 10 * np.log10(level[:, 0].astype(np.float64) / own[0] + 1e-10)
    is_voiced = (alike.max(axis=1) > 0.5) & (decibels > decibels.max(initial=-99.0) - 35)
    return Heard(decibels=decibels, pitch=np.where(is_voiced, RATE / (first + best), 0.0))


def efforts(said: Sequence[Phone], heard: Heard) -> list[float]:
    """Return how large each phone's movements are: from how loud vowels are beside the others, and stress."""
    loud = [_loudest(phone, heard) if _is_vowel(phone) else np.nan for phone in said]
    known = np.array([value for value in loud if not np.isnan(value)])
    usual = float(np.median(known)) if len(known) else 0.0
    found = []
    for phone, value in zip(said, loud, strict=True):
        effort = 1.0 if np.isnan(value) else 1.0 + (value - usual) / DB_FOR_A_THIRD / 3
        effort *= 1.0 if phone.stress is None else (0.92, 1.0, 1.08)[phone.stress]
        found.append(float(np.clip(effort, LEAST_EFFORT, MOST_EFFORT)))
    return found


def accents(said: Sequence[Phone], heard: Heard) -> list[tuple[float, float]]:
    """Return when syllables stand out in pitch and loudness, and by how many spreads."""
    vowels = [phone for phone in said if _is_vowel(phone)]
    if len(vowels) < 4:
        return []
    loud = _standardised(np.array([_loudest(phone, heard) for phone in vowels]))
    high = _standardised(np.array([_highest(phone, heard) for phone in vowels]))
    length = _standardised(np.array([phone.end - phone.start for phone in vowels]))
    score = 0.55 * high + 0.3 * loud + 0.15 * length
    return [(phone.start, float(value)) for phone, value in zip(vowels, score, strict=True) if value > ACCENT]


def brows_and_lids(
    said: Sequence[Phone], heard: Heard, frames: int, fps: float, rng: np.random.Generator
) -> Float[NDArray[np.float32], "t 52"]:
    """Return the curves of brows and lids alone; brows follow the voice, lids also chance."""
    clock = (np.arange(frames, dtype=np.float64) + 0.5) / fps
    out = np.zeros((frames, len(ARKIT_NAMES)), np.float32)
    rise = np.zeros(frames)
    for moment, size in accents(said, heard):
        height = BROW * min(size / 2, 1.0)
        rise = np.maximum(rise, height * np.exp(-(((clock - moment) / BROW_S) ** 2)))
    lids = np.zeros(frames)
    for moment in _blinks(said, frames / fps, rng):
        lids = np.maximum(lids, _one_blink(clock - moment, 1 / fps))
    moving = {"browInnerUp": rise, "browOuterUpLeft": 0.5 * rise, "browOuterUpRight": 0.5 * rise}
    moving |= {"eyeBlinkLeft": lids, "eyeBlinkRight": lids}
    for name, curve in moving.items():
        out[:, ARKIT_NAMES.index(name)] = curve
    return out


def _blinks(said: Sequence[Phone], seconds: float, rng: np.random.Generator) -> list[float]:
    """Return when lids begin to close: where phrases end, and when it has been long."""
    ends = [phone.start for phone in said if not phone.symbol and phone.end - phone.start > PHRASE_S]
    chosen = [end + float(rng.uniform(-0.05, 0.15)) for end in ends if rng.random() < BLINK_SHARE]
    moments: list[float] = []
    clock = 0.0
    for moment in (*sorted(chosen), seconds):
        while moment - clock > BLINK_EVERY_S * float(rng.uniform(0.7, 1.5)):
            clock += float(rng.uniform(0.4, 0.7)) * min(moment - clock, BLINK_EVERY_S)
            moments.append(clock)
        if moment - clock > 0.9 and moment < seconds:
            moments.append(moment)
            clock = moment
    return moments


def _one_blink(clock: Curve, frame_s: float) -> Curve:
    closing, closed, opening = BLINK_S
    closed = max(closed, frame_s)  # one frame shows the eye shut
    shut = (clock / closing).clip(0, 1) - ((clock - closing - closed) / opening).clip(0, 1)
    curve: Curve = shut.clip(0, 1)
    return curve


def _is_vowel(phone: Phone) -> bool:
    return any(sound.vowel is not None for sound in ipa.take_apart(phone.symbol))


def _span(phone: Phone, count: int) -> slice:
    first = min(int(phone.start * RATE / HOP), count - 1)
    return slice(first, max(int(phone.end * RATE / HOP), first + 1))


def _loudest(phone: Phone, heard: Heard) -> float:
    return float(heard.decibels[_span(phone, len(heard.decibels))].max())


def _highest(phone: Phone, heard: Heard) -> float:
    """Return the pitch in octaves above 100 Hz, the lowest there is where there is none."""
    pitch = float(heard.pitch[_span(phone, len(heard.pitch))].max())
    return float(np.log2(max(pitch, LOWEST) / 100))


def _standardised(values: Curve) -> Curve:
    whole: Curve = (values - values.mean()) / (values.std() + 1e-6)
    return whole
