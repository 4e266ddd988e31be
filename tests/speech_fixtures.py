"""Tiny voices and tiny trainings of networks that hear, shared by the tests of those trainers."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import torch

from phiz import options
from phiz.console import Console
from phiz.media import audio
from phiz.train import speech
from phiz.train.speech_config import TrainSpeechConfig
from phiz.world.data import guide
from phiz.world.data.writing import write_shards
from phiz.world.voices.clips import SpokenClips
from phiz.world.voices.formant import Formant

SECONDS = 0.8
QUIET = Console(quiet=True, errors=io.StringIO())


def write_voices(folder: Path, *, count: int = 6, seed: int = 0, seconds: float = SECONDS) -> Path:
    """Write a few clips of our own synthesiser's."""
    make = SpokenClips([Formant()], seed=seed, seconds=seconds)
    recipe = {"kind": "voices", "seed": seed}
    write_shards(make, folder, count=count, per_shard=4, recipe=recipe, processes=1, console=QUIET)
    return folder


def write_footage(folder: Path, *, frames: tuple[int, ...] = (25, 21), modes: int = 3) -> Path:
    """Write expressions that wander, in a basis of their own, and a murmur for each person."""
    chance = torch.Generator().manual_seed(0)
    with guide.metadata_writers(folder / guide.METADATA, basis="fitted") as entries:
        for number, count in enumerate(frames):
            steps = 0.3 * torch.randn(count, modes, generator=chance)
            for frame, numbers in enumerate(steps.cumsum(0).tolist()):
                entries["expressions"].add(f"{number:02d}/{frame:03d}", numbers)
            place = folder / guide.AUDIO / f"{number:02d}"
            place.mkdir(parents=True)
            audio.write(place / "1.wav", guide.murmur(count / 25, seed=number))
    return folder


def command(data: Path, output: Path, words: str = "") -> list[str]:
    """Return the words of a tiny training's command line."""
    return [*f"--preset DEBUG --no-tensorboard --data {data} -o {output}".split(), *words.split()]


def settings(data: Path, output: Path, words: str = "") -> TrainSpeechConfig:
    """Return the settings of a tiny training."""
    return options.parse(TrainSpeechConfig, command(data, output, words))


def trained(config: TrainSpeechConfig) -> Mapping[str, object]:
    """Train without a word; return what the verb returns."""
    return speech.train_speech(config, QUIET)
