"""How fast the generator draws, against the published arithmetic with the same weights, in one run.

    python benchmarks/generator.py [--threads 2] [--rounds 5] [--largest 1024] [--only BUILTIN_256]

Ours and theirs take turns; the ratio is the median of the rounds' ratios (theirs / ours, so more is
better). "prepared" draws one person again and again, as a film does; "whole" includes what depends on the
person. `apart` is the largest difference of the two pictures. For the built-in kind frames a second are
medians: eager in both precisions, and, where there is a C++ compiler, compiled and exported (torch.export,
then compiled ahead of time).
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable

import torch
from published_generator import Published
from torch import Tensor, nn

from phiz.generator import poses
from phiz.generator.config import GENERATORS, GeneratorConfig
from phiz.generator.generator import Generator, Prepared
from phiz.graphics.camera import Camera

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


class Drawn(nn.Module):
    """One person, seen from a camera: what is exported."""

    def __init__(self, generator: Generator, prepared: Prepared) -> None:
        super().__init__()
        self.generator = generator
        self.prepared = prepared

    def forward(self, world_from_camera: Tensor, intrinsics: Tensor) -> Tensor:
        camera = Camera(world_from_camera=world_from_camera, intrinsics=intrinsics)
        return self.generator.render(self.prepared, camera).image


@torch.no_grad()
def built_in(rounds: int) -> list[str]:
    """Return the frames a second of the built-in kind of generator, one person, moving camera."""
    config = GENERATORS["BUILTIN_256"]
    generator = network(config)
    prepared = generator.prepare(generator.styles(torch.randn(1, config.z_size)))
    camera = poses.at(config, (0.4, 0.55))

    drawn = Drawn(generator, prepared)
    view = (camera.world_from_camera, camera.intrinsics)

    def eager() -> Tensor:
        return drawn(*view)

    def half() -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return drawn(*view)

    works: dict[str, Callable[[], Tensor]] = {"eager float32": eager, "eager bfloat16": half}
    if shutil.which("g++") or shutil.which("clang++"):
        compiled = torch.compile(drawn, dynamic=False)
        works["compiled float32"] = lambda: compiled(*view)
        with tempfile.TemporaryDirectory() as folder:
            exported = torch.export.export(drawn, view)
            package = f"{folder}/generator.pt2"
            torch._inductor.aoti_compile_and_package(exported, package_path=package)
            ready = torch._inductor.aoti_load_package(package)
        works["exported float32"] = lambda: ready(*view)
    plain = eager()
    speeds: dict[str, list[float]] = {label: [] for label in works}
    for work in works.values():
        for _ in range(3):
            work()
    for _ in range(rounds):
        for label, work in works.items():
            speeds[label] += [1 / seconds(work) for _ in range(5)]
    lines = []
    for label, work in works.items():
        apart = float((work() - plain).abs().max())
        lines.append(f"  {label:18} {statistics.median(speeds[label]):6.1f} frames/s  {apart:.1e}")
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
        print("BUILTIN_256, one person; how far each is from the first picture:")
        print("\n".join(built_in(asked.rounds)))


if __name__ == "__main__":
    main()
