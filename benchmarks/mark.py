"""What the invisible mark costs, how it looks in numbers, what it outlives, and how rare false alarms are.

    python benchmarks/mark.py FILM_OR_FOLDER [...] [--size 256] [--frames 125]

Each film is marked, written at our default quality, and, as a website would, resized and written again at
several qualities. "found" needs no knowledge; "expected" is told which mark to look for, as `phiz verify` is.
"""

from __future__ import annotations

import argparse
import itertools
import math
import tempfile
import time
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from phiz.media import image, mark, video

PAYLOAD = 0xC0FFEE11
FIRST, AGAIN = (18, 23, 28), ((18, 0.75), (18, 0.5), (23, 1.0), (23, 0.75), (28, 0.75))


def resized(frame: Tensor, size: tuple[int, int]) -> Tensor:
    """Return a frame at another size, smoothed as players do."""
    return functional.interpolate(frame[None], size, mode="bicubic", antialias=True)[0].clamp(-1, 1)


def squared(frames: list[Tensor], size: int) -> list[Tensor]:
    """Return the middles of frames at one size."""
    side = min(frames[0].shape[1:])
    top, left = (frames[0].shape[1] - side) // 2, (frames[0].shape[2] - side) // 2
    return [resized(frame[:, top : top + side, left : left + side], (size, size)) for frame in frames]


def through_film(folder: Path, frames: list[Tensor], quality: int) -> tuple[list[Tensor], int]:
    """Return what comes back from a film, and how many bytes it has."""
    path = folder / "film.mp4"
    with video.Writer(path, fps=25, size=frames[0].shape[1:], quality=quality) as writer:
        for frame in frames:
            writer.write(frame)
    return list(video.read(path)), path.stat().st_size


def decibels(one: list[Tensor], other: list[Tensor]) -> list[float]:
    """Return how alike frames are as bytes."""
    pairs = zip(map(image.to_bytes, one), map(image.to_bytes, other), strict=True)
    errors = [float((a.float() - b.float()).square().mean()) for a, b in pairs]
    return [10 * math.log10(255**2 / max(error, 1e-9)) for error in errors]


def milliseconds(frame: Tensor, rounds: int = 100) -> float:
    """Return the least time that marking a frame takes."""
    marker, best = mark.Marker(*frame.shape[1:], PAYLOAD), math.inf
    for _ in range(rounds):
        start = time.perf_counter()
        marker.apply(frame)
        best = min(best, time.perf_counter() - start)
    return 1000 * best


def told(frames: list[Tensor]) -> str:
    """Return whether a mark is found, with and without knowing which, and its score."""
    blind, known = mark.detect(frames), mark.detect(frames, expected=(PAYLOAD,))
    words = ["found" if blind.payload == PAYLOAD else "-", "expected" if known.payload == PAYLOAD else "-"]
    return f"{words[0]:6s} {words[1]:9s} {known.score:5.1f}"


def measure(folder: Path, name: str, frames: list[Tensor]) -> None:
    """Print what happens to the mark in one film."""
    marker = mark.Marker(*frames[0].shape[1:], PAYLOAD)
    changed = [marker.apply(frame) for frame in frames]
    alike = decibels(frames, changed)
    unmarked = mark.detect(frames)
    print(f"{name}: {len(frames)} frames, {min(alike):.1f} to {max(alike):.1f} dB")
    print(f"  unmarked      {unmarked.found!s:6s} score {unmarked.score:.1f}, chance {unmarked.chance:.1g}")
    size = changed[0].shape[1]
    for quality in FIRST:
        film, length = through_film(folder, changed, quality)
        _, plain = through_film(folder, frames, quality)
        print(f"  crf {quality}             {told(film)}   file {length / plain - 1:+.1%}")
        for second, scale in AGAIN if quality == FIRST[0] else ():
            small = [resized(frame, (round(size * scale), round(size * scale))) for frame in film]
            again, _ = through_film(folder, small, second)
            print(f"    then {scale:4.0%} crf {second} {told(again)}")


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("films", type=Path, nargs="+")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--frames", type=int, default=125)
    given = parser.parse_args()
    torch.set_num_threads(1)
    threshold, expected = (math.sqrt(2 * math.log(2 * n / mark.FALSE_ALARM)) for n in (2**32, 1))
    print(f"found above {threshold:.2f}, one that is expected above {expected:.2f}")
    for size in (256, 512, 1024):
        print(f"marking {size} x {size}: {milliseconds(torch.rand(3, size, size) * 2 - 1):.2f} ms a frame")
    with tempfile.TemporaryDirectory() as folder:
        for path in given.films:
            frames = squared(list(itertools.islice(video.read(path), given.frames)), given.size)
            measure(Path(folder), path.name, frames)


if __name__ == "__main__":
    main()
