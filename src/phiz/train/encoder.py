"""Training an encoder: ``phiz train encoder``.

The generator's own pictures come with what they were drawn from, so a network can learn to tell it: styles,
camera, background. Errors of styles count by how much they change the picture, and some of what is told is
drawn and compared as a picture, too. Changes as photos have them, and rendered portraits, which are sharper
than what the generator draws, make what is learned hold for photos as well.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from phiz import trained
from phiz.avatar import encoder_network
from phiz.avatar.encoder_network import ENCODER, EncoderNet, config_for
from phiz.console import Console
from phiz.errors import DataError, PhizError, UsageError
from phiz.face import network_files
from phiz.face.network_files import LANDMARKS
from phiz.generator import store
from phiz.generator.generator import Generator
from phiz.layers import ema, residual
from phiz.train import encoder_losses, encoder_watch, pull, ranks, rates
from phiz.train.encoder_batches import EncoderBatch, batch_of, joined, sitting
from phiz.train.encoder_config import TrainEncoderConfig
from phiz.train.encoder_samples import Plan, Reservoir, Samples, chance_of, subjects
from phiz.train.ranks import Ranks
from phiz.train.run import Run, Stateful, run_config
from phiz.train.sitters import Sitters
from phiz.world.portrait import view_camera

LOOSE = frozenset("steps cool_share picture_every measure_every measure_count data check start trunk".split())
"""Settings that may be others when a training goes on."""
STEEPEST = 5.0
"""Longest gradient that is followed as it is."""
PROBES = 23
"""What random bits of pictures by which styles are weighed are for."""
MEAN_OF = 4096
"""Codes from which the mean style is taken."""


class Scale(nn.Module):
    """How errors of styles count; a module because it is kept in snapshots."""

    stick: Tensor
    spread: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("stick", torch.zeros(size, size))
        self.register_buffer("spread", torch.ones(size))


def train_encoder(config: TrainEncoderConfig, console: Console) -> Mapping[str, object]:
    """Train an encoder, which tells from a picture what the generator would draw it from.

    Interrupted, it goes on from its last snapshot when the same command is given again. On many GPUs:
    torchrun --nproc-per-node 8 -m phiz.cli train encoder ...

    Examples:
        phiz train encoder -o runs/encoder
        phiz world portraits -o portraits --people 1500 --views 2
        phiz train encoder --data portraits -o runs/encoder
    """
    with ranks.start(config.device) as here:
        if config.batch % here.world or config.batch < 2 * here.world:
            raise UsageError(
                f"{here.world} processes cannot share a batch of {config.batch} evenly, with at least 2 "
                f"pictures each. Give --batch {here.world * max(config.batch // here.world, 2)}"
            )
        try:
            return fit(config, here, console)
        except torch.OutOfMemoryError as error:
            raise PhizError(
                "the memory of the GPU is too small for this training. "
                f"Try --batch {max(config.batch // 2, 2 * here.world)}."
            ) from error


def fit(config: TrainEncoderConfig, here: Ranks, console: Console) -> Mapping[str, object]:
    """Train to the end, or as long as there is time; return where the encoder is."""
    generator = store.load(config.generator).to(here.device)
    config = replace(config, encoder=config_of(config, generator))
    encoder = beginner(config, generator).to(here.device).train().requires_grad_(True)
    ranks.broadcast_from_first(encoder)
    average = ema.twin(encoder)
    optimiser = torch.optim.AdamW(pull.groups(encoder.parameters(), config.weight_decay), betas=(0.9, 0.99))
    scale = Scale(config.encoder.w_size).to(here.device)
    parts: dict[str, Stateful] = {
        "encoder": encoder,
        "average": average,
        "optimiser": optimiser,
        "scale": scale,
    }
    about = {"trainer": "encoder", **asdict(config)}
    path = config.output / f"{ENCODER.name}.safetensors"
    with contextlib.closing(Run(run_config(config), about, parts, here, console, may_change=LOOSE)) as run:
        if not run.restore():
            weigh(scale, generator, config, console)
            ranks.broadcast_from_first(scale)
        source = Source.open(config, generator, here)
        source.fill(run.step, console)
        while not run.finished(config.steps):
            batch = source.batch(run.step).to(here.device)
            values = learn(config, encoder, generator, scale, optimiser, batch, run.step)
            ranks.average_buffers(encoder)
            ema.follow(average, encoder, kept(config, run.images))
            run.advance(config.batch)
            run.log(values)
            encoder_watch.watch(config, run, average, generator, here)
        said = {"trained on": config.data.name if config.data else "drawn pictures", "steps": run.step}
        ranks.on_first(here, lambda: trained.save(path, ENCODER, average, about=said))
    return {"output": str(path), "steps": run.step, "images": run.images}


def config_of(config: TrainEncoderConfig, generator: Generator) -> encoder_network.EncoderConfig:
    """Return the encoder's sizes with those that follow from the generator."""
    if encoder_network.fits(config.encoder, generator.config):
        return config.encoder
    return config_for(generator.config, config.encoder)


def beginner(config: TrainEncoderConfig, generator: Generator) -> EncoderNet:
    """Return a new encoder, the same on all processes, or the one to begin with."""
    if config.start is not None:
        encoder = trained.load(ENCODER, config.start)
        if encoder.config != config.encoder:
            raise UsageError(
                f"{config.start} holds an encoder of other sizes ({encoder.config}). Ask for the same with "
                "--encoder, or begin without it."
            )
        return encoder
    with torch.random.fork_rng():
        torch.random.set_rng_state(torch.Generator().manual_seed(config.seed).get_state())
        encoder = EncoderNet(config.encoder)
        encoder.begin(mean_styles(generator, config.seed).cpu())
    residual.start([*encoder.trunk.modules(), encoder.conv], torch.Generator().manual_seed(config.seed))
    if config.trunk is not None or config.built_in_trunk:
        take_trunk(encoder, config.trunk)
    return encoder


def take_trunk(encoder: EncoderNet, path: Path | None) -> None:
    """Give an encoder the first layers of a network that finds landmarks, the built-in one without a path."""
    theirs = network_files.load(LANDMARKS, path).trunk.state_dict()
    own = encoder.trunk.state_dict()
    if any(name not in own or own[name].shape != value.shape for name, value in theirs.items()):
        raise UsageError(
            f"the trunk of {path or 'the built-in landmarks'} has other sizes than the encoder's first "
            "layers. Give the encoder its blocks and widths with --encoder.blocks and --encoder.widths."
        )
    encoder.trunk.load_state_dict({**own, **theirs})


@torch.no_grad()
def mean_styles(generator: Generator, seed: int, count: int = MEAN_OF) -> Float[Tensor, "b w"]:
    """Return the styles of many codes by chance."""
    chance = torch.Generator().manual_seed(seed)
    z = torch.randn(count, generator.config.z_size, generator=chance)
    return generator.styles(z.to(generator.progress.device))[:, 0]


def weigh(scale: Scale, generator: Generator, config: TrainEncoderConfig, console: Console) -> None:
    """Find out how much errors of styles count."""
    styles, device = mean_styles(generator, config.seed), scale.stick.device
    scale.spread.copy_(styles.std(dim=0))
    chance = chance_of(config.seed, PROBES)
    total = torch.zeros_like(scale.stick)
    console.say(f"Weighing styles by {config.probes} pictures.")
    for first in range(0, config.probes, config.people):
        who = subjects(generator.config, min(config.people, config.probes - first), 1, chance)
        noise = chance.standard_normal((len(who.z), 3, *[encoder_losses.PROBED] * 2), "float32")
        z, background, angles = (x.to(device) for x in (who.z, who.background, who.angles))
        camera = view_camera(angles[:, 0], angles[:, 1])
        w = generator.styles(z)[:, 0]
        total += len(w) * encoder_losses.sensitivity(
            generator, w, camera, background, torch.from_numpy(noise).to(device)
        )
    scale.stick.copy_(encoder_losses.yardstick(total / config.probes, styles))


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the pictures of this process come from."""

    config: TrainEncoderConfig
    reservoir: Reservoir
    sitters: Sitters | None
    drawn: int
    """Pictures a step that the generator drew; the others are rendered portraits."""
    here: Ranks

    @staticmethod
    def open(config: TrainEncoderConfig, generator: Generator, here: Ranks) -> "Source":
        """Return the source of a training's pictures; refuse portraits of another generator's codes."""
        sitters = Sitters(config.data) if config.data is not None else None
        if sitters is not None and sitters.code_size != generator.config.z_size:
            raise DataError(
                f"codes of the portraits in {config.data} have {sitters.code_size} numbers, those of the "
                f"generator {generator.config.z_size}. Give portraits that this generator learned from."
            )
        own = config.batch // here.world
        drawn = own - round(own * config.data_share) if sitters is not None else own
        plan = Plan(
            size=config.encoder.size,
            people=config.people,
            views=config.views,
            kept=config.kept,
            first=config.first,
            steps_a_draw=config.reuse * config.people * config.views / max(drawn, 1e-3),
            seed=config.seed,
            rank=here.rank,
        )
        reservoir = Reservoir(generator, plan, config.output)
        return Source(config=config, reservoir=reservoir, sitters=sitters, drawn=drawn, here=here)

    def fill(self, step: int, console: Console) -> None:
        """Draw what is needed before the first step."""
        if not self.drawn:
            return
        for count, _ in enumerate(self.reservoir.missing(step), 1):
            if count % 16 == 0:
                console.say(f"Drew {count * self.config.people * self.config.views} pictures.")

    def batch(self, step: int) -> EncoderBatch:
        """Return the pictures of this process at a step."""
        config, here, own = self.config, self.here, self.config.batch // self.here.world
        parts: list[Samples] = []
        if self.drawn:
            parts.append(self.reservoir.take(step, self.drawn))
        if self.sitters is not None and own > self.drawn:
            size, count = config.encoder.size, own - self.drawn
            parts.insert(
                0, sitting(self.sitters, config.seed, step, count, size, rank=here.rank, world=here.world)
            )
        first = step * config.batch + here.rank * own
        return batch_of(joined(parts), config.changes, config.frame, seed=config.seed, first=first)


def learn(
    config: TrainEncoderConfig,
    encoder: EncoderNet,
    generator: Generator,
    scale: Scale,
    optimiser: torch.optim.Optimizer,
    batch: EncoderBatch,
    step: int,
) -> dict[str, float | Float[Tensor, ""]]:
    """Take a step; return what was measured."""
    rate = rates.rise_stay_and_fall(
        config.rate, step, config.steps, warm=config.warm_steps, cool_share=config.cool_share
    )
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.zero_grad(set_to_none=True)
    losses = losses_of(config, encoder, generator, scale, batch, is_drawn=step >= config.drawn_after)
    torch.autograd.backward(torch.stack(list(losses.values())).sum())
    ranks.average_gradients(encoder.parameters())
    norm = torch.nn.utils.clip_grad_norm_(encoder.parameters(), STEEPEST)
    optimiser.step()
    return {**{f"loss/{name}": value.detach() for name, value in losses.items()}, "norm": norm, "rate": rate}


def losses_of(
    config: TrainEncoderConfig,
    encoder: EncoderNet,
    generator: Generator,
    scale: Scale,
    batch: EncoderBatch,
    *,
    is_drawn: bool,
) -> dict[str, Float[Tensor, ""]]:
    """Return what an encoder tells wrong of a batch, by name and weighted."""
    weights, who = config.weights, batch.who
    with torch.no_grad():
        true = generator.styles(who.z)[:, 0]
    told = encoder(batch.pictures)
    losses = {
        "seen": weights.seen * encoder_losses.seen_error(told.styles, true, scale.stick),
        "styles": weights.styles * encoder_losses.style_error(told.styles, true, scale.spread),
        "camera": weights.camera * encoder_losses.camera_error(told, who.angles),
        "background": weights.background
        * encoder_losses.background_error(told.background, who.background, batch.is_plain.float()),
    }
    if is_drawn and config.drawn:
        # The first are rendered portraits, where there are some: there is most to learn from their pictures.
        some = slice(0, config.drawn)
        made = encoder_losses.redrawn(generator, told[some], batch.true.shape[-1])
        pair = (made, batch.true[some], batch.cover[some], weights.around)
        losses["pixels"] = weights.pixels * encoder_losses.pixel_error(*pair)
        losses["look"] = weights.look * encoder_losses.look_error(*pair)
    return losses


def kept(config: TrainEncoderConfig, images: int) -> float:
    """Return what share of the average of networks survives a step; nothing without an average."""
    if config.half_life <= 0:
        return 0.0
    return ema.share_kept(config.batch, config.half_life, images, 0.1)
