"""What is looked at while a generator trains: sheets of people, turns, depths, and measurements."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.generator import poses
from phiz.generator.generator import Generator
from phiz.metrics import fidelity, geometry
from phiz.train import pictures, ranks, state
from phiz.train.gan_config import GanConfig
from phiz.train.gan_step import Learners
from phiz.train.pictures import PicturesConfig
from phiz.train.run import Run

ROWS, COLUMNS = 4, 6
TURNS_DEG = (-40.0, -20.0, 0.0, 20.0, 40.0)
AT_ONCE = 8


def watch(config: GanConfig, run: Run, learners: Learners, here: ranks.Ranks) -> None:
    """Keep pictures and take measurements where it is time for them."""
    if run.due(config.picture_every) and here.is_first:
        generator = learners.average
        run.picture("people", people(generator, config.seed))
        turn, depth = turns(generator, config.seed)
        run.picture("turn", turn)
        run.picture("depth", depth)
    if run.due(config.measure_every):
        found = state.from_first(here, lambda: measure(config, learners.average, here))
        run.log(found, always=True)


@torch.no_grad()
def people(generator: Generator, seed: int) -> Float[Tensor, "3 h w"]:
    """Return a sheet of people whom the generator draws, from the front."""
    z, behind, labels = codes(generator, seed, ROWS * COLUMNS)
    camera = poses.at(generator.config, (0.5, 0.5, 0.5))
    drawn = []
    for part in range(0, len(z), AT_ONCE):
        cut = slice(part, part + AT_ONCE)
        styles = generator.styles(z[cut], None if labels is None else labels[cut])
        drawn.append(generator.render(styles, camera.to(z.device), background=_cut(behind, cut)).image)
    return tiled(torch.cat(drawn), COLUMNS)


@torch.no_grad()
def turns(generator: Generator, seed: int) -> tuple[Float[Tensor, "3 h w"], Float[Tensor, "3 h2 w2"]]:
    """Return a few people from several sides, and the depths of the same pictures."""
    z, behind, labels = codes(generator, seed, ROWS)
    yaw = torch.tensor([math.radians(d) for d in TURNS_DEG], device=z.device)
    camera = poses.turned(generator.config, yaw, torch.zeros_like(yaw))
    shown, depths = [], []
    for k in range(len(z)):
        styles = generator.styles(z[k : k + 1], None if labels is None else labels[k : k + 1])
        drawn = generator.render(styles, camera, background=_cut(behind, slice(k, k + 1)))
        shown.append(drawn.image)
        near, far = generator.config.near, generator.config.far
        close = ((far - drawn.depth) / (far - near)).clamp(0, 1) * drawn.opacity
        depths.append((2 * close - 1)[:, None].expand(-1, 3, -1, -1))
    return tiled(torch.cat(shown), len(TURNS_DEG)), tiled(torch.cat(depths), len(TURNS_DEG))


def measure(config: GanConfig, generator: Generator, here: ranks.Ranks) -> dict[str, float]:
    """Return how far drawn pictures are from real ones, and how well views of one head agree."""
    extractor = fidelity.choose_extractor(config.inception, here.device)
    count = -(-config.measure_count // AT_ONCE)
    with contextlib.closing(_real(config)) as stream:
        batches = (pictures.on_device(next(stream), here.device)[0] for _ in range(count))
        real = fidelity.extract(batches, extractor)
    made = fidelity.extract(drawn_batches(generator, count, config.seed + 1), extractor)
    found = fidelity.compare(real, made, torch.Generator().manual_seed(config.seed))
    return {**found.numbers(), "pose_error": pose_error(generator, config.seed)}


@torch.no_grad()
def drawn_batches(generator: Generator, count: int, seed: int) -> Iterator[Float[Tensor, "b 3 h w"]]:
    """Yield batches of random people from random sides, each batch from a seed of its own."""
    device = generator.progress.device
    for k in range(count):
        z, behind, labels = codes(generator, seed * 100_003 + k, AT_ONCE)
        camera = poses.sample(generator.config, AT_ONCE, torch.Generator().manual_seed(seed * 100_003 + k))
        yield generator.render(generator.styles(z, labels), camera.to(device), background=behind).image


@torch.no_grad()
def pose_error(generator: Generator, seed: int, count: int = 4, turn_deg: float = 15.0) -> float:
    """Return how much pictures of one head from two sides disagree where both show the same point."""
    z, behind, labels = codes(generator, seed, count)
    turn = torch.tensor([0.0, math.radians(turn_deg)], device=z.device)
    camera = poses.turned(generator.config, turn, torch.zeros_like(turn))
    errors = []
    for k in range(count):
        styles = generator.styles(z[k : k + 1], None if labels is None else labels[k : k + 1])
        seen = generator.render(styles, camera, background=_cut(behind, slice(k, k + 1)))
        depth = torch.where(seen.opacity > 0.5, seen.depth, torch.inf)
        errors.append(geometry.reprojection_error(seen.small, depth, camera).colour)
    return float(torch.cat(errors).nanmean())


def codes(
    generator: Generator, seed: int, count: int
) -> tuple[Float[Tensor, "b z"], Float[Tensor, "b l"] | None, Float[Tensor, "b n"] | None]:
    """Return latent codes, backgrounds and labels of a number of people; the same for a seed."""
    config, device = generator.config, generator.progress.device
    chance = torch.Generator().manual_seed(seed)
    z = torch.randn(count, config.z_size, generator=chance).to(device)
    behind = None
    if config.background == "sphere":
        behind = torch.randn(count, config.background_latent, generator=chance).to(device)
    labels = None
    if config.labels:
        which = torch.randint(config.labels, (count,), generator=chance)
        labels = torch.nn.functional.one_hot(which, config.labels).float().to(device)
    return z, behind, labels


def tiled(images: Float[Tensor, "b 3 h w"], columns: int) -> Float[Tensor, "3 h2 w2"]:
    """Return pictures side by side, so many in a row."""
    rows = torch.split(images.float().clamp(-1, 1), columns)
    return torch.cat([torch.cat(list(row), dim=-1) for row in rows if len(row) == columns], dim=-2).cpu()


def memory_advice(config: GanConfig, world: int) -> str:
    """Return what to do when the memory of a GPU is too small, with the numbers to use."""
    advice = []
    at_once = min(config.batch_gpu, max(config.batch // world, 1))
    if at_once > 1:
        half = at_once // 2
        times = -(-config.batch // (world * half))
        advice.append(
            f"--batch-gpu {half} (the batch of {config.batch} stays and is gathered in {times} parts)"
        )
    if config.precision == "float32":
        advice.append("--precision bfloat16")
    if not config.is_checkpointed:
        advice.append("--is-checkpointed")
    if at_once == 1:
        advice.append(
            f"--generator.resolution {config.generator.resolution // 2} and the same for the discriminator"
        )
    return "the memory of the GPU is too small for this training. Try " + ", then ".join(advice) + "."


def _real(config: GanConfig) -> pictures.PictureStream:
    wanted = PicturesConfig(
        data=config.data,
        resolution=config.generator.resolution,
        mirror=config.mirror,
        crop=config.crop,
        workers=0,
        max_pictures=config.max_pictures,
        seed=config.seed + 1,
    )
    return pictures.batches(wanted, batch=AT_ONCE)


def _cut(values: Tensor | None, part: slice) -> Tensor | None:
    return None if values is None else values[part]
