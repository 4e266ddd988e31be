"""Which syllables stand out from those around them, and by how much: where speakers beat time.

Prominence is heard in loudness, pitch and length together, loudness of the middle frequencies first of all
(Kochanski et al., 2005). Phones tell to the hundredth of a second where vowels are, whatever the noise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from phiz.world.voices import ipa, prosody
from phiz.world.voices.curves import FPS
from phiz.world.voices.engines import Phone, Samples
from phiz.world.voices.prosody import HOP, RATE, SIZE, Heard

Curve = Float[NDArray[np.float64], " n"]
Part = Float[NDArray[np.float64], " m"]

ACCENT = 0.6
"""Spreads above the mean from which a syllable is an accent."""
PAST_S, FUTURE_S, MOST = 1.5, 0.2, 3.0
"""How near syllables are that one stands out among (to a third), and by how many spreads it may."""
LOW_HZ, HIGH_HZ, EARS, DEEPEST_DB = 120.0, 6000.0, 16, 50.0
"""Bands in which loudness is heard, their number, and how far below its loudest a band goes at most."""
CLEAN_DB, NOISY_DB = 16.0, 6.0
"""Vowels so much louder than silence are in a clean sound, or in one whose loudness says nothing."""


@dataclass(frozen=True, kw_only=True)
class Beat:
    """A syllable and how it stands out."""

    moment: float
    """When its vowel begins."""
    size: float
    """By how many spreads it stands out among the others."""


def beats_of(said: Sequence[Phone], samples: Samples) -> list[Beat]:
    """Return all syllables: how they stand out in loudness, pitch, length and stress among their neighbours.

    Where the sound is noisy, pitch counts less: the times of phones are exact all the same. What is loud has
    to be so for whoever hears the sound; a nod that nothing in it asks for cannot be learned.
    """
    vowels = [phone for phone in said if _is_vowel(phone)]
    if len(vowels) < 4:
        return []
    heard = prosody.listen(samples)
    trust = _trust(said, heard)
    level = loudness(samples)
    clock = np.array([phone.start for phone in vowels])
    loud = _beside(clock, [float(_part(level, phone).max()) for phone in vowels], least=1.0)
    high = _beside(clock, [_height(_part(heard.pitch, phone)) for phone in vowels], least=0.05)
    length = _beside(clock, [min(phone.end - phone.start, 0.4) for phone in vowels], least=0.02)
    stress = _beside(
        clock, [1.0 if phone.stress is None else float(phone.stress) for phone in vowels], least=0.2
    )
    score = 0.9 * loud + 0.25 * trust * high + 0.15 * (length + stress)
    score = (score - score.mean()) / (score.std() + 1e-6)
    return [Beat(moment=p.start, size=float(value)) for p, value in zip(vowels, score, strict=True)]


def loudness(samples: Samples) -> Part:
    """Return how loud a sound is every 15 ms: the mean of many bands in decibels."""
    sharp = np.append(samples[:1], samples[1:] - 0.97 * samples[:-1]).astype(np.float32)
    looks = np.lib.stride_tricks.sliding_window_view(np.pad(sharp, SIZE // 2), SIZE)[::HOP]
    power = np.abs(np.fft.rfft(looks * np.hanning(SIZE).astype(np.float32))) ** 2
    edges = np.geomspace(LOW_HZ, HIGH_HZ, EARS + 1) * SIZE / RATE
    bands = np.add.reduceat(power, edges[:-1].astype(int), axis=1) + 1e-9
    decibels = 10 * np.log10(bands)
    level = np.maximum(decibels, decibels.max(axis=0) - DEEPEST_DB).mean(axis=1)
    found: Part = np.convolve(level.astype(np.float64), np.ones(3) / 3, "same")
    return found


def accent_curve(beats: Sequence[Beat], frames: int) -> Float[NDArray[np.float32], " t"]:
    """Return how strong an accent is heard in each frame, 0 to 1."""
    clock = (np.arange(frames) + 0.5) / FPS
    curve = np.zeros(frames)
    for beat in beats:
        if beat.size > ACCENT:
            height = min(beat.size / 2, 1.0)
            curve = np.maximum(curve, height * np.exp(-(((clock - beat.moment - 0.06) / 0.09) ** 2)))
    found: Float[NDArray[np.float32], " t"] = curve.astype(np.float32)
    return found


def _trust(said: Sequence[Phone], heard: Heard) -> float:
    """Return how clean the sound is, 0 to 1: how much louder vowels are than silence."""
    loud = [float(_part(heard.decibels, phone).max()) for phone in said if _is_vowel(phone)]
    quiet = [float(np.median(_part(heard.decibels, phone))) for phone in said if not phone.symbol]
    if not quiet:
        return 1.0
    above = float(np.median(loud) - np.median(quiet))
    return min(max((above - NOISY_DB) / (CLEAN_DB - NOISY_DB), 0.0), 1.0)


def _is_vowel(phone: Phone) -> bool:
    return any(sound.vowel is not None for sound in ipa.take_apart(phone.symbol))


def _part(values: Curve, phone: Phone) -> Part:
    first = min(int(phone.start * RATE / HOP), len(values) - 1)
    part: Part = values[first : max(int(phone.end * RATE / HOP), first + 1)]
    return part


def _height(pitch: Part) -> float:
    """Return a vowel's pitch in octaves, not a number where it has none."""
    voiced = pitch[pitch > 0]
    return float(np.log2(np.median(voiced))) if len(voiced) else math.nan


def _beside(clock: Curve, values: Sequence[float], *, least: float) -> Curve:
    """Return how each syllable stands out among those around it, in spreads; unknown ones do not.

    Those before it count for more: a speaker's head moves at once, and so must one that follows a sound.
    `least` is a spread that nobody would hear.
    """
    row = np.array(values)
    is_known = ~np.isnan(row)
    after = clock[:, None] - clock
    near = np.exp(-np.where(after > 0, after / PAST_S, -after / FUTURE_S)) * is_known
    usual = (near @ np.where(is_known, row, 0.0)) / np.maximum(near.sum(axis=1), 1e-6)
    apart = np.where(is_known, row - usual, 0.0)
    out: Curve = (apart / max(float(apart.std()), least)).clip(-MOST, MOST)
    return out
