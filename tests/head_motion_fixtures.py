"""Tiny trainings of networks that move heads, shared by the tests of that trainer.

python tests/head_motion_fixtures.py DIGESTS WORDS... trains as the words of a command line say, and leaves a
digest of what this process has learned.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from gan_fixtures import digest

from phiz import options
from phiz.console import Console
from phiz.speech.head_network import HeadNet
from phiz.train import head_motion
from phiz.train.head_motion_config import TrainHeadMotionConfig
from phiz.train.head_motion_stream import Speakers
from phiz.train.ranks import Ranks

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


def main(digests: str, *words: str) -> None:
    """Train, and leave a digest of the network of this process beside those of others."""
    kept: list[HeadNet] = []
    begin, fit = head_motion.beginner, head_motion.fit

    def keeping(config: TrainHeadMotionConfig, speakers: Speakers) -> HeadNet:
        kept.append(begin(config, speakers))
        return kept[-1]

    ranks: list[Ranks] = []

    def noting(
        config: TrainHeadMotionConfig, data: Path, here: Ranks, console: Console
    ) -> Mapping[str, object]:
        ranks.append(here)
        return fit(config, data, here, console)

    head_motion.beginner, head_motion.fit = keeping, noting
    trained(options.parse(TrainHeadMotionConfig, words))
    Path(f"{digests}-{ranks[0].rank}.json").write_text(json.dumps(digest(kept[0])))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(*sys.argv[1:])
