"""How fast, how late and how exactly a stream speaks, and whether its memory stays flat.

    python benchmarks/stream.py [--seconds 60] [--threads 1] [--hours 0] [--networks FOLDER]

Without a folder the network is one of the built-in sizes that has learned nothing: as fast as a trained one.
"wall" is what a clock shows, "busy" what the processor worked; the difference is other programs' work.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from phiz.face.coeffs import Motion, concatenate
from phiz.face.morphable import ARKIT_NAMES
from phiz.speech.head_network import HeadConfig, HeadNet
from phiz.speech.mouth_network import HEARD, MouthConfig, MouthNet
from phiz.speech.speak import speak
from phiz.speech.stream import SpeechStream
from phiz.speech.windows import FRAME, RATE, WindowStream
from phiz.studio import Studio
from phiz.world.data import guide

LATENCIES_MS = (120, 240, 480)
ROUNDS = 3


def untrained() -> Studio:
    """Return a studio with networks of the built-in sizes, shaken so that they tell something."""
    config = MouthConfig(
        basis="phiz",
        modes=len(ARKIT_NAMES),
        told=tuple(ARKIT_NAMES.index(name) for name in HEARD),
        names=ARKIT_NAMES,
    )
    net = MouthNet(config).eval().requires_grad_(False)
    net.mean.fill_(0.3)
    net.spread.fill_(0.5)
    net.about.weight.mul_(3)
    return Studio(expression=net, pose=HeadNet(HeadConfig(styles=("usual",))).eval().requires_grad_(False))


def streamed(studio: Studio, sound: Tensor, latency_ms: float, size: int = FRAME) -> Motion:
    """Return what a stream tells that gets so many samples at a time."""
    stream = SpeechStream(studio, latency_ms=latency_ms)
    parts = [stream.push(piece) for piece in torch.split(sound, size)]
    return concatenate([*parts, stream.finish()])


def windows_alone(sound: Tensor) -> None:
    """Cut windows and do nothing with them."""
    stream = WindowStream()
    for piece in torch.split(sound, FRAME):
        stream.push(piece)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return the median seconds on the clock, and of the processor."""
    walls, busies = [], []
    for _ in range(ROUNDS):
        wall, busy = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        busies.append(time.process_time() - busy)
    return statistics.median(walls), statistics.median(busies)


def apart(one: Motion, other: Motion) -> float:
    """Return the largest difference between two motions in any of their numbers."""
    parts = ("expression", "rotation", "translation", "gaze", "blink")
    return max(float((getattr(one, part) - getattr(other, part)).abs().max()) for part in parts)


def resident_mib() -> float:
    """Return the memory of this process at its height."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def endure(studio: Studio, sound: Tensor, hours: float) -> None:
    """Push a sound again and again, and tell how much memory has grown after the first minutes."""
    stream, pushed, frames = SpeechStream(studio), 0, 0
    start, first = time.perf_counter(), 0.0
    piece_s = 4  # seconds a push; single frames take the same memory and more time
    while pushed < hours * 3600 * RATE:
        for piece in torch.split(sound, piece_s * RATE):
            frames += len(stream.push(piece))
            pushed += len(piece)
        if pushed // len(sound) == 5:
            first = resident_mib()
    grown = resident_mib() - first
    took, length = time.perf_counter() - start, frames / 25 / 3600
    print(f"{length:.2f} h in {took:.0f} s: {first:.0f} MiB after 5 rounds, {grown:+.2f} MiB at the end")


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--hours", type=float, default=0.0)
    parser.add_argument("--networks", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    studio = Studio.open(given.networks) if given.networks else untrained()
    sound = guide.murmur(float(given.seconds), seed=0)
    frames = len(sound) // FRAME
    speak(sound[: 5 * RATE], None, studio)
    wall, busy = timed(lambda: windows_alone(sound))
    print(
        f"windows alone, a frame a push: {1e3 * wall / frames:.2f} ms wall, {1e3 * busy / frames:.2f} ms busy"
    )
    for latency in LATENCIES_MS:
        wall, busy = timed(lambda: speak(sound, None, studio, latency_ms=latency))  # noqa: B023
        print(f"{latency} ms: speak({given.seconds} s) takes {wall:.2f} s wall, {busy:.2f} s busy")
        wall, busy = timed(lambda: streamed(studio, sound, latency))  # noqa: B023
        print(f"  a frame a push: {1e3 * wall / frames:.2f} ms wall, {1e3 * busy / frames:.2f} ms busy")
        whole = speak(sound, None, studio, latency_ms=latency)
        far = max(apart(streamed(studio, sound, latency, size), whole) for size in (377, FRAME, 10_000))
        late = SpeechStream(studio, latency_ms=latency).latency_s
        print(
            f"  frames are known {1e3 * late:.1f} ms after they begin; stream and whole differ by {far:.1e}"
        )
    if given.hours:
        endure(studio, sound, given.hours)


if __name__ == "__main__":
    main()
