"""How fast pictures are augmented: one warp for all moves against one for each, and what each pipe costs.

Run: ``python benchmarks/augment.py [--size 128] [--batch 16] [--device cpu]``. The moves are flip, quarter
turn, whole shift, scale, turn, stretch, turn and shift by fractions, composed into one matrix or done one
after the other (the first three exactly, as copies). Detail is what is left of the picture's finest octave.
"""

from __future__ import annotations

import argparse
import functools
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from phiz.train.augment import BG, PIPES, AugmentConfig, Draws, augment, draw_moves
from phiz.train.augment_colour import filter_bands
from phiz.train.augment_geometry import blit, warp

EXACT = ("flip", "quarter_turn", "whole_shift")
RESAMPLED = ("scale", "turn", "stretch", "turn", "shift")
ROUNDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for size in options.size:
        generator = torch.Generator(options.device).manual_seed(0)
        images = torch.rand(options.batch, 3, size, size, generator=generator, device=options.device) * 2 - 1
        _compare(images, generator)
        for name, config in PIPES.items():
            took = _seconds(functools.partial(augment, images, 0.6, config, generator), images)
            print(f"  {name:<8} {1000 * took / len(images):7.2f} ms a picture")


def _compare(images: Tensor, generator: torch.Generator) -> None:
    draws = Draws(generator=generator, count=len(images), p=torch.ones((), device=images.device), like=images)
    size = images.shape[-2:]
    # each leads back, so that later ones stand further right
    parts = [draw_moves(draws, _alone(name), *size).whole for name in (*EXACT, *RESAMPLED)]
    whole = functools.reduce(torch.matmul, parts)

    def apart() -> Tensor:
        moved = images
        for number, part in enumerate(parts):
            moved = blit(moved, part) if number < len(EXACT) else warp(moved, part)
        return moved

    together = _seconds(lambda: warp(images, whole), images)
    one_by_one = _seconds(apart, images)
    kept = [_detail(made) / _detail(images) for made in (warp(images, whole), apart())]
    print(
        f"{images.shape[-1]} px, {len(images)} pictures: one warp {1000 * together:.1f} ms, each move apart "
        f"{1000 * one_by_one:.1f} ms, {one_by_one / together:.2f} times as long; "
        f"detail kept {kept[0]:.0%} and {kept[1]:.0%}"
    )


def _alone(name: str) -> AugmentConfig:
    nothing = dict.fromkeys((*EXACT, *RESAMPLED), 0.0)
    return replace(BG, **{**nothing, name: 1.0})


def _detail(images: Tensor) -> float:
    """Return how strong the finest octave is."""
    only_finest = torch.tensor([0.0, 0.0, 0.0, 1.0], device=images.device).expand(len(images), 4)
    return float(filter_bands(images, only_finest).std())


def _seconds(work: Callable[[], Tensor], images: Tensor) -> float:
    """Return the best time of a few rounds, the first of which does not count."""
    times = []
    for _ in range(ROUNDS + 1):
        start = time.perf_counter()
        work()
        if images.is_cuda:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times[1:])


if __name__ == "__main__":
    main()
