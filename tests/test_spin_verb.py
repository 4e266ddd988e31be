"""``phiz spin``: a camera goes round somebody who sits still."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from phiz import options, spin_verb
from phiz.animate import paths
from phiz.animate.animate import Stage
from phiz.avatar.avatar import Avatar
from phiz.console import Console
from phiz.errors import UsageError
from phiz.media import video
from phiz.speech import files
from phiz.spin_verb import SpinConfig

SILENT = Console(quiet=True)


def test_a_camera_goes_round_and_comes_back(someone: Avatar) -> None:
    stage = Stage.of(someone)
    way = paths.path("sway", 4, yaw=0.5, pitch=0.0)  # front, left, front, right
    front, left, again, right = spin_verb.turning(stage, way)
    assert float((front - again).abs().mean()) < 1e-4
    assert float((front - left).abs().mean()) > 0.03
    assert float((left - right).abs().mean()) > 0.03
    near = next(iter(spin_verb.turning(stage, torch.tensor([[0.0, 0.0, 1.5]]))))
    assert float((near - front).abs().mean()) > 0.03


def test_a_film_is_written(someone: Avatar, tmp_path: Path) -> None:
    if not files.MOUTH.built_in.exists():
        pytest.skip("this copy has no built-in studio")
    someone.save(tmp_path / "one.avatar")
    words = [str(tmp_path / "one.avatar"), "-o", str(tmp_path / "turn.mp4"), "--seconds", "0.2"]
    told = spin_verb.spin_verb(options.parse(SpinConfig, words), SILENT)
    assert told is not None
    assert told["frames"] == video.probe(tmp_path / "turn.mp4").frames == 5


@pytest.mark.parametrize("words", [["--seconds", "0"], ["--yaw", "120"], ["--pitch", "-3"]])
def test_ways_that_cannot_be_are_refused(words: list[str]) -> None:
    with pytest.raises(UsageError, match="go"):
        options.parse(SpinConfig, ["a.avatar", *words])
