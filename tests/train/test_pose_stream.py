"""Talkers by name, motions by number: what was heard in a frame comes with its pose."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from pose_fixtures import FRAMES, write_talkers

from phiz.speech import windows
from phiz.train import pose_stream, talkers
from phiz.train.ordered_stream import Order


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_talkers(tmp_path_factory.mktemp("talkers") / "data")


def test_motions_are_counted_in_a_row(folder: Path) -> None:
    people, _ = talkers.open_talkers(folder, "poses")
    counts = pose_stream.motions(people, 8)
    assert counts.tolist() == [6, 3]
    assert pose_stream.motions(people, 12).tolist() == [2, 0]
    found = [pose_stream.cut(people, 8, 4, number, np.random.default_rng(0)) for number in range(9)]
    assert [one.style for one in found] == [0] * 6 + [1] * 3
    for number, one in ((2, found[2]), (1, found[7])):
        poses = people[one.style].numbers
        assert torch.equal(one.start, poses[number])
        torch.testing.assert_close(one.motion + one.start, poses[number + 1 : number + 9])


def test_sound_belongs_to_the_frames_of_the_motion(folder: Path) -> None:
    people, _ = talkers.open_talkers(folder, "poses")
    heard = windows.cut(people[0].mel, FRAMES[0])
    one = pose_stream.cut(people, 8, 4, 3, np.random.default_rng(0))
    assert torch.equal(one.windows, heard[4:12])


def test_chance_follows_from_the_seed_and_the_place(folder: Path) -> None:
    people, _ = talkers.open_talkers(folder, "poses")
    order = Order(count=9, batch=3, seed=5)
    first = next(pose_stream.motion_stream(people, 8, 4, order))
    again = next(pose_stream.motion_stream(people, 8, 4, order))
    assert first.windows.shape == (3, 8, 1, 80, 16)
    assert torch.equal(first.chance, again.chance)
    assert torch.equal(first.motion, again.motion)
    assert not torch.equal(first.chance[0], first.chance[1])
