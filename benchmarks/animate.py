"""What drawing a person who moves takes, against the published order of work, same weights, in one run.

    python benchmarks/animate.py [--frames 16] [--rounds 5] [--seed 6]

Every row draws the same motion, batches of 8, the mouth included. `whole` is our own order without any
shortcut. The others take theirs (`phiz.animate.bake`): before a camera that goes round the head, of a head
that turns on its neck, and of one that talks and blinks but does not turn. Rows take turns; figures are
medians of the rounds. The published order (`published_order.py`) is given with its blending and without
(`bare`), and is also timed on TINY; ratios are of processor time. `PSNR` compares with the same motion drawn
whole. Two threads are two batches side by side, one thread each.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import published_order
import torch
from torch import Tensor

from phiz.animate import acting
from phiz.animate.bake import Bake, Quality
from phiz.animate.lipaint_network import BUILTIN
from phiz.animate.mouth import Mouth
from phiz.avatar import seeds
from phiz.avatar.avatar import Avatar
from phiz.avatar.rig import Rig
from phiz.face import models, network_files
from phiz.face.coeffs import Motion
from phiz.face.morphable import MorphableModel
from phiz.generator import store
from phiz.generator.config import TINY
from phiz.media import stages

BATCH = 8
SWAY = 0.2
"""Radians that a head turns to each side."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A way to draw a motion."""

    name: str
    quality: Quality
    motion: Motion
    is_neck: bool


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=16, help="frames of the motion")
    parser.add_argument("--rounds", type=int, default=5, help="how often each row is timed")
    parser.add_argument("--seed", type=int, default=6, help="whom to draw with the built-in generator")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    head = models.open_model(models.BUILT_IN)
    for name, person, w_size in (
        ("TINY", published_order.tiny(head), TINY.w_size),
        ("BUILTIN_256", seeds.from_seed(store.load(), options.seed), BUILTIN.w_size),
    ):
        print(f"\n{name}")
        published = published_order.measure(
            person,
            published_order.talking(head, 5),
            published_order.Networks(
                parser=network_files.load(network_files.PARSER), lipaint=published_order.lipaint_for(w_size)
            ),
            model=head,
        )
        bare = published.passes + published.parser + published.head
        print(
            f"published order: {published.frame:.1f} ms a frame, {published.processor:.1f} of processor; "
            f"passes, parser and head alone {bare:.1f}"
        )
        report(person, head, rows_for(head, options.frames), options.rounds, (published.processor, bare))
    print(f"\nfirst frame: {first_frame(person, head, options.frames):.2f} s after the person is loaded")


def rows_for(head: MorphableModel, frames: int) -> list[Row]:
    still = speaking(head, frames)
    sway = SWAY * torch.sin(torch.linspace(0, 6, frames))
    turning = replace(still, rotation=torch.stack([sway / 3, sway, sway / 4], dim=-1))
    return [
        Row(name="whole", quality="fine", motion=turning, is_neck=False),
        Row(name="moving camera", quality="normal", motion=turning, is_neck=False),
        Row(name="turning neck", quality="normal", motion=turning, is_neck=True),
        Row(name="at rest", quality="normal", motion=still, is_neck=True),
        Row(name="at rest, draft", quality="draft", motion=still, is_neck=True),
    ]


def speaking(head: MorphableModel, frames: int) -> Motion:
    """Return a motion of lips, jaw and brows, with one blink."""
    motion = published_order.talking(head, frames)
    beat = torch.linspace(0, 9, frames)
    expression = motion.expression.clone()
    for name, weight, phase in (
        ("jawOpen", 0.15, 0.0),
        ("mouthFunnel", 0.2, 1.0),
        ("mouthStretchLeft", 0.1, 2.0),
        ("mouthStretchRight", 0.1, 2.0),
        ("browInnerUp", 0.05, 0.5),
    ):
        expression[:, head.expression_names.index(name)] = weight * (1 + torch.sin(beat + phase))
    blink = (1 - (torch.arange(frames) - frames // 2).abs() / 2).clamp(min=0)
    return replace(motion, expression=expression, blink=blink[:, None].expand(-1, 2).clone())


def report(
    person: Avatar, head: MorphableModel, rows: Sequence[Row], rounds: int, published: tuple[float, float]
) -> None:
    draws: Mapping[str, Callable[[Motion], Tensor]] = {
        row.name: drawer(person, head, row.quality, row.is_neck) for row in rows
    }
    wall: dict[str, list[float]] = {row.name: [] for row in rows}
    own: dict[str, list[float]] = {row.name: [] for row in rows}
    two: dict[str, list[float]] = {row.name: [] for row in rows}
    for number in range(rounds + 1):  # the first does not count
        for row in rows:
            start, before = time.perf_counter(), time.process_time()
            for _ in in_order(draws[row.name], row.motion):
                pass
            taken, work = time.perf_counter() - start, time.process_time() - before
            start = time.perf_counter()
            for _ in side_by_side(draws[row.name], row.motion):
                pass
            beside = time.perf_counter() - start
            if number:
                wall[row.name].append(1000 * taken / len(row.motion))
                own[row.name].append(1000 * work / len(row.motion))
                two[row.name].append(1000 * beside / len(row.motion))
    titles = ("ms/frame", "of processor", "frames/s", "on two", "ratio", "bare ratio", "PSNR")
    print(f"{'':16}" + "".join(f"{title:>14}" for title in titles))
    for row in rows:
        alone, work, both = (statistics.median(of[row.name]) for of in (wall, own, two))
        drawn = torch.cat(list(in_order(draws[row.name], row.motion)))
        told = torch.cat(list(in_order(drawer(person, head, "fine", row.is_neck), row.motion)))
        psnr = float(-10 * torch.log10(((drawn - told).square().mean() / 4).clamp(min=1e-12)))
        numbers = (alone, work, 1000 / alone, 1000 / both, published[0] / work, published[1] / work, psnr)
        print(f"{row.name:16}" + "".join(f"{number:14.1f}" for number in numbers), flush=True)


def drawer(
    person: Avatar, head: MorphableModel, quality: Quality, is_neck: bool
) -> Callable[[Motion], Tensor]:
    """Return what draws motions as `phiz.animate.animate.Stage` does."""
    rig = Rig.of(person, head)
    bake, mouth = Bake.of(person, rig, quality=quality), Mouth.of(rig)

    @torch.no_grad()
    def draw(motion: Motion) -> Tensor:
        face = acting.faces(person.rest, motion, head)
        moved, neck = rig.vertices(face), None
        if is_neck:
            neck = rig.turned(acting.skull(motion, head), acting.pivot_of(head))
            moved = rig.bent(moved, neck)
            camera = person.camera.repeated(len(motion))
        else:
            camera = acting.camera_of(person.camera, motion, head, person.generator_from_head)
        return mouth.painted(bake.images(camera, moved, neck, rig.asked(face)), camera, moved).clamp(-1, 1)

    return draw


def chunks(motion: Motion) -> Iterator[Motion]:
    for start in range(0, len(motion), BATCH):
        yield motion[start : start + BATCH]


def in_order(draw: Callable[[Motion], Tensor], motion: Motion) -> Iterator[Tensor]:
    yield from map(draw, chunks(motion))


def side_by_side(draw: Callable[[Motion], Tensor], motion: Motion) -> Iterator[Tensor]:
    yield from stages.mapped(draw, chunks(motion), workers=2)


def first_frame(person: Avatar, head: MorphableModel, frames: int) -> float:
    """Return the seconds from a person to their first frame, with everything compiled."""
    motion = speaking(head, frames)
    start = time.perf_counter()
    drawer(person, head, "normal", True)(motion[:1])
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
