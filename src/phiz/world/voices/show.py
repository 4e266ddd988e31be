"""``phiz world voices``: who can speak here, and data sets of speech with the mouth that goes with it."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

import phiz
from phiz.console import Console
from phiz.options import option
from phiz.world.data import workers
from phiz.world.data.writing import write_shards
from phiz.world.voices import installed, texts
from phiz.world.voices.clips import SpokenClips, is_held
from phiz.world.voices.engines import Engine

__all__ = ["VoicesConfig", "voices"]

CLIP_S = 12.0
"""Seconds of a clip."""


@dataclass(frozen=True, kw_only=True)
class VoicesConfig:
    """A data set of synthetic speech with mouth curves."""

    output: Path = option(Path("voices"), "-o", "--output")
    """The folder to write."""
    hours: float = 1.0
    """How much sound; an hour takes 125 MB."""
    seed: int = 0
    """Which of the many possible sets."""
    split: Literal["train", "voices", "engines"] = "train"
    """Who speaks: those to learn from, speakers who are held out, or the engine that is held out."""
    held_engine: str = ""
    """Keep this engine for the split "engines"; without it, all engines are learned from."""
    engines: tuple[str, ...] = ()
    """Use these engines only; otherwise all that are installed."""
    clean: bool = False
    """No rooms, no noise: the voices as they come from the engines."""
    per_shard: int = 150
    """Clips of 12 s a tar file."""
    workers: int = 0
    """Processes; 0 takes one a core. The bytes do not depend on it."""
    list: bool = False
    """Only say who can speak here; write nothing."""

    def __post_init__(self) -> None:
        if not 0 < self.hours <= 100_000:
            raise ValueError(f"--hours {self.hours} cannot be; choose more than 0")
        if self.seed < 0 or self.workers < 0 or self.per_shard < 1:
            raise ValueError("--seed and --workers must not be negative, --per-shard must be positive")


def voices(config: VoicesConfig, console: Console) -> Mapping[str, object]:
    """Write a data set of synthetic speech with phones, times and mouth curves.

    Interrupted, it goes on where it stopped when the same command is given again. The same voices
    give the same bytes on every run and with any number of workers.

    Examples:
        phiz world voices --list
        phiz world voices -o voices --hours 20
        phiz world voices -o unheard --hours 1 --split voices
    """
    engines = installed.named(config.engines)
    if config.list:
        return _tell(engines, console)
    make = SpokenClips(
        engines,
        seed=config.seed,
        seconds=CLIP_S,
        split=config.split,
        held_engine=config.held_engine,
        is_clean=config.clean,
    )
    count = max(1, round(config.hours * 3600 / CLIP_S))
    index = write_shards(
        make,
        config.output,
        count=count,
        per_shard=config.per_shard,
        recipe=_recipe(make, config),
        processes=workers.count_workers(config.workers),
        console=console,
    )
    console.say(f"{count} clips of {CLIP_S:g} s are in {config.output}, in {len(index.shards)} shards.")
    return {
        "output": str(config.output),
        "clips": count,
        "voices": len(make.voices),
        "shards": len(index.shards),
    }


def fingerprints(make: SpokenClips) -> dict[str, str]:
    """Return for each engine a short text that another version of it, which sounds different, changes."""
    found: dict[str, str] = {}
    for voice in make.voices:
        if voice.engine not in found:
            rng = np.random.default_rng(0)
            said = make.engines[voice.engine].speak(texts.compose(voice.language, rng), voice, rng)
            found[voice.engine] = f"{zlib.crc32(np.ascontiguousarray(said.samples).tobytes()):08x}"
    return found


def _tell(engines: tuple[Engine, ...], console: Console) -> Mapping[str, object]:
    """Say who can speak here, and where those come from who cannot."""
    rows = []
    for engine in engines:
        spoken = engine.voices()
        tongues = Counter(voice.language for voice in spoken)
        speakers = {voice.speaker: is_held(voice) for voice in spoken}
        rows.append(
            (engine.name, len(speakers), sum(speakers.values()), len(spoken), " ".join(sorted(tongues)))
        )
    console.table(("engine", "speakers", "held out", "voices", "languages"), rows)
    here = {engine.name for engine in engines}
    for name, way in installed.WAYS.items():
        if name not in here:
            console.say(f"{name} is not in use; it comes from: {way}.")
    return {"engines": {row[0]: {"speakers": row[1], "voices": row[3]} for row in rows}}


def _recipe(make: SpokenClips, config: VoicesConfig) -> dict[str, object]:
    """Return everything that the bytes of the clips depend on."""
    return {
        "maker": f"phiz {phiz.__version__}",
        "kind": "voices",
        "voices": dict(Counter(voice.engine for voice in make.voices)),
        "heard": fingerprints(make),
        "seconds": make.seconds,
        "seed": make.seed,
        "split": config.split,
        "held_engine": config.held_engine,
        "clean": make.is_clean,
    }
