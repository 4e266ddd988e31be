"""How fast the generator draws, against the published arithmetic with the same weights, in one run.

    python benchmarks/generator.py [--threads 2] [--rounds 5] [--largest 1024] [--only BUILTIN_256]

Ours and theirs take turns; the ratio is the median of the rounds' ratios (theirs / ours, so more is
better). "prepared" draws one person again and again, as a film does; "whole" includes what depends on the
person. `apart` is the largest difference of the two pictures. For the built-in kind frames a second are
medians: eager, in bfloat16, compiled.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from published_generator import Published
from torch import Tensor

from phiz.generator import poses
from phiz.generator.config import GENERATORS, GeneratorConfig
from phiz.generator.generator import Generator

PUBLISHED = ("FFHQ_256", "FFHQ_512", "FFHQ_1024", "FFHQ_1024_RELEASED")


def seconds(work: Callable[[], object]) -> float:
    """Return how long a piece of work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def network(config: GeneratorConfig) -> Generator:
    """Return a generator with random weights, whose head is neither empty nor a wall."""
    torch.random.default_generator.manual_seed(0)
    generator = Generator(config).eval().requires_grad_(False)
    if config.source == "encoding":
        generator.foreground.density.bias.fill_(8.0)
        generator.foreground.density.weight.mul_(2)
    return generator


@torch.no_grad()
def against_published(name: str, rounds: int) -> str:
    """Return one line of the table."""
    config = GENERATORS[name]
    generator = network(config)
    styles = generator.styles(torch.randn(1, config.z_size))
    behind = torch.randn(1, config.background_latent)
    camera = poses.at(config, (0.4, 0.55))
    theirs = Published(config=config, state=generator.state_dict())
    prepared = generator.prepare(styles, behind)

    def drawn() -> Tensor:
        return generator.render(prepared, camera).image

    def whole() -> Tensor:
        return generator.render(styles, camera, background=behind).image

    def published() -> Tensor:
        return theirs.render(styles, camera, behind)

    def half() -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return generator.render(prepared, camera).image

    apart = float((drawn() - published()).abs().max())
    size = float(published().std())
    for work in (whole, half):
        work()
    ratios: dict[str, list[float]] = {"prepared": [], "whole": [], "bfloat16": []}
    for _ in range(rounds):
        base = seconds(published)
        for label, work in (("prepared", drawn), ("whole", whole), ("bfloat16", half)):
            ratios[label].append(base / seconds(work))
    found = "  ".join(f"{statistics.median(values):8.2f}" for values in ratios.values())
    return f"{name:20}  {found}  {apart:.1e} of {size:.1f}"


@torch.no_grad()
def built_in(rounds: int) -> list[str]:
    """Return the frames a second of the built-in kind of generator, one person, moving camera."""
    config = GENERATORS["BUILTIN_256"]
    generator = network(config)
    prepared = generator.prepare(generator.styles(torch.randn(1, config.z_size)))
    camera = poses.at(config, (0.4, 0.55))

    def eager() -> Tensor:
        return generator.render(prepared, camera).image

    def half() -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return generator.render(prepared, camera).image

    compiled = torch.compile(eager, dynamic=False)
    lines = []
    for label, work in (("eager float32", eager), ("eager bfloat16", half), ("compiled float32", compiled)):
        for _ in range(2):
            work()
        median = statistics.median(seconds(work) for _ in range(5 * rounds))
        lines.append(f"  {label:18} {1 / median:6.1f} frames/s")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--largest", type=int, default=1024)
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    print(f"{asked.threads} threads; theirs / ours, medians of {asked.rounds} rounds")
    print(f"{'':20}  prepared     whole  bfloat16  apart")
    for name in PUBLISHED:
        if GENERATORS[name].resolution <= asked.largest and asked.only in ("", name):
            print(against_published(name, asked.rounds), flush=True)
    if asked.only in ("", "BUILTIN_256"):
        print("BUILTIN_256, one person from many cameras:")
        print("\n".join(built_in(asked.rounds)))


if __name__ == "__main__":
    main()
