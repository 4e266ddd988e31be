"""Training our own network that moves heads: ``phiz train head-motion``.

Synthetic voices teach it, whose heads follow what is known of speakers' (`phiz.world.voices.heads`), or
people who were filmed. It draws twice for each piece of sound and is held to the energy score, so that it
learns how heads may move, not how they move on average.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from phiz import trained
from phiz.console import Console
from phiz.errors import UsageError
from phiz.layers import ema
from phiz.speech.head_motion import BEFORE, HEAD
from phiz.speech.head_network import HeadConfig, HeadNet, Heard, at_start, coloured
from phiz.train import head_motion_losses, head_motion_stream, ranks, rates, voice_changes
from phiz.train.head_motion_config import TrainHeadMotionConfig
from phiz.train.head_motion_stream import DRAWS, HeadBatch, Speakers, lateness
from phiz.train.ordered_stream import Order, OrderedStream
from phiz.train.ranks import Ranks
from phiz.train.run import Run, Stateful, run_config

LOOSE = frozenset("workers data start remembered".split())
"""Settings that may be others when a training goes on."""
REMEMBERED = 0.998
"""Share of the average network that stays at each step."""
LOOKED_AT = 64
"""Pieces whose poses are averaged before a training begins."""


def train_head_motion(config: TrainHeadMotionConfig, console: Console) -> Mapping[str, object]:
    """Train our own network that moves heads while they speak.

    Interrupted, it goes on from its last snapshot when the same command is given again. On many GPUs:
    torchrun --nproc-per-node 8 -m phiz.cli train head-motion ...

    Examples:
        phiz world voices -o voices --hours 6
        phiz train head-motion --data voices -o runs/head-motion --minutes 30
    """
    if config.data is None:
        raise UsageError("say where the speech is: phiz train head-motion --data DIR")
    with ranks.start(config.device) as here:
        if config.batch % here.world:
            raise UsageError(
                f"{here.world} processes cannot share {config.batch} pieces evenly. "
                f"Give --batch {here.world * max(config.batch // here.world, 1)}"
            )
        return fit(config, config.data, here, console)


def fit(config: TrainHeadMotionConfig, data: Path, here: Ranks, console: Console) -> Mapping[str, object]:
    """Train to the end, or as long as there is time; return where the network is."""
    speakers = head_motion_stream.open_speakers(data, frames=config.frames, remembered=config.remembered)
    network = beginner(config, speakers).to(here.device).train().requires_grad_(True)
    ranks.broadcast_from_first(network)
    average = ema.twin(network)
    optimiser = torch.optim.AdamW(network.parameters(), lr=config.rate, weight_decay=config.decay)
    parts: dict[str, Stateful] = {"network": network, "average": average, "optimiser": optimiser}
    about = {"trainer": "head-motion", **asdict(config)}
    path = config.output / f"{HEAD.name}.safetensors"
    with contextlib.closing(Run(run_config(config), about, parts, here, console, may_change=LOOSE)) as run:
        run.restore()
        with contextlib.closing(stream_of(config, speakers, here, run.images, console)) as stream:
            while not run.finished(config.steps):
                values = learn(config, network, optimiser, next(stream), run.step, here)
                ema.follow(average, network, min(REMEMBERED, (1 + run.step) / (10 + run.step)))
                run.advance(config.batch)
                run.log({**values, "damaged clips": float(len(stream.damaged))})
        said = {"trained on": data.name, "steps": run.step, "pieces": run.images}
        ranks.on_first(here, lambda: trained.save(path, HEAD, average, about=said))
    return {"output": str(path), "steps": run.step, "images": run.images}


def beginner(config: TrainHeadMotionConfig, speakers: Speakers) -> HeadNet:
    """Return a new network, the same on all processes, or the one to begin with."""
    wanted = HeadConfig(styles=speakers.styles, sizes=config.sizes)
    if config.start is not None:
        network = trained.load(HEAD, config.start)
        if network.config != wanted:
            raise UsageError(
                f"{config.start} holds a network of other sizes or styles ({network.config}). Ask for the "
                "same, or begin without it."
            )
        return network
    with torch.random.fork_rng():
        torch.random.set_rng_state(torch.Generator().manual_seed(config.seed).get_state())
        network = HeadNet(wanted)
    poses = looked_at(config, speakers)
    rows = poses.flatten(0, 1)
    network.mean.copy_(rows.mean(0))
    network.spread.copy_(rows.std(0).clamp(min=1e-5))
    network.pace.copy_(head_motion_losses.speeds(poses).flatten(0, 1).std(0).clamp(min=1e-6))
    return network


def looked_at(config: TrainHeadMotionConfig, speakers: Speakers) -> Float[Tensor, "b t 6"]:
    """Return the poses of some pieces, picked by the seed alone."""
    order = Order(count=speakers.count, batch=1, seed=config.seed)
    chance = config.sizes.chance
    stream = head_motion_stream.head_stream(speakers, (0,), chance, voice_changes.NONE, order)
    with contextlib.closing(stream) as found:
        return torch.cat([next(found).poses for _ in range(min(LOOKED_AT, speakers.count))])


def stream_of(
    config: TrainHeadMotionConfig, speakers: Speakers, here: Ranks, seen: int, console: Console
) -> OrderedStream[HeadBatch]:
    """Return the stream of pieces of this process, after so many that all have seen."""
    order = Order.shared(speakers.count, config, here, seen)
    return head_motion_stream.head_stream(
        speakers, config.delays, config.sizes.chance, config.changes, order, console
    )


def learn(
    config: TrainHeadMotionConfig,
    network: HeadNet,
    optimiser: torch.optim.Optimizer,
    batch: HeadBatch,
    step: int,
    here: Ranks,
) -> dict[str, float | Float[Tensor, ""]]:
    """Take a step; return what was measured."""
    rate = rate_at(config, step)
    for group in optimiser.param_groups:
        group["lr"] = rate
    batch = batch.to(here.device)
    made, accent, talking = drawn(network, batch)
    # What was heard before the first frame that may be told late is not known.
    first = lateness(max(config.delays))
    one, other, true = (
        (poses[:, first:] - network.mean) / network.spread for poses in (*made.unbind(1), batch.poses)
    )
    unit = network.spread / network.pace
    a, b, c = (unit * head_motion_losses.speeds(poses) for poses in (one, other, true))
    losses = {
        "loss/poses": head_motion_losses.trajectories(one, other, true, config.poses_at),
        "loss/speeds": head_motion_losses.trajectories(a, b, c, config.speeds_at),
        "loss/labels": head_motion_losses.labels_apart(accent, talking, batch.about, batch.is_labelled),
    }
    weights = (config.poses_weight, config.speeds_weight, config.labels_weight)
    total = torch.stack([w * value for w, value in zip(weights, losses.values(), strict=True)]).sum()
    optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward(total)
    ranks.average_gradients(network.parameters())
    norm = nn.utils.clip_grad_norm_(network.parameters(), config.clip)
    optimiser.step()
    with torch.no_grad():
        # Both are 1 where heads move as far, and as fast, as those that are learned from.
        measured = {
            "movement": one.std() / true.std().clamp(min=1e-6),
            "speed": a.std() / c.std().clamp(min=1e-6),
        }
    shown = {name: value.detach() for name, value in losses.items()}
    return {**shown, **measured, "norm": norm, "rate": rate}


def drawn(
    network: HeadNet, batch: HeadBatch
) -> tuple[Float[Tensor, "b d t 6"], Float[Tensor, "b t"], Float[Tensor, "b t"]]:
    """Return what the network makes of each draw of chance, and what it says of accents and talk."""
    heard, _ = network.hear(batch.windows, batch.delay)
    white = batch.white.flatten(0, 1)  # (b * d, n, c)
    chance, _ = coloured(white[:, BEFORE:], at_start(white[:, :BEFORE]))
    twice = Heard(*(part.repeat_interleave(DRAWS, dim=0) for part in heard))
    poses, _ = network.move(twice, batch.style.repeat_interleave(DRAWS, dim=0), chance)
    return poses.reshape(-1, DRAWS, *poses.shape[1:]), heard.accent, heard.talking


def rate_at(config: TrainHeadMotionConfig, step: int) -> float:
    """Return the learning rate of a step: it rises along a line, stays, and falls along half a cosine."""
    return rates.rise_stay_and_fall(
        config.rate, step, config.steps, warm=config.warm_steps, cool_share=config.cool_share
    )
