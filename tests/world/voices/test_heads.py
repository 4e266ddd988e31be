"""Heads nod with accents, sway while somebody talks, rest in silence, and have mass."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from phiz.world.voices import heads
from phiz.world.voices.beats import ACCENT, Beat
from phiz.world.voices.engines import Phone, filled
from phiz.world.voices.heads import MANNERS, Manner

SECONDS = 12.0
SAID = filled(
    [
        Phone(symbol="a" if n % 2 else "t", start=1 + 0.15 * n, end=1.15 + 0.15 * n, stress=2 * (n % 8 == 1))
        for n in range(34)
    ],
    SECONDS,
)
"""Five seconds of talk, from 1 to 6.1 s, every fourth syllable of it stressed."""
BEATS = [Beat(moment=one.start, size=1.5 if one.stress else -0.5) for one in SAID if one.symbol == "a"]
PURE = replace(
    MANNERS["plain"],
    share=1.0, double=0.0, aside=0.0, sway=(0.0,) * 3, posture=(0.0,) * 3, lift=0.0, settle=0.0, still=0.0,
)  # fmt: skip
"""Nothing but nods."""


def moved(manner: Manner, seed: int = 0, beats: list[Beat] = BEATS) -> np.ndarray:
    """Return pitch, yaw and roll in degrees."""
    poses = heads.poses(SAID, beats, SECONDS, manner, np.random.default_rng(seed))
    return np.rad2deg(poses[:, :3])


def test_a_seed_moves_a_head_the_same_way_and_another_otherwise() -> None:
    for style in heads.STYLES:
        first = moved(MANNERS[style])
        assert first.shape == (300, 3)
        assert np.isfinite(first).all()
        np.testing.assert_array_equal(first, moved(MANNERS[style]))
        assert np.abs(first - moved(MANNERS[style], seed=1)).max() > 0.3


def test_heads_go_down_with_accents_soon_after_the_vowel_begins() -> None:
    pitch = moved(PURE)[:, 0]
    still = moved(PURE, beats=[])[:, 0]
    for beat in BEATS:
        if beat.size > ACCENT:
            at = round(beat.moment * 25)
            nod = (pitch - still)[at - 6 : at + 9]
            assert 1.0 < nod.max() < 7.0
            assert 6 <= int(nod.argmax()) <= 11  # within 0.2 s after the vowel has begun


def test_a_head_has_mass() -> None:
    for style in heads.STYLES:
        speed = np.diff(np.concatenate([moved(MANNERS[style], seed) for seed in range(3)], axis=0), axis=0)
        power = np.abs(np.fft.rfft(speed - speed.mean(0), axis=0)) ** 2
        high = np.fft.rfftfreq(len(speed), 1 / 25) > 6
        assert power[high].sum() < 0.04 * power.sum()
        assert np.abs(speed).max() * 25 < 120


def test_silence_is_still_and_near_rest() -> None:
    for style in heads.STYLES:
        both = [moved(MANNERS[style], seed) for seed in range(8)]
        talk = np.mean([np.abs(np.diff(one[25:150], axis=0)).mean() for one in both])
        quiet = np.mean([np.abs(np.diff(one[240:], axis=0)).mean() for one in both])
        assert quiet < 0.35 * talk
        assert np.mean([np.abs(one[250:]).mean() for one in both]) < 0.6


def test_heads_are_up_where_a_phrase_begins_and_down_where_it_ends() -> None:
    phrasing = replace(PURE, nod=0.0, lift=2.0, settle=2.0)
    pitch = np.mean([moved(phrasing, seed)[:, 0] for seed in range(4)], axis=0)
    assert pitch[24:30].max() < -0.8
    assert pitch[145:155].min() > 0.8
    assert pitch[15] < -0.2  # sets out before a sound is heard


def test_styles_differ_in_what_they_are_called_for() -> None:
    def spread(style: str, axis: int) -> float:
        return float(np.mean([moved(MANNERS[style], seed)[:, axis].std() for seed in range(6)]))

    assert spread("nodding", 0) > 1.5 * spread("calm", 0)
    assert spread("swaying", 1) > 2 * spread("newsreader", 1)
    assert spread("thoughtful", 2) > 2 * spread("nodding", 2)
    assert len(heads.STYLES) >= 8


def test_a_mixture_lies_between() -> None:
    calm, lively = MANNERS["calm"], MANNERS["lively"]
    assert heads.mixed([calm, lively], [1, 0]) == calm
    half = heads.mixed([calm, lively], [2, 2])
    assert half.nod == pytest.approx((calm.nod + lively.nod) / 2)
    assert half.sway == pytest.approx(tuple((a + b) / 2 for a, b in zip(calm.sway, lively.sway, strict=True)))


def test_nods_follow_each_other_no_faster_than_heads_can() -> None:
    near = [Beat(moment=0.1 * n, size=1 + 0.1 * (n % 3)) for n in range(30)]
    kept = heads.chosen(near, replace(PURE, share=2.0), np.random.default_rng(0))
    assert len(kept) > 5
    assert np.diff([one.moment for one in kept]).min() >= heads.APART_S
    assert heads.chosen(near, replace(PURE, share=0.0), np.random.default_rng(0)) == []


def test_silence_of_some_length_ends_a_phrase() -> None:
    said = filled([Phone(symbol="a", start=s, end=s + 0.3) for s in (0.5, 0.9, 1.8)], 3.0)
    assert heads.phrases(said) == [(0.5, pytest.approx(1.2)), (1.8, pytest.approx(2.1))]
    assert heads.phrases(filled([], 3.0)) == []
    assert not heads.talking(filled([], 3.0), np.arange(10) / 5).any()


def test_a_head_that_nods_comes_forward() -> None:
    poses = heads.poses(SAID, BEATS, SECONDS, replace(PURE, nod=6.0), np.random.default_rng(0))
    lowest = int(poses[:, 0].argmax())
    assert poses[lowest, 5] > 0.003
    assert abs(poses[lowest, 3]) < 1e-3
