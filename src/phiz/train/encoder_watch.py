"""How far an encoder has come: errors on people it never sees, and sheets to look at."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.avatar.encoder_network import EncoderNet, Told
from phiz.generator.generator import Generator
from phiz.layers.folding import folded
from phiz.layers.perceptual import perceptual_distance
from phiz.train import state
from phiz.train.encoder_batches import EncoderBatch, batch_of, sitting
from phiz.train.encoder_config import CHANGES, FrameChanges, TrainEncoderConfig
from phiz.train.encoder_losses import psnr, redrawn
from phiz.train.encoder_samples import Samples, chance_of, draw, subjects
from phiz.train.photo_changes import NONE
from phiz.train.ranks import Ranks
from phiz.train.run import Run
from phiz.train.sitters import Sitters

MEASURED = 22
"""What random bits of people who are measured are for."""
STILL = FrameChanges(shift=0.0, scale=0.0, turn_deg=0.0)
AT_ONCE = 8
SHOWN = 8


def watch(
    config: TrainEncoderConfig, run: Run, encoder: EncoderNet, generator: Generator, here: Ranks
) -> None:
    """Keep a sheet and take a measurement where it is time for them."""
    if not (run.due(config.picture_every) or run.due(config.measure_every)):
        return
    size = config.encoder.size
    if run.due(config.picture_every) and here.is_first:
        for name, samples in known(config, generator, SHOWN).items():
            for title, batch in (("plain", as_it_is(samples)), ("changed", as_photos(samples))):
                shown = batch.to(here.device)
                run.picture(f"{name}-{title}", sheet(folded(encoder), generator, shown.pictures, size))
    if run.due(config.measure_every):
        found = state.from_first(here, lambda: measured(config, encoder, generator, here.device))
        run.log(found, always=True)


def known(config: TrainEncoderConfig, generator: Generator, count: int) -> Mapping[str, Samples]:
    """Return pictures of people who are never learned from: drawn ones, and rendered ones to check by."""
    size = config.encoder.size
    chance = chance_of(config.seed, MEASURED)
    who = subjects(generator.config, count, 1, chance)
    found = {"drawn": Samples(layers=draw(generator, who, 1, size), who=who)}
    if config.check is not None:
        sitters = Sitters(config.check)
        found["rendered"] = sitting(sitters, 0, 0, min(count, sitters.people), size, rank=0, world=1)
    return found


def as_it_is(samples: Samples) -> EncoderBatch:
    """Return samples as a batch, not changed at all."""
    return batch_of(samples, NONE, STILL, seed=0, first=0)


def as_photos(samples: Samples) -> EncoderBatch:
    """Return samples as a batch, changed as in training."""
    return batch_of(samples, CHANGES, FrameChanges(), seed=0, first=0)


def measured(
    config: TrainEncoderConfig, encoder: EncoderNet, generator: Generator, device: torch.device
) -> dict[str, float]:
    """Return how wrong an encoder is about pictures as they are and as photos."""
    found: dict[str, float] = {}
    for name, samples in known(config, generator, config.measure_count).items():
        for title, batch in (("", as_it_is(samples)), (" as photos", as_photos(samples))):
            values = measure(encoder, generator, batch.to(device))
            found |= {f"{name}{title}/{key}": value for key, value in values.items()}
    return found


@torch.no_grad()
def measure(encoder: EncoderNet, generator: Generator, batch: EncoderBatch) -> dict[str, float]:
    """Return how wrong an encoder is about a batch.

    "w" is the distance of styles from the true ones, in shares of what the mean style's would be.
    """
    ready, size = folded(encoder), batch.true.shape[-1]
    count = len(batch.pictures)
    parts = [slice(first, first + AT_ONCE) for first in range(0, count, AT_ONCE)]
    told = joined([ready(batch.pictures[part]) for part in parts])
    made = torch.cat([redrawn(generator, told[part], size) for part in parts])
    w = generator.styles(batch.who.z)[:, :1]
    far = (told.styles - w).square().sum() / told.styles.shape[1]
    angles = torch.stack([told.yaw, told.pitch], dim=1)
    yaw, pitch = torch.rad2deg((angles - batch.who.angles).abs().mean(dim=0)).tolist()
    head = batch.cover
    on_head = batch.true * head + made * (1 - head)
    return {
        "w": float((far / (w[:, 0] - encoder.middle).square().sum()).sqrt()),
        "PSNR": float(psnr(made, batch.true).mean()),
        "PSNR head": float((psnr(made, on_head) + 10 * head.mean((1, 2, 3)).log10()).mean()),
        "perceptual": float(perceptual_distance(made.clamp(-1, 1), batch.true).mean()),
        "yaw deg": yaw,
        "pitch deg": pitch,
    }


def joined(parts: list[Told]) -> Told:
    """Return what was told of several batches as one."""
    names = ("styles", "background", "yaw", "pitch")
    return Told(**{name: torch.cat([getattr(one, name) for one in parts]) for name in names})


@torch.no_grad()
def sheet(
    encoder: EncoderNet, generator: Generator, pictures: Float[Tensor, "b 3 h w"], size: int
) -> Float[Tensor, "3 h2 w2"]:
    """Return a sheet: pictures above, and below what the generator draws from what is told of them."""
    told = encoder(pictures)
    made = torch.cat(
        [
            redrawn(generator, told[first : first + AT_ONCE], size)
            for first in range(0, len(pictures), AT_ONCE)
        ]
    )
    rows = [torch.cat(list(one.unbind(0)), dim=-1) for one in (pictures, made)]
    return torch.cat(rows, dim=-2).clamp(-1, 1)
