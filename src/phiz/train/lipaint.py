"""Training the network that draws mouths: ``phiz train lipaint``.

How the published network was trained was not told, but for "self-supervised" and "the generative
capabilities"; both objectives here are ours.

`code`: a generator that learned our world has codes that say which face somebody makes. The network is given
the style of somebody and a face, and has to give the style that the mapping makes of the same code with that
face (`phiz.train.lipaint_stream`). With ``--drawn`` the mouths of both are drawn as well and compared.

`alone`: of any other generator nothing is known, so judges look at its pictures (`phiz.train.lipaint_alone`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from phiz import trained
from phiz.animate.lipaint_network import LIPAINT, LipaintNet
from phiz.console import Console
from phiz.errors import UsageError
from phiz.face import models
from phiz.face.morphable import MorphableModel
from phiz.generator import store
from phiz.generator.generator import Generator
from phiz.layers import ema
from phiz.train import lipaint_alone, lipaint_losses, lipaint_stream, lipaint_watch, ranks, rates
from phiz.train.lipaint_config import TrainLipaintConfig
from phiz.train.ranks import Ranks
from phiz.train.run import Run, Stateful, run_config

LOOSE = frozenset("picture_every measure_every measure_count start".split())
"""Settings that may be others when a training goes on."""
Losses = Callable[[LipaintNet, int], dict[str, Any]]
"""What is wrong with what a network does at a step, weighed."""


def train_lipaint(config: TrainLipaintConfig, console: Console) -> Mapping[str, object]:
    """Train a network that draws the mouths of a generator's people.

    Interrupted, it goes on from its last snapshot when the same command is given again. On many GPUs:
    torchrun --nproc-per-node 8 -m phiz.cli train lipaint ...

    Examples:
        phiz train lipaint -o runs/lipaint --minutes 20
        phiz train lipaint --objective alone --batch 4 --rate 0.0001 -o runs/alone
    """
    with ranks.start(config.device) as here:
        if config.batch % here.world or config.drawn % here.world:
            fitting = here.world * max(config.batch // here.world, 1)
            raise UsageError(
                f"{here.world} processes cannot share {config.batch} faces, {config.drawn} of them drawn, "
                f"evenly. Give --batch {fitting} --drawn {config.drawn // here.world * here.world}"
            )
        return fit(config, here, console)


def fit(config: TrainLipaintConfig, here: Ranks, console: Console) -> Mapping[str, object]:
    """Train to the end, or as long as there is time; return where the network is."""
    generator = store.load(config.generator).to(here.device)
    head = models.open_model(config.head)
    check_fits(config, generator, head)
    stage = lipaint_stream.open_stage(generator, head, config.people) if config.objective == "code" else None
    losses = by_code(config, stage, head, here) if stage else by_judges(config, generator, head, here)
    network = beginner(config).to(here.device).train().requires_grad_(True)
    ranks.broadcast_from_first(network)
    average = ema.twin(network)
    optimiser = torch.optim.AdamW(network.parameters(), lr=config.rate, weight_decay=config.decay)
    parts: dict[str, Stateful] = {"network": network, "average": average, "optimiser": optimiser}
    about = {"trainer": "lipaint", **asdict(config)}
    path = config.output / f"{LIPAINT.name}.safetensors"
    with contextlib.closing(Run(run_config(config), about, parts, here, console, may_change=LOOSE)) as run:
        run.restore()
        while not run.finished(config.steps):
            values = learn(config, network, optimiser, losses(network, run.step), run.step)
            ema.follow(average, network, kept(config, run.images))
            run.advance(config.batch)
            run.log(values)
            lipaint_watch.watch(config, run, average, stage, generator, head, here)
        said = {
            "generator": config.generator.name if config.generator else "built-in",
            "objective": config.objective,
            "steps": run.step,
        }
        ranks.on_first(here, lambda: trained.save(path, LIPAINT, average, about=said))
    return {"output": str(path), "steps": run.step, "images": run.images}


def check_fits(config: TrainLipaintConfig, generator: Generator, head: MorphableModel) -> None:
    """Refuse a network whose styles or expressions are not those of the generator and the head."""
    wanted = config.network.w_size, config.network.expression
    there = generator.config.w_size, head.sizes.expression
    if wanted != there:
        raise UsageError(
            f"the network takes styles of {wanted[0]} numbers and expressions of {wanted[1]}; the generator "
            f"and the head have {there[0]} and {there[1]}. Give --network.w-size {there[0]} "
            f"--network.expression {there[1]}, or others with --generator and --head"
        )


def beginner(config: TrainLipaintConfig) -> LipaintNet:
    """Return a new network, the same on all processes, or the one to begin with."""
    if config.start is not None:
        network = trained.load(LIPAINT, config.start)
        if network.config != config.network:
            raise UsageError(
                f"{config.start} holds a network of other sizes ({network.config}). Ask for the same with "
                "--network, or begin without it."
            )
        return network
    with torch.random.fork_rng():
        torch.random.set_rng_state(torch.Generator().manual_seed(config.seed).get_state())
        network = LipaintNet(config.network)
    # Adding nothing is where learning begins.
    nn.init.zeros_(network.fc4.weight)
    nn.init.zeros_(network.fc4.bias)
    return network


def by_code(
    config: TrainLipaintConfig, stage: lipaint_stream.Stage | None, head: MorphableModel, here: Ranks
) -> Losses:
    """Return the losses of a network by what codes say is right."""
    assert stage is not None
    place = lipaint_losses.mouth_place(head).to(here.device)
    resolution = stage.generator.config.volume_resolution
    count, drawn = config.batch // here.world, config.drawn // here.world

    def found(network: LipaintNet, step: int) -> dict[str, Any]:
        chance = lipaint_stream.chance_at(config.seed, step, here.rank)
        some = lipaint_stream.acts(stage, config.people, chance, count)
        made = network(some.w, some.expression)
        losses = {"style": config.style_weight * lipaint_losses.style_loss(made, some.true, some.w)}
        if drawn:
            camera = lipaint_losses.cameras(drawn, chance).to(here.device)
            uv = lipaint_losses.mouth_points(place, camera, config.drawn_side, resolution)
            seen = lipaint_stream.Acts(*(part[:drawn] for part in some))
            apart = lipaint_losses.mouth_loss(stage.generator, made[:drawn], seen, camera, uv)
            losses |= {name: config.drawn_weight * value for name, value in apart.items()}
        return losses

    return found


def by_judges(config: TrainLipaintConfig, generator: Generator, head: MorphableModel, here: Ranks) -> Losses:
    """Return the losses of a network by what judges see in a generator's pictures."""
    judges = lipaint_alone.open_judges(config.alone, head, here.device)
    faces = lipaint_alone.all_faces(head, config.people).to(here.device)
    count = config.batch // here.world

    def found(network: LipaintNet, step: int) -> dict[str, Any]:
        chance = lipaint_stream.chance_at(config.seed, step, here.rank)
        wanted = faces[torch.randint(len(faces), (count,), generator=chance).to(here.device)]
        some = lipaint_alone.asked(generator, wanted, chance)
        return lipaint_alone.losses(config.alone, generator, network, judges, some)

    return found


def learn(
    config: TrainLipaintConfig,
    network: LipaintNet,
    optimiser: torch.optim.Optimizer,
    losses: Mapping[str, Float[Tensor, ""]],
    step: int,
) -> dict[str, float | Float[Tensor, ""]]:
    """Take a step; return what was measured."""
    rate = rates.rise_and_fall(config.rate, step, config.steps, warm=config.warm_steps)
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward(torch.stack(list(losses.values())).sum())
    ranks.average_gradients(network.parameters())
    norm = nn.utils.clip_grad_norm_(network.parameters(), config.clip)
    optimiser.step()
    return {**{f"loss/{name}": value.detach() for name, value in losses.items()}, "norm": norm, "rate": rate}


def kept(config: TrainLipaintConfig, images: int) -> float:
    """Return what share of the average of networks survives a step; nothing without an average."""
    if config.half_life <= 0:
        return 0.0
    return ema.share_kept(config.batch, config.half_life, images, 0.1)
