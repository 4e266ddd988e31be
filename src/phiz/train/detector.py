"""Training a detector: ``phiz train detector``.

Pictures are crowds put together from single rendered people (`phiz.train.crowds`); the detector that comes
with phiz has never seen a photo.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from dataclasses import asdict

import torch
from jaxtyping import Float
from torch import Tensor, nn

from phiz.console import Console
from phiz.errors import PhizError, UsageError
from phiz.face import network_files
from phiz.face.detect_network import FaceFinder
from phiz.face.network_files import DETECTOR
from phiz.layers import ema, residual
from phiz.media import image
from phiz.train import detector_watch, pull, ranks
from phiz.train.detector_config import TrainDetectorConfig
from phiz.train.detector_losses import detector_loss
from phiz.train.detector_stream import CrowdStreamConfig, DetectorBatch, crowd_stream
from phiz.train.ordered_stream import OrderedStream
from phiz.train.ranks import Ranks
from phiz.train.run import Run, Stateful, run_config

LOOSE = frozenset("workers remembered picture_every measure_every measure_count data check start".split())
"""Settings that may be others when a training goes on."""


def train_detector(config: TrainDetectorConfig, console: Console) -> Mapping[str, object]:
    """Train a detector, which finds faces and five points of each.

    Interrupted, it goes on from its last snapshot when the same command is given again. On many GPUs:
    torchrun --nproc-per-node 8 -m phiz.cli train detector ...

    Examples:
        phiz world shards -o people --count 12000 --per-person 2
        phiz world shards -o strangers --count 600 --seed 12
        phiz train detector --data people --check strangers -o runs/detector
    """
    if config.data is None:
        raise UsageError("say where the rendered people are: phiz train detector --data DIR")
    with ranks.start(config.device) as here:
        check_share(config, here)
        try:
            return fit(config, here, console)
        except torch.OutOfMemoryError as error:
            raise PhizError(
                "the memory of the GPU is too small for this training. "
                f"Try --batch {max(config.batch // 2, 2 * here.world)}, then smaller --sides."
            ) from error


def check_share(config: TrainDetectorConfig, here: Ranks) -> None:
    """Refuse a batch of which some processes would see more than others, or less than two pictures."""
    if config.batch % here.world or config.batch < 2 * here.world:
        fitting = here.world * max(config.batch // here.world, 2)
        raise UsageError(
            f"{here.world} processes cannot share a batch of {config.batch} evenly, with at least 2 pictures "
            f"each. Give --batch {fitting}"
        )


def fit(config: TrainDetectorConfig, here: Ranks, console: Console) -> Mapping[str, object]:
    """Train to the end, or as long as there is time; return where the detector is."""
    network = beginner(config)
    network.to(here.device).train().requires_grad_(True)
    ranks.broadcast_from_first(network)
    average = ema.twin(network)
    optimiser = optimiser_of(config, network)
    parts: dict[str, Stateful] = {"detector": network, "average": average, "optimiser": optimiser}
    about = {"trainer": "detector", **asdict(config)}
    path = config.output / f"{DETECTOR.name}.safetensors"
    with contextlib.closing(Run(run_config(config), about, parts, here, console, may_change=LOOSE)) as run:
        run.restore()
        stream = crowd_pictures(config, here, run.images, console)
        with contextlib.closing(stream):
            while not run.finished(config.steps):
                values = learn(config, network, optimiser, next(stream), run.step, here)
                ranks.average_buffers(network)
                ema.follow(average, network, kept(config, run.images))
                run.advance(config.batch)
                run.log({**values, "damaged pictures": float(len(stream.damaged))})
                detector_watch.watch(config, run, average, here)
        said = {"trained on": config.data.name if config.data else "", "steps": run.step}
        ranks.on_first(here, lambda: network_files.save(path, DETECTOR, average, about=said))
    return {"output": str(path), "steps": run.step, "images": run.images}


def beginner(config: TrainDetectorConfig) -> FaceFinder:
    """Return a new detector, the same on all processes, or the one to begin with."""
    if config.start is not None:
        network = network_files.load(DETECTOR, config.start)
        if network.config != config.detector:
            raise UsageError(
                f"{config.start} holds a detector of other sizes ({network.config}). Ask for the same with "
                "--preset and --detector, or begin without it."
            )
        return network
    with torch.random.fork_rng():
        torch.random.set_rng_state(torch.Generator().manual_seed(config.seed).get_state())
        network = FaceFinder(config.detector)
        residual.start(list(network.modules()), torch.Generator().manual_seed(config.seed))
        network.begin()
    return network


def optimiser_of(config: TrainDetectorConfig, network: nn.Module) -> torch.optim.Optimizer:
    """Return the optimiser; it pulls convolutions towards zero, and nothing else."""
    settings = pull.groups(network.parameters(), config.weight_decay)
    return torch.optim.AdamW(settings, lr=config.rate, betas=(0.9, 0.99))


def learn(
    config: TrainDetectorConfig,
    network: FaceFinder,
    optimiser: torch.optim.Optimizer,
    batch: DetectorBatch,
    step: int,
    here: Ranks,
) -> dict[str, float | Float[Tensor, ""]]:
    """Take a step; return what was measured."""
    rate = rate_at(config, step)
    for group in optimiser.param_groups:
        group["lr"] = rate
    pictures = image.from_bytes(batch.images.to(here.device).movedim(1, -1))
    # Channels innermost: on a processor convolutions learn a fifth faster.
    pictures = pictures.contiguous(memory_format=torch.channels_last)
    boxes, points, sorts = (one.to(here.device) for one in (batch.boxes, batch.points, batch.sorts))
    optimiser.zero_grad(set_to_none=True)
    with torch.autocast(here.device.type, torch.bfloat16, enabled=config.precision == "bfloat16"):
        told = network(pictures)
    losses = detector_loss(told, boxes, points, sorts, pictures.shape[-1])
    torch.autograd.backward(torch.stack(list(losses.values())).sum())
    ranks.average_gradients(network.parameters())
    length = nn.utils.clip_grad_norm_(network.parameters(), config.clip)
    optimiser.step()
    return {**{f"loss/{name}": value for name, value in losses.items()}, "gradient": length, "rate": rate}


def rate_at(config: TrainDetectorConfig, step: int) -> float:
    """Return the learning rate of a step: it rises in a line, then falls like half a wave."""
    rise = min((step + 1) / max(config.warm_steps, 1), 1.0)
    share = min(step / config.steps, 1.0)
    fall = config.last + (1 - config.last) * (1 + math.cos(math.pi * share)) / 2
    return config.rate * rise * fall


def kept(config: TrainDetectorConfig, images: int) -> float:
    """Return what share of the average of networks survives a step; nothing without an average."""
    if config.half_life <= 0:
        return 0.0
    return ema.share_kept(config.batch, config.half_life, images, 0.1)


def crowd_pictures(
    config: TrainDetectorConfig, here: Ranks, seen: int, console: Console
) -> OrderedStream[DetectorBatch]:
    """Return the stream of pictures of this process, after so many that all have seen."""
    assert config.data is not None
    wanted = CrowdStreamConfig(
        data=config.data,
        crowds=config.crowds,
        changes=config.changes,
        sides=config.sides,
        whole=config.batch,
        remembered=config.remembered,
        workers=config.workers,
        seed=config.seed,
    )
    return crowd_stream(wanted, rank=here.rank, world=here.world, seen=seen, console=console)
