"""Training a judge of sound and mouth: ``phiz train syncnet``.

Synthetic speech teaches it, with curves changed as other faces and trackers have them. It has to find the
right moment among those up to 15 frames away, and the right clip among others, frame by frame and by the mean
over a span.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from phiz.console import Console
from phiz.errors import UsageError
from phiz.layers import ema
from phiz.metrics import sync as measures
from phiz.speech import sync_files, windows
from phiz.speech.sync_files import SYNC
from phiz.speech.sync_network import SyncNet
from phiz.train import pull, ranks, rates, state, syncnet_stream
from phiz.train.ordered_stream import Order, OrderedStream
from phiz.train.ranks import Ranks
from phiz.train.run import Run, Stateful, run_config
from phiz.train.syncnet_config import TrainSyncnetConfig
from phiz.train.syncnet_losses import frame_loss, span_loss
from phiz.train.syncnet_stream import PLAIN, MouthChanges, PieceBatch
from phiz.train.voice_sources import Voices

LOOSE = frozenset("workers data start check measure_every measure_count remembered".split())
"""Settings that may be others when a training goes on."""
HIGHEST_SCALE = 50.0
SPANS_S = (1, 2, 5)
"""Seconds of film by which offsets are told, when they are measured."""
CLOSE = 1.5
"""Frames by which a told offset may be wrong and is still right."""
SEED = 7
"""Of what is changed when measuring."""
TALKING = 0.5
"""Share of a span in which somebody has to talk, or it has no offset."""


def train_syncnet(config: TrainSyncnetConfig, console: Console) -> Mapping[str, object]:
    """Train a network that tells whether mouth curves and sound belong together.

    Interrupted, it goes on from its last snapshot when the same command is given again. On many GPUs:
    torchrun --nproc-per-node 8 -m phiz.cli train syncnet ...

    Examples:
        phiz world voices -o voices --hours 10
        phiz train syncnet --data voices -o runs/syncnet --minutes 30
    """
    if not config.data:
        raise UsageError("say where the voices are: phiz train syncnet --data DIR")
    with ranks.start(config.device) as here:
        if config.batch % here.world or config.batch < 2 * here.world:
            raise UsageError(
                f"{here.world} processes cannot share {config.batch} pieces evenly, with at least 2 "
                f"each. Give --batch {here.world * max(config.batch // here.world, 2)}"
            )
        return fit(config, here, console)


def fit(config: TrainSyncnetConfig, here: Ranks, console: Console) -> Mapping[str, object]:
    """Train to the end, or as long as there is time; return where the network is."""
    voices = syncnet_stream.open_named(
        config.data, config.sync, frames=config.frames, remembered=config.remembered
    )
    network = beginner(config)
    network.to(here.device).train().requires_grad_(True)
    ranks.broadcast_from_first(network)
    average = ema.twin(network)
    scales = scales_of(config).to(here.device)
    optimiser = optimiser_of(config, network, scales)
    parts: dict[str, Stateful] = {
        "network": network,
        "average": average,
        "scales": scales,
        "optimiser": optimiser,
    }
    about = {"trainer": "syncnet", **asdict(config)}
    path = config.output / f"{SYNC.name}.safetensors"
    with contextlib.closing(Run(run_config(config), about, parts, here, console, may_change=LOOSE)) as run:
        run.restore()
        with contextlib.closing(stream_of(config, voices, here, run.images, console)) as stream:
            while not run.finished(config.steps):
                values = learn(config, network, scales, optimiser, next(stream), run.step, here)
                ema.follow(average, network, kept(config, run.images))
                run.advance(config.batch)
                run.log({**values, "damaged clips": float(len(stream.damaged))})
                watch(config, run, average, here)
        said = {"trained on": [one.name for one in config.data], "steps": run.step, "pieces": run.images}
        ranks.on_first(here, lambda: sync_files.save(path, SYNC, average, about=said))
    return {"output": str(path), "steps": run.step, "images": run.images}


def beginner(config: TrainSyncnetConfig) -> SyncNet:
    """Return a new network, the same on all processes, or the one to begin with."""
    if config.start is not None:
        network = sync_files.load(SYNC, config.start)
        if network.config != config.sync:
            raise UsageError(
                f"{config.start} holds a network of other sizes ({network.config}). Ask for the same with "
                "--sync, or begin without it."
            )
        return network
    with torch.random.fork_rng():
        torch.random.set_rng_state(torch.Generator().manual_seed(config.seed).get_state())
        return SyncNet(config.sync)


def scales_of(config: TrainSyncnetConfig) -> nn.ParameterDict:
    """Return logarithms of what cosines are multiplied by, which learn as well: of frames and of spans."""
    start = math.log(config.scale)
    return nn.ParameterDict({name: nn.Parameter(torch.tensor(start)) for name in ("frame", "span")})


def optimiser_of(
    config: TrainSyncnetConfig, network: SyncNet, scales: nn.ParameterDict
) -> torch.optim.Optimizer:
    """Return the optimiser; weights are pulled towards zero, biases, normalisations and scales are not."""
    groups = pull.groups([*network.parameters(), *scales.parameters()], config.weight_decay)
    return torch.optim.AdamW(groups, lr=config.rate, betas=(0.9, 0.99))


def stream_of(
    config: TrainSyncnetConfig, voices: Voices, here: Ranks, seen: int, console: Console
) -> OrderedStream[PieceBatch]:
    """Return the stream of pieces of this process, after so many that all have seen."""
    order = Order.shared(voices.count, config, here, seen)
    changes = (config.mouth, config.sound)
    return syncnet_stream.piece_stream(voices, config.sync, changes, config.frames, order, console)


def learn(
    config: TrainSyncnetConfig,
    network: SyncNet,
    scales: nn.ParameterDict,
    optimiser: torch.optim.Optimizer,
    batch: PieceBatch,
    step: int,
    here: Ranks,
) -> dict[str, float | Float[Tensor, ""]]:
    """Take a step; return what was measured."""
    rate = rate_at(config, step)
    for group in optimiser.param_groups:
        group["lr"] = rate
    sound, mouth = network(batch.windows.to(here.device), batch.curves.to(here.device))
    by_frame, by_span = (scales[name].exp().clamp(max=HIGHEST_SCALE) for name in ("frame", "span"))
    losses = {
        "loss/frames": frame_loss(sound, mouth, config.reach, by_frame),
        "loss/spans": span_loss(sound, mouth, config.reach, config.pooled, by_span),
    }
    optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward(losses["loss/frames"] + config.pooled_weight * losses["loss/spans"])
    everything = [*network.parameters(), *scales.parameters()]
    ranks.average_gradients(everything)
    norm = nn.utils.clip_grad_norm_(everything, config.clip)
    optimiser.step()
    return {
        **{name: value.detach() for name, value in losses.items()},
        "agreement": (sound * mouth).detach().sum(dim=2).mean(),
        "scale": by_frame.detach(),
        "norm": norm,
        "rate": rate,
    }


def rate_at(config: TrainSyncnetConfig, step: int) -> float:
    """Return the learning rate of a step: it rises along a line, then falls along a cosine."""
    return rates.rise_and_fall(config.rate, step, config.steps, warm=config.warm_steps)


def kept(config: TrainSyncnetConfig, images: int) -> float:
    """Return what share of the average of networks survives a step; nothing without an average."""
    if config.half_life <= 0:
        return 0.0
    return ema.share_kept(config.batch, config.half_life, images, 0.1)


def watch(config: TrainSyncnetConfig, run: Run, network: SyncNet, here: Ranks) -> None:
    """Take a measurement where it is time for one: with curves as they are, and changed."""
    if config.check is None or not run.due(config.measure_every):
        return
    others = syncnet_stream.open_named([config.check], config.sync, frames=config.frames)
    numbers = range(min(config.measure_count, others.count))

    def measured() -> dict[str, float]:
        both = (("true", PLAIN), ("changed", config.mouth))
        found = (scores(network, others, numbers, changes, here.device) for _, changes in both)
        return {
            f"{name}/{key}": value
            for (name, _), values in zip(both, found, strict=True)
            for key, value in values.items()
        }

    told = ranks.on_first(here, measured)
    run.log(state.share(told) if here.world > 1 else told or {}, always=True)


def scores(
    network: SyncNet,
    voices: Voices,
    numbers: Iterable[int],
    changes: MouthChanges,
    device: torch.device,
) -> dict[str, float]:
    """Return how often the offset of a span of some seconds is right; distance and confidence of clips."""
    told: dict[str, list[float]] = {}
    for number in numbers:
        apart, talking = clip_distances(network, voices, number, changes, device)
        if float(talking.mean()) >= TALKING:
            whole = measures.judged(apart)
            told.setdefault("distance", []).append(whole.distance)
            told.setdefault("confidence", []).append(whole.confidence)
        for seconds in SPANS_S:
            found = span_offsets(apart, talking, seconds * windows.FPS)
            told.setdefault(f"right in {seconds} s", []).extend((found.abs() < CLOSE).float().tolist())
    return {name: float(np.mean(values)) for name, values in told.items() if values}


@torch.no_grad()
def clip_distances(
    network: SyncNet, voices: Voices, number: int, changes: MouthChanges, device: torch.device
) -> tuple[Float[Tensor, "t k"], Float[Tensor, " t"]]:
    """Return how far mouth and sound of a clip are apart, at all shifts, and where somebody talks.

    Frames at both ends, for which a shift is missing, are left out. Changes follow from the clip's number.
    """
    speech = voices.read(number, np.random.default_rng((SEED, number)))
    names = network.config.names
    curves = syncnet_stream.changed_mouth(
        syncnet_stream.read_by(network.config, voices.names, speech),
        names,
        changes,
        np.random.default_rng((SEED, number)),
    )
    rows = windows.starts(len(curves), first=speech.first)[:, None] + torch.arange(windows.ROWS)
    heard = speech.mel.float()[rows.clamp(0, len(speech.mel) - 1)].transpose(1, 2)[None, :, None]
    sound, mouth = network(heard.to(device), torch.from_numpy(curves)[None].to(device))
    apart = measures.shifted_distances(mouth[0], sound[0]).cpu()
    inside = apart.isfinite().all(dim=1)
    talking = torch.ones(len(curves)) if speech.labels is None else speech.labels[:, 2].float()
    return apart[inside], talking[inside]


def span_offsets(
    apart: Float[Tensor, "t k"], talking: Float[Tensor, " t"], frames: int
) -> Float[Tensor, " n"]:
    """Return the offsets told for spans of so many frames in which somebody talks."""
    told = measures.span_offsets(apart, frames)
    share = talking[: len(told) * frames].reshape(-1, frames).mean(dim=1)
    return told[share >= TALKING]
