"""Training closer looks at eyes and mouths: ``phiz train closeup``.

Both networks learn side by side from the same rendered people: a step shows both eyes of each person, the
left one in a mirror, and the mouth. Whether lids touch is known exactly, at any size and in any light.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn
from torch.nn import functional

from phiz.console import Console
from phiz.errors import UsageError
from phiz.face import closeup, network_files, warp
from phiz.face.closeup import LEFT_EYE, MOUTH, RIGHT_EYE, CloseupNet, Part
from phiz.face.landmarks import SPARSE, LandmarkNet
from phiz.face.network_files import CLOSEUP
from phiz.layers import ema, residual
from phiz.media import image
from phiz.train import closeup_watch, marked_people, pull, ranks, rates
from phiz.train.closeup_config import TrainCloseupConfig
from phiz.train.landmarks import unlikelihood
from phiz.train.marked_people import MIRRORED, TRUE, MarkedPeople
from phiz.train.ordered_stream import Damaged, Order, OrderedStream, Reader
from phiz.train.ranks import Ranks
from phiz.train.run import Run, Stateful, run_config

LOOSE = frozenset("workers picture_every measure_every measure_count data check start remembered".split())
"""Settings that may be others when a training goes on."""


class Crops(NamedTuple):
    """Crops of one kind, as bytes, and the truth in half sides from their middles."""

    pictures: UInt8[Tensor, "b 3 s s"]
    points: Float[Tensor, "b n 2"]
    is_there: Bool[Tensor, " b"]


@dataclass(frozen=True, kw_only=True)
class CloseBatch:
    """What a step learns from: two eyes and a mouth of each person."""

    eyes: Crops
    mouths: Crops
    damaged: Damaged = ()


def train_closeup(config: TrainCloseupConfig, console: Console) -> Mapping[str, object]:
    """Train networks that look closely at eyes and mouths.

    Interrupted, it goes on from its last snapshot when the same command is given again. On many GPUs:
    torchrun --nproc-per-node 8 -m phiz.cli train closeup ...

    Examples:
        phiz world shards -o people --count 20000 --per-person 2
        phiz train closeup --data people -o runs/closeup --minutes 30
    """
    if config.data is None:
        raise UsageError("say where the rendered people are: phiz train closeup --data DIR")
    with ranks.start(config.device) as here:
        if config.batch % here.world or config.batch < 2 * here.world:
            raise UsageError(
                f"{here.world} processes cannot share {config.batch} people evenly, with at least 2 "
                f"each. Give --batch {here.world * max(config.batch // here.world, 2)}"
            )
        return fit(config, config.data, here, console)


def fit(config: TrainCloseupConfig, data: Path, here: Ranks, console: Console) -> Mapping[str, object]:
    """Train to the end, or as long as there is time; return where the networks are."""
    people = marked_people.open_marked(data, remembered=config.remembered)
    network = beginner(config)
    network.to(here.device).train().requires_grad_(True)
    ranks.broadcast_from_first(network)
    average = ema.twin(network)
    optimiser = optimiser_of(config, network)
    parts: dict[str, Stateful] = {"network": network, "average": average, "optimiser": optimiser}
    about = {"trainer": "closeup", **asdict(config)}
    path = config.output / f"{CLOSEUP.name}.safetensors"
    with contextlib.closing(Run(run_config(config), about, parts, here, console, may_change=LOOSE)) as run:
        run.restore()
        with contextlib.closing(crops(config, people, here, run.images, console)) as stream:
            while not run.finished(config.steps):
                values = learn(config, network, optimiser, next(stream), run.step, here)
                ranks.average_buffers(network)
                ema.follow(average, network, ema.share_kept(config.batch, config.half_life, run.images, 0.1))
                run.advance(config.batch)
                run.log({**values, "damaged pictures": float(len(stream.damaged))})
                closeup_watch.watch(config, run, average, people, here)
        said = {"trained on": data.name, "steps": run.step, "people": run.images}
        ranks.on_first(here, lambda: network_files.save(path, CLOSEUP, average, about=said))
    return {"output": str(path), "steps": run.step, "images": run.images}


def beginner(config: TrainCloseupConfig) -> CloseupNet:
    """Return new networks, the same on all processes, or those to begin with."""
    if config.start is not None:
        network = network_files.load(CLOSEUP, config.start)
        if network.config != config.closeup:
            raise UsageError(
                f"{config.start} holds networks of other sizes ({network.config}). Ask for the same with "
                "--eye and --mouth, or begin without it."
            )
        return network
    with torch.random.fork_rng():
        torch.random.set_rng_state(torch.Generator().manual_seed(config.seed).get_state())
        network = CloseupNet(config.closeup)
        mean = marked_people.mean_points()
        for one, part in ((network.eye, RIGHT_EYE), (network.mouth, MOUTH)):
            one.begin(within(part, mean, closeup.frame_of(part, mean[None, :SPARSE])[0]))
    residual.start(
        [*network.eye.trunk.modules(), *network.mouth.trunk.modules()],
        torch.Generator().manual_seed(config.seed),
    )
    return network


def within(part: Part, points: Float[Tensor, "n 2"], frame: Float[Tensor, "2 3"]) -> Float[Tensor, "p 2"]:
    """Return a part's points in half sides from the middle of a frame."""
    return warp.apply(warp.invert(frame), points[list(part.numbers)])


def crops(
    config: TrainCloseupConfig, people: MarkedPeople, here: Ranks, seen: int, console: Console
) -> OrderedStream[CloseBatch]:
    """Return the stream of crops of this process, after so many people that all have seen."""
    order = Order.shared(people.count, config, here, seen)
    reader = Reader(people.count, partial(closer, config, people), joined, config.seed)
    return OrderedStream(reader, order, console)


def closer(
    config: TrainCloseupConfig, people: MarkedPeople, number: int, rng: np.random.Generator
) -> tuple[Crops, Crops]:
    """Return somebody's eyes and mouth, changed by chance."""
    person = people.read(number)
    is_mirrored = bool(rng.random() < config.places.mirror)
    shown = person.picture.flip(-1) if is_mirrored else person.picture
    points = person.points[MIRRORED if is_mirrored else TRUE]
    eyes = [
        _crop(config, shown, points, part, config.closeup.eye.size, rng) for part in (RIGHT_EYE, LEFT_EYE)
    ]
    mouth = _crop(config, shown, points, MOUTH, config.closeup.mouth.size, rng)
    return _stacked(eyes), mouth


def _crop(
    config: TrainCloseupConfig, shown: Tensor, points: Tensor, part: Part, size: int, rng: np.random.Generator
) -> Crops:
    is_there = bool(rng.random() >= config.places.nothing)
    right = closeup.frame_of(part, points[None, :SPARSE])[0]
    frame = marked_people.placed(right, config.places, rng) if is_there else marked_people.beside(right, rng)
    picture = marked_people.seen(shown, frame, size, config.changes, rng, is_face=is_there)
    return Crops(picture[None], within(part, points, frame)[None], torch.tensor([is_there]))


def joined(examples: Sequence[tuple[Crops, Crops]], damaged: Damaged = ()) -> CloseBatch:
    """Return what is seen of some people as a batch."""
    eyes, mouths = (_stacked([one[kind] for one in examples]) for kind in (0, 1))
    return CloseBatch(eyes=eyes, mouths=mouths, damaged=damaged)


def _stacked(some: Sequence[Crops]) -> Crops:
    return Crops(*(torch.cat([getattr(one, name) for one in some]) for name in Crops._fields))


def learn(
    config: TrainCloseupConfig,
    network: CloseupNet,
    optimiser: torch.optim.Optimizer,
    batch: CloseBatch,
    step: int,
    here: Ranks,
) -> dict[str, float | Float[Tensor, ""]]:
    """Take a step; return what was measured."""
    rate = rates.rise_and_fall(config.rate, step, config.steps, warm=config.warm_steps)
    for group in optimiser.param_groups:
        group["lr"] = rate
    values: dict[str, float | Tensor] = {}
    total = torch.zeros((), device=here.device)
    for name, one, shown in (("eyes", network.eye, batch.eyes), ("mouth", network.mouth, batch.mouths)):
        points, there, error = unlikely(one, shown, here.device)
        total = total + points + config.there_weight * there
        values |= {f"loss/{name}": points.detach(), f"there/{name}": there.detach(), f"error/{name}": error}
    optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward(total)
    ranks.average_gradients(network.parameters())
    norm = nn.utils.clip_grad_norm_(network.parameters(), config.clip)
    optimiser.step()
    return {**values, "norm": norm, "rate": rate}


def unlikely(
    network: LandmarkNet, shown: Crops, device: torch.device
) -> tuple[Float[Tensor, ""], Float[Tensor, ""], Float[Tensor, ""]]:
    """Return how unlikely a network finds the truth about points and presence, and its points' mean error."""
    pictures = image.from_bytes(shown.pictures.to(device).movedim(1, -1))
    xy, logs, scores = network(pictures.contiguous(memory_format=torch.channels_last))
    is_there = shown.is_there.to(device)
    apart = (xy - shown.points.to(device)).norm(dim=2)
    count = is_there.sum().clamp_min(1)
    points = (unlikelihood(apart, logs).mean(1) * is_there).sum() / count
    there = functional.binary_cross_entropy_with_logits(scores, is_there.float())
    return points, there, (apart.detach().mean(1) * is_there).sum() / count


def optimiser_of(config: TrainCloseupConfig, network: CloseupNet) -> torch.optim.Optimizer:
    """Return the optimiser; weights are pulled towards zero, biases and normalisations are not."""
    groups = pull.groups(network.parameters(), config.weight_decay)
    return torch.optim.AdamW(groups, lr=config.rate, betas=(0.9, 0.99))
