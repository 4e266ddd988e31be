"""How fast people are painted: pictures a second and core, where the time goes, and how two processes share.

Run: ``python benchmarks/paint.py [HEADS] [--size 256] [--people 16]``; HEADS is a head folder or a
name that `phiz.face.models.open_model` knows. Every picture shows a new person, so it includes the
growing of hair and the cutting of clothes.
"""

from __future__ import annotations

import argparse
import cProfile
import multiprocessing
import pstats
import time

import torch

from phiz.face import models
from phiz.face.coeffs import Motion
from phiz.face.morphable import MorphableModel
from phiz.world import paint
from phiz.world.grown.hair_styles import STYLES
from phiz.world.people import Person, sample_person
from phiz.world.scene import Scene, sample_scene

STAGES = {
    "hair, clothes": ("figure.py", "dress"),
    "pose": ("figure.py", "pose"),
    "visibility": ("raster.py", "rasterise"),
    "samples": ("samples.py", "sort"),
    "shadow maps": ("shadow.py", "cast"),
    "skin": ("canvas.py", "_shade_skin"),
    "skin fields": ("canvas.py", "_patch"),
    "eyes": ("canvas.py", "_shade_eyes"),
    "mouth": ("canvas.py", "_shade_mouth"),
    "hair shading": ("canvas.py", "_shade_hair"),
    "things": ("canvas.py", "_shade_things"),
    "shading in all": ("canvas.py", "shade"),
    "background": ("background.py", "paint"),
    "develop": ("develop.py", "develop"),
}
"""Name of each stage, and the function that does it."""

THROWAWAY = 8.0
"""Pictures a second and core of the renderer that was thrown away for this one, as published."""

Job = tuple[Person, Scene]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("heads", nargs="?", default=models.BUILT_IN)
    parser.add_argument("--size", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--people", type=int, default=16)
    options = parser.parse_args()
    head = models.open_model(options.heads)
    torch.set_num_threads(1)
    for size in options.size:
        jobs = _jobs(head, options.people)
        paint.paint(*jobs[0], head, size=size)
        wall, processor = _timed(jobs, head, size)
        times = 1 / processor / THROWAWAY
        print(
            f"{size} px: {1 / processor:5.1f} pictures/s/core ({1 / wall:.1f} by the clock), "
            f"{times:.2f} times the {THROWAWAY:g} of the renderer before"
        )
        frames = _frames(jobs[0], head, size)
        print(f"  one person who moves: {frames:.1f} frames/s/core")
        _shares(jobs, head, size)
        pair = _two(options.heads, options.people, size)
        print(f"  two processes at once: {pair * wall:.2f} times the pictures of one")


def _jobs(head: MorphableModel, people: int) -> list[Job]:
    made = [sample_person(seed, head, tuple(STYLES)) for seed in range(people)]
    return [(person, sample_scene(seed, person, head)) for seed, person in enumerate(made)]


def _frames(job: Job, head: MorphableModel, size: int, count: int = 12) -> float:
    """Return frames a second and core of a person who looks about; hair and clothes are made before."""
    person, scene = job
    swing = 0.2 * torch.linspace(-1, 1, count)
    motion = Motion(
        expression=scene.coeffs.expression.expand(count, -1),
        basis=head.name,
        rotation=torch.stack([0.3 * swing, swing, 0 * swing], dim=-1),
        translation=torch.zeros(count, 3),
        gaze=torch.zeros(count, 2, 2),
        blink=torch.zeros(count, 2),
    )
    frames = paint.animate_person(person, scene, motion, head, size=size)
    next(frames)
    start = time.process_time()
    rest = sum(1 for _ in frames)
    return rest / (time.process_time() - start)


def _timed(jobs: list[Job], head: MorphableModel, size: int) -> tuple[float, float]:
    """Return seconds a picture, by the clock and of the processor."""
    wall, processor = time.perf_counter(), time.process_time()
    for person, scene in jobs:
        paint.paint(person, scene, head, size=size)
    return (time.perf_counter() - wall) / len(jobs), (time.process_time() - processor) / len(jobs)


def _shares(jobs: list[Job], head: MorphableModel, size: int) -> None:
    profile = cProfile.Profile(time.process_time)
    profile.enable()
    for person, scene in jobs:
        paint.paint(person, scene, head, size=size)
    profile.disable()
    stats = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    spent = {(path.rsplit("/", 1)[-1], name): row[3] for (path, _, name), row in stats.items()}
    total = spent["paint.py", "paint"]
    for stage, function in STAGES.items():
        took = spent.get(function, 0.0)
        print(f"  {stage:<15} {100 * took / total:5.1f} %  {1000 * took / len(jobs):6.1f} ms")


def _worker(heads: str, people: int, size: int, start: float, results: multiprocessing.Queue[float]) -> None:
    torch.set_num_threads(1)
    head = models.open_model(heads)
    jobs = _jobs(head, people)
    paint.paint(*jobs[0], head, size=size)
    time.sleep(max(0.0, start - time.time()))
    results.put(_timed(jobs, head, size)[0])


def _two(heads: str, people: int, size: int) -> float:
    """Return pictures a second of two processes that run at the same time."""
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[float] = context.Queue()
    start = time.time() + 12  # both have loaded and warmed up by then
    workers = [context.Process(target=_worker, args=(heads, people, size, start, results)) for _ in range(2)]
    for worker in workers:
        worker.start()
    seconds = [results.get() for _ in workers]
    for worker in workers:
        worker.join()
    return sum(1 / s for s in seconds)


if __name__ == "__main__":
    main()
