"""One step of a network that hears: what it says of a batch, held against the truth."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from phiz.speech import sync_network
from phiz.speech.encoder import heard
from phiz.speech.expression import ExpressionNet
from phiz.speech.mouth_network import MouthNet
from phiz.speech.sync_network import SyncNet
from phiz.train import ranks, rates, speech_losses
from phiz.train.ranks import Ranks
from phiz.train.speech_config import TrainSpeechConfig
from phiz.train.speech_stream import SpeechBatch

SMALLEST = 0.02
"""Spreads below this are taken for it: modes that hardly move do not count for more."""


@dataclass(frozen=True, kw_only=True)
class Teaching:
    """What a network is held against besides the truth."""

    names: tuple[str, ...]
    """Of all modes, where they have names."""
    places: Float[Tensor, "e p"] | None = None
    """Where each mode moves the points of mouth and eyes."""
    sync: SyncNet | None = None


def learn(
    config: TrainSpeechConfig,
    network: MouthNet | ExpressionNet,
    optimiser: torch.optim.Optimizer,
    batch: SpeechBatch,
    teaching: Teaching,
    step: int,
    here: Ranks,
) -> dict[str, float | Float[Tensor, ""]]:
    """Take a step; return what was measured."""
    rate = rate_at(config, step)
    for group in optimiser.param_groups:
        group["lr"] = rate
    batch = moved(batch, here.device)
    if isinstance(network, MouthNet):
        losses = of_mouth(config, network, batch, teaching)
    else:
        losses = of_published(config, network, batch, teaching)
    total = torch.stack(list(losses.values())).sum()
    optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward(total)
    ranks.average_gradients(network.parameters())
    norm = nn.utils.clip_grad_norm_(network.parameters(), config.clip)
    optimiser.step()
    return {**{f"loss/{name}": value.detach() for name, value in losses.items()}, "norm": norm, "rate": rate}


def of_mouth(
    config: TrainSpeechConfig, network: MouthNet, batch: SpeechBatch, teaching: Teaching
) -> dict[str, Float[Tensor, ""]]:
    """Return what our network has to lessen, each with its weight."""
    told, _ = network(batch.windows, batch.delay)
    known = list(network.config.told)
    losses = of_modes(config, told.modes, batch, teaching, known, network.spread)
    if config.labels_weight and bool(batch.is_labelled.any()):
        is_known = batch.is_known & batch.is_labelled[:, None]
        losses["labels"] = config.labels_weight * speech_losses.labels_apart(told, batch.labels, is_known)
    else:
        # Every parameter has a gradient in every step, so that processes can share them.
        losses["labels"] = 0.0 * sum(part.sum() for part in told[1:])
    if teaching.sync is not None:
        whole = network.among_all(told.modes)
        late = sync_network.chosen(whole, teaching.names, teaching.sync.config)
        agreed = [
            sync_network.agreement(teaching.sync, sound[None, : len(sound) - d], mouth[None, d:]).mean()
            for sound, mouth, d in zip(batch.windows, late, batch.delay.tolist(), strict=True)
        ]
        losses["sync"] = config.sync_weight * (1 - torch.stack(agreed).mean())
    return losses


def of_published(
    config: TrainSpeechConfig, network: ExpressionNet, batch: SpeechBatch, teaching: Teaching
) -> dict[str, Float[Tensor, ""]]:
    """Return the same for the published network, which starts from the first frame's expression."""
    count, frames = batch.windows.shape[:2]
    start = batch.expression[:, :1].expand(-1, frames, -1).flatten(0, 1)
    sounds = heard(network.audio_encoder, batch.windows.flatten(0, 1))
    told = network.mapped(sounds, start, lids(batch, teaching.names).reshape(-1, 1))
    told = told.reshape(count, frames, -1)
    spread = batch.expression.flatten(0, 1).std(0).clamp(min=SMALLEST)
    every = list(range(network.config.expressions))
    return of_modes(config, told, batch, teaching, every, spread)


def of_modes(
    config: TrainSpeechConfig,
    told: Float[Tensor, "b t k"],
    batch: SpeechBatch,
    teaching: Teaching,
    known: list[int],
    spread: Float[Tensor, " k"],
) -> dict[str, Float[Tensor, ""]]:
    """Return what modes have to lessen: their distance, that of their changes, that of points they move."""
    true, spread = batch.expression[..., known], spread.clamp(min=SMALLEST)
    losses = {
        "modes": config.modes_weight * speech_losses.modes_apart(told, true, spread, batch.is_known),
        "speed": config.speed_weight * speech_losses.speeds_apart(told, true, spread, batch.is_known),
    }
    if teaching.places is not None:
        places = teaching.places[known]
        scale = (true.flatten(0, 1) - true.flatten(0, 1).mean(0)) @ places
        places = places / scale.square().mean().sqrt().clamp(min=1e-3)
        apart = speech_losses.places_apart(told, true, places, batch.is_known)
        losses["places"] = config.places_weight * apart
    return losses


def lids(batch: SpeechBatch, names: tuple[str, ...]) -> Float[Tensor, "b t"]:
    """Return how far lids are closed, where a face has names for that; otherwise not at all."""
    found = [names.index(name) for name in ("eyeBlinkLeft", "eyeBlinkRight") if name in names]
    if not found:
        return torch.zeros_like(batch.expression[..., 0])
    return batch.expression[..., found].mean(dim=2)


def moved(batch: SpeechBatch, device: torch.device) -> SpeechBatch:
    """Return a batch on a device."""
    return SpeechBatch(
        windows=batch.windows.to(device),
        expression=batch.expression.to(device),
        labels=batch.labels.to(device),
        delay=batch.delay.to(device),
        is_known=batch.is_known.to(device),
        is_labelled=batch.is_labelled.to(device),
    )


def rate_at(config: TrainSpeechConfig, step: int) -> float:
    """Return the learning rate of a step: it rises along a line, stays, and falls along half a cosine."""
    return rates.rise_stay_and_fall(
        config.rate, step, config.steps, warm=config.warm_steps, cool_share=config.cool_share
    )
