"""One step of a training against a discriminator: both networks learn from one batch."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint as twice

from phiz.generator import poses, store
from phiz.generator.discriminator import Discriminator
from phiz.generator.generator import Generator
from phiz.generator.path import render_with_path
from phiz.generator.upsample import stage
from phiz.generator.volume import RandomDraws
from phiz.graphics.camera import Camera
from phiz.layers import ema
from phiz.train import ranks, warm_losses
from phiz.train.augment import PIPES, AdaController, augment
from phiz.train.gan_config import GanConfig
from phiz.train.gan_losses import (
    cleaned,
    discriminator_loss,
    generator_loss,
    lazy,
    mixed,
    path_lengths,
    r1_penalty,
)
from phiz.train.monitor import gradient_norm
from phiz.train.run import Stateful
from phiz.train.sitters import Sitting
from phiz.train.state import GeneratorState

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
Values = dict[str, Tensor | float]


class Batch(NamedTuple):
    """Real pictures of this process, and their labels."""

    images: Float[Tensor, "b 3 h w"]
    labels: Float[Tensor, "b n"]


class Memory:
    """The running mean of path lengths, and the last penalties, as a part of a training.

    Penalties are taken in few steps, which need not be those that are logged; so each line of the log has
    the last ones. A class because it remembers.
    """

    def __init__(self, device: torch.device) -> None:
        self.mean_length, self.path, self.r1 = (torch.zeros((), device=device) for _ in range(3))

    def state_dict(self) -> dict[str, Tensor]:
        """Return all that is remembered."""
        return dict(vars(self))

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Remember something else."""
        for name, value in vars(self).items():
            setattr(self, name, state[name].to(value.device))


@dataclass(frozen=True, kw_only=True)
class Learners:
    """Both networks and everything that changes while they learn."""

    generator: Generator
    discriminator: Discriminator
    average: Generator
    optimiser_g: torch.optim.Optimizer
    optimiser_d: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    ada: AdaController
    chance: torch.Generator
    memory: Memory

    @staticmethod
    def begin(
        config: GanConfig,
        generator: Generator,
        discriminator: Discriminator,
        chance: torch.Generator,
        ada: AdaController,
    ) -> Learners:
        """Return what trains two networks."""
        rate_g, betas_g = lazy(config.rate_g, config.betas, config.g_every if config.path_length else 0)
        rate_d, betas_d = lazy(config.rate_d, config.betas, config.d_every)
        device = generator.progress.device
        average = ema.twin(generator)  # before anything is bound to the generator itself
        if config.is_checkpointed:
            keep_less(generator, discriminator)
        return Learners(
            generator=generator,
            discriminator=discriminator,
            average=average,
            optimiser_g=torch.optim.Adam(generator.parameters(), lr=rate_g, betas=betas_g, eps=1e-8),
            optimiser_d=torch.optim.Adam(discriminator.parameters(), lr=rate_d, betas=betas_d, eps=1e-8),
            scaler=torch.amp.GradScaler(device.type, enabled=config.precision == "float16"),
            ada=ada,
            chance=chance,
            memory=Memory(device),
        )

    def parts(self, here: ranks.Ranks) -> dict[str, Stateful]:
        """Return all that a snapshot holds."""
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "average": self.average,
            "optimiser_g": self.optimiser_g,
            "optimiser_d": self.optimiser_d,
            "scaler": self.scaler,
            "ada": self.ada,
            "chance": GeneratorState(self.chance, here),
            "memory": self.memory,
        }

    def grow(self, progress: float) -> None:
        """Let both networks know how far they have grown."""
        for network in (self.generator, self.discriminator, self.average):
            network.progress.fill_(progress)

    def resolution(self) -> int:
        """Return the resolution of the pictures that are drawn now."""
        blocks, _ = stage(float(self.generator.progress), len(self.generator.upsampler.blocks))
        return self.generator.config.volume_resolution << blocks

    def save(self, folder: Path, about: Mapping[str, object]) -> None:
        """Write the networks themselves, for use, and what is known about the generator's codes."""
        store.save_generator(folder / "generator.safetensors", self.average, about=about)
        store.save_discriminator(folder / "discriminator.safetensors", self.discriminator)


def learn(
    config: GanConfig, learners: Learners, batch: Batch, step: int, sitting: Sitting | None = None
) -> Values:
    """Let both networks learn from a batch; return what was measured."""
    memory = learners.memory
    values = _generator_turn(config, learners, batch, sitting)
    if config.path_length > 0 and config.g_every:
        if step % config.g_every == 0:
            _path_turn(config, learners, batch)
        values |= {"loss/path_length": memory.path, "path_length": memory.mean_length}
    values |= _discriminator_turn(config, learners, batch)
    if config.d_every:
        if step % config.d_every == 0:
            _r1_turn(config, learners, batch)
        values |= {"loss/r1": memory.r1}
    return values


def _generator_turn(config: GanConfig, learners: Learners, batch: Batch, sitting: Sitting | None) -> Values:
    values: dict[str, list[Tensor]] = {"loss/g": [], "signs/fake": [], "loss/nerf_path": []}

    def lose(labels: Tensor, share: float) -> Tensor:
        drawn, path = _drawn(config, learners, labels, with_path=True)
        scores = _judged(config, learners, drawn, labels)
        loss = generator_loss(scores)
        values["loss/g"].append(loss.mean().detach())
        values["signs/fake"].append(scores.sign().mean().detach())
        values["loss/nerf_path"].append(path.mean().detach())
        return (loss + config.nerf_path * path).mean() * share

    with _only(learners.generator, learners.discriminator):
        _accumulate(config, learners, batch, lose)
        measured: Values = {name: torch.stack(found).mean() for name, found in values.items()}
        if sitting is not None:
            measured |= _anchored(config, learners, sitting)
        measured["norm/g"] = _descend(learners, learners.generator, learners.optimiser_g)
    return measured


def _anchored(config: GanConfig, learners: Learners, sitting: Sitting) -> Values:
    """Let the generator remember its portraits; return the losses."""
    losses = warm_losses.regression(
        config.warm,
        learners.generator,
        sitting,
        config.warm.volume_steps,
        learners.chance,
        is_half=config.precision == "bfloat16",
    )
    total = config.anchor * torch.stack(list(losses.values())).sum()
    torch.autograd.backward(learners.scaler.scale(total))
    return {f"anchor/{name}": value.detach() for name, value in losses.items()}


def _path_turn(config: GanConfig, learners: Learners, batch: Batch) -> None:
    """Let steps of the same length in style change pictures by the same amount."""
    generator, memory = learners.generator, learners.memory
    count = max(config.batch_gpu // config.path_shrink, 1)
    labels = batch.labels[:count]
    with _only(generator, learners.discriminator), _precision(config, batch.images.device):
        styles = _styles(config, learners, labels).float()  # their gradient is squared
        drawn = generator.render(
            styles,
            _cameras(learners, len(labels)),
            background=_backgrounds(learners, len(labels)),
            draws=_draws(learners),
        ).image.float()
        noise = torch.randn(drawn.shape, generator=learners.chance, device=drawn.device)
        lengths = path_lengths(drawn, styles, noise)
        now = ranks.all_mean(lengths.mean())
        memory.mean_length = memory.mean_length.lerp(now, config.path_decay)
        penalty = (lengths - memory.mean_length).square()
        loss = penalty.mean() * config.path_length * config.g_every
        torch.autograd.backward(learners.scaler.scale(loss))
        _descend(learners, generator, learners.optimiser_g)
    memory.path = penalty.mean().detach()


def _discriminator_turn(config: GanConfig, learners: Learners, batch: Batch) -> Values:
    found: dict[str, list[Tensor]] = {"loss/d": [], "signs/real": [], "signs/fake_d": []}
    real = iter(torch.split(batch.images, config.batch_gpu))

    def lose(labels: Tensor, share: float) -> Tensor:
        with torch.no_grad():
            drawn, _ = _drawn(config, learners, labels, with_path=False)
        fake_scores = _judged(config, learners, drawn, labels)
        real_scores = _judged(config, learners, next(real), labels)
        loss = discriminator_loss(fake_scores, are_real=False) + discriminator_loss(
            real_scores, are_real=True
        )
        found["loss/d"].append(loss.mean().detach())
        found["signs/real"].append(real_scores.sign().mean().detach())
        found["signs/fake_d"].append(fake_scores.sign().mean().detach())
        return loss.mean() * share

    with _only(learners.discriminator, learners.generator):
        _accumulate(config, learners, batch, lose)
        norm = _descend(learners, learners.discriminator, learners.optimiser_d)
    values: Values = {name: torch.stack(parts).mean() for name, parts in found.items()}
    values["norm/d"] = norm
    if config.ada_target > 0:
        sign = torch.stack(found["signs/real"]).mean()
        learners.ada.adjust(ranks.all_mean(sign), config.batch)
    values["ada_p"] = learners.ada.p
    return values


def _r1_turn(config: GanConfig, learners: Learners, batch: Batch) -> None:
    """Keep the discriminator from being steep at real pictures."""
    penalties: list[Tensor] = []
    real = iter(torch.split(batch.images, config.batch_gpu))

    def lose(labels: Tensor, share: float) -> Tensor:
        images = next(real).detach().requires_grad_()
        with torch.autocast(images.device.type, enabled=False):
            scores = _judged(config, learners, images, labels)
            penalty = r1_penalty(scores, images, config.gamma)
        penalties.append(penalty.mean().detach())
        return penalty.mean() * config.d_every * share

    with _only(learners.discriminator, learners.generator):
        _accumulate(config, learners, batch, lose)
        _descend(learners, learners.discriminator, learners.optimiser_d)
    learners.memory.r1 = torch.stack(penalties).mean()


def _accumulate(
    config: GanConfig, learners: Learners, batch: Batch, lose: Callable[[Tensor, float], Tensor]
) -> None:
    """Add up gradients over the parts of a batch that fit into memory."""
    parts = torch.split(batch.labels, config.batch_gpu)
    for labels in parts:
        with _precision(config, labels.device):
            loss = lose(labels, len(labels) / len(batch.labels))
        torch.autograd.backward(learners.scaler.scale(loss))


def _descend(learners: Learners, network: nn.Module, optimiser: torch.optim.Optimizer) -> Tensor:
    """Take the step that the gathered gradients ask for; return how long they were."""
    ranks.average_gradients(network.parameters())
    parameters = [p for p in network.parameters() if p.grad is not None]
    learners.scaler.unscale_(optimiser)
    norm = gradient_norm(parameters)
    if not learners.scaler.is_enabled():
        cleaned(parameters)
    learners.scaler.step(optimiser)
    learners.scaler.update()
    optimiser.zero_grad(set_to_none=True)
    return norm.detach()


def _drawn(
    config: GanConfig, learners: Learners, labels: Tensor, *, with_path: bool
) -> tuple[Tensor, Tensor]:
    """Return drawn pictures, and how far they are from what their fields would have shown."""
    generator, count = learners.generator, len(labels)
    prepared = generator.prepare(_styles(config, learners, labels), _backgrounds(learners, count))
    camera = _cameras(learners, count)
    has_path = config.nerf_path > 0 and generator.config.path_samples > 0 and float(generator.progress) > 0
    if with_path and has_path:
        path = render_with_path(generator, prepared, camera, _draws(learners))
        return path.rendering.image.float(), path.loss.float()
    image = generator.render(prepared, camera, draws=_draws(learners)).image.float()
    return image, image.new_zeros(count)


def _judged(config: GanConfig, learners: Learners, images: Tensor, labels: Tensor) -> Tensor:
    """Return the scores of pictures after the changes that hide small data sets' limits."""
    if PIPES[config.pipe] != PIPES["noaug"]:
        images = augment(images, learners.ada.p, PIPES[config.pipe], learners.chance)
    known = labels if config.discriminator.labels else None
    scores: Tensor = learners.discriminator(images, known)
    return scores.float()


def _styles(config: GanConfig, learners: Learners, labels: Tensor) -> Tensor:
    """Return random styles, some of two people."""
    generator, chance, count = learners.generator, learners.chance, len(labels)
    device, known = labels.device, labels if learners.generator.config.labels else None

    def some() -> Tensor:
        z = torch.randn(count, generator.config.z_size, generator=chance, device=device)
        return generator.styles(z, known)

    styles = some()
    if config.mixing <= 0:
        return styles
    where = torch.rand(count, generator=chance, device=device)
    is_mixed = torch.rand(count, generator=chance, device=device) < config.mixing
    return mixed(styles, some(), torch.where(is_mixed, where, 2.0))


def _backgrounds(learners: Learners, count: int) -> Tensor | None:
    config = learners.generator.config
    if config.background == "none":
        return None
    device = learners.generator.progress.device
    return torch.randn(count, config.background_latent, generator=learners.chance, device=device)


def _cameras(learners: Learners, count: int) -> Camera:
    return poses.sample(learners.generator.config, count, learners.chance)


def _draws(learners: Learners) -> RandomDraws:
    return RandomDraws(learners.chance, learners.generator.progress.device)


def _precision(config: GanConfig, device: torch.device) -> torch.autocast:
    kind = PRECISIONS[config.precision]
    return torch.autocast(
        device.type, torch.bfloat16 if kind == torch.float32 else kind, enabled=kind != torch.float32
    )


@contextlib.contextmanager
def _only(learning: nn.Module, resting: nn.Module) -> Iterator[None]:
    """Let one network learn while the other only passes gradients on."""
    resting.requires_grad_(False)
    try:
        yield
    finally:
        resting.requires_grad_(True)


def keep_less(generator: Generator, discriminator: Discriminator) -> None:
    """Make both networks compute their largest parts twice instead of keeping them for the gradient."""
    parts: list[tuple[nn.Module, str]] = [(generator.foreground, "hidden")]
    parts += [(block, "forward") for block in discriminator.blocks]
    for owner, name in parts:
        plain = getattr(owner, name)
        setattr(owner, name, functools.partial(twice, plain, use_reentrant=False))
