"""Warm start: a generator learns the world by regression before it learns from a discriminator.

The world knows which picture belongs to which person and camera. So mapping, field and upsampler are
first fitted to portraits: pixels, perceptual distance, depth and coverage. First rays alone, a random
few of each picture, which shape the head; then whole pictures.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from phiz.console import Console
from phiz.errors import UsageError
from phiz.generator import store
from phiz.generator.config import GeneratorConfig
from phiz.generator.generator import Generator
from phiz.generator.widen import widen
from phiz.layers import ema
from phiz.layers.filters import SMALLEST
from phiz.train import ranks
from phiz.train.run import Run, RunConfig, Stateful
from phiz.train.sitters import Sitters, Sitting
from phiz.train.state import GeneratorState
from phiz.train.warm_config import WarmConfig
from phiz.train.warm_critic import Critic
from phiz.train.warm_losses import MARGIN, regression

STEEPEST = 5.0
"""Longest gradient that is followed as it is."""


def fit(
    config: WarmConfig,
    shape: GeneratorConfig,
    watched: RunConfig,
    here: ranks.Ranks,
    console: Console,
    *,
    is_half: bool = False,
) -> Path | None:
    """Fit a generator; return where it is, or nothing if there is more to do when the same is asked again."""
    sitters = Sitters(config.portraits, people=config.people)
    check_fits(shape, sitters, config.portraits)
    check_patch(config, shape)
    generator = beginner(shape, sitters, watched.seed)
    if config.start is not None:
        begin_with(generator, store.load(config.start), config.start)
    generator.to(here.device).train().requires_grad_(True)
    ranks.broadcast_from_first(generator)
    average = ema.twin(generator)
    optimiser = torch.optim.Adam(generator.parameters(), lr=config.rate, betas=(0.9, 0.99), eps=1e-8)
    chance = torch.Generator(here.device).manual_seed(watched.seed * 1000 + here.rank)
    parts: dict[str, Stateful] = {
        "generator": generator,
        "average": average,
        "optimiser": optimiser,
        "chance": GeneratorState(chance, here),
    }
    critic = critic_of(config, here, watched.seed)
    if critic is not None:
        parts |= {"critic": critic.network, "critic optimiser": critic.optimiser}
    about = {"trainer": "warm start", **asdict(config), "generator": asdict(generator.config)}
    loose = {"steps", "people", "picture_every", "portraits", "cool_share"}
    path = watched.output / "generator.safetensors"
    with contextlib.closing(Run(watched, about, parts, here, console, may_change=loose)) as run:
        run.restore()
        while not run.finished(config.steps):
            sitting = seated(config, sitters, run.step, here, watched.seed)
            for group in optimiser.param_groups:
                group["lr"] = config.rate * pace(config, run.step)
            optimiser.zero_grad(set_to_none=True)
            losses = regression(config, generator, sitting, run.step, chance, critic=critic, is_half=is_half)
            torch.autograd.backward(torch.stack(list(losses.values())).sum())
            ranks.average_gradients(generator.parameters())
            norm = torch.nn.utils.clip_grad_norm_(generator.parameters(), STEEPEST)
            optimiser.step()
            learned = critic.learn(run.step) if critic is not None and "critic" in losses else {}
            ranks.average_buffers(generator)
            images = config.batch * config.views * here.world
            ema.follow(average, generator, ema.share_kept(images, config.half_life, run.images, 0.1))
            run.advance(images)
            run.log({**{f"loss/{name}": value for name, value in losses.items()}, **learned, "norm": norm})
            if run.due(config.picture_every) and here.is_first:
                run.picture("people", sheet(average, sitters, here.device))
        said = {"code": sitters.index["layout"]}
        ranks.on_first(here, lambda: store.save_generator(path, average, about=said))
    return path if run.ended_by == "steps" else None


def critic_of(config: WarmConfig, here: ranks.Ranks, seed: int) -> Critic | None:
    """Return the critic of a warm start that has one, the same on all processes."""
    if config.critic_weight <= 0:
        return None
    with torch.random.fork_rng():
        torch.random.set_rng_state(torch.Generator().manual_seed(seed).get_state())
        return Critic(
            config.critic_window, config.critic_base, config.critic_rate, config.critic_gamma, here.device
        )


def begin_with(network: Generator, other: Generator, path: Path) -> None:
    """Give a generator the weights of another, which may have fewer channels."""
    try:
        widen(network, other)
    except ValueError as error:
        raise UsageError(
            f"{path} holds a generator that this one cannot go on from: {error}. Ask for as many layers and "
            "no fewer channels with --preset and --generator, or begin without --warm.start."
        ) from error


def take_over(network: nn.Module, other: nn.Module, path: Path) -> None:
    """Give a network the weights of another; refuse those of one that is built otherwise."""
    try:
        network.load_state_dict(other.state_dict())
    except RuntimeError as error:
        raise UsageError(
            f"{path} holds a network of other sizes ({error}). Ask for the same with --preset, --generator "
            "and --discriminator, or begin without it."
        ) from error


def check_fits(shape: GeneratorConfig, sitters: Sitters, folder: Path) -> None:
    """Refuse portraits that are smaller than what a generator draws."""
    if sitters.size < shape.resolution:
        raise UsageError(
            f"the portraits in {folder} have {sitters.size} pixels, the generator draws "
            f"{shape.resolution}. Write others: phiz world portraits --size {shape.resolution}"
        )


def check_patch(config: WarmConfig, shape: GeneratorConfig) -> None:
    """Refuse squares that leave too little to look at."""
    scale = shape.resolution // shape.volume_resolution
    least = 2 * MARGIN + -(-max(SMALLEST, config.critic_window if config.critic_weight > 0 else 0) // scale)
    if 0 < config.patch < min(least, shape.volume_resolution):
        raise UsageError(f"--warm.patch {config.patch} is too small to compare; give {least} or more, or 0")


def check_codes(shape: GeneratorConfig, sitters: Sitters) -> None:
    """Refuse a generator whose codes are not those of the portraits."""
    mine, theirs = (shape.z_size, shape.background_latent), (sitters.code_size, sitters.background_size)
    if mine != theirs:
        raise UsageError(
            f"codes of the generator and its background have {mine[0]} and {mine[1]} numbers, those of the "
            f"portraits {theirs[0]} and {theirs[1]}, so --anchor cannot be. Begin with --warm-start."
        )


def pace(config: WarmConfig, step: int) -> float:
    """Return the learning rate's factor: it rises at first; at the end it falls along a cosine."""
    first = min((step + 1) / max(config.rise_steps, 1), 1.0)
    share, progress = config.cool_share, step / config.steps
    if share <= 0 or progress < 1 - share:
        return first
    along = min((progress - (1 - share)) / share, 1.0)
    return first * (0.05 + 0.95 * (1 + math.cos(math.pi * along)) / 2)


def beginner(shape: GeneratorConfig, sitters: Sitters, seed: int) -> Generator:
    """Return a new generator whose codes are those of the portraits."""
    lengths, bias = sitters.groups()
    fitting = replace(
        shape,
        z_size=sitters.code_size,
        groups=lengths,
        group_bias=bias,
        background_latent=sitters.background_size,
    )
    with torch.random.fork_rng():
        torch.random.set_rng_state(torch.Generator().manual_seed(seed).get_state())
        return Generator(fitting)


def sheet(
    generator: Generator, sitters: Sitters, device: torch.device, rows: int = 4
) -> Float[Tensor, "3 h w"]:
    """Return a sheet: truth on the left, the generator's picture and its small picture beside it."""
    rows = min(rows, sitters.people)
    who = np.arange(rows) * (sitters.people // rows)
    sitting = sitters.batch(who, sitters.views).to(device)
    with torch.no_grad():
        styles = generator.styles(sitting.codes)
        prepared = generator.prepare(styles, sitting.backgrounds, views=sitters.views)
        made = generator.render(prepared, sitting.camera)
    sitting = sitting.at(generator.config.resolution)
    small = torch.nn.functional.interpolate(made.small, size=sitting.images.shape[-2:])
    shown = torch.cat([sitting.images, made.image, small], dim=-1)
    tall = torch.cat(list(shown.reshape(rows, sitters.views, *shown.shape[1:]).unbind(1)), dim=-1)
    return torch.cat(list(tall.unbind(0)), dim=-2).clamp(-1, 1)


def seated(config: WarmConfig, sitters: Sitters, step: int, here: ranks.Ranks, seed: int = 0) -> Sitting:
    """Return the portraits that this process sees at a step."""
    everybody = sitters.seating(seed, step, config.batch * here.world)
    mine = everybody[here.rank * config.batch : (here.rank + 1) * config.batch]
    return sitters.batch(mine, config.views, turn=step).to(here.device)
