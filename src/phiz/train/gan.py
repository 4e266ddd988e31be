"""Training a generator against a discriminator: ``phiz train gan``.

StyleNeRF's loop (Gu et al., 2022) on StyleGAN2's losses. The settings and their presets stand in
`gan_config`, a step in `gan_step`, the losses in `gan_losses`; this file holds what is around them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace

import torch

from phiz.console import Console
from phiz.errors import PhizError, UsageError
from phiz.generator import store
from phiz.generator.discriminator import Discriminator
from phiz.generator.generator import Generator
from phiz.layers import ema
from phiz.train import gan_losses, gan_watch, pictures, ranks, warm
from phiz.train.augment import AdaConfig, AdaController
from phiz.train.gan_config import GanConfig
from phiz.train.gan_step import Batch, Learners, learn
from phiz.train.pictures import PictureBatch, PicturesConfig
from phiz.train.run import Run, run_config
from phiz.train.sitters import Sitters


def train_gan(config: GanConfig, console: Console) -> Mapping[str, object]:
    """Train a generator against a discriminator.

    Interrupted, it goes on from its last snapshot when the same command is given again. On many GPUs:
    torchrun --nproc-per-node 8 -m phiz.cli train gan ...

    Examples:
        phiz train gan --data faces.zip --preset GUIDE_1024 -o runs/faces
        phiz world portraits -o portraits
        phiz train gan --preset BUILTIN_256 --data portraits --warm.portraits portraits --minutes 60
    """
    if not config.data:
        raise UsageError("say where the pictures are: phiz train gan --data DIR")
    with ranks.start(config.device) as here:
        config = warmed(config, here, console)
        try:
            return fit(config, here, console)
        except torch.OutOfMemoryError as error:
            raise PhizError(gan_watch.memory_advice(config, here.world)) from error


def warmed(config: GanConfig, here: ranks.Ranks, console: Console) -> GanConfig:
    """Return the settings with a generator to begin with, after fitting one if that was asked for."""
    if not config.warm_start or config.start is not None:
        return config
    first = replace(run_config(config), output=config.output / "warm")
    is_half = config.precision == "bfloat16"
    start = warm.fit(config.warm, config.generator, first, here, console, is_half=is_half)
    return replace(config, start=start, generator=store.load(start).config)


def fit(config: GanConfig, here: ranks.Ranks, console: Console) -> Mapping[str, object]:
    """Train to the end, or as long as there is time; return where the generator is."""
    learners = beginners(config, here)
    total = round(config.kimg * 1000 / config.batch)
    about = {"trainer": "gan", **asdict(config)}
    loose = {"kimg", "workers", "picture_every", "measure_every", "measure_count", "data", "start"}
    loose |= {"start_discriminator", "warm", "warm_start", "inception"}
    run = Run(run_config(config), about, learners.parts(here), here, console, may_change=loose)
    anchors = Sitters(config.warm.portraits, people=config.warm.people) if config.anchor > 0 else None
    with contextlib.closing(run):
        run.restore()
        progress = gan_losses.progress_at(run.images, *config.grow_kimg)
        learners.grow(progress)
        stream = real_pictures(config, here, run.images)
        with contextlib.closing(stream):
            while not run.finished(total):
                learners.grow(gan_losses.progress_at(run.images, *config.grow_kimg))
                batch = next_batch(config, stream, learners, here)
                sitting = None if anchors is None else warm.seated(config.warm, anchors, run.step, here)
                values = learn(config, learners, batch, run.step, sitting)
                kept = ema.share_kept(config.batch, config.half_life_kimg * 1000, run.images, config.ramp_up)
                ema.follow(learners.average, learners.generator, kept)
                run.advance(config.batch)
                run.log({**values, "damaged pictures": float(len(stream.damaged))})
                gan_watch.watch(config, run, learners, here)
        if here.is_first:
            learners.save(run.folder)
    return {"output": str(run.folder / "generator.safetensors"), "steps": run.step, "images": run.images}


def beginners(config: GanConfig, here: ranks.Ranks) -> Learners:
    """Return both networks and all that trains them, the same on all processes."""
    with torch.random.fork_rng():
        torch.random.set_rng_state(torch.Generator().manual_seed(config.seed).get_state())
        generator = Generator(config.generator)
        discriminator = Discriminator(config.discriminator)
    if config.start is not None:
        generator.load_state_dict(store.load(config.start).state_dict())
    if config.start_discriminator is not None:
        discriminator.load_state_dict(store.load_discriminator(config.start_discriminator).state_dict())
    for network in (generator, discriminator):
        network.to(here.device).train().requires_grad_(True)
        ranks.broadcast_from_first(network)
    chance = torch.Generator(here.device).manual_seed(1000 * config.seed + here.rank)
    ada = AdaConfig(
        target=config.ada_target or 0.6,
        interval=config.ada_every,
        kimg=config.ada_kimg,
        start=config.augment_p,
    )
    return Learners.begin(config, generator, discriminator, chance, AdaController(ada))


def real_pictures(config: GanConfig, here: ranks.Ranks, seen: int) -> pictures.PictureStream:
    """Return the stream of real pictures of this process, after so many that all have seen."""
    wanted = PicturesConfig(
        data=config.data,
        resolution=config.generator.resolution,
        mirror=config.mirror,
        crop=config.crop,
        workers=config.workers,
        use_labels=config.use_labels,
        max_pictures=config.max_pictures,
        seed=config.seed,
    )
    return pictures.batches(
        wanted, batch=config.batch // here.world, rank=here.rank, world=here.world, seen=seen
    )


def next_batch(
    config: GanConfig, stream: Iterator[PictureBatch], learners: Learners, here: ranks.Ranks
) -> Batch:
    """Return real pictures at the resolution that the network has grown to."""
    found = next(stream)
    images, labels = pictures.on_device(found, torch.device("cpu"))
    size = learners.resolution()
    if size < images.shape[-1]:
        images = pictures.resize_early(images, size)
    return Batch(images.to(here.device), labels.to(here.device))
