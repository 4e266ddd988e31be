"""What happens to voices on their way: nothing may move a sample in time that must not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from phiz.world.voices import noises, sounds
from phiz.world.voices.engines import Samples

RATE = sounds.RATE
Spoiler = Callable[[Samples, np.random.Generator], Samples]


def _click(count: int = 16_000, place: int = 8000) -> Samples:
    """Return a burst of noise in a silence."""
    sound = np.zeros(count, np.float32)
    sound[place : place + 800] = 0.3 * np.random.default_rng(5).standard_normal(800)
    return sound


def _strongest(sound: Samples) -> float:
    bins = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return float(bins.argmax()) * RATE / len(sound)


def _centre(sound: Samples) -> float:
    power = np.abs(np.fft.rfft(sound)[: len(sound) // 4]) ** 2
    return float((power * np.arange(len(power))).sum() / power.sum())


@pytest.mark.parametrize(
    "change",
    [sounds.tilt, sounds.band, sounds.room, sounds.squeeze, sounds.holes, sounds.clip, sounds.coarse],
)
def test_spoilers_leave_every_sound_where_it_was(change: Spoiler) -> None:
    sound = _click()
    for seed in range(4):
        spoilt = change(sound, np.random.default_rng(seed))
        assert spoilt.shape == sound.shape
        assert spoilt.dtype == np.float32
        together = np.correlate(spoilt[7000:10000], sound[8000:8800], mode="valid")
        assert abs(int(np.abs(together).argmax()) - 1000) <= 8
        assert not np.array_equal(spoilt, sound)


def test_all_together_are_a_recording() -> None:
    for seed in range(12):
        spoilt = sounds.spoil(_click(), np.random.default_rng(seed))
        assert spoilt.shape == (16_000,)
        assert spoilt.dtype == np.float32
        assert np.isfinite(spoilt).all()
        assert np.abs(spoilt).max() <= 1


def test_the_same_chance_gives_the_same_recording() -> None:
    one, other, third = (sounds.spoil(_click(), np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert np.array_equal(one, other)
    assert not np.array_equal(one, third)


def test_resampling_keeps_tones_and_length() -> None:
    clock = np.arange(16_000) / RATE
    tone = np.sin(2 * np.pi * 440 * clock).astype(np.float32)
    half = sounds.resample(tone, 0.5)
    assert len(half) == 8000
    assert _strongest(half) == pytest.approx(880, abs=4)
    high = np.sin(2 * np.pi * 6000 * clock).astype(np.float32)
    assert np.abs(sounds.resample(high, 0.5)[20:-20]).max() < 0.05  # it would come back as another tone
    assert sounds.at_rate(tone, RATE) is tone


def test_a_sound_of_another_rate_keeps_its_pitch() -> None:
    clock = np.arange(22_050) / 22_050
    tone = np.sin(2 * np.pi * 440 * clock).astype(np.float32)
    found = sounds.at_rate(tone, 22_050)
    assert len(found) == RATE
    assert _strongest(found) == pytest.approx(440, abs=2)


def test_resonances_move_and_the_pitch_stays() -> None:
    clock = np.arange(RATE) / RATE
    numbers = np.arange(1, 60)[:, None]
    hill = 0.03 + np.exp(-(((numbers * 120 - 1200) / 400) ** 2))
    voice = (hill * np.sin(2 * np.pi * 120 * numbers * clock)).sum(axis=0).astype(np.float32) / 10
    moved = sounds.move_formants(voice, 1.25)
    assert len(moved) == len(voice)
    assert _centre(moved) / _centre(voice) == pytest.approx(1.25, abs=0.12)
    assert _strongest(moved) % 120 == pytest.approx(0, abs=2)


def test_another_throat_lasts_as_long_as_it_says() -> None:
    change = sounds.Change(formants=0.9, speed=1.1)
    assert len(sounds.throat(_click(), change)) == round(16_000 / 1.1)
    drawn = [sounds.draw_change(np.random.default_rng(seed)) for seed in range(30)]
    assert len({change.speed for change in drawn}) == 30
    assert all(0.8 < change.formants < 1.2 for change in drawn)


def test_loudness_lands_between_its_ends() -> None:
    for seed in range(5):
        loud = sounds.louder(noises.ground(8000, np.random.default_rng(1)), np.random.default_rng(seed))
        decibels = 20 * np.log10(np.sqrt(np.mean(loud**2)))
        assert sounds.LOUDNESS_DB[0] - 0.1 <= decibels <= sounds.LOUDNESS_DB[1] + 0.1
