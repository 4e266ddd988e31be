"""Pieces of speech with heads: repeatable, late by what they may be, in styles that chance picks."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from pose_fixtures import write_talkers
from speech_fixtures import write_voices

from phiz.errors import DataError
from phiz.speech import windows
from phiz.speech.head_network import PATIENCE
from phiz.train import head_motion_stream as stream
from phiz.train import talkers, voice_changes
from phiz.train.head_motion_stream import BEFORE, ClipHeads, FilmedHeads, Speakers
from phiz.train.ordered_stream import Order


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_voices(tmp_path_factory.mktemp("voices") / "data", count=4)


@pytest.fixture(scope="module")
def voices(folder: Path) -> ClipHeads:
    found = stream.open_speakers(folder, frames=10, remembered=2)
    assert isinstance(found, ClipHeads)
    return found


def chance(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_a_clip_moves_anew_with_other_chance(voices: ClipHeads) -> None:
    assert isinstance(voices, Speakers)
    first, again, other = (voices.read(1, chance(seed)) for seed in (0, 0, 1))
    assert first.poses.shape == (20, 6)
    assert torch.equal(first.poses, again.poses)
    assert not torch.equal(first.poses, other.poses)
    assert torch.equal(first.mel, other.mel)
    assert first.about is not None
    assert first.about.shape == (20, 2)


def test_what_is_remembered_is_what_is_read(voices: ClipHeads, folder: Path) -> None:
    forgetful = stream.open_speakers(folder, frames=10)
    for number in range(4):
        for _ in range(2):
            kept, read = (one.read(number, chance()) for one in (voices, forgetful))
            assert torch.equal(kept.mel, read.mel)
            assert torch.equal(kept.poses, read.poses)
    assert len(voices._known) == 2
    assert pickle.loads(pickle.dumps(voices)).read(0, chance()).poses.shape == (20, 6)


def test_styles_are_drawn_alone_and_mixed() -> None:
    drawn = [stream.drawn_style(5, chance(seed)) for seed in range(200)]
    assert np.allclose([one.sum() for one in drawn], 1)
    mixed = sum((one > 0).sum() == 2 for one in drawn)
    assert 30 < mixed < 90
    assert {int(one.argmax()) for one in drawn} == set(range(5))
    assert stream.drawn_style(1, chance()).tolist() == [1.0]


def test_truth_is_as_late_as_what_is_told_and_never_too_early(voices: ClipHeads) -> None:
    for delay, late in ((0, PATIENCE), (2, PATIENCE), (6, 6)):
        one = stream.piece(voices, (delay,), 4, voice_changes.NONE, 2, chance())
        batch = stream.joined([one])
        torch.testing.assert_close(batch.poses[0, late:], one.poses[:-late])
        torch.testing.assert_close(batch.about[0, late:], one.about[:-late])
        assert batch.delay.tolist() == [delay]


def test_pieces_have_windows_and_two_draws_of_chance(voices: ClipHeads) -> None:
    one = stream.piece(voices, (1,), 4, voice_changes.NONE, 0, chance())
    assert one.windows.shape == (20, 1, 80, 16)
    assert one.white.shape == (2, BEFORE + 20, 4)
    assert not torch.equal(one.white[0], one.white[1])
    clip = voices.voices.clip(0)
    whole = windows.of_waveform(torch.from_numpy(clip.samples))
    torch.testing.assert_close(one.windows, whole, atol=3e-3, rtol=0)  # kept in half precision


def test_batches_follow_from_the_order_alone(voices: ClipHeads) -> None:
    order = Order(count=voices.count, batch=2, seed=3)
    found = stream.head_stream(voices, (0, 2), 4, voice_changes.NONE, order)
    first, second = next(found), next(found)
    found.close()
    later = stream.head_stream(
        voices, (0, 2), 4, voice_changes.NONE, Order(count=voices.count, batch=2, seed=3, seen=2)
    )
    again = next(later)
    later.close()
    assert torch.equal(again.poses, second.poses)
    assert torch.equal(again.white, second.white)
    assert not torch.equal(first.poses, second.poses)
    assert torch.equal(again.to(torch.device("cpu")).windows, second.windows)


def test_people_rest_where_they_mostly_are(tmp_path: Path) -> None:
    data = write_talkers(tmp_path / "data", frames=(40, 30))
    people, _ = talkers.open_talkers(data, "poses", length=6)
    found = stream.open_speakers(data, frames=10)
    assert isinstance(found, FilmedHeads)
    assert isinstance(found, Speakers)
    assert (found.count, found.styles) == (7, ("00", "01"))
    one = found.read(5, chance())
    assert one.style.tolist() == [0.0, 1.0]
    rest = people[1].numbers.median(dim=0).values
    torch.testing.assert_close(one.poses, people[1].numbers[one.first :][:10] - rest)
    assert one.about is None
    with pytest.raises(DataError, match="frames with sound"):
        stream.open_speakers(data, frames=99)
