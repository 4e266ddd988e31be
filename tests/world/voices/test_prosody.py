"""Loudness, pitch, brows and lids."""

from __future__ import annotations

import numpy as np
import pytest

from phiz.face.morphable import ARKIT_NAMES
from phiz.world.voices import engines, prosody
from phiz.world.voices.engines import Phone, Samples


def _tone(pitch: float, seconds: float, level: float = 0.3) -> Samples:
    clock = np.arange(int(seconds * prosody.RATE)) / prosody.RATE
    voice = sum(np.sin(2 * np.pi * pitch * k * clock) / k for k in range(1, 8))
    return (level * voice).astype(np.float32)


@pytest.mark.parametrize("pitch", [80.0, 123.0, 220.0, 400.0])
def test_the_pitch_of_a_voice_is_found(pitch: float) -> None:
    heard = prosody.listen(_tone(pitch, 0.6))
    middle = heard.pitch[8:-8]
    assert np.median(middle) == pytest.approx(pitch, rel=0.03)


def test_noise_and_silence_have_no_pitch() -> None:
    noise = np.random.default_rng(0).standard_normal(8000).astype(np.float32)
    assert (prosody.listen(noise).pitch > 0).mean() < 0.1
    assert prosody.listen(np.zeros(8000, np.float32)).pitch.max() == 0


def _vowels(levels: list[float], pitches: list[float]) -> tuple[tuple[Phone, ...], Samples]:
    phones = tuple(Phone(symbol="a", start=0.3 * k, end=0.3 * (k + 1)) for k in range(len(levels)))
    sound = np.concatenate([_tone(p, 0.3, level) for level, p in zip(levels, pitches, strict=True)])
    return phones, sound


def test_loud_vowels_take_more_effort() -> None:
    phones, sound = _vowels([0.1, 0.3, 0.1, 0.1], [120.0] * 4)
    found = prosody.efforts(phones, prosody.listen(sound))
    assert found[1] == max(found) > 1.1
    assert found[3] == pytest.approx(1, abs=0.15)
    consonant = (Phone(symbol="t", start=0, end=0.1),)
    assert prosody.efforts(consonant, prosody.listen(sound)) == [1.0]


def test_brows_rise_where_the_voice_does() -> None:
    phones, sound = _vowels([0.2] * 6, [110.0, 110.0, 110.0, 180.0, 110.0, 110.0])
    heard = prosody.listen(sound)
    moving = prosody.brows_and_lids(phones, heard, 45, 25.0, np.random.default_rng(0))
    brow = moving[:, ARKIT_NAMES.index("browInnerUp")]
    assert abs(brow.argmax() / 25 - 0.9) < 0.1
    assert brow.max() > 0.2 > brow[:15].max()


def test_lids_close_wholly_and_now_and_then() -> None:
    rng = np.random.default_rng(1)
    pause = engines.filled((), 60.0)
    moving = prosody.brows_and_lids(pause, prosody.listen(np.zeros(960, np.float32)), 1500, 25.0, rng)
    lid = moving[:, ARKIT_NAMES.index("eyeBlinkLeft")]
    shut = ((lid[1:] > 0.95) & (lid[:-1] <= 0.95)).sum()
    assert 5 <= shut <= 40
    assert (lid > 0).mean() < 0.3
    assert np.count_nonzero(moving.max(axis=0)) == 2
