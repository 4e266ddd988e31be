"""How fast hair grows: milliseconds a style, and against a loop that grows one strand after another.

python benchmarks/hair.py
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch

from phiz.face import head as heads
from phiz.world.grown import hair_bounds, hair_fields, hair_growth, hair_skull
from phiz.world.grown.hair import STYLES, grow_hair
from phiz.world.grown.hair_ribbons import ribbons
from phiz.world.people import HairLook

LOOP = 20
"""Strands that the loop grows: the whole head would take it seconds."""


def best(run: Callable[[], object], repeats: int = 7) -> float:
    """Return the shortest of several times in milliseconds."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return 1000 * min(times)


def look(style: str) -> HairLook:
    return HairLook(
        style=style, colour=(0.1, 0.05, 0.02), grey=0.1, brow_density=0.5, brow_thickness=0.5,
        lash_length=0.5, beard="none", beard_colour=(0.1, 0.05, 0.02), seed=0,
    )  # fmt: skip


def loop_ratio(head: heads.Head) -> float:
    """Return how many times longer a strand takes when strands grow one after another."""
    style, vertices = STYLES["long_straight"], head.mean.numpy()
    normals = head.normals(head.mean[None])[0].numpy()
    skull = hair_skull.measure(vertices, head)
    gate = hair_bounds.face_gate(skull, head.landmarks(head.mean[None])[0].numpy())
    scalp = hair_fields.region(head, "scalp")
    triangles = head.triangles.numpy()
    density = hair_fields.corner_mean(scalp, triangles)
    rng = np.random.default_rng(0)
    roots = hair_fields.sample(vertices, normals, triangles, density, 3500, rng)
    layer = np.ones(3500, np.float32)

    def grow(chosen: slice) -> object:
        some = roots[chosen]
        made = hair_growth.plan(style, skull, some, layer[chosen], rng)
        return hair_growth.grow(style, skull, some, made, gate, rng)

    together = best(lambda: grow(slice(None))) / 3500
    alone = best(lambda: [grow(slice(k, k + 1)) for k in range(LOOP)], repeats=2) / LOOP
    return alone / together


def main() -> None:
    torch.set_num_threads(1)
    head = heads.built_in()
    normals = head.normals(head.mean[None])[0]
    eye = torch.tensor([0.0, 0.0, 1.0])
    for name in STYLES:
        rng = np.random.default_rng(0)
        grown = grow_hair(look(name), head.mean, normals, head, rng)
        count = sum(strands.count for strands in grown)
        points = sum(strands.width.numel() for strands in grown)
        grow = best(lambda n=name: grow_hair(look(n), head.mean, normals, head, np.random.default_rng(0)))
        strips = best(lambda g=grown: [ribbons(strands, eye) for strands in g])
        print(f"{name:14} {count:5} strands {points:6} points: grow {grow:5.1f} ms, ribbons {strips:4.1f} ms")
    print(f"one strand at a time: {loop_ratio(head):.0f} times as long a strand")


if __name__ == "__main__":
    main()
