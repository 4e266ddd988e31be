"""Sounds that are not speech."""

from __future__ import annotations

import numpy as np
import pytest

from phiz.world.voices import noises


@pytest.mark.parametrize("name", noises.MUTE)
def test_every_noise_is_as_long_as_asked_seeded_and_never_the_same(name: str) -> None:
    make = noises.MUTE[name]
    one, other, third = (make(9000, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one.shape == (9000,)
    assert one.dtype == np.float32
    assert np.isfinite(one).all()
    assert np.array_equal(one, other)
    assert not np.array_equal(one, third)


def test_silence_is_far_below_speech() -> None:
    loud, quiet = (
        np.sqrt(np.mean(noises.MUTE[name](9000, np.random.default_rng(0)) ** 2))
        for name in ("music", "silence")
    )
    assert quiet < 0.01 * loud


def test_a_hum_has_next_to_nothing_above_a_kilohertz() -> None:
    for seed in range(4):
        power = np.abs(np.fft.rfft(noises.humming(16_000, np.random.default_rng(seed)))) ** 2
        assert power[1500:].sum() < 0.02 * power.sum()


def test_mains_hum_at_fifty_or_sixty() -> None:
    power = np.abs(np.fft.rfft(noises.mains(16_000, np.random.default_rng(0)))) ** 2
    peaks = np.flatnonzero(power > 0.01 * power.max())
    assert (peaks % 50 == 0).all() or (peaks % 60 == 0).all()
