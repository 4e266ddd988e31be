"""Warm start: a generator learns the world by regression before it learns from a discriminator.

The world knows which picture belongs to which person and camera. So mapping, field and upsampler are
first fitted to portraits: pixels, perceptual distance, depth and coverage. First rays alone, a random
few of each picture, which shape the head; then whole pictures.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from phiz.console import Console
from phiz.errors import UsageError
from phiz.generator import store
from phiz.generator.config import GeneratorConfig
from phiz.generator.generator import Generator, Prepared, Rays
from phiz.generator.volume import RandomDraws
from phiz.generator.widen import widen
from phiz.layers import ema
from phiz.layers.perceptual import PerceptualDistance, perceptual_distance
from phiz.train import ranks
from phiz.train.run import Run, RunConfig, Stateful
from phiz.train.sitters import Sitters, Sitting
from phiz.train.state import GeneratorState
from phiz.train.warm_critic import Critic

STEEPEST = 5.0
"""Longest gradient that is followed as it is."""
FEATURE_LABELS = (4, 5, 11, 12, 13)
"""Eyes, mouth and lips in the label table of the world: small, and looked at first."""


@dataclass(frozen=True, kw_only=True)
class WarmConfig:
    """How a generator learns portraits by heart."""

    portraits: Path = Path("portraits")
    """Folder of portraits, as `phiz world portraits` writes them."""
    start: Path | None = None
    """Generator to go on from, fitted to portraits of this kind before; it may have fewer channels."""
    people: int = 0
    """Take the first so many people of the folder; 0 takes all."""
    steps: int = 20_000
    """Optimiser steps in all."""
    volume_steps: int = 8_000
    """The first so many train rays alone, without the upsampler."""
    rays: int = 1024
    """Rays of each picture in those steps."""
    batch: int = 4
    """People a step and process."""
    views: int = 3
    """Pictures of each."""
    rate: float = 0.0025
    """Learning rate of Adam."""
    rise_steps: int = 200
    """Steps in which the rate rises from nothing."""
    cool_share: float = 0.3
    """Share of the steps, at the end, in which the rate falls to a twentieth."""
    half_life: float = 10_000.0
    """Pictures after which half of the average is new."""
    pixel_weight: float = 1.0
    """Weight of the difference of pixels."""
    perceptual_weight: float = 1.0
    """Weight of the perceptual distance."""
    perceptual_crop: int = 0
    """Look at a random window of so many pixels only, which costs less; 0 looks at whole pictures."""
    feature_weight: float = 4.0
    """How much more eyes and mouth count."""
    critic_weight: float = 0.0
    """Weight of looking true to a critic of small windows, which makes pictures sharp; 0 for no critic."""
    critic_window: int = 64
    """Height and width of its windows: a power of two."""
    critic_base: float = 0.0625
    """Its size: the channels are 32768 times this over the resolution."""
    critic_rate: float = 0.002
    """Its learning rate."""
    critic_gamma: float = 0.5
    """Weight of the penalty for a steep critic."""
    depth_weight: float = 4.0
    """Weight of the difference of depths, a hundredth of a generator unit."""
    alpha_weight: float = 1.0
    """Weight of the difference of coverage."""
    picture_every: int = 200
    """Steps between sheets of pictures."""

    def __post_init__(self) -> None:
        if min(self.batch, self.views, self.rays, self.steps) < 1:
            raise ValueError("the warm start's batch, views, rays and steps are at least 1")
        if self.critic_window < 8 or self.critic_window & (self.critic_window - 1):
            raise ValueError(f"the critic's window is a power of two from 8 on, not {self.critic_window}")


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


def check_codes(shape: GeneratorConfig, sitters: Sitters) -> None:
    """Refuse a generator whose codes are not those of the portraits."""
    mine, theirs = (shape.z_size, shape.background_latent), (sitters.code_size, sitters.background_size)
    if mine != theirs:
        raise UsageError(
            f"codes of the generator and its background have {mine[0]} and {mine[1]} numbers, those of the "
            f"portraits {theirs[0]} and {theirs[1]}, so --anchor cannot be. Begin with --warm-start."
        )


def regression(
    config: WarmConfig,
    generator: Generator,
    sitting: Sitting,
    number: int,
    chance: torch.Generator,
    *,
    is_half: bool,
    distance: PerceptualDistance = perceptual_distance,
    critic: Critic | None = None,
) -> dict[str, Tensor]:
    """Return how wrong the generator is about some portraits: of rays alone, or of whole pictures."""
    with torch.autocast(sitting.images.device.type, torch.bfloat16, enabled=is_half):
        styles = generator.styles(sitting.codes)
        prepared = generator.prepare(styles, sitting.backgrounds, views=config.views)
        if number < config.volume_steps:
            return ray_losses(config, generator, prepared, sitting, chance)
        return picture_losses(config, generator, prepared, sitting, chance, distance, critic)


def ray_losses(
    config: WarmConfig, generator: Generator, prepared: Prepared, sitting: Sitting, chance: torch.Generator
) -> dict[str, Tensor]:
    """Return what a few rays of each picture show wrong."""
    size = generator.config.volume_resolution
    device = sitting.images.device
    count = min(config.rays, size * size)
    batch = len(sitting.images)
    places = torch.rand(batch, size * size, generator=chance, device=device).argsort(dim=1)[:, :count]
    uv = generator.pixels(size).to(device)[places]
    rays = generator.march(prepared, sitting.camera, uv, draws=RandomDraws(chance, device))
    return volume_losses(config, rays, sitting, size, places)


def picture_losses(
    config: WarmConfig,
    generator: Generator,
    prepared: Prepared,
    sitting: Sitting,
    chance: torch.Generator,
    distance: PerceptualDistance,
    critic: Critic | None,
) -> dict[str, Tensor]:
    """Return what whole pictures show wrong, and their rays."""
    size = generator.config.volume_resolution
    sitting = sitting.at(generator.config.resolution)
    device = sitting.images.device
    batch = len(sitting.images)
    every = torch.arange(size * size, device=device).expand(batch, -1)
    uv = generator.pixels(size).to(device).expand(batch, -1, -1)
    rays = generator.march(prepared, sitting.camera, uv, draws=RandomDraws(chance, device))
    image = generator.finish(prepared, rays).image.float()
    losses = volume_losses(config, rays, sitting, size, every)
    weight = pixel_weights(sitting.labels, config.feature_weight)
    wrong = (image - sitting.images).abs().mean(1)
    losses["picture"] = config.pixel_weight * (wrong * weight).mean() / weight.mean()
    shown, true = window(image, sitting.images, config.perceptual_crop, chance)
    losses["perceptual"] = config.perceptual_weight * distance(shown, true).mean()
    if critic is not None:
        losses["critic"] = config.critic_weight * critic.loss(image, sitting.images, chance)
    return losses


def window(
    image: Float[Tensor, "b 3 h w"], other: Float[Tensor, "b 3 h w"], size: int, chance: torch.Generator
) -> tuple[Float[Tensor, "b 3 s s"], Float[Tensor, "b 3 s s"]]:
    """Return the same random window of both sets of pictures; all of them for a size of 0."""
    room = image.shape[-1] - size
    if size <= 0 or room <= 0:
        return image, other
    top, left = torch.randint(room + 1, (2,), generator=chance, device=chance.device).tolist()
    cut = (..., slice(top, top + size), slice(left, left + size))
    return image[cut], other[cut]


def volume_losses(
    config: WarmConfig, rays: Rays, sitting: Sitting, size: int, places: Int[Tensor, "b r"]
) -> dict[str, Tensor]:
    """Return how colours, coverage and depths of rays differ from the truth at their places."""
    small = torch.nn.functional.interpolate(sitting.images, size=(size, size), mode="area")
    alpha = torch.nn.functional.interpolate(sitting.alpha, size=(size, size), mode="area")
    depth, is_smooth = small_depth(sitting.depth, size)
    colour = taken(small, places)
    cover, far = taken(alpha, places)[..., 0], taken(depth, places)[..., 0]
    sure = taken(is_smooth.float(), places)[..., 0]
    shown = rays.depth.float() * rays.opacity.float().clamp(0, 1)
    deep = ((shown - far * rays.opacity.float()).abs() * 100 * sure).sum() / sure.sum().clamp(min=1)
    return {
        "colour": config.pixel_weight * (rays.colour.float() - colour).abs().mean(),
        "alpha": config.alpha_weight * coverage_loss(rays.opacity.float(), cover).mean(),
        "depth": config.depth_weight * 0.1 * deep,
    }


def coverage_loss(found: Float[Tensor, "b r"], true: Float[Tensor, "b r"]) -> Float[Tensor, "b r"]:
    """Return the cross entropy of coverage, without its least possible value.

    A difference would do, but its gradient dies where a head has become all but transparent.
    """
    found, sure = found.clamp(1e-4, 1 - 1e-4), true.clamp(1e-4, 1 - 1e-4)
    entropy = -(true * found.log() + (1 - true) * (1 - found).log())
    return entropy + true * sure.log() + (1 - true) * (1 - sure).log()


def small_depth(
    depth: Float[Tensor, "b 1 h w"], size: int
) -> tuple[Float[Tensor, "b 1 s s"], Float[Tensor, "b 1 s s"]]:
    """Return the mean depth of each square of pixels, and 1 where all of them are one surface."""
    factor = depth.shape[-1] // size
    near = -torch.nn.functional.max_pool2d(-depth, factor)
    far = torch.nn.functional.max_pool2d(depth, factor)
    mean = torch.nn.functional.avg_pool2d(depth, factor)
    return mean, ((near > 0) & (far - near < 0.02)).float()


def pixel_weights(labels: Int[Tensor, "b h w"], feature_weight: float) -> Float[Tensor, "b h w"]:
    """Return how much each pixel counts: eyes and mouth more than the rest."""
    is_feature = torch.zeros_like(labels, dtype=torch.bool)
    for label in FEATURE_LABELS:
        is_feature |= labels == label
    return 1 + (feature_weight - 1) * is_feature.float()


def taken(maps: Float[Tensor, "b c h w"], places: Int[Tensor, "b r"]) -> Float[Tensor, "b r c"]:
    """Return the values of maps at some of their pixels."""
    flat = maps.flatten(2).transpose(1, 2)
    return flat.gather(1, places[..., None].expand(-1, -1, flat.shape[-1]))


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
