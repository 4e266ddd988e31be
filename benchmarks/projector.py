"""How long one step of an inversion takes, against the published loop with the same weights, in one run.

    python benchmarks/projector.py [--threads 1] [--rounds 7] [--only FFHQ_256]

Theirs is the arithmetic of `published_generator.py` in the published order of work: a deep copy of the
network, the style repeated for every layer, all samples of all rays through features and colours before they
are added up, and a background that is drawn anew; tuning looks at the photo again at each step. Both draw
from one camera, measure with one network of LPIPS (over VGG16 to project, over AlexNet to tune, with random
weights) and take a step of Adam. They take turns; the ratio is the median of the rounds' ratios (theirs /
ours, more is better). "alone" compares drawing and its gradient without the network that measures. `apart`
is the largest difference of the two pictures before the first step.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from published_generator import Published
from torch import Tensor, nn

from phiz.avatar import pivotal, projector
from phiz.avatar.descent import seeded
from phiz.avatar.pivotal import Pivot, TuneConfig
from phiz.avatar.projector import ProjectConfig, Projector, of_generator
from phiz.avatar.target import target
from phiz.generator import poses
from phiz.generator.config import FFHQ_256, TINY, GeneratorConfig
from phiz.generator.generator import Generator
from phiz.graphics.camera import Camera
from phiz.layers.perceptual import Lpips, PerceptualDistance

CONFIGS: Mapping[str, GeneratorConfig] = {
    "TINY": TINY,
    "FFHQ at 64": replace(FFHQ_256, resolution=64, volume_resolution=16),
    "FFHQ_256": FFHQ_256,
}
PUBLISHED_RATE = 0.01


@dataclass(frozen=True, kw_only=True)
class Task:
    """One photo to invert."""

    generator: Generator
    camera: Camera
    photo: Tensor
    w: Tensor
    """One style."""
    background: Tensor


def task_of(config: GeneratorConfig) -> Task:
    """Return a photo that a generator with random weights drew, and other codes to begin with."""
    torch.random.default_generator.manual_seed(0)
    generator = Generator(config).eval().requires_grad_(False)
    generator.foreground.density.bias.fill_(8.0)
    generator.foreground.density.weight.mul_(2)
    camera = poses.at(config, (0.4, 0.55))
    codes = generator.styles(torch.randn(2, config.z_size))
    behind = torch.randn(2, config.background_latent)
    with torch.no_grad():
        photo = generator.render(codes[:1], camera, background=behind[:1]).image.clamp(-1, 1)
    return Task(
        generator=generator,
        camera=camera,
        photo=photo,
        w=codes[1:, :1].clone(),
        background=behind[1:].clone(),
    )


def plain(a: Tensor, b: Tensor) -> Tensor:
    """Return a distance that costs next to nothing."""
    return (a - b).square().mean((1, 2, 3))


def our_projection(task: Task, distance: PerceptualDistance) -> Iterator[object]:
    """Return steps of ours."""
    drawing = of_generator(task.generator, task.camera, background_camera=task.camera)
    aim = target(task.photo, distance, largest=projector.PROJECTION_SIDE)
    spread = projector.spread_of_generator(task.generator)
    return iter(Projector(drawing, aim, spread, seeded(), ProjectConfig()).descent)


def their_projection(task: Task, distance: PerceptualDistance) -> Iterator[object]:
    """Yield after each step of theirs; features of the photo are kept there, too."""
    network = copy.deepcopy(task.generator).eval().requires_grad_(False)
    drawer = Published(config=network.config, state=network.state_dict())
    w, behind = task.w.clone().requires_grad_(), task.background.clone().requires_grad_()
    aim = target(task.photo, distance)
    adam = torch.optim.Adam([w, behind], lr=PUBLISHED_RATE)
    while True:
        shaken = (w + 0.05 * torch.randn_like(w)).repeat(1, network.config.styles, 1)
        picture = drawer.render(shaken, task.camera, behind)
        loss = aim.distance(picture).sum()
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()
        yield loss


def our_tuning(task: Task, distance: PerceptualDistance) -> Iterator[object]:
    """Return steps of ours."""
    tuned = copy.deepcopy(task.generator)
    drawing = of_generator(tuned, task.camera, background_camera=task.camera)
    pivot = Pivot(w=task.w.expand(-1, drawing.styles, -1), background=task.background)
    aim = target(task.photo, distance)
    config = TuneConfig(enough=-1.0)
    return iter(pivotal.tuning(drawing, dict(tuned.named_parameters()), pivot, aim, config))


def their_tuning(task: Task, distance: PerceptualDistance) -> Iterator[object]:
    """Yield after each step of theirs."""
    network = copy.deepcopy(task.generator).requires_grad_(True)
    state = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    drawer = Published(config=network.config, state=state)
    adam = torch.optim.Adam(network.parameters(), lr=TuneConfig().rate)
    styles = task.w.repeat(1, network.config.styles, 1)
    while True:
        picture = drawer.render(styles, task.camera, task.background)
        loss = pivotal.square(task.photo, picture) + distance(picture, task.photo).sum()
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()
        yield loss


def seconds(steps: Iterator[object], count: int) -> float:
    """Return how long some steps take."""
    start = time.perf_counter()
    for _ in range(count):
        next(steps)
    return (time.perf_counter() - start) / count


def compared(
    ours: Iterator[object], theirs: Iterator[object], rounds: int, count: int
) -> tuple[float, float]:
    """Return the median ratio of theirs to ours, and the median time of ours in milliseconds."""
    for steps in (ours, theirs):
        next(steps)
    pairs = [(seconds(theirs, count), seconds(ours, count)) for _ in range(rounds)]
    return statistics.median(a / b for a, b in pairs), 1000 * statistics.median(b for _, b in pairs)


@torch.no_grad()
def difference(task: Task) -> float:
    """Return how far the pictures of both are apart."""
    styles = task.w.repeat(1, task.generator.config.styles, 1)
    theirs = Published(config=task.generator.config, state=task.generator.state_dict())
    ours = of_generator(task.generator, task.camera, background_camera=task.camera)
    picture = theirs.render(styles, task.camera, task.background)
    return float((ours.draw(styles, task.background, {}) - picture).abs().max())


def lpips(trunk: str) -> nn.Module:
    """Return the published network with random weights, none negative where it adds up."""
    network = Lpips(trunk).eval().requires_grad_(False)
    for lin in network.lins:
        lin.weight.abs_()
    return network


Loop = Callable[[Task, PerceptualDistance], Iterator[object]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    print(f"{asked.threads} threads; theirs / ours (ms a step of ours), medians of {asked.rounds} rounds")
    print(f"{'':14}{'project':>18}{'alone':>18}{'tune':>18}{'alone':>18}   apart")
    loops: list[tuple[Loop, Loop, str]] = [
        (our_projection, their_projection, "vgg"),
        (our_tuning, their_tuning, "alex"),
    ]
    for name, config in CONFIGS.items():
        if asked.only not in ("", name):
            continue
        task, cells = task_of(config), []
        for ours, theirs, trunk in loops:
            for distance in (lpips(trunk), plain):
                pair = ours(task, distance), theirs(task, distance)
                ratio, spent = compared(*pair, asked.rounds, 4 if config.resolution < 128 else 1)
                cells.append(f"{ratio:9.2f} ({spent:5.0f})")
        print(
            f"{name:14}" + "".join(f"{cell:>18}" for cell in cells) + f"   {difference(task):.1e}", flush=True
        )


if __name__ == "__main__":
    main()
