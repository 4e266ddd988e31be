"""How fast faces are found in a picture, folded against plain, and against other detectors where they are.

    python benchmarks/detector.py [--threads 1] [--rounds 15] [--side 256]

All take turns on the same picture; a ratio is the median of the rounds' ratios (plain / other, so more is
better). "pass" is the network alone on one square picture, "find" all from a large photo to its faces, and
"closer" the same where a second, closer look is needed.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import time
from collections.abc import Callable

import torch

from phiz.errors import MissingError
from phiz.face import cascade_adapter, detect, mediapipe_adapter, network_files
from phiz.face.network_files import DETECTOR
from phiz.face.ready import ready
from phiz.layers.folding import folded

Work = Callable[[], object]
PHOTO = (1080, 1440)
"""Height and width of the photo in which faces are looked for."""


def milliseconds(work: Work) -> float:
    """Return how long a piece of work takes."""
    start = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - start)


def compare(works: dict[str, Work], base: str, rounds: int) -> None:
    """Print the medians of all works, and by how much each is faster than one of them."""
    for work in works.values():
        work()
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            times[name].append(milliseconds(work))
    for name, found in times.items():
        ratio = statistics.median(b / t for b, t in zip(times[base], found, strict=True))
        print(f"{name:24} {statistics.median(found):8.1f} ms   least {min(found):8.1f} ms   {ratio:6.2f} x")


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--side", type=int, default=256)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    plain = network_files.load(DETECTOR)
    whole, tiled = folded(plain), ready(plain)
    chance = torch.Generator().manual_seed(0)
    square = torch.rand(1, 3, asked.side, asked.side, generator=chance) * 2 - 1
    passes: dict[str, Work] = {
        "pass, plain": lambda: plain(square),
        "pass, folded": lambda: whole(square),
        "pass, folded and tiled": lambda: tiled(square),
    }
    compare(passes, "pass, plain", asked.rounds)
    photo = torch.rand(3, *PHOTO, generator=chance) * 2 - 1
    finds: dict[str, Work] = {
        "find, plain": lambda: detect.look(plain, photo, asked.side),
        "find, folded": lambda: detect.look(whole, photo, asked.side),
        "find, closer as well": lambda: detect.find(whole, photo),
    }
    with contextlib.ExitStack() as opened:
        with contextlib.suppress(MissingError):
            cascade = cascade_adapter.loaded()
            finds["find, OpenCV's cascade"] = lambda: cascade.find(photo)
        with contextlib.suppress(MissingError):
            judge = opened.enter_context(mediapipe_adapter.started())
            finds["find, MediaPipe"] = lambda: judge.find(photo)
        compare(finds, "find, plain", asked.rounds)


if __name__ == "__main__":
    main()
