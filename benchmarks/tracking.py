"""How fast a face is followed through a film, against the plain way, in one run.

    python benchmarks/tracking.py [--threads 2] [--frames 120] [--rounds 3]

First line: finding points, the network folded against as it learned, a crop a frame. Second line: from
points to motion, all frames together with one shape, against a whole fit of every frame by itself
(`phiz.face.fit`, points alone). Third line: frames a second of everything, cutting out crops and the closer
look at eyes and mouth included, at 256 pixels; aim: 25. Fourth line: what share of finding points the closer
look takes.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from phiz.face import closeup, fit, head, landmarks, network_files, tracking
from phiz.face.fit import FitConfig
from phiz.face.fit_points import Landmarks
from phiz.face.follow import Frame
from phiz.face.landmarks import COUNT
from phiz.face.network_files import CLOSEUP, LANDMARKS
from phiz.layers.folding import folded
from phiz.train import marked_people

SIDE = 256
ALONE = 8
"""Frames that are fitted one by one; their time is taken for that of all."""


def seconds(work: Callable[[], object]) -> float:
    """Return how long a piece of work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def film(count: int) -> list[Frame]:
    """Return the points of a mean head that nods and turns a little, with a pixel of noise."""
    chance = torch.Generator().manual_seed(0)
    mean = marked_people.mean_points() * 70
    frames = []
    for k in range(count):
        wave = torch.sin(torch.tensor(0.1 * k))
        squeezed = mean * torch.tensor([1 - 0.1 * float(wave) ** 2, 1.0]) + 128 + 4 * wave
        frames.append(
            Frame(squeezed + torch.randn(COUNT, 2, generator=chance), torch.ones(COUNT), 0.99, (SIDE, SIDE))
        )
    return frames


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    plain = network_files.load(LANDMARKS)
    ready, closer = folded(plain), folded(network_files.load(CLOSEUP))
    picture = torch.rand(1, 3, SIDE, SIDE) * 2 - 1
    crops = torch.rand(1, 3, plain.config.size, plain.config.size) * 2 - 1
    crops = crops.contiguous(memory_format=torch.channels_last)
    model, frames = head.built_in(), film(asked.frames)
    frame = landmarks.frame_around(frames[0].xy[None, :68])
    points = Landmarks(xy=frames[0].xy[None, 68:], sigma=frames[0].sigma[None, 68:])

    @torch.inference_mode()
    def network(of: torch.nn.Module) -> None:
        for _ in range(asked.frames):
            of(crops)

    def one_by_one() -> None:
        for _ in range(ALONE):
            fit.fit(model, points, [(SIDE, SIDE)], config=FitConfig(photo=None))

    def located() -> None:
        for _ in range(asked.frames):
            closeup.refined(closer, picture, landmarks.locate(ready, picture, frame))

    def far() -> None:
        for _ in range(asked.frames):
            landmarks.locate(ready, picture, frame)

    network(plain), network(ready), one_by_one(), tracking.track(model, frames, fps=25.0), located()
    rows: dict[str, list[float]] = {"points": [], "motion": [], "all": [], "closer": []}
    for _ in range(asked.rounds):
        rows["points"].append(seconds(lambda: network(plain)) / seconds(lambda: network(ready)))
        together = seconds(lambda: tracking.track(model, frames, fps=25.0))
        rows["motion"].append(seconds(one_by_one) * asked.frames / ALONE / together)
        near = seconds(located)
        rows["all"].append(asked.frames / (together + near))
        rows["closer"].append(1 - seconds(far) / near)
    print(f"finding points, plain / folded: {statistics.median(rows['points']):.2f}")
    print(f"points to motion, one by one / together: {statistics.median(rows['motion']):.2f}")
    print(f"everything: {statistics.median(rows['all']):.0f} frames/s, {asked.threads} threads")
    print(f"the closer look: {statistics.median(rows['closer']):.0%} of finding points")


if __name__ == "__main__":
    main()
