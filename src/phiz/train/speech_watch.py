"""What is looked at while a network learns to hear: how well mouths of others are told, and their curves."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from phiz.speech import hearing
from phiz.speech.hearing import Told
from phiz.speech.mouth_network import MouthNet
from phiz.train import speech_stream, state
from phiz.train.ranks import Ranks
from phiz.train.run import Run
from phiz.train.speech_config import TrainSpeechConfig
from phiz.train.voice_sources import Voices

SHUT = 0.04
"""Lips nearer than this, in weights of jawOpen, are shut."""
NEAR = 1
"""Frames about one that is labelled shut in which lips may meet."""


def watch(config: TrainSpeechConfig, run: Run, network: MouthNet, voices: Voices, here: Ranks) -> None:
    """Take a measurement where it is time for one."""
    if not run.due(config.measure_every):
        return
    found = state.from_first(here, lambda: measure(network, voices, config.measure_count, config.delays))
    run.log(found, always=True)


@torch.no_grad()
def measure(network: MouthNet, voices: Voices, count: int, delays: tuple[int, ...]) -> Mapping[str, float]:
    """Return how well others' mouths are told with the longest and the shortest delay."""
    values: dict[str, list[float]] = {}
    for number in np.linspace(0, voices.count - 1, min(count, voices.count)).round().astype(int):
        speech = voices.read(int(number), np.random.default_rng(0))
        one = speech_stream.prepared(speech, speech.mel, 0)
        for delay in {min(delays), max(delays)}:
            ear = hearing.listen(network, delay=delay)
            told = hearing.joined([ear.push(one.windows), ear.finish()])
            labels = one.labels if one.is_labelled else None
            for name, value in compared(told, one.expression, labels, network.config.names).items():
                values.setdefault(f"others/{name} at {delay}", []).append(value)
    return {name: float(np.mean(some)) for name, some in values.items()}


def compared(
    told: Told, true: Float[Tensor, "t e"], labels: Int[Tensor, "t 3"] | None, names: tuple[str, ...]
) -> dict[str, float]:
    """Return measures of one piece; those that need names or labels are left out without."""
    found: dict[str, float] = {}
    if "jawOpen" in names and "mouthClose" in names:
        ours, theirs = (opening(e, names) for e in (told.expression, true))
        if float(theirs.std()) > 1e-3:
            found["opening r"] = correlation(ours, theirs)
        if labels is not None:
            is_shut = labels[:, 1] == 1
            near = -torch.nn.functional.max_pool1d(-ours[None, None], 2 * NEAR + 1, 1, NEAR)[0, 0]
            if bool(is_shut.any()):
                found["closures found"] = float((near[is_shut] < SHUT).float().mean())
    else:
        moving = true.std(0) > 1e-3
        each = [correlation(told.expression[:, k], true[:, k]) for k in moving.nonzero()[:, 0].tolist()]
        if each:
            found["modes r"] = float(np.mean(each))
    if labels is not None:
        found["talk told"] = float(((told.talking > 0.5) == (labels[:, 2] == 1)).float().mean())
    return found


def opening(expression: Float[Tensor, "t e"], names: tuple[str, ...]) -> Float[Tensor, " t"]:
    """Return how far lips are apart."""
    jaw, close = (expression[:, names.index(name)] for name in ("jawOpen", "mouthClose"))
    return (jaw - close).clamp(min=0)


def correlation(one: Float[Tensor, " t"], other: Float[Tensor, " t"]) -> float:
    """Return Pearson's r of two curves, 0 where one does not move."""
    a, b = one - one.mean(), other - other.mean()
    return float((a * b).sum() / (a.norm() * b.norm()).clamp(min=1e-9))
