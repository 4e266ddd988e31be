"""People who talk, by name: what was measured in each frame, and their sounds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from pose_fixtures import FRAMES, write_talkers

from phiz.errors import DataError
from phiz.media import audio
from phiz.speech import windows
from phiz.train import talkers


def test_people_come_with_their_poses_and_all_their_sounds(tmp_path: Path) -> None:
    folder = write_talkers(tmp_path / "data")
    people, header = talkers.open_talkers(folder, "poses")
    assert [(one.name, len(one.numbers)) for one in people] == [("00", FRAMES[0]), ("01", FRAMES[1])]
    sounds = [audio.read(folder / "audio" / "00" / f"{number}.wav") for number in (1, 2)]
    expected = windows.log_mel(torch.cat(sounds)[: FRAMES[0] * windows.FRAME])
    assert torch.equal(people[0].mel, expected)
    assert header.fps == 25


def test_folders_that_do_not_hold_talkers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no metadata/poses\.json"):
        talkers.open_talkers(tmp_path, "poses")
    slow = write_talkers(tmp_path / "slow", fps=30.0)
    with pytest.raises(DataError, match="30 frames a second"):
        talkers.open_talkers(slow, "poses")
    mute = write_talkers(tmp_path / "mute")
    for sound in (mute / "audio" / "01").iterdir():
        sound.unlink()
    with pytest.raises(DataError, match="no sound of theirs"):
        talkers.open_talkers(mute, "poses")
    odd = write_talkers(tmp_path / "odd")
    path = odd / "metadata" / "poses.json"
    whole = json.loads(path.read_text())
    whole["frames"]["00/003"] = [0.0, 1.0]
    path.write_text(json.dumps(whole))
    with pytest.raises(DataError, match="not 6 numbers"):
        talkers.open_talkers(odd, "poses")
    path.write_text("{")
    with pytest.raises(DataError, match="cannot be used"):
        talkers.open_talkers(odd, "poses")
