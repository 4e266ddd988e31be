"""How long a training step takes, against the published arithmetic, in one run.

    python benchmarks/generator_training.py [--threads 2] [--rounds 3]

Forward and backward in training mode with the same weights and random numbers, all parameters: the generator
of FFHQ_256, one picture with the NeRF-path loss; its discriminator, two pictures, alone and with the gradient
penalty R1, which is a gradient of a gradient. Ours and theirs take turns; medians of the rounds' ratios
(theirs / ours, so more is better), by the clock and by the processor's time, which other work on the machine
disturbs less.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from published_generator import Published, published_scores
from torch import Tensor

from phiz.generator import poses
from phiz.generator.config import FFHQ_256, FFHQ_256_D
from phiz.generator.discriminator import Discriminator
from phiz.generator.generator import Generator
from phiz.generator.path import render_with_path
from phiz.generator.volume import RandomDraws

Work = Callable[[], float]
"""A step, which gives its loss."""


class Taken(NamedTuple):
    """How long a piece of work took, in seconds, and what it gave."""

    clock: float
    processor: float
    value: float


def taken(work: Work) -> Taken:
    """Return how long a piece of work takes."""
    start, busy = time.perf_counter(), time.process_time()
    value = work()
    return Taken(time.perf_counter() - start, time.process_time() - busy, value)


def generator_steps() -> tuple[Work, Work]:
    """Return a step of our generator, and one of the published arithmetic."""
    generator = Generator(FFHQ_256).train()
    camera = poses.at(FFHQ_256, (0.4, 0.55))
    z, behind = torch.randn(1, FFHQ_256.z_size), torch.randn(1, FFHQ_256.background_latent)

    def ours() -> float:
        generator.zero_grad(set_to_none=True)
        prepared = generator.prepare(generator.styles(z), behind)
        draws = RandomDraws(torch.Generator().manual_seed(0))
        path = render_with_path(generator, prepared, camera, draws)
        loss = path.rendering.image.square().mean() + path.loss.mean()
        loss.backward()
        return float(loss.detach())

    def theirs() -> float:
        generator.zero_grad(set_to_none=True)
        state = dict(generator.named_parameters()) | dict(generator.named_buffers())
        network = Published(config=FFHQ_256, state=state, is_training=True)
        draws = RandomDraws(torch.Generator().manual_seed(0))
        image, path = network.render_with_path(generator.styles(z), camera, behind, draws)
        loss = image.square().mean() + path.mean()
        loss.backward()
        return float(loss.detach())

    return ours, theirs


def discriminator_steps(*, has_penalty: bool) -> tuple[Work, Work]:
    """Return a step of our discriminator, and one of the published arithmetic."""
    judge = Discriminator(FFHQ_256_D).train()
    image = torch.randn(2, 3, FFHQ_256_D.resolution, FFHQ_256_D.resolution)

    def step(scored: Callable[[Tensor], Tensor]) -> float:
        judge.zero_grad(set_to_none=True)
        seen = image.clone().requires_grad_(has_penalty)
        scores = scored(seen)
        loss = torch.nn.functional.softplus(scores).mean()
        if has_penalty:
            (slope,) = torch.autograd.grad(scores.sum(), seen, create_graph=True)
            loss = loss + slope.square().sum((1, 2, 3)).mean()
        loss.backward()
        return float(loss.detach())

    state = dict(judge.named_parameters())
    return lambda: step(judge), lambda: step(lambda seen: published_scores(FFHQ_256_D, state, seen))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    for name, (ours, theirs) in (
        ("generator", generator_steps()),
        ("discriminator", discriminator_steps(has_penalty=False)),
        ("discriminator with R1", discriminator_steps(has_penalty=True)),
    ):
        ours(), theirs()
        clock, processor = [], []
        for _ in range(asked.rounds):
            slow, fast = taken(theirs), taken(ours)
            clock.append(slow.clock / fast.clock)
            processor.append(slow.processor / fast.processor)
            print(
                f"{name}: theirs {slow.clock:.2f} s ({slow.processor:.2f} busy), ours {fast.clock:.2f} s "
                f"({fast.processor:.2f} busy); losses {slow.value:.4f} and {fast.value:.4f}",
                flush=True,
            )
        print(
            f"FFHQ_256, {name}, forward and backward: theirs / ours {statistics.median(clock):.2f} by the "
            f"clock, {statistics.median(processor):.2f} by the processor's time"
        )


if __name__ == "__main__":
    main()
