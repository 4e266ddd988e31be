"""``phiz measure generator``: how well a generator draws people of the world whom it has never seen.

The world knows what each picture should be. So pictures, depths and coverage are compared with the
truth; heads are turned to see whether they stay the same; and a sheet of strangers is there to look at.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from phiz import checkpoint
from phiz.console import Console
from phiz.errors import UsageError
from phiz.generator import poses, store
from phiz.generator.generator import Generator
from phiz.layers import filters
from phiz.layers.perceptual import perceptual_distance
from phiz.media import image
from phiz.metrics import geometry, likeness
from phiz.options import option
from phiz.train.gan_watch import codes, tiled
from phiz.train.sitters import Sitters, Sitting

SEEDS, TURNS_DEG = 24, (-45.0, -22.5, 0.0, 22.5, 45.0)
"""The sheet: so many people, each from these sides."""
ASIDE_DEG = 30.0
FACE = 0.6
"""Share of the picture's width and height, around its middle, in which people are told apart."""
AT_ONCE = 6


@dataclass(frozen=True, kw_only=True)
class MeasureConfig:
    """What to measure, and on whom."""

    generator: Path | None = None
    """Generator file; the built-in one without."""
    portraits: Path | None = None
    """Folder of portraits that the generator has never seen (`phiz world portraits --seed 2`)."""
    output: Path = option(Path("measured"), "-o", "--output")
    """Folder for the numbers and the sheets."""
    people: int = 0
    """Measure on the first so many people; 0 takes all."""
    device: str = "cpu"
    """Where to compute."""


def measure_verb(config: MeasureConfig, console: Console) -> Mapping[str, object]:
    """Measure a generator on portraits that it has never seen, and draw sheets to look at.

    Examples:
        phiz world portraits -o strangers --people 1000 --views 1 --seed 2
        phiz measure generator --portraits strangers -o measured
    """
    generator = store.load(config.generator).to(config.device)
    numbers: dict[str, float] = {}
    if config.portraits is not None:
        sitters = Sitters(config.portraits, people=config.people)
        if sitters.code_size != generator.config.z_size:
            raise UsageError(
                f"codes of {sitters.code_size} numbers do not fit a generator of {generator.config.z_size}. "
                "Give a generator that was fitted to portraits of this kind."
            )
        numbers |= likeness_of(generator, sitters, console)
        numbers["people"] = float(sitters.people)
        image.write(config.output / "truth.png", beside_truth(generator, sitters))
    numbers |= turning(generator, people=min(SEEDS, config.people or SEEDS))
    numbers = {name: value for name, value in numbers.items() if math.isfinite(value)}
    image.write(config.output / "sheet.png", sheet(generator))
    with checkpoint.atomic(config.output / "numbers.json") as path:
        path.write_text(json.dumps(numbers, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    console.table(["measure", "value"], [[name, f"{value:.4g}"] for name, value in numbers.items()])
    console.say(f"Sheets and numbers are in {config.output}.")
    return {"output": str(config.output), **numbers}


@torch.no_grad()
def likeness_of(generator: Generator, sitters: Sitters, console: Console) -> dict[str, float]:
    """Return how like the truth pictures, depths and coverage of people are who are known by code alone."""
    rows: list[dict[str, Tensor]] = []
    starts = range(0, sitters.people, AT_ONCE)
    for start in console.progress(starts, total=len(starts), label="people"):
        who = np.arange(start, min(start + AT_ONCE, sitters.people))
        rows.append(compared(generator, sitters.batch(who, sitters.views).to(generator.progress.device)))
    return {name: float(torch.cat([row[name] for row in rows]).nanmean()) for name in rows[0]}


def compared(generator: Generator, sitting: Sitting) -> dict[str, Float[Tensor, " b"]]:
    """Return the same for a few of them, a number a picture."""
    views = len(sitting.images) // len(sitting.codes)
    prepared = generator.prepare(generator.styles(sitting.codes), sitting.backgrounds, views=views)
    made = generator.render(prepared, sitting.camera)
    sitting = sitting.at(generator.config.resolution)
    drawn = made.image.clamp(-1, 1)
    size = made.depth.shape[-1]
    depth = torch.nn.functional.interpolate(sitting.depth, size=(size, size), mode="nearest")[:, 0]
    alpha = torch.nn.functional.interpolate(sitting.alpha, size=(size, size), mode="area")[:, 0]
    is_head = ((alpha > 0.99) & (made.opacity > 0.5)).float()[:, None]
    to_mm = 1000 / generator.config.units_per_metre
    face = ((sitting.labels > 0) & (sitting.labels < 14)).float()[:, None]
    return {
        "psnr": likeness.psnr(drawn, sitting.images),
        "psnr_face": likeness.psnr(drawn, sitting.images, face),
        "ssim": likeness.ssim(drawn, sitting.images),
        "perceptual": perceptual_distance(drawn, sitting.images),
        "depth_mm": geometry.depth_error(made.depth, depth, is_head) * to_mm,
        "coverage_error": (made.opacity - alpha).abs().mean((1, 2)),
    }


@torch.no_grad()
def turning(generator: Generator, people: int = SEEDS) -> dict[str, float]:
    """Return whether heads stay themselves when they turn by 30 degrees to both sides.

    `found_aside` is how often somebody seen from the side is nearest to their own frontal picture among
    all, by the built-in features of the face: chance alone gives one in so many people. `turn_error`
    is how much the colours of points that both pictures show differ.
    """
    z, behind, labels = codes(generator, 0, people)
    turn = torch.tensor([-ASIDE_DEG, 0.0, ASIDE_DEG], device=z.device) * (math.pi / 180)
    camera = poses.turned(generator.config, turn, torch.zeros_like(turn))
    features, errors = [], []
    for k in range(people):
        cut = slice(k, k + 1)
        styles = generator.styles(z[cut], None if labels is None else labels[cut], psi=0.9)
        made = generator.render(styles, camera, background=None if behind is None else behind[cut] * 0)
        features.append(filters.picture_features(middle(made.image.clamp(-1, 1))))
        depth = torch.where(made.opacity > 0.5, made.depth, torch.inf)
        errors.append(geometry.reprojection_error(made.small, depth, camera).colour)
    every = torch.stack(features)  # (people, 3, features)
    every = (every - every.mean((0, 1))) / every.std((0, 1)).clamp(min=1e-6)
    front = torch.nn.functional.normalize(every[:, 1], dim=-1)
    right = torch.arange(people, device=z.device)
    found = [
        (torch.nn.functional.normalize(every[:, side], dim=-1) @ front.T).argmax(1) == right
        for side in (0, 2)
    ]
    return {
        "found_aside": float(torch.stack(found).float().mean()),
        "turn_error": float(torch.cat(errors).nanmean()),
    }


@torch.no_grad()
def sheet(generator: Generator, seeds: int = SEEDS) -> Float[Tensor, "3 h w"]:
    """Return people of random codes, two in a row, each from five sides."""
    z, behind, labels = codes(generator, 0, seeds)
    yaw = torch.tensor([math.radians(d) for d in TURNS_DEG], device=z.device)
    camera = poses.turned(generator.config, yaw, torch.zeros_like(yaw))
    drawn = []
    for k in range(seeds):
        cut = slice(k, k + 1)
        styles = generator.styles(z[cut], None if labels is None else labels[cut], psi=0.9)
        drawn.append(
            generator.render(styles, camera, background=None if behind is None else behind[cut]).image
        )
    return tiled(torch.cat(drawn), 2 * len(TURNS_DEG))


@torch.no_grad()
def beside_truth(generator: Generator, sitters: Sitters, rows: int = 8) -> Float[Tensor, "3 h w"]:
    """Return strangers as the world paints them, and to the right as the generator draws them."""
    who = np.arange(min(rows, sitters.people))
    sitting = sitters.batch(who, sitters.views).to(generator.progress.device)
    prepared = generator.prepare(generator.styles(sitting.codes), sitting.backgrounds, views=sitters.views)
    made = generator.render(prepared, sitting.camera).image
    true = sitting.at(generator.config.resolution).images
    return tiled(torch.stack([true, made], dim=1).flatten(0, 1), 2 * sitters.views)


def middle(images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h2 w2"]:
    """Return the middle of pictures, where the face is; of tiny ones all that features need."""
    size = images.shape[-1]
    edge = max(min(round(size * (1 - FACE) / 2), (size - filters.SMALLEST) // 2), 0)
    return images[..., edge : size - edge, edge : size - edge]
