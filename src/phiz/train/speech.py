"""Training networks that tell expressions from sound: ``phiz train speech``.

Synthetic voices teach ours: what is said is known to the hundredth of a second, and phonetics tells what a
mouth does meanwhile. On footage that was prepared, real mouths teach it, in whichever modes they were fitted.
A piece of sound is told late by some frames, drawn anew each time, so that one network serves every latency.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from phiz import trained
from phiz.console import Console
from phiz.errors import UsageError
from phiz.face import models
from phiz.layers import ema
from phiz.speech import files
from phiz.speech.expression import ExpressionConfig, ExpressionNet
from phiz.speech.mouth_network import HEARD, MouthConfig, MouthNet
from phiz.speech.sync_files import SYNC
from phiz.speech.sync_network import SyncNet
from phiz.train import (
    ranks,
    speech_learning,
    speech_losses,
    speech_stream,
    speech_watch,
    voice_changes,
    voice_sources,
)
from phiz.train.ordered_stream import Order, OrderedStream
from phiz.train.ranks import Ranks
from phiz.train.run import Run, Stateful, run_config
from phiz.train.speech_config import TrainSpeechConfig
from phiz.train.speech_learning import Teaching
from phiz.train.speech_stream import SpeechBatch
from phiz.train.voice_sources import Voices
from phiz.trained import Kind

N = TypeVar("N", MouthNet, ExpressionNet)
C = TypeVar("C", MouthConfig, ExpressionConfig)

LOOSE = frozenset("workers data check start sync measure_every measure_count".split())
"""Settings that may be others when a training goes on."""
REMEMBERED = 0.998
"""Share of the average network that stays at each step."""
LOOKED_AT = 64
"""Pieces whose modes are averaged before a training begins."""


def train_speech(config: TrainSpeechConfig, console: Console) -> Mapping[str, object]:
    """Train a network that tells expressions from sound.

    Interrupted, it goes on from its last snapshot when the same command is given again. On many GPUs:
    torchrun --nproc-per-node 8 -m phiz.cli train speech ...

    Examples:
        phiz train speech --data voices --check unheard -o runs/speech
        phiz train speech --preset guide --data prepared -o runs/speech
    """
    if not config.data:
        raise UsageError("say where the speech is: phiz train speech --data DIR")
    with ranks.start(config.device) as here:
        if config.batch % here.world:
            raise UsageError(
                f"{here.world} processes cannot share {config.batch} pieces evenly. "
                f"Give --batch {here.world * max(config.batch // here.world, 1)}"
            )
        return fit(config, here, console)


def fit(config: TrainSpeechConfig, here: Ranks, console: Console) -> Mapping[str, object]:
    """Train to the end, or as long as there is time; return where the network is."""
    voices = voice_sources.open_voices(config.data, frames=config.frames)
    check = voice_sources.open_voices([config.check], frames=config.frames) if config.check else None
    network = beginner(config, voices).to(here.device).train().requires_grad_(True)
    ranks.broadcast_from_first(network)
    average = ema.twin(network)
    optimiser = torch.optim.AdamW(network.parameters(), lr=config.rate, weight_decay=config.decay)
    parts: dict[str, Stateful] = {"network": network, "average": average, "optimiser": optimiser}
    teaching = teaching_of(config, voices, here.device)
    about = {"trainer": "speech", **asdict(config)}
    kind = files.MOUTH if isinstance(network, MouthNet) else files.EXPRESSION
    path = config.output / f"{kind.name}.safetensors"
    with contextlib.closing(Run(run_config(config), about, parts, here, console, may_change=LOOSE)) as run:
        run.restore()
        with contextlib.closing(stream_of(config, voices, here, run.images, console)) as stream:
            while not run.finished(config.steps):
                values = speech_learning.learn(
                    config, network, optimiser, next(stream), teaching, run.step, here
                )
                ranks.average_buffers(network)
                ema.follow(average, network, min(REMEMBERED, (1 + run.step) / (10 + run.step)))
                run.advance(config.batch)
                run.log({**values, "damaged clips": float(len(stream.damaged))})
                if check is not None and isinstance(average, MouthNet):
                    speech_watch.watch(config, run, average, check, here)
        said = {"trained on": [one.name for one in config.data], "steps": run.step, "pieces": run.images}
        ranks.on_first(here, lambda: save(path, average, said))
    return {"output": str(path), "steps": run.step, "images": run.images}


def save(path: Path, network: MouthNet | ExpressionNet, about: Mapping[str, object]) -> None:
    """Write a network of either kind."""
    if isinstance(network, MouthNet):
        files.save(path, files.MOUTH, network, about=about)
    else:
        files.save(path, files.EXPRESSION, network, about=about)


def beginner(config: TrainSpeechConfig, voices: Voices) -> MouthNet | ExpressionNet:
    """Return a new network, the same on all processes, or the one to begin with."""
    if config.network == "published":
        wanted = ExpressionConfig(
            basis=voices.basis, expressions=voices.modes, names=voices.names, widths=config.widths
        )
        return _begun(config, ExpressionNet, wanted, files.EXPRESSION)
    told = tuple(voices.names.index(name) for name in HEARD if name in voices.names)
    mouth = MouthConfig(
        basis=voices.basis,
        modes=voices.modes,
        told=told or tuple(range(voices.modes)),
        names=voices.names,
        is_weights=bool(told),
        delays=tuple(sorted(set(config.delays))),
        sizes=config.sizes,
    )
    network = _begun(config, MouthNet, mouth, files.MOUTH)
    if config.start is None:
        mean, spread = usual(voices, mouth.told, config.seed)
        network.mean.copy_(mean)
        network.spread.copy_(spread)
    return network


def _begun(config: TrainSpeechConfig, make: Callable[[C], N], wanted: C, kind: Kind[N]) -> N:
    if config.start is not None:
        network = files.load(kind, config.start).requires_grad_(True)
        if network.config != wanted:
            raise UsageError(
                f"{config.start} holds a network of other sizes ({network.config}). Ask for the same, or "
                "begin without it."
            )
        return network
    with torch.random.fork_rng():
        torch.random.set_rng_state(torch.Generator().manual_seed(config.seed).get_state())
        return make(wanted)


def usual(
    voices: Voices, told: tuple[int, ...], seed: int
) -> tuple[Float[Tensor, " k"], Float[Tensor, " k"]]:
    """Return mean and spread of modes in some pieces, picked by the seed alone."""
    order = Order(count=voices.count, batch=1, seed=seed)
    found = speech_stream.speech_stream(voices, (0,), voice_changes.NONE, order)
    every = [next(found).expression[0][:, list(told)] for _ in range(min(LOOKED_AT, voices.count))]
    found.close()
    rows = torch.cat(every)
    return rows.mean(0), rows.std(0).clamp(min=1e-3)


def teaching_of(config: TrainSpeechConfig, voices: Voices, device: torch.device) -> Teaching:
    """Return what a network is held against besides the truth: the head's points, and a network for sync."""
    places: Tensor | None = None
    told = tuple(range(voices.modes))
    if config.head and config.places_weight:
        head = models.open_model(config.head)
        if head.name == voices.basis:
            found = speech_losses.visible_places(head, told, eyes_share=config.eyes_share)
            places = found.to(device)
    sync: SyncNet | None = None
    if config.sync is not None:
        sync = trained.load(SYNC, config.sync).to(device)
        if missing := set(sync.config.names) - set(voices.names):
            raise UsageError(f"{config.sync} watches {', '.join(sorted(missing))}, which this speech lacks.")
    return Teaching(places=places, sync=sync, names=voices.names)


def stream_of(
    config: TrainSpeechConfig, voices: Voices, here: Ranks, seen: int, console: Console
) -> OrderedStream[SpeechBatch]:
    """Return the stream of pieces of this process, after so many that all have seen."""
    order = Order.shared(voices.count, config, here, seen)
    delays = config.delays if config.network == "own" else (0,)
    return speech_stream.speech_stream(voices, delays, config.changes, order, console)
