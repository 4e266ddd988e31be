"""What films cost beside the drawing: planes, encoder, parts, overlap, and the memory of an hour.

    python benchmarks/stages.py [--only planes encoder overlap parts memory] [--memory-frames 90000]

Milliseconds are of the processor, a frame, unless wall time is said. Ratios are of one run on one machine.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import torch
from torch import Tensor

from phiz.media import chunks, image, planes, stages, video

SIZES = (256, 512, 1024)
FRAMES = {256: 200, 512: 100, 1024: 40}


def moving_picture(count: int, size: int) -> Iterator[Tensor]:
    """Yield soft shapes that drift: neither as easy as a flat colour nor as hard as noise."""
    line = torch.linspace(-3, 3, size)
    for i in range(count):
        wave = torch.sin(line[None] * 2 + i * 0.1) * torch.cos(line[:, None] * 3 - i * 0.07)
        yield torch.stack([wave, wave.roll(i, 0), -wave]) * 0.8


def scaled(picture: Tensor) -> av.VideoFrame:
    """Return a frame as it was made before: bytes, channels last, through FFmpeg's scaler."""
    frame = av.VideoFrame.from_ndarray(image.to_bytes(picture).numpy(), format="rgb24")
    return frame.reformat(format="yuv420p", src_color_range=2, dst_colorspace=1, dst_color_range=1)


def busy_ms(work: Callable[[], object], repeats: int = 40) -> float:
    """Return the milliseconds that this thread is busy with a piece of work, the faster quarter."""
    times = []
    for _ in range(repeats):
        start = time.thread_time()
        work()
        times.append(time.thread_time() - start)
    return 1e3 * sorted(times)[repeats // 4]


def compare_planes() -> None:
    for size in SIZES:
        picture = next(moving_picture(1, size))
        pixels = image.to_bytes(picture)
        before = busy_ms(partial(scaled, picture))
        after = busy_ms(partial(planes.to_frame, picture))
        whole = busy_ms(partial(planes.to_frame, pixels))
        print(
            f"planes {size}: before {before:.2f} ms, now {after:.2f} ms ({before / after:.1f} times faster),"
        )
        print(f"    of bytes {whole:.2f} ms")


def encode(frames: list[av.VideoFrame], threads: int) -> tuple[float, float]:
    """Return the seconds an encoder takes with so many threads, on the clock and of the processor."""
    wall, busy = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as name, av.open(f"{name}/a.mp4", "w") as target:
        options = {"crf": "18", "preset": "veryfast"}
        stream = target.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, "yuv420p"
        stream.codec_context.thread_count = threads
        for number, frame in enumerate(frames):
            frame.pts, frame.time_base = number, Fraction(1, 25)
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return time.perf_counter() - wall, time.process_time() - busy


class Drawing:
    """Two threads that multiply all the time, as two cores that draw."""

    def __init__(self) -> None:
        self.products = 0
        self._is_over = False
        self._threads = [threading.Thread(target=self._work) for _ in range(2)]

    def __enter__(self) -> Drawing:
        for thread in self._threads:
            thread.start()
        return self

    def _work(self) -> None:
        torch.set_num_threads(1)
        square = torch.rand(384, 384)
        while not self._is_over:
            torch.mm(square, square)
            self.products += 1

    def __exit__(self, *_: object) -> None:
        self._is_over = True
        for thread in self._threads:
            thread.join()


def compare_encoders() -> None:
    for size in SIZES:
        frames = [planes.to_frame(picture) for picture in moving_picture(FRAMES[size], size)]
        for threads in (1, 2, 3):
            wall, busy = encode(frames, threads)
            with Drawing() as drawing:
                time.sleep(0.2)
                begun, start = drawing.products, time.perf_counter()
                beside, _ = encode(frames, threads)
                pace = (drawing.products - begun) / (time.perf_counter() - start)
            print(
                f"x264 {size}, {threads} threads: busy {1e3 * busy / len(frames):.2f} ms, wall "
                f"{1e3 * wall / len(frames):.2f} ms; while two cores draw "
                f"{1e3 * beside / len(frames):.2f} ms, and they do {pace:.0f} products/s"
            )


def drawn(count: int, size: int, products: int) -> Iterator[Tensor]:
    """Yield pictures that take some work of torch each."""
    square = torch.rand(256, 256)
    for picture in moving_picture(count, size):
        for _ in range(products):
            torch.mm(square, square)
        yield picture


def compare_overlap(folder: Path) -> None:
    for size, products in ((256, 8), (512, 16), (1024, 40)):
        count, film = FRAMES[size], folder / "film.mp4"
        start = time.perf_counter()
        sum(1 for _ in drawn(count, size, products))
        alone = time.perf_counter() - start
        start = time.perf_counter()
        video.write(film, drawn(count, size, products), fps=25)
        plain = time.perf_counter() - start
        start = time.perf_counter()
        video.write(film, stages.ahead(drawn(count, size, products), 2), fps=25)
        beside = time.perf_counter() - start
        print(
            f"overlap {size}: wall of drawing alone {1e3 * alone / count:.2f} ms, and a film in one loop "
            f"{1e3 * plain / count:.2f} ms, ahead {1e3 * beside / count:.2f} ms"
        )
    start, count = time.perf_counter(), 20_000
    sum(stages.ahead(iter(range(count)), 2))
    print(f"handing over an item: {1e6 * (time.perf_counter() - start) / count:.0f} us")


def quietly(_: str) -> None:
    pass


def filmed(path: Path, pictures: list[Tensor], every_s: float) -> None:
    height, width = pictures[0].shape[1:]
    job = chunks.Job(path=path, key="", total=len(pictures), fps=25, size=(height, width))
    sound = torch.zeros(len(pictures) * 1920)
    chunks.write(
        job, lambda start: iter(pictures[start:]), audio=sound, rate=48_000, every_s=every_s, say=quietly
    )


def compare_parts(folder: Path) -> None:
    for seconds, every_s in ((1, 10), (8, 10), (20, 10), (20, 2)):
        pictures = list(moving_picture(25 * seconds, 256))
        sound = torch.zeros(len(pictures) * 1920)
        times: dict[str, list[float]] = {"writer": [], "parts": []}
        for _ in range(7):
            start = time.process_time()
            video.write(folder / "a.mp4", pictures, fps=25, audio=sound, rate=48_000)
            times["writer"].append(time.process_time() - start)
            start = time.process_time()
            filmed(folder / "b.mp4", pictures, every_s)
            times["parts"].append(time.process_time() - start)
        writer, parts = (min(times[name]) for name in ("writer", "parts"))
        sizes = [(folder / name).stat().st_size for name in ("a.mp4", "b.mp4")]
        print(
            f"film of {seconds} s, parts of {every_s} s: {1e3 * writer:.0f} ms by the writer, "
            f"{1e3 * parts:.0f} ms in parts ({100 * (parts / writer - 1):+.1f} %), "
            f"{100 * (sizes[1] / sizes[0] - 1):+.1f} % bytes"
        )


def resident_mib() -> float:
    """Return the memory of this process at its height."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def endure(folder: Path, count: int) -> None:
    """Film for as long as a lecture, and tell how the memory grows while drawing and while joining."""
    heights: list[float] = []

    def pictures(start: int) -> Iterator[Tensor]:
        for number in range(start, count):
            if number % (count // 6) == 0:
                heights.append(resident_mib())
            yield torch.full((3, 16, 16), (number % 50) / 25 - 1)

    job = chunks.Job(path=folder / "long.mp4", key="", total=count, fps=25, size=(16, 16))
    sound = (torch.zeros(1920) for _ in range(count))
    start = time.perf_counter()
    chunks.write(job, lambda first: stages.ahead(pictures(first), 4), audio=sound, rate=48_000, say=quietly)
    took = time.perf_counter() - start
    told = ", ".join(f"{height:.1f}" for height in heights)
    print(f"{count} frames in {took:.0f} s: {told} MiB while drawing, {resident_mib():.1f} after joining")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parts = ("planes", "encoder", "overlap", "parts", "memory")
    parser.add_argument("--only", nargs="*", default=parts, choices=parts)
    parser.add_argument("--memory-frames", type=int, default=90_000)
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    planes.to_frame(torch.zeros(3, 8, 8))  # compiled now
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        work: dict[str, Callable[[], None]] = {
            "planes": compare_planes,
            "encoder": compare_encoders,
            "overlap": lambda: compare_overlap(folder),
            "parts": lambda: compare_parts(folder),
            "memory": lambda: endure(folder, wanted.memory_frames),
        }
        for part in wanted.only:
            work[part]()


if __name__ == "__main__":
    main()
