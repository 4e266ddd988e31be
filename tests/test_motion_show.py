"""Motions as pictures: every part has a row, curves lie where they should, and any head can be drawn."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from talk_fixtures import murmur

from phiz import demo, motion_show
from phiz.console import Console
from phiz.errors import MediaError, UsageError
from phiz.face.coeffs import Motion, still
from phiz.face.morphable import ARKIT_NAMES
from phiz.media import audio
from phiz.motion_show import BOX, COLOURS, LEFT, ROW, TOP, ShowConfig, show

QUIET = Console(quiet=True, errors=io.StringIO())


def opening(frames: int = 50) -> Motion:
    """Return a motion whose jaw opens once, in the middle."""
    motion = still("phiz", 52, frames)
    weights = motion.expression.clone()
    weights[frames // 2 : frames // 2 + 5, ARKIT_NAMES.index("jawOpen")] = 0.5
    return replace(motion, expression=weights)


def test_every_part_has_a_row() -> None:
    rows = motion_show.rows_of(opening(), ARKIT_NAMES)
    assert [row.name for row in rows] == ["jaw", "lips", "rounding", "brows", "blink", "head", "gaze"]
    assert len(rows[4].lines) == 1  # both lids are alike
    winking = replace(opening(), blink=torch.tensor([[0.0, 1.0]]).expand(50, -1))
    assert len(motion_show.rows_of(winking, ARKIT_NAMES)[4].lines) == 2


def test_modes_without_names_show_the_strongest() -> None:
    motion = still("bfm", 6, 10)
    weights = motion.expression.clone()
    weights[5:, 4], weights[5:, 1] = -3.0, 1.0
    row = motion_show.rows_of(replace(motion, expression=weights), ())[0]
    assert [line.name for line in row.lines][:2] == ["mode 4", "mode 1"]
    assert row.high == -row.low >= 3


def test_curves_and_sound_lie_where_they_should() -> None:
    picture = np.asarray(motion_show.draw(opening(), ARKIT_NAMES, sound=murmur(1.0)))
    width = motion_show.SHORTEST
    top = TOP + ROW + motion_show.GAP
    near = np.abs(picture[top : top + 12, LEFT : LEFT + width].astype(int) - COLOURS[1]).sum(-1).min(0) < 60
    assert 0.5 < near.nonzero()[0].mean() / width < 0.62  # the jaw is open from frame 25 to 29 of 50
    sound = picture[TOP + 5 : TOP + ROW // 2 - 5, LEFT : LEFT + width].min(axis=(0, 2))
    assert (sound[: width // 2 - 10] < 200).mean() > 0.3  # the murmur lasts for half of the motion
    assert sound[width // 2 + 10 :].min() > 220
    assert picture.shape[0] == TOP + 8 * (ROW + motion_show.GAP) + motion_show.BOTTOM
    assert tuple(picture[TOP + 4, LEFT + width - 4]) == BOX


@pytest.mark.parametrize(
    ("start", "seconds", "width", "found"),
    [(0, 2, 700, [0, 0.2, 0.4]), (59.5, 4, 700, [59.5, 60, 60.5]), (0, 3600, 6000, [0, 30, 60])],
)
def test_ticks_are_round_and_apart(start: float, seconds: float, width: int, found: list[float]) -> None:
    made = motion_show.ticks(start, seconds, width)
    assert made[:3] == found
    assert made[-1] <= start + seconds
    assert np.diff(made).min() / seconds * width > 44


def test_the_verb_writes_a_part_of_a_motion(tmp_path: Path) -> None:
    if not demo.HELLO.with_name("head.safetensors").exists():
        pytest.skip("the built-in head is not made yet")
    opening(100).save(tmp_path / "m.safetensors")
    audio.write(tmp_path / "a.wav", murmur(4.0))
    config = ShowConfig(
        motion=tmp_path / "m.safetensors",
        audio=tmp_path / "a.wav",
        start=1,
        seconds=2,
        output=tmp_path / "m.png",
    )
    result = show(config, QUIET)
    assert result["frames"] == 50
    with Image.open(tmp_path / "m.png") as picture:
        assert picture.size == (result["width"], result["height"])


def test_parts_that_are_not_there_are_refused(tmp_path: Path) -> None:
    opening().save(tmp_path / "m.safetensors")
    with pytest.raises(UsageError, match=r"lasts 2\.0 s"):
        show(ShowConfig(motion=tmp_path / "m.safetensors", start=5), QUIET)
    with pytest.raises(MediaError, match="no sound at"):
        show(ShowConfig(motion=tmp_path / "m.safetensors", audio=tmp_path / "none.wav"), QUIET)
