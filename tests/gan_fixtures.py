"""Tiny pictures, tiny portraits and tiny trainings, shared by the tests of the trainer of generators.

python tests/gan_fixtures.py DIGESTS WORDS... trains as the words of a command line say, and leaves a digest
of what this process has learned.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from phiz import checkpoint, options
from phiz.console import Console
from phiz.face import head as heads
from phiz.face import models
from phiz.train import gan, monitor, state
from phiz.train.gan_config import GanConfig
from phiz.train.gan_step import Batch, Learners
from phiz.train.ranks import Ranks
from phiz.world.data.portraits import PaintedPortraits, write_portraits

ALONE = Ranks(rank=0, world=1, local_rank=0, device=torch.device("cpu"))
SIZE, CLASSES = 32, 3
PLAIN = "--preset DEBUG --no-tensorboard"
FULL = (
    "--pipe bgc --ada-target 0.6 --ada-every 1 --ada-kimg 0.1 --use-labels --generator.labels 3 "
    "--discriminator.labels 3 --g-every 2 --d-every 2 --ramp-up 0.5 --snapshot-every 2 --keep 9 "
    "--picture-every 4 --measure-every 4 --measure-count 8 --kimg 0.016"
)
"""Four steps in which everything that a training can do happens at least once."""


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of a dozen small pictures of three classes."""
    folder = tmp_path_factory.mktemp("faces")
    rng = np.random.default_rng(0)
    for number in range(12):
        blocks = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(blocks.repeat(4, 0).repeat(4, 1)).save(folder / f"{number:02d}.png")
    labels = [[f"{number:02d}.png", number % CLASSES] for number in range(12)]
    (folder / "dataset.json").write_text(json.dumps({"labels": labels}))
    return folder


@pytest.fixture(scope="session")
def few_portraits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of two people, each from two sides; skip the test where there is no head."""
    if not heads.BUILT_IN.is_file():
        pytest.skip("no head model to paint")
    folder = tmp_path_factory.mktemp("few") / "portraits"
    make = PaintedPortraits(head=models.BUILT_IN, size=SIZE, seed=1, views=2)
    write_portraits(make, folder, people=2, console=Console(quiet=True))
    return folder


@pytest.fixture(scope="session")
def whole(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a training of four steps that nothing interrupted."""
    folder = tmp_path_factory.mktemp("gan") / "whole"
    trained(settings(faces, folder, FULL))
    return folder


@pytest.fixture
def begin(faces: Path, tmp_path: Path) -> Callable[..., tuple[GanConfig, Learners]]:
    """Return what makes the networks of a training, and its settings, from words of a command line."""

    def beginning(words: str = "") -> tuple[GanConfig, Learners]:
        config = settings(faces, tmp_path / "run", words)
        return config, gan.beginners(config, ALONE)

    return beginning


def settings(data: Path, output: Path, words: str = "") -> GanConfig:
    """Return the settings of a tiny training."""
    return options.parse(GanConfig, command(data, output, words))


def command(data: Path, output: Path, words: str = "") -> list[str]:
    """Return the words of a tiny training's command line."""
    return [*PLAIN.split(), "--data", str(data), "-o", str(output), *words.split()]


def trained(config: GanConfig) -> Mapping[str, object]:
    """Train without a word; return what the verb returns."""
    return gan.train_gan(config, Console(quiet=True, errors=io.StringIO()))


def noise(count: int = 4, size: int = SIZE, labels: int = 0) -> Batch:
    """Return random pictures, and a class for each."""
    chance = torch.Generator().manual_seed(5)
    images = torch.rand(count, 3, size, size, generator=chance) * 2 - 1
    return Batch(images, torch.eye(max(labels, 1))[torch.arange(count) % max(labels, 1), :labels])


def curve(folder: Path) -> list[tuple[object, ...]]:
    """Return everything that a training measured, but how fast it was."""
    return [(line.step, line.images, dict(line.values)) for line in monitor.read_lines(folder)]


def newest(folder: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of the last snapshot."""
    return checkpoint.load(state.snapshots(folder)[0], kind="snapshot").tensors


def assert_same_runs(one: Path, other: Path) -> None:
    """Compare two trainings bit by bit: their curves, their snapshots and the networks that they wrote."""
    assert curve(one) == curve(other)
    assert state.snapshots(one)[0].name == state.snapshots(other)[0].name
    assert_same(newest(one), newest(other))
    for name in ("generator", "discriminator"):
        path = f"{name}.safetensors"
        if (one / path).exists():
            assert_same(*(checkpoint.load(run / path, kind=name).tensors for run in (one, other)))


def assert_same(ours: Mapping[str, torch.Tensor], theirs: Mapping[str, torch.Tensor]) -> None:
    """Compare tensors by name, bit by bit."""
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


def digest(network: nn.Module) -> str:
    """Return a word that tells networks apart."""
    whole = hashlib.sha256()
    for name, value in network.state_dict().items():
        whole.update(name.encode() + value.cpu().numpy().tobytes())
    return whole.hexdigest()


def main(digests: str, *words: str) -> None:
    """Train, and leave a digest of each network of this process beside those of others."""
    kept: list[tuple[Ranks, Learners]] = []
    begin = gan.beginners

    def keeping(config: GanConfig, here: Ranks) -> Learners:
        kept.append((here, begin(config, here)))
        return kept[-1][1]

    gan.beginners = keeping
    trained(options.parse(GanConfig, words))
    ((here, learners),) = kept
    found = [digest(net) for net in (learners.generator, learners.discriminator, learners.average)]
    Path(f"{digests}-{here.rank}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(*sys.argv[1:])
