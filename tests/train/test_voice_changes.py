"""Spectrograms of other throats and other rooms."""

from __future__ import annotations

import numpy as np
import torch

from phiz.train import voice_changes
from phiz.train.voice_changes import NONE, VoiceChanges, changed


def _mel() -> torch.Tensor:
    return torch.full((5, 80), -4.0).index_fill(1, torch.tensor([40]), 1.0)


def test_without_changes_nothing_changes() -> None:
    assert torch.equal(changed(_mel(), NONE, np.random.default_rng(0)), _mel())


def test_louder_is_louder_by_so_many_decibels_and_silence_stays() -> None:
    only = VoiceChanges(loudness_db=10, tilt_db=0, stretch=0, deaf=0, floor_db=0)
    found = changed(_mel(), only, np.random.default_rng(1))
    expected = np.random.default_rng(1)
    expected.uniform(0, 0)
    shift = float(expected.uniform(-10, 10))
    assert abs(float(found[0, 40]) - (1 + shift * voice_changes.DECIBELS)) < 1e-5
    assert found[:, :40].unique().tolist() == [-4.0]


def test_another_throat_moves_the_bands() -> None:
    only = VoiceChanges(loudness_db=0, tilt_db=0, stretch=0.2, deaf=0, floor_db=0)
    places = [float(changed(_mel(), only, np.random.default_rng(k))[0].argmax()) for k in range(8)]
    assert min(places) < 38
    assert max(places) > 42


def test_some_bands_are_not_heard_now_and_then() -> None:
    only = VoiceChanges(loudness_db=0, tilt_db=0, stretch=0, deaf=1, deaf_bands=80, floor_db=0)
    found = [float(changed(_mel(), only, np.random.default_rng(k))[0, 40]) for k in range(12)]
    assert set(found) == {-4.0, 1.0}


def test_a_noise_floor_lies_under_everything() -> None:
    only = VoiceChanges(loudness_db=0, tilt_db=0, stretch=0, deaf=0, floor_db=25)
    lows = [float(changed(_mel(), only, np.random.default_rng(k)).min()) for k in range(12)]
    assert min(lows) == -4.0
    assert -4.0 < max(lows) <= -2.0
