"""Warm start against training from nothing, at equal compute: how far drawn people are from portraits.

Both arms train the same small generator on the same portraits for the same minutes; after every part
of that time both are measured with the built-in features (lower is nearer). Prints the curves.

    phiz world portraits -o portraits --people 600 --size 64
    phiz world portraits -o strangers --people 200 --size 64 --seed 2
    python benchmarks/warm_start.py portraits strangers --minutes 8
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from phiz.console import Console
from phiz.generator import store
from phiz.generator.config import BUILTIN_256, DiscriminatorConfig
from phiz.metrics import fidelity
from phiz.train import gan, gan_watch, pictures
from phiz.train.gan_config import BUILTIN, GanConfig
from phiz.train.pictures import PicturesConfig

SMALL = replace(
    BUILTIN_256, resolution=64, volume_resolution=32, planes_resolution=64, samples=8, channel_most=32
)
SMALL_D = DiscriminatorConfig(resolution=64, channel_base=0.0625, channel_most=128, group=4)
WARM_SHARE = 0.5
"""Share of the time that the warm arm spends on regression before the discriminator comes in."""
PARTS, PICTURES, AT_ONCE = 4, 400, 8


def arm(portraits: Path, folder: Path, *, is_warm: bool) -> GanConfig:
    """Return the settings of one of the two."""
    warm = replace(
        BUILTIN.warm,
        portraits=portraits,
        steps=10**6,
        volume_steps=400,
        rays=512,
        rate=0.01,
        views=2,
        batch=6,
    )
    return replace(
        BUILTIN,
        data=str(portraits),
        output=folder / ("warm" if is_warm else "scratch"),
        generator=SMALL,
        discriminator=SMALL_D,
        warm=warm,
        warm_start=is_warm,
        anchor=1.0 if is_warm else 0.0,
        batch=8,
        batch_gpu=8,
        rate_g=0.0025,
        rate_d=0.0025,
        workers=0,
        measure_every=0,
        picture_every=0,
        snapshot_every=10**6,
        tensorboard=False,
    )


def train(config: GanConfig, minutes: float, done: float, total: float) -> Path:
    """Train for some minutes; return where the generator is."""
    fitted = gan.warm_folder(config) / "generator.safetensors"
    if config.warm_start and done < WARM_SHARE * total:
        gan.train_gan(replace(config, minutes=minutes), Console(quiet=True))  # the clock ends it in time
        return fitted
    if config.warm_start:
        shape = store.load(fitted).config
        config = replace(config, start=fitted, generator=shape)
    gan.train_gan(replace(config, minutes=minutes), Console(quiet=True))
    return config.output / "generator.safetensors"


def distance(path: Path, real: fidelity.Features) -> float:
    """Return the Frechet distance of drawn people to real portraits, in built-in features."""
    generator = store.load(path)
    made = fidelity.extract(gan_watch.drawn_batches(generator, PICTURES // AT_ONCE, 7), fidelity.BUILT_IN)
    found = fidelity.compare(real, made, torch.Generator().manual_seed(0))
    return found.fid


def features(strangers: Path) -> fidelity.Features:
    """Return the features of portraits that neither arm has seen."""
    wanted = PicturesConfig(data=str(strangers), resolution=64, mirror=False, workers=0)
    with contextlib.closing(pictures.batches(wanted, batch=AT_ONCE)) as stream:
        batches = [
            pictures.on_device(next(stream), torch.device("cpu"))[0] for _ in range(PICTURES // AT_ONCE)
        ]
    return fidelity.extract(batches, fidelity.BUILT_IN)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("portraits", type=Path)
    parser.add_argument("strangers", type=Path)
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--keep", type=Path, default=None, help="folder for both runs")
    asked = parser.parse_args()
    real = features(asked.strangers)
    with contextlib.ExitStack() as stack:
        folder = asked.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        arms = {name: arm(asked.portraits, folder, is_warm=name == "warm") for name in ("scratch", "warm")}
        print("minutes  scratch  warm   (Frechet distance, built-in features)")
        for part in range(PARTS):
            done = asked.minutes * part / PARTS
            found = {
                name: distance(train(config, asked.minutes / PARTS, done, asked.minutes), real)
                for name, config in arms.items()
            }
            print(
                f"{done + asked.minutes / PARTS:7.1f}  {found['scratch']:7.2f}  {found['warm']:5.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
