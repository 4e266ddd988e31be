"""A tiny labelled data set and tiny trainings of parsers, shared by the tests of that trainer.

python tests/parse_fixtures.py DIGESTS WORDS... trains as the words of a command line say, and leaves a digest
of what this process has learned.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from gan_fixtures import digest
from PIL import Image

from phiz import options
from phiz.console import Console
from phiz.face.parse import Parser
from phiz.train import parse
from phiz.train.parse_config import TrainParseConfig
from phiz.train.ranks import Ranks

SIZE, COUNT = 48, 10
COLOURS = np.random.default_rng(7).integers(0, 256, (19, 3), dtype=np.uint8)
"""Of each class: a network can learn them from few pictures."""


def write_faces(folder: Path, *, seed: int = 0, count: int = COUNT, among: Sequence[int] = range(19)) -> Path:
    """Write squares of some classes, each in the colour of its class, as pictures and labels."""
    rng = np.random.default_rng(seed)
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    for number in range(count):
        squares = rng.choice(np.array(among, np.uint8), (4, 4))
        labels = squares.repeat(SIZE // 4, 0).repeat(SIZE // 4, 1)
        Image.fromarray(COLOURS[labels]).save(folder / "images" / f"{number:02d}.png")
        Image.fromarray(labels).save(folder / "labels" / f"{number:02d}.png")
    return folder


def command(data: Path, output: Path, words: str = "") -> list[str]:
    """Return the words of a tiny training's command line."""
    plain = f"--preset DEBUG --no-tensorboard --data {data} -o {output}"
    return [*plain.split(), *words.split()]


def settings(data: Path, output: Path, words: str = "") -> TrainParseConfig:
    """Return the settings of a tiny training."""
    return options.parse(TrainParseConfig, command(data, output, words))


def trained(config: TrainParseConfig) -> Mapping[str, object]:
    """Train without a word; return what the verb returns."""
    return parse.train_parse(config, Console(quiet=True, errors=io.StringIO()))


def main(digests: str, *words: str) -> None:
    """Train, and leave a digest of the network of this process beside those of others."""
    kept: list[Parser] = []
    begin = parse.beginner

    def keeping(config: TrainParseConfig) -> Parser:
        kept.append(begin(config))
        return kept[-1]

    ranks: list[Ranks] = []
    fit = parse.fit

    def noting(config: TrainParseConfig, here: Ranks, console: Console) -> Mapping[str, object]:
        ranks.append(here)
        return fit(config, here, console)

    parse.beginner, parse.fit = keeping, noting
    trained(options.parse(TrainParseConfig, words))
    Path(f"{digests}-{ranks[0].rank}.json").write_text(json.dumps(digest(kept[0])))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(*sys.argv[1:])
