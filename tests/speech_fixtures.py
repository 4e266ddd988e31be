"""Tiny voices and tiny trainings of networks that hear, shared by the tests of those trainers.

python tests/speech_fixtures.py DIGESTS WORDS... trains as the words of a command line say, and leaves a
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
from phiz.media import audio
from phiz.speech.expression import ExpressionNet
from phiz.speech.mouth_network import MouthNet
from phiz.train import speech
from phiz.train.ranks import Ranks
from phiz.train.speech_config import TrainSpeechConfig
from phiz.train.voice_sources import Voices
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


def main(digests: str, *words: str) -> None:
    """Train, and leave a digest of the network of this process beside those of others."""
    kept: list[MouthNet | ExpressionNet] = []
    begin, fit = speech.beginner, speech.fit

    def keeping(config: TrainSpeechConfig, voices: Voices) -> MouthNet | ExpressionNet:
        kept.append(begin(config, voices))
        return kept[-1]

    ranks: list[Ranks] = []

    def noting(config: TrainSpeechConfig, here: Ranks, console: Console) -> Mapping[str, object]:
        ranks.append(here)
        return fit(config, here, console)

    speech.beginner, speech.fit = keeping, noting
    trained(options.parse(TrainSpeechConfig, words))
    Path(f"{digests}-{ranks[0].rank}.json").write_text(json.dumps(digest(kept[0])))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(*sys.argv[1:])
