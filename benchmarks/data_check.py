"""How fast `phiz data check` looks at a data set, against the least that any check has to do.

    python benchmarks/data_check.py                       # speed: thousands of small pictures
    python benchmarks/data_check.py --files 100000 --memory   # peak memory, pictures are links to few

The bare loop walks the folder, opens each picture with Pillow and unpacks it; it judges nothing, reads
no metadata, and uses one process.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from phiz.console import Console
from phiz.media import audio
from phiz.prepare.check import CheckConfig, check
from phiz.world.data.guide import FPS, metadata_writers, murmur

DISTINCT = 200
"""Different pictures; the others are hard links to them."""


def make(folder: Path, files: int, side: int, people: int) -> None:
    """Write a data set of that many pictures in which everything is as it should be."""
    rng = np.random.default_rng(0)
    originals = folder / "originals"
    originals.mkdir(parents=True)
    for k in range(min(DISTINCT, files)):
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        coarse.resize((side, side), Image.Resampling.BICUBIC).save(originals / f"{k}.jpg", quality=90)
    each = files // people
    for person in range(people):
        name = f"{person + 1:04d}"
        (folder / "images" / name).mkdir(parents=True)
        (folder / "audio" / name).mkdir(parents=True)
        for frame in range(each):
            os.link(originals / f"{frame % DISTINCT}.jpg", folder / "images" / name / f"{frame + 1:05d}.jpg")
        audio.write(folder / "audio" / name / "00001.wav", murmur(each / FPS, seed=person))
    with metadata_writers(folder / "metadata", basis="benchmark") as entries:
        for person in range(people):
            for frame in range(each):
                key = f"{person + 1:04d}/{frame + 1:05d}"
                entries["poses"].add(key, rng.uniform(-0.6, 0.6, 6).round(5).tolist())
                entries["expressions"].add(key, rng.uniform(0, 1, 52).round(4).tolist())
                entries["landmarks"].add(key, rng.uniform(0, side, (68, 2)).round(2).tolist())


def bare(folder: Path) -> int:
    """Open every picture and do nothing else."""
    seen = 0
    for where, _, names in os.walk(folder / "images"):
        for name in names:
            with Image.open(Path(where) / name) as opened:
                opened.load()
            seen += 1
    return seen


def timed(folder: Path, side: int, workers: int, *, quick: bool) -> float:
    start = time.perf_counter()
    config = CheckConfig(data=folder, side=side, minimum=1, workers=workers, quick=quick)
    summary = check(config, Console(quiet=True))
    assert summary["fit"], summary
    return time.perf_counter() - start


def peak_mib() -> float:
    """Return the most memory that this process has had (Linux; elsewhere the parent's may count in)."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return round(int(line.split()[1]) / 1024, 1)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--files", type=int, default=4000)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--people", type=int, default=4)
    parser.add_argument("--memory", action="store_true", help="measure peak memory instead of speed")
    parser.add_argument("--peak-of", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak_of:
        before = peak_mib()
        seconds = timed(options.peak_of, options.side, 1, quick=False)
        print(json.dumps({"seconds": round(seconds, 2), "start_mib": before, "peak_mib": peak_mib()}))
        return
    folder = Path(tempfile.mkdtemp(prefix="phiz-data-check-"))
    try:
        make(folder, options.files, options.side, options.people)
        if options.memory:
            words = [sys.executable, __file__, "--peak-of", str(folder), "--side", str(options.side)]
            print(subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip())
            return
        bare(folder)  # warms the disk's cache
        start = time.perf_counter()
        seen = bare(folder)
        loop = time.perf_counter() - start
        print(f"bare loop: {seen / loop:.0f} pictures a second")
        for workers, quick in ((1, False), (2, False), (1, True)):
            seconds = timed(folder, options.side, workers, quick=quick)
            named = f"check, {workers} worker{'s' * (workers > 1)}{', quick' if quick else ''}"
            print(f"{named}: {seen / seconds:.0f} pictures a second, {seconds / loop:.2f} x the loop's time")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
