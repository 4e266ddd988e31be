"""Tiny trainings of networks that move heads, shared by the tests of that trainer."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

from phiz import options
from phiz.console import Console
from phiz.train import head_motion
from phiz.train.head_motion_config import TrainHeadMotionConfig

QUIET = Console(quiet=True, errors=io.StringIO())


def command(data: Path, output: Path, words: str = "") -> list[str]:
    """Return the words of a tiny training's command line."""
    return [*f"--preset DEBUG --no-tensorboard --data {data} -o {output}".split(), *words.split()]


def settings(data: Path, output: Path, words: str = "") -> TrainHeadMotionConfig:
    """Return the settings of a tiny training."""
    return options.parse(TrainHeadMotionConfig, command(data, output, words))


def trained(config: TrainHeadMotionConfig) -> Mapping[str, object]:
    """Train without a word; return what the verb returns."""
    return head_motion.train_head_motion(config, QUIET)
