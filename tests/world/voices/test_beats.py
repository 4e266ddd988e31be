"""Syllables stand out that are loud, high, long or stressed, in noise as well."""

from __future__ import annotations

import numpy as np
import pytest

from phiz.world.voices import beats, prosody
from phiz.world.voices.beats import ACCENT, Beat
from phiz.world.voices.engines import Phone, Samples, filled

SECONDS = 7.0
RATE = prosody.RATE


def phones(*, stress: bool = False) -> tuple[Phone, ...]:
    """Return five seconds of syllables, every fourth of them marked as stressed, if any."""
    found = []
    for n in range(17):
        start, much = 1 + 0.3 * n, 2 if n % 4 == 2 and stress else 0
        found.append(Phone(symbol="t", start=start, end=start + 0.12, stress=much))
        found.append(Phone(symbol="a", start=start + 0.12, end=start + 0.3, stress=much))
    return filled(found, SECONDS)


def voice(*, louder: float = 1.0, noise: float = 0.0) -> Samples:
    """Return a hum for each vowel, every fourth one louder by this factor."""
    clock = np.arange(int(SECONDS * RATE)) / RATE
    out = noise * np.random.default_rng(0).standard_normal(len(clock))
    vowels = [phone for phone in phones() if phone.symbol == "a"]
    for n, phone in enumerate(vowels):
        here = (clock >= phone.start) & (clock < phone.end)
        much = louder if n % 4 == 2 else 1.0
        out[here] += 0.05 * much * sum(np.sin(2 * np.pi * 120 * k * clock[here]) for k in range(1, 20))
    return out.astype(np.float32)


def standing_out(found: list[Beat]) -> list[int]:
    return [n for n, beat in enumerate(found) if beat.size > ACCENT]


EVERY_FOURTH = [2, 6, 10, 14]


def test_loud_syllables_stand_out() -> None:
    found = beats.beats_of(phones(), voice(louder=2.5))
    assert len(found) == 17
    assert standing_out(found) == EVERY_FOURTH
    assert found[0].moment == pytest.approx(1.12)
    quiet = beats.beats_of(phones(), voice(louder=0.3))
    assert not set(standing_out(quiet)) & set(EVERY_FOURTH)


def test_stressed_and_long_ones_do_where_all_are_as_loud() -> None:
    told = beats.beats_of(phones(stress=True), voice())
    assert standing_out(told) == EVERY_FOURTH
    longer = [
        Phone(symbol=p.symbol, start=p.start - 0.08 * (n % 8 == 6 and p.symbol == "a"), end=p.end)
        for n, p in enumerate(phones())
    ]
    sizes = [beat.size for beat in beats.beats_of(longer, voice())]
    plain = [beat.size for beat in beats.beats_of(phones(), voice())]
    assert max(np.subtract(sizes, plain)) > 0.5


def test_noise_does_not_hide_what_is_loud() -> None:
    assert set(EVERY_FOURTH) <= set(standing_out(beats.beats_of(phones(), voice(louder=3, noise=0.02))))


def test_where_next_to_nothing_is_said_nothing_stands_out() -> None:
    assert beats.beats_of(filled([], 2.0), np.zeros(32_000, np.float32)) == []


def test_loudness_follows_gain_in_decibels_however_loud_the_low_notes_are() -> None:
    plain, loud = voice(noise=0.001), 2 * voice(noise=0.001)
    apart = beats.loudness(loud) - beats.loudness(plain)
    np.testing.assert_allclose(apart[2:-2], 20 * np.log10(2), atol=0.05)
    clock = np.arange(len(plain)) / RATE
    humming = plain + 0.5 * np.sin(2 * np.pi * 50 * clock).astype(np.float32)
    here = slice(int(1.2 * RATE / prosody.HOP), int(1.25 * RATE / prosody.HOP))
    assert abs(float((beats.loudness(humming) - beats.loudness(plain))[here].mean())) < 3


def test_accents_are_marked_where_they_are() -> None:
    curve = beats.accent_curve([Beat(moment=2.0, size=1.5), Beat(moment=4.0, size=0.1)], 150)
    assert curve[:40].max() < 0.01
    assert curve[51] > 0.7
    assert curve[90:110].max() < 0.01
