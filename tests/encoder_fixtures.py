"""A tiny generator and tiny trainings of encoders, shared by the tests of that trainer."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch

from phiz import options
from phiz.console import Console
from phiz.generator import store
from phiz.generator.config import TINY, GeneratorConfig
from phiz.generator.generator import Generator
from phiz.train import encoder
from phiz.train.encoder_config import TrainEncoderConfig
from phiz.train.sitters import Sitters

QUIET = Console(quiet=True, errors=io.StringIO())


def write_generator(path: Path, config: GeneratorConfig = TINY) -> Path:
    """Write a generator that has learned nothing."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        store.save_generator(path, Generator(config))
    return path


def portrait_generator(folder: Path) -> GeneratorConfig:
    """Return the config of a tiny generator whose codes are those of a folder of portraits."""
    sitters = Sitters(folder)
    lengths, bias = sitters.groups()
    return replace(
        TINY,
        z_size=sitters.code_size,
        groups=lengths,
        group_bias=bias,
        background_latent=sitters.background_size,
    )


def command(generator: Path, output: Path, words: str = "") -> list[str]:
    """Return the words of a tiny training's command line."""
    plain = f"--preset DEBUG --no-tensorboard --generator {generator} -o {output}"
    return [*plain.split(), *words.split()]


def settings(generator: Path, output: Path, words: str = "") -> TrainEncoderConfig:
    """Return the settings of a tiny training."""
    return options.parse(TrainEncoderConfig, command(generator, output, words))


def trained(config: TrainEncoderConfig) -> Mapping[str, object]:
    """Train without a word; return what the verb returns."""
    return encoder.train_encoder(config, QUIET)
