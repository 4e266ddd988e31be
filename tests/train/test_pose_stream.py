"""Talkers by name, motions by number: what was heard in a frame comes with its pose."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from pose_fixtures import FRAMES, write_talkers

from phiz.errors import DataError
from phiz.media import audio
from phiz.speech import windows
from phiz.train import pose_stream
from phiz.train.ordered_stream import Order


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_talkers(tmp_path_factory.mktemp("talkers") / "data")


def test_people_come_with_their_poses_and_all_their_sounds(folder: Path) -> None:
    talkers = pose_stream.open_talkers(folder)
    assert [(one.name, one.frames) for one in talkers] == [("00", FRAMES[0]), ("01", FRAMES[1])]
    sounds = [audio.read(folder / "audio" / "00" / f"{number}.wav") for number in (1, 2)]
    expected = windows.log_mel(torch.cat(sounds)[: FRAMES[0] * windows.FRAME])
    assert torch.equal(talkers[0].mel, expected)


def test_motions_are_counted_in_a_row(folder: Path) -> None:
    talkers = pose_stream.open_talkers(folder)
    counts = pose_stream.motions(talkers, 8)
    assert counts.tolist() == [6, 3]
    assert pose_stream.motions(talkers, 12).tolist() == [2, 0]
    found = [pose_stream.cut(talkers, 8, 4, number, np.random.default_rng(0)) for number in range(9)]
    assert [one.style for one in found] == [0] * 6 + [1] * 3
    for number, one in ((2, found[2]), (1, found[7])):
        poses = talkers[one.style].poses
        assert torch.equal(one.start, poses[number])
        torch.testing.assert_close(one.motion + one.start, poses[number + 1 : number + 9])


def test_sound_belongs_to_the_frames_of_the_motion(folder: Path) -> None:
    talkers = pose_stream.open_talkers(folder)
    heard = windows.cut(talkers[0].mel, FRAMES[0])
    one = pose_stream.cut(talkers, 8, 4, 3, np.random.default_rng(0))
    assert torch.equal(one.windows, heard[4:12])


def test_chance_follows_from_the_seed_and_the_place(folder: Path) -> None:
    talkers = pose_stream.open_talkers(folder)
    order = Order(count=9, batch=3, seed=5)
    first = next(pose_stream.motion_stream(talkers, 8, 4, order))
    again = next(pose_stream.motion_stream(talkers, 8, 4, order))
    assert first.windows.shape == (3, 8, 1, 80, 16)
    assert torch.equal(first.chance, again.chance)
    assert torch.equal(first.motion, again.motion)
    assert not torch.equal(first.chance[0], first.chance[1])


def test_folders_that_do_not_hold_talkers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no metadata/poses\.json"):
        pose_stream.open_talkers(tmp_path)
    slow = write_talkers(tmp_path / "slow", fps=30.0)
    with pytest.raises(DataError, match="30 frames a second"):
        pose_stream.open_talkers(slow)
    mute = write_talkers(tmp_path / "mute")
    for sound in (mute / "audio" / "01").iterdir():
        sound.unlink()
    with pytest.raises(DataError, match="no sound of theirs"):
        pose_stream.open_talkers(mute)
    odd = write_talkers(tmp_path / "odd")
    path = odd / "metadata" / "poses.json"
    whole = json.loads(path.read_text())
    whole["frames"]["00/003"] = [0.0, 1.0]
    path.write_text(json.dumps(whole))
    with pytest.raises(DataError, match="not 6 numbers"):
        pose_stream.open_talkers(odd)
    path.write_text("{")
    with pytest.raises(DataError, match="cannot be used"):
        pose_stream.open_talkers(odd)
