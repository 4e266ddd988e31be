"""Training the networks that turn a head: ``phiz train pose``.

The published recipe of PoseVAE ("SadTalker", Zhang et al., 2023): a motion of 32 frames goes through a latent
code and has to come back, codes have to be spread like random ones, and a judge compares what comes back with
real motions. The audio encoder is a trained one and stays as it is; without one, it learns as well.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from phiz import checkpoint
from phiz.console import Console
from phiz.errors import DataError, PhizError, UsageError
from phiz.speech import files
from phiz.speech.pose_network import DEGREES, PoseNet
from phiz.train import pose_losses, pose_stream, ranks, talkers
from phiz.train.ordered_stream import Order, OrderedStream
from phiz.train.pose_config import TrainPoseConfig
from phiz.train.pose_stream import MotionBatch
from phiz.train.ranks import Ranks
from phiz.train.run import Run, Stateful, run_config
from phiz.train.talkers import Talker

LOOSE = frozenset("workers data start ears".split())
"""Settings that may be others when a training goes on."""


def train_pose(config: TrainPoseConfig, console: Console) -> Mapping[str, object]:
    """Train the networks that turn a head while it speaks.

    Interrupted, it goes on from its last snapshot when the same command is given again. On many GPUs:
    torchrun --nproc-per-node 8 -m phiz.cli train pose ...

    Examples:
        phiz train pose --data talkers -o runs/pose
        phiz train pose --data talkers --ears sadtalker/speech_pose.safetensors -o runs/pose
    """
    if config.data is None:
        raise UsageError("say where the talkers are: phiz train pose --data DIR")
    with ranks.start(config.device) as here:
        if config.batch % here.world or config.batch < 2 * here.world:
            raise UsageError(
                f"{here.world} processes cannot share {config.batch} motions evenly, with at least 2 "
                f"each. Give --batch {here.world * max(config.batch // here.world, 2)}"
            )
        try:
            return fit(config, config.data, here, console)
        except torch.OutOfMemoryError as error:
            raise PhizError(
                "the memory of the GPU is too small for this training. "
                f"Try --batch {max(config.batch // 2, 2 * here.world)}."
            ) from error


def fit(config: TrainPoseConfig, data: Path, here: Ranks, console: Console) -> Mapping[str, object]:
    """Train to the end, or as long as there is time; return where the networks are."""
    people, _ = talkers.open_talkers(data, "poses", length=DEGREES)
    count = checked(config, people, data)
    network = beginner(config).to(here.device).train()
    learning = learners(config, network)
    ranks.broadcast_from_first(network)
    optimisers = optimisers_of(config, network, learning)
    parts: dict[str, Stateful] = {"network": network, **optimisers}
    about = {"trainer": "pose", **asdict(config)}
    path = config.output / f"{files.POSE.name}{checkpoint.SUFFIX}"
    with contextlib.closing(Run(run_config(config), about, parts, here, console, may_change=LOOSE)) as run:
        run.restore()
        with contextlib.closing(stream_of(config, people, count, here, run.images, console)) as stream:
            while not run.finished(steps_of(config, count)):
                values = learn(config, network, optimisers, next(stream), here)
                ranks.average_buffers(network)
                run.advance(config.batch)
                run.log(values)
        said = {"trained on": data.name, "steps": run.step, "people": [one.name for one in people]}
        ranks.on_first(here, lambda: files.save(path, files.POSE, network, about=said))
    return {"output": str(path), "steps": run.step, "images": run.images}


def checked(config: TrainPoseConfig, people: Sequence[Talker], data: Path) -> int:
    """Return how many motions there are to learn from; refuse what the networks cannot hold."""
    if len(people) > config.pose.styles:
        raise DataError(
            f"{data} has {len(people)} people, and the network {config.pose.styles} styles. Give "
            f"--pose.styles {len(people)}"
        )
    count = int(pose_stream.motions(people, config.pose.frames).sum())
    if not count:
        raise DataError(
            f"nobody in {data} has more than {config.pose.frames} frames with sound. Record longer films."
        )
    return count


def beginner(config: TrainPoseConfig) -> PoseNet:
    """Return new networks, the same on all processes, or those to begin with."""
    if config.start is not None:
        network = files.load(files.POSE, config.start).requires_grad_(True)
        if network.config != config.pose:
            raise UsageError(
                f"{config.start} holds networks of other sizes ({network.config}). Ask for the same with "
                "--pose, or begin without them."
            )
    else:
        with torch.random.fork_rng():
            torch.random.set_rng_state(torch.Generator().manual_seed(config.seed).get_state())
            network = PoseNet(config.pose)
    if config.ears is not None:
        take_ears(network, config.ears)
    return network


def take_ears(network: PoseNet, path: Path) -> None:
    """Give networks the audio encoder of a pose or an expression network."""
    kind = checkpoint.read_about(path).kind
    if kind == files.POSE.name:
        encoder = files.load(files.POSE, path).audio_encoder.audio_encoder
    else:
        encoder = files.load(files.EXPRESSION, path).audio_encoder
    try:
        network.audio_encoder.audio_encoder.load_state_dict(encoder.state_dict())
    except RuntimeError as error:
        raise UsageError(
            f"{path} has an audio encoder of other sizes than --pose.widths asks for. Ask for the same."
        ) from error


def learners(config: TrainPoseConfig, network: PoseNet) -> list[nn.Parameter]:
    """Return what learns to turn heads; the audio encoder only where none was brought."""
    if config.ears is not None:
        network.audio_encoder.eval().requires_grad_(False)
    # parity: the layer of the variance is never used; it would have no gradient.
    unused = set(network.netG.encoder.linear_logvar.parameters()) if config.is_exact else set()
    mine = [*network.audio_encoder.parameters(), *network.netG.parameters()]
    return [parameter for parameter in mine if parameter.requires_grad and parameter not in unused]


def optimisers_of(
    config: TrainPoseConfig, network: PoseNet, learning: Sequence[nn.Parameter]
) -> dict[str, torch.optim.Optimizer]:
    """Return one optimiser for the networks and one for their judge."""
    return {
        "optimiser": torch.optim.Adam(learning, lr=config.rate),
        "judge_optimiser": torch.optim.Adam(network.netD_motion.parameters(), lr=config.judge_rate),
    }


def steps_of(config: TrainPoseConfig, count: int) -> int:
    """Return how many steps the training takes in all."""
    return config.steps or math.ceil(config.epochs * count / config.batch)


def stream_of(
    config: TrainPoseConfig, people: Sequence[Talker], count: int, here: Ranks, seen: int, console: Console
) -> OrderedStream[MotionBatch]:
    """Return the stream of motions of this process, after so many that all have seen."""
    order = Order.shared(count, config, here, seen)
    return pose_stream.motion_stream(people, config.pose.frames, config.pose.latent, order, console)


def learn(
    config: TrainPoseConfig,
    network: PoseNet,
    optimisers: Mapping[str, torch.optim.Optimizer],
    batch: MotionBatch,
    here: Ranks,
) -> dict[str, float | Float[Tensor, ""]]:
    """Take a step; return what was measured."""
    optimiser, judge_optimiser = optimisers["optimiser"], optimisers["judge_optimiser"]
    real, start, style = (x.to(here.device) for x in (batch.motion, batch.start, batch.style))
    judge = network.netD_motion.requires_grad_(False)
    sounds = network.audio_encoder(batch.windows.to(here.device))
    mean, variance = network.netG.encoder(real, start, sounds, style, is_exact=config.is_exact)
    code = pose_losses.code_of(mean, variance, batch.chance.to(here.device))
    made = network.netG.decoder(code, start, sounds, style)
    losses = {
        "loss/same": pose_losses.sameness(made, real),
        "loss/spread": pose_losses.spread(mean, variance),
        "loss/taken_in": pose_losses.taken_in(judge(made)),
    }
    weights = (config.same_weight, config.spread_weight, config.judge_weight)
    total = torch.stack([w * value for w, value in zip(weights, losses.values(), strict=True)]).sum()
    step(optimiser, total)

    judge.requires_grad_(True)
    verdict = pose_losses.judged(judge(real), judge(made.detach()))
    step(judge_optimiser, verdict)
    with torch.no_grad():
        wrong = torch.rad2deg((made - real)[..., :3]).abs().mean()
        moved = made[..., :3].std() / real[..., :3].std().clamp(min=1e-6)
    return {
        **{name: value.detach() for name, value in losses.items()},
        "loss/judge": verdict.detach(),
        "degrees wrong": wrong,
        "movement": moved,
    }


def step(optimiser: torch.optim.Optimizer, loss: Float[Tensor, ""]) -> None:
    """Follow the gradient of a loss, the same on all processes."""
    optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    for group in optimiser.param_groups:
        ranks.average_gradients(group["params"])
    optimiser.step()
