"""Pieces hold sound and mouth of the same moments; changes leave the timing and nothing else to go by."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from speech_fixtures import write_footage, write_voices

from phiz.errors import DataError
from phiz.face.morphable import ARKIT_NAMES
from phiz.metrics import sync
from phiz.speech import sync_network, windows
from phiz.speech.sync_network import NAMES, TINY
from phiz.train import syncnet_stream, voice_changes
from phiz.train.ordered_stream import Order
from phiz.train.syncnet_stream import PLAIN, Curves, MouthChanges, Remembered
from phiz.train.voice_sources import Together

EASY = MouthChanges(gain=0, offset=0, wander=0, blur=0, noise=0, dropped=0, merged=0, alone=0, untouched=0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_voices(tmp_path_factory.mktemp("voices") / "data", count=5, seconds=2.0)


def talk(seed: int = 0, frames: int = 200) -> Curves:
    """Return curves that move: a jaw that opens and closes, and others after it."""
    rng = np.random.default_rng(seed)
    rough = rng.random((frames, len(NAMES)))
    found: Curves = (0.5 * syncnet_stream.smoothed(rough, 1.5)).astype(np.float32)
    return found


def test_pieces_are_cut_from_clips_at_the_same_moments(folder: Path) -> None:
    voices = syncnet_stream.open_named([folder], TINY, frames=20)
    speech = voices.read(1, np.random.default_rng(0))
    whole = windows.cut(speech.mel.float(), len(speech.expression))
    curves = sync_network.chosen(speech.expression.float(), ARKIT_NAMES, TINY)
    starts = set()
    for seed in range(6):
        rng = np.random.default_rng(seed)
        one = syncnet_stream.piece(voices, TINY, PLAIN, voice_changes.NONE, 20, 1, rng)
        found = [k for k in range(31) if torch.equal(one.windows, whole[k : k + 20])]
        assert len(found) == 1
        assert torch.equal(one.curves, curves[found[0] : found[0] + 20])
        starts.update(found)
    assert len(starts) > 3


def test_clips_are_read_once(folder: Path) -> None:
    voices = syncnet_stream.open_named([folder], TINY, frames=20, remembered=2)
    assert isinstance(voices, Remembered)
    rng = np.random.default_rng(0)
    first = [voices.read(number, rng) for number in range(3)]
    again = [voices.read(number, rng) for number in range(3)]
    assert [one is other for one, other in zip(first, again, strict=True)] == [True, True, False]
    assert torch.equal(first[2].mel, again[2].mel)
    assert len(pickle.dumps(voices)) < 5000  # what is remembered does not travel to other processes


def test_several_folders_are_one_collection(folder: Path) -> None:
    voices = syncnet_stream.open_named([folder, folder], TINY, frames=20)
    assert isinstance(voices, Together)
    assert voices.count == 10
    rng = np.random.default_rng(0)
    assert torch.equal(voices.read(7, rng).mel, voices.read(2, rng).mel)


def test_what_follows_from_seed_and_place_comes_again(folder: Path) -> None:
    voices = syncnet_stream.open_named([folder], TINY, frames=20)
    changes = (MouthChanges(), voice_changes.VoiceChanges())
    order = Order(count=5, batch=3, seed=4)
    first = next(syncnet_stream.piece_stream(voices, TINY, changes, 20, order))
    again = next(syncnet_stream.piece_stream(voices, TINY, changes, 20, order))
    assert first.windows.shape == (3, 20, 1, 80, 16)
    assert first.curves.shape == (3, 20, 4)
    assert torch.equal(first.windows, again.windows)
    assert torch.equal(first.curves, again.curves)


def test_data_that_does_not_fit_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"modes of 'fitted', among them no jawOpen"):
        syncnet_stream.open_named([write_footage(tmp_path / "data")], TINY, frames=20)
    voices = syncnet_stream.open_named([folder], TINY, frames=20)
    with pytest.raises(DataError, match="has 50 frames, not 51"):
        syncnet_stream.piece(voices, TINY, PLAIN, voice_changes.NONE, 51, 0, np.random.default_rng(0))


def test_changed_curves_keep_their_timing() -> None:
    curves, wide = talk(), replace(MouthChanges(), untouched=0, dropped=0, merged=0, alone=0)
    moved = []
    for seed in range(20):
        other = syncnet_stream.changed_mouth(curves, NAMES, wide, np.random.default_rng(seed))
        assert other.dtype == np.float32
        assert 0 <= other.min() <= other.max() <= 1
        moved.append(float(np.abs(other - curves).mean()))
        found = sync.following(torch.from_numpy(other[:, 0]), torch.from_numpy(curves[:, 0]))
        assert abs(found.lag) < 0.35
    assert min(moved) > 0.01


def test_left_and_right_are_changed_alike() -> None:
    curves = talk()
    left, right = NAMES.index("mouthSmileLeft"), NAMES.index("mouthSmileRight")
    curves[:, right] = curves[:, left]
    for seed in range(5):
        other = syncnet_stream.changed_mouth(curves, NAMES, MouthChanges(), np.random.default_rng(seed))
        assert np.array_equal(other[:, left], other[:, right])


def test_some_changes_leave_curves_as_they_are() -> None:
    curves = talk()
    assert np.array_equal(
        syncnet_stream.changed_mouth(curves, NAMES, PLAIN, np.random.default_rng(0)), curves
    )
    other = syncnet_stream.changed_mouth(curves, NAMES, EASY, np.random.default_rng(0))
    np.testing.assert_allclose(other, curves, atol=1e-6)


def test_curves_go_missing_but_never_the_jaw() -> None:
    curves = talk() + np.float32(0.1)
    left = set()
    for seed in range(30):
        change = replace(EASY, dropped=1.0)
        other = syncnet_stream.changed_mouth(curves, NAMES, change, np.random.default_rng(seed))
        assert other[:, 0].any()
        left.add(int(other.any(axis=0).sum()))
    assert min(left) < 6 < max(left)
    alone = syncnet_stream.changed_mouth(curves, NAMES, replace(EASY, alone=1), np.random.default_rng(0))
    assert np.flatnonzero(alone.any(axis=0)).tolist() == [0, 1]


def test_a_merged_jaw_tells_how_far_lips_are_apart() -> None:
    curves = talk()
    merged = syncnet_stream.changed_mouth(curves, NAMES, replace(EASY, merged=1), np.random.default_rng(0))
    np.testing.assert_allclose(merged[:, 0], (curves[:, 0] - curves[:, 1]).clip(0), atol=1e-6)
    assert not merged[:, 1].any()


def test_smoothing_keeps_means_and_what_is_still() -> None:
    pulse = np.zeros((21, 1))
    pulse[10] = 1
    found = syncnet_stream.smoothed(pulse, 1.2)
    assert found.sum() == pytest.approx(1)
    assert found.argmax() == 10
    assert (found[:, 0] ** 2).sum() < 0.3
    np.testing.assert_allclose(syncnet_stream.smoothed(np.full((9, 2), 0.3), 2.0), 0.3)
    assert syncnet_stream.smoothed(pulse, 0.0) is pulse


def test_changes_that_make_no_sense_are_refused() -> None:
    for wrong in ({"gain": -1.0}, {"dropped": 1.5}, {"alone": -0.1}):
        with pytest.raises(ValueError, match="changed"):
            MouthChanges(**wrong)
