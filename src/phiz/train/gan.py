"""Training a generator against a discriminator: ``phiz train gan``.

StyleNeRF's loop (Gu et al., 2022) on StyleGAN2's losses. The settings and their presets stand in
`gan_config`, a step in `gan_step`, the losses in `gan_losses`; this file holds what is around them.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path

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
        check_share(config, here)
        try:
            ready = warmed(config, here, console)
            if ready is None:
                return {"output": str(warm_folder(config)), "steps": 0, "images": 0}
            return fit(ready, here, console)
        except torch.OutOfMemoryError as error:
            raise PhizError(gan_watch.memory_advice(config, here.world)) from error


def check_share(config: GanConfig, here: ranks.Ranks) -> None:
    """Refuse a batch of which some processes would see more than others."""
    if config.batch % here.world:
        raise UsageError(
            f"{here.world} processes cannot share a batch of {config.batch} evenly. "
            f"Give --batch {here.world * max(config.batch // here.world, 1)}"
        )


def warm_folder(config: GanConfig) -> Path:
    """Return where the warm start is kept: beside the run, whose folder has to be empty at first."""
    return config.output.with_name(f"{config.output.name}-warm")


def warmed(config: GanConfig, here: ranks.Ranks, console: Console) -> GanConfig | None:
    """Return the settings with a generator to begin with, after fitting one if that was asked for.

    Nothing comes back if that was not finished, because somebody asked to stop or the time is over.
    """
    if not config.warm_start or config.start is not None:
        return config
    began = time.monotonic()
    first = replace(run_config(config), output=warm_folder(config))
    is_half = config.precision == "bfloat16"
    start = warm.fit(config.warm, config.generator, first, here, console, is_half=is_half)
    if start is None:
        return None
    left = max(config.minutes - (time.monotonic() - began) / 60, 1e-6) if config.minutes else 0.0
    return replace(config, start=start, generator=store.load(start).config, minutes=left)


def fit(config: GanConfig, here: ranks.Ranks, console: Console) -> Mapping[str, object]:
    """Train to the end, or as long as there is time; return where the generator is."""
    learners = beginners(config, here)
    total = round(config.kimg * 1000 / config.batch)
    about = {"trainer": "gan", **asdict(config)}
    loose = {"kimg", "workers", "picture_every", "measure_every", "measure_count", "data", "start"}
    loose |= {"start_discriminator", "warm", "warm_start", "inception"}
    anchors = anchoring(config)
    run = Run(run_config(config), about, learners.parts(here), here, console, may_change=loose)
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
                ranks.average_buffers(learners.generator)
                kept = ema.share_kept(config.batch, config.half_life_kimg * 1000, run.images, config.ramp_up)
                ema.follow(learners.average, learners.generator, kept)
                run.advance(config.batch)
                run.log({**values, "damaged pictures": float(len(stream.damaged))})
                gan_watch.watch(config, run, learners, here)
        said = {} if config.start is None else store.about(config.start)
        ranks.on_first(here, lambda: learners.save(run.folder, said))
    return {"output": str(run.folder / "generator.safetensors"), "steps": run.step, "images": run.images}


def anchoring(config: GanConfig) -> Sitters | None:
    """Return the portraits that the generator must not forget, if there are such."""
    if config.anchor <= 0:
        return None
    sitters = Sitters(config.warm.portraits, people=config.warm.people)
    warm.check_fits(config.generator, sitters, config.warm.portraits)
    warm.check_codes(config.generator, sitters)
    return sitters


def beginners(config: GanConfig, here: ranks.Ranks) -> Learners:
    """Return both networks and all that trains them, the same on all processes."""
    with torch.random.fork_rng():
        torch.random.set_rng_state(torch.Generator().manual_seed(config.seed).get_state())
        generator = Generator(config.generator)
        discriminator = Discriminator(config.discriminator)
    if config.start is not None:
        warm.take_over(generator, store.load(config.start), config.start)
    if config.start_discriminator is not None:
        start = store.load_discriminator(config.start_discriminator)
        warm.take_over(discriminator, start, config.start_discriminator)
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
    stream = pictures.batches(
        wanted, batch=config.batch // here.world, rank=here.rank, world=here.world, seen=seen
    )
    found = stream.source.labels if config.use_labels else 0
    if not found == config.generator.labels == config.discriminator.labels:
        stream.close()
        raise UsageError(
            f"pictures have labels of {found} numbers, the networks take {config.generator.labels} and "
            f"{config.discriminator.labels}. Give --generator.labels {found} --discriminator.labels {found}"
        )
    return stream


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
