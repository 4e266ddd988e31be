"""How long it takes to sample a person, a scene and a background, and to dress somebody.

python benchmarks/people.py [HEAD]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import torch

from phiz.face import models
from phiz.face.coeffs import neutral
from phiz.world import background
from phiz.world.grown.hair_styles import STYLES
from phiz.world.people import sample_person
from phiz.world.scene import sample_scene
from phiz.world.worn import clothing, glasses, hats, jewellery

COUNT = 40


def milliseconds(work: Callable[[int], object]) -> float:
    work(0)
    start = time.perf_counter()
    for number in range(COUNT):
        work(number)
    return (time.perf_counter() - start) / COUNT * 1000


def main() -> None:
    torch.set_num_threads(1)
    head = models.open_model(sys.argv[1] if len(sys.argv) > 1 else models.BUILT_IN)
    folk = [sample_person(number, head, tuple(STYLES)) for number in range(COUNT)]
    scenes = [sample_scene(number, folk[number], head) for number in range(COUNT)]
    rest = head.vertices(neutral(head.sizes))[0] * head.metres_per_unit
    rows = {
        "person": lambda k: sample_person(k, head, tuple(STYLES)),
        "scene": lambda k: sample_scene(k, folk[k], head),
        "background, 256 x 256": lambda k: background.paint(scenes[k].background, 256, 256),
        "glasses (a quarter wear any)": lambda k: glasses.glasses(folk[k], rest, head),
        "hat (few wear one)": lambda k: hats.hat(folk[k], rest, head),
        "earrings": lambda k: jewellery.earrings(folk[k], rest, head),
        "clothes": lambda k: clothing.clothing(folk[k], rest, head),
    }
    with torch.no_grad():
        for name, work in rows.items():
            print(f"{name:32s} {milliseconds(work):7.2f} ms")


if __name__ == "__main__":
    main()
