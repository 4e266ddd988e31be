"""Training a network that finds the points of a face: ``phiz train landmarks``.

Rendered people alone teach it: their surface is known everywhere, behind hair and hands as well. Each point
is told with the width of its error (a likelihood, not a distance), so that what cannot be seen does not spoil
what can.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn
from torch.nn import functional

from phiz.console import Console
from phiz.errors import UsageError
from phiz.face import network_files
from phiz.face.landmarks import SPARSE, LandmarkNet
from phiz.face.network_files import LANDMARKS
from phiz.layers import ema, residual
from phiz.media import image
from phiz.train import landmarks_watch, marked_people, pull, ranks, rates
from phiz.train.landmarks_config import TrainLandmarksConfig
from phiz.train.marked_people import Example, MarkedPeople
from phiz.train.ordered_stream import Damaged, Order, OrderedStream, Reader
from phiz.train.ranks import Ranks
from phiz.train.run import Run, Stateful, run_config

LOOSE = frozenset("workers picture_every measure_every measure_count data check start remembered".split())
"""Settings that may be others when a training goes on."""


@dataclass(frozen=True, kw_only=True)
class PointBatch:
    """Crops to learn from, as bytes, and the truth in half sides from the middle."""

    pictures: UInt8[Tensor, "b 3 s s"]
    points: Float[Tensor, "b n 2"]
    is_face: Bool[Tensor, " b"]
    damaged: Damaged = ()


def train_landmarks(config: TrainLandmarksConfig, console: Console) -> Mapping[str, object]:
    """Train a network that finds the points of a face.

    Interrupted, it goes on from its last snapshot when the same command is given again. On many GPUs:
    torchrun --nproc-per-node 8 -m phiz.cli train landmarks ...

    Examples:
        phiz world shards -o people --count 20000 --per-person 2
        phiz train landmarks --data people -o runs/landmarks --minutes 60
    """
    if config.data is None:
        raise UsageError("say where the rendered people are: phiz train landmarks --data DIR")
    with ranks.start(config.device) as here:
        if config.batch % here.world or config.batch < 2 * here.world:
            raise UsageError(
                f"{here.world} processes cannot share {config.batch} crops evenly, with at least 2 "
                f"each. Give --batch {here.world * max(config.batch // here.world, 2)}"
            )
        return fit(config, config.data, here, console)


def fit(config: TrainLandmarksConfig, data: Path, here: Ranks, console: Console) -> Mapping[str, object]:
    """Train to the end, or as long as there is time; return where the network is."""
    people = marked_people.open_marked(data, remembered=config.remembered)
    network = beginner(config)
    network.to(here.device).train().requires_grad_(True)
    ranks.broadcast_from_first(network)
    average = ema.twin(network)
    optimiser = optimiser_of(config, network)
    parts: dict[str, Stateful] = {"network": network, "average": average, "optimiser": optimiser}
    about = {"trainer": "landmarks", **asdict(config)}
    path = config.output / f"{LANDMARKS.name}.safetensors"
    with contextlib.closing(Run(run_config(config), about, parts, here, console, may_change=LOOSE)) as run:
        run.restore()
        with contextlib.closing(crops(config, people, here, run.images, console)) as stream:
            while not run.finished(config.steps):
                values = learn(config, network, optimiser, next(stream), run.step, here)
                ranks.average_buffers(network)
                ema.follow(average, network, kept(config, run.images))
                run.advance(config.batch)
                run.log({**values, "damaged pictures": float(len(stream.damaged))})
                landmarks_watch.watch(config, run, average, people, here)
        said = {"trained on": data.name, "steps": run.step, "crops": run.images}
        ranks.on_first(here, lambda: network_files.save(path, LANDMARKS, average, about=said))
    return {"output": str(path), "steps": run.step, "images": run.images}


def beginner(config: TrainLandmarksConfig) -> LandmarkNet:
    """Return a new network, the same on all processes, or the one to begin with."""
    if config.start is not None:
        network = network_files.load(LANDMARKS, config.start)
        if network.config != config.landmarks:
            raise UsageError(
                f"{config.start} holds a network of other sizes ({network.config}). Ask for the same with "
                "--landmarks, or begin without it."
            )
        return network
    with torch.random.fork_rng():
        torch.random.set_rng_state(torch.Generator().manual_seed(config.seed).get_state())
        network = LandmarkNet(config.landmarks)
        network.begin(marked_people.mean_points())
    residual.start(list(network.trunk.modules()), torch.Generator().manual_seed(config.seed))
    return network


def crops(
    config: TrainLandmarksConfig, people: MarkedPeople, here: Ranks, seen: int, console: Console
) -> OrderedStream[PointBatch]:
    """Return the stream of crops of this process, after so many that all have seen."""
    order = Order.shared(people.count, config, here, seen)
    return OrderedStream(
        Reader(people.count, partial(crop, config, people), joined, config.seed), order, console
    )


def crop(
    config: TrainLandmarksConfig, people: MarkedPeople, number: int, rng: np.random.Generator
) -> Example:
    """Return a crop about somebody, changed by chance."""
    return marked_people.example(
        people.read(number), config.places, config.changes, config.landmarks.size, rng
    )


def joined(examples: Sequence[Example], damaged: Damaged = ()) -> PointBatch:
    """Return crops as a batch."""
    return PointBatch(
        pictures=torch.stack([one.picture for one in examples]),
        points=torch.stack([one.points for one in examples]),
        is_face=torch.tensor([one.is_face for one in examples]),
        damaged=damaged,
    )


def learn(
    config: TrainLandmarksConfig,
    network: LandmarkNet,
    optimiser: torch.optim.Optimizer,
    batch: PointBatch,
    step: int,
    here: Ranks,
) -> dict[str, float | Float[Tensor, ""]]:
    """Take a step; return what was measured."""
    rate = rate_at(config, step)
    for group in optimiser.param_groups:
        group["lr"] = rate
    shown = image.from_bytes(batch.pictures.to(here.device).movedim(1, -1))
    # Channels innermost: on a processor convolutions learn a fifth faster.
    xy, logs, scores = network(shown.contiguous(memory_format=torch.channels_last))
    is_face = batch.is_face.to(here.device)
    apart = (xy - batch.points.to(here.device)).norm(dim=2)
    weights = torch.ones_like(apart[0])
    weights[:SPARSE] = config.sparse_weight
    losses = {
        "loss/points": (unlikelihood(apart, logs) * is_face[:, None] * weights).sum()
        / (is_face.sum().clamp_min(1) * weights.sum()),
        "loss/face": functional.binary_cross_entropy_with_logits(scores, is_face.float()),
    }
    optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward(losses["loss/points"] + config.face_weight * losses["loss/face"])
    ranks.average_gradients(network.parameters())
    norm = nn.utils.clip_grad_norm_(network.parameters(), config.clip)
    optimiser.step()
    with torch.no_grad():
        error = (apart[:, :SPARSE].mean(1) * is_face).sum() / is_face.sum().clamp_min(1)
    return {
        **{name: value.detach() for name, value in losses.items()},
        "error": error,
        "norm": norm,
        "rate": rate,
    }


def unlikelihood(apart: Float[Tensor, "b n"], logs: Float[Tensor, "b n"]) -> Float[Tensor, "b n"]:
    """Return minus the logarithm of how likely distances are, given their widths' logarithms.

    In the plane the density is exp(-r / s) / (2 pi s^2), up to a constant.
    """
    return apart * (-logs).exp() + 2 * logs


def optimiser_of(config: TrainLandmarksConfig, network: LandmarkNet) -> torch.optim.Optimizer:
    """Return the optimiser; weights are pulled towards zero, biases and normalisations are not."""
    groups = pull.groups(network.parameters(), config.weight_decay)
    return torch.optim.AdamW(groups, lr=config.rate, betas=(0.9, 0.99))


def rate_at(config: TrainLandmarksConfig, step: int) -> float:
    """Return the learning rate of a step: it rises along a line, then falls along a cosine."""
    return rates.rise_and_fall(config.rate, step, config.steps, warm=config.warm_steps)


def kept(config: TrainLandmarksConfig, images: int) -> float:
    """Return what share of the average of networks survives a step; nothing without an average."""
    if config.half_life <= 0:
        return 0.0
    return ema.share_kept(config.batch, config.half_life, images, 0.1)
