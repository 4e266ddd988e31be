"""How fast frames become a film and files become sound, against FFmpeg's bare minimum; and memory.

    python benchmarks/video.py [--frames 500] [--size 256] [--memory-frames 10000]

Ratios say more than seconds, for both sides run on the same machine. "Bare" is PyAV alone: bytes that
are already there, no conversion of numbers, no sound, no checks.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import torch
from torch import Tensor

from phiz.media import audio, image, video


def moving_picture(count: int, size: int) -> Iterator[Tensor]:
    """Yield soft shapes that drift: neither as easy as a flat colour nor as hard as noise."""
    line = torch.linspace(-3, 3, size)
    for i in range(count):
        wave = torch.sin(line[None] * 2 + i * 0.1) * torch.cos(line[:, None] * 3 - i * 0.07)
        yield torch.stack([wave, wave.roll(i, 0), -wave]) * 0.8


def bare_encode(path: Path, frames: list[Tensor]) -> None:
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=25, options={"crf": "18", "preset": "veryfast"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for i, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame.numpy(), format="rgb24")
            picture.pts, picture.time_base = i, Fraction(1, 25)
            target.mux(stream.encode(picture))
        target.mux(stream.encode(None))


def bare_decode(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def bare_listen(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(frame.samples for frame in container.decode(audio=0))


def best_of(repeats: int, work: Callable[[], object]) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def pictures(folder: Path, count: int, size: int) -> None:
    numbers = list(moving_picture(count, size))
    data = [image.to_bytes(frame) for frame in numbers]
    film, sound = folder / "film.mp4", torch.zeros(count * 640)
    bare = best_of(3, lambda: bare_encode(folder / "bare.mp4", data))
    silent = best_of(3, lambda: video.write(film, numbers, fps=25))
    ours = best_of(3, lambda: video.write(film, numbers, fps=25, audio=sound))
    decode = best_of(3, lambda: bare_decode(film))
    read = best_of(3, lambda: sum(1 for _ in video.read(film)))
    print(f"frames of {size} x {size}: bare encoder {count / bare:.0f}/s")
    print(f"  Writer, silent     {count / silent:6.0f}/s   {bare / silent:.2f} of bare")
    print(f"  Writer, with sound {count / ours:6.0f}/s   {bare / ours:.2f} of bare")
    print(f"  read               {count / read:6.0f}/s   {decode / read:.2f} of bare decoding")


def sounds(folder: Path, minutes: float = 5.0) -> None:
    noise = 0.1 * torch.randn(int(minutes * 60 * 48_000), generator=torch.Generator().manual_seed(0))
    for suffix in (".wav", ".m4a"):
        path = folder / f"long{suffix}"
        audio.write(path, noise, 48_000)
        bare = best_of(3, lambda path=path: bare_listen(path))
        ours = best_of(3, lambda path=path: audio.read(path))
        same = best_of(3, lambda path=path: audio.read(path, 48_000))
        print(
            f"sound {suffix}: read at 48 kHz {bare / same:.2f}, at 16 kHz {bare / ours:.2f} of bare decoding"
        )
        print(f"  {minutes:g} minutes at 16 kHz take {ours:.2f} s")


def resident() -> float:
    """Return how much memory this process has held at most, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def memory(folder: Path, count: int) -> None:
    """Write and read a long film and look at what it adds to a short one."""

    def film(frames: int) -> None:
        path = folder / "memory.mp4"
        sound = (torch.zeros(4096) for _ in range(frames))
        video.write(path, moving_picture(frames, 128), fps=25, audio=sound)
        assert sum(1 for _ in video.read(path)) == frames
        assert sum(len(block) for block in audio.iterate(path)) == frames * 640

    film(200)
    before = resident()
    film(count)
    print(f"memory: {before:.0f} MiB after 200 frames, {resident() - before:+.1f} MiB after {count} more")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=500)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--memory-frames", type=int, default=10_000)
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        memory(Path(name), wanted.memory_frames)
        pictures(Path(name), wanted.frames, wanted.size)
        sounds(Path(name))


if __name__ == "__main__":
    main()
