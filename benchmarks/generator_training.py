"""How long a training step of the generator takes, against the published arithmetic, in one run.

    python benchmarks/generator_training.py [--threads 2] [--rounds 3]

Forward and backward in training mode with the same weights and random numbers: pictures of FFHQ_256 with
the NeRF-path loss, all parameters. Ours and theirs take turns; medians of the rounds' ratios (theirs / ours).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from published_generator import Published

from phiz.generator import poses
from phiz.generator.config import FFHQ_256
from phiz.generator.generator import Generator
from phiz.generator.path import render_with_path
from phiz.generator.volume import RandomDraws


def seconds(work: Callable[[], float]) -> tuple[float, float]:
    """Return how long a piece of work takes, and what it gives."""
    start = time.perf_counter()
    value = work()
    return time.perf_counter() - start, value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
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

    ours(), theirs()
    ratios = []
    for _ in range(asked.rounds):
        slow, value = seconds(theirs)
        fast, other = seconds(ours)
        ratios.append(slow / fast)
        print(f"theirs {slow:.2f} s, ours {fast:.2f} s; losses {value:.4f} and {other:.4f}")
    print(f"FFHQ_256, forward and backward: theirs / ours {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
