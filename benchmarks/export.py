"""How fast exported generators draw, against phiz itself, in one run.

    python benchmarks/export.py [--threads 1] [--rounds 12] [--whole] [--no-compiler]

The built-in generator, one camera a frame, all ways in turns; frames a second are medians, the ratio is
the median of the rounds' ratios to eager phiz (more is better). `apart` is the largest difference of the
pictures. By default somebody is prepared and drawn again and again, as in a film; with `--whole` every frame
begins with the styles. The two ways through a C++ compiler take some minutes to get ready.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from phiz.generator import export, program_files, programs, store
from phiz.generator.programs import Program

Run = Callable[..., dict[str, Tensor]]


def seconds(work: Callable[[], object]) -> float:
    """Return how long a piece of work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ways(program: Program, folder: Path, *, has_compiler: bool) -> dict[str, Run]:
    """Return all ways to run a program."""
    generator = store.load()
    about = program_files.describe(program, generator.config, licence="", told={})

    def half(**tensors: Tensor) -> dict[str, Tensor]:
        with torch.autocast("cpu", torch.bfloat16):
            found: dict[str, Tensor] = program.module(**tensors)
        return found

    found: dict[str, Run] = {"eager": program.module, "eager, bfloat16": half}
    for kind in ("pt2", "onnx"):
        path = folder / f"head.{kind}"
        export.write(path, program, about)
        found[f".{kind}"] = export.load(path)
    if has_compiler:
        found["torch.compile"] = torch.compile(program.module, dynamic=False)
        package = str(folder / "compiled.pt2")
        graph = torch.export.load(folder / "head.pt2")
        with program_files.quiet():
            torch._inductor.aoti_compile_and_package(graph, package_path=package)
        found[".pt2, compiled ahead"] = torch._inductor.aoti_load_package(package)
    return found


@torch.no_grad()
def report(program: Program, rounds: int, *, has_compiler: bool) -> list[str]:
    """Return one line for each way."""
    tensors = dict(program.inputs)
    with tempfile.TemporaryDirectory() as folder:
        found = ways(program, Path(folder), has_compiler=has_compiler)
        for run in found.values():
            for _ in range(3):
                run(**tensors)
        plain = program.module(**tensors)["image"]
        taken: dict[str, list[float]] = {label: [] for label in found}
        for _ in range(rounds):
            for label, run in found.items():
                taken[label].append(
                    statistics.median(seconds(lambda run=run: run(**tensors)) for _ in range(3))
                )
        lines = []
        for label, run in found.items():
            speed = statistics.median(1 / each for each in taken[label])
            ratio = statistics.median(a / b for a, b in zip(taken["eager"], taken[label], strict=True))
            apart = float((run(**tensors)["image"] - plain).abs().max())
            lines.append(f"  {label:20} {speed:6.2f} frames/s  x {ratio:4.2f}  apart {apart:.1e}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--no-compiler", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    has_compiler = not asked.no_compiler and bool(shutil.which("g++") or shutil.which("clang++"))
    generator = store.load()
    program = programs.whole(generator) if asked.whole else export.person(generator, 7, 0.7)
    print(f"built-in generator, {asked.threads} threads, medians of {asked.rounds} rounds")
    print("\n".join(report(program, asked.rounds, has_compiler=has_compiler)))


if __name__ == "__main__":
    main()
