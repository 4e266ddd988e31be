"""Tiny talkers and tiny trainings of pose networks, shared by the tests of that trainer."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import torch

from phiz import options
from phiz.console import Console
from phiz.media import audio
from phiz.train import pose
from phiz.train.pose_config import TrainPoseConfig
from phiz.world.data import guide

FRAMES = (14, 11)
"""Of two people; a motion of the tiny network has 8."""


def write_talkers(
    folder: Path, *, frames: tuple[int, ...] = FRAMES, seed: int = 0, fps: float = 25.0
) -> Path:
    """Write poses that wander, and a murmur in two sounds for each person."""
    chance = torch.Generator().manual_seed(seed)
    with guide.metadata_writers(folder / guide.METADATA, basis="tiny", fps=fps) as entries:
        for number, count in enumerate(frames):
            steps = 0.02 * torch.randn(count, 6, generator=chance)
            for frame, numbers in enumerate(steps.cumsum(0).tolist()):
                entries["poses"].add(f"{number:02d}/{frame:03d}", numbers)
            voice = guide.murmur(count / 25, seed=seed + number)
            place = folder / guide.AUDIO / f"{number:02d}"
            place.mkdir(parents=True)
            audio.write(place / "1.wav", voice[:2000])
            audio.write(place / "2.wav", voice[2000:])
    return folder


def command(data: Path, output: Path, words: str = "") -> list[str]:
    """Return the words of a tiny training's command line."""
    return [*f"--preset DEBUG --no-tensorboard --data {data} -o {output}".split(), *words.split()]


def settings(data: Path, output: Path, words: str = "") -> TrainPoseConfig:
    """Return the settings of a tiny training."""
    return options.parse(TrainPoseConfig, command(data, output, words))


def trained(config: TrainPoseConfig) -> Mapping[str, object]:
    """Train without a word; return what the verb returns."""
    return pose.train_pose(config, Console(quiet=True, errors=io.StringIO()))
