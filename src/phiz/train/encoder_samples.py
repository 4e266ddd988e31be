"""Pictures that a generator draws of people by chance, kept for a while so that each is learned from often.

Drawing costs more than learning does. So pictures are drawn a few at a time into a file of bytes, where each
stays for a while, and every step takes some of those that are there. What is drawn when, and what a step
takes, follows from the seed and from the step alone. The file is but a cache: what a training that goes on
does not find in it, or finds damaged, is drawn again.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from phiz.avatar.encoder_network import resized
from phiz.generator.config import GeneratorConfig
from phiz.generator.generator import Generator
from phiz.world.portrait import MOST_PITCH, MOST_YAW, NEAR_PITCH, NEAR_YAW, WIDE_SHARE, WIDE_YAW, view_camera

SUBJECTS, CHOICES = 20, 21
"""What random bits are for; the same seed gives others for each."""
LAYERS = 4
"""Red, green, blue, and how much of a pixel the head covers."""


@dataclass(frozen=True, kw_only=True)
class Subjects:
    """Some people to draw, each from one side."""

    z: Float[Tensor, "b z"]
    background: Float[Tensor, "b l"]
    angles: Float[Tensor, "b 2"]
    """Yaw and pitch in radians."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is drawn, and how long it stays."""

    size: int
    """Height and width of the pictures that are kept."""
    people: int
    views: int
    kept: int
    """Pictures."""
    first: int
    """Draws before the first step."""
    steps_a_draw: float
    """How many steps go by from a draw to the next."""
    seed: int
    rank: int = 0

    @property
    def each(self) -> int:
        """Return how many pictures one draw makes."""
        return self.people * self.views

    def window(self, step: int) -> tuple[int, int]:
        """Return which draws a step takes from: the first of them, and the one after the last."""
        last = self.first + math.floor(step / self.steps_a_draw)
        return max(last - self.kept // self.each, 0), last


def subjects(config: GeneratorConfig, people: int, views: int, chance: np.random.Generator) -> Subjects:
    """Return people by chance, the views of each one after the other, seen from where portraits are."""
    z = chance.standard_normal((people, config.z_size), np.float32)
    background = chance.standard_normal((people, config.background_latent), np.float32)
    count = people * views
    near = NEAR_YAW * chance.standard_normal(count)
    wide = WIDE_YAW * chance.uniform(-1, 1, count)
    yaw = np.where(chance.random(count) < WIDE_SHARE, wide, near).clip(-MOST_YAW, MOST_YAW)
    pitch = (NEAR_PITCH * chance.standard_normal(count)).clip(-MOST_PITCH, MOST_PITCH)
    return Subjects(
        z=torch.from_numpy(z).repeat_interleave(views, dim=0),
        background=torch.from_numpy(background).repeat_interleave(views, dim=0),
        angles=torch.from_numpy(np.stack([yaw, pitch], axis=1).astype(np.float32)),
    )


@torch.no_grad()
def draw(generator: Generator, who: Subjects, views: int, size: int) -> UInt8[Tensor, "b 4 s s"]:
    """Return pictures of people and what the heads cover, as bytes."""
    device = generator.progress.device
    styles = generator.styles(who.z[::views].to(device))
    prepared = generator.prepare(styles, who.background.to(device), views=views)
    angles = who.angles.to(device)
    made = generator.render(prepared, view_camera(angles[:, 0], angles[:, 1]))
    cover = resized(made.opacity[:, None], size)
    layers = torch.cat([resized(made.image, size) / 2 + 0.5, cover], dim=1)
    return (layers.clamp(0, 1) * 255 + 0.5).to(torch.uint8).cpu()


class Kept:
    """Pictures with their numbers in a file; a class because it keeps the file open."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        """Open the file of a process, or make it."""
        slots = plan.kept // plan.each
        self._each, self._slots = plan.each, slots
        shape = (slots, plan.each, LAYERS, plan.size, plan.size)
        self._pictures = _opened(folder / f"drawn-{plan.rank}.npy", np.uint8, shape)
        self._marks = _opened(folder / f"drawn-{plan.rank}-marks.npy", np.int64, (slots, 2))

    def holds(self, number: int) -> bool:
        """Return whether a draw is there, and whole."""
        slot = number % self._slots
        mark, checked = self._marks[slot].tolist()
        return bool(mark == number + 1 and checked == zlib.crc32(self._pictures[slot].data))

    def put(self, number: int, pictures: UInt8[Tensor, "b 4 s s"]) -> None:
        """Keep a draw in the place of an older one."""
        slot = number % self._slots
        self._pictures[slot] = pictures.numpy()
        self._marks[slot] = (number + 1, zlib.crc32(self._pictures[slot].data))

    def picture(self, number: int) -> UInt8[Tensor, "4 s s"]:
        """Return one of the pictures, counted over all draws."""
        pictures = self._pictures[number // self._each % self._slots]
        return torch.from_numpy(pictures[number % self._each].copy())


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Pictures with what they were drawn from."""

    layers: UInt8[Tensor, "b 4 s s"]
    who: Subjects


class Reservoir:
    """Drawn pictures without end; a class because it draws what is missing when it is asked for some."""

    def __init__(self, generator: Generator, plan: Plan, folder: Path) -> None:
        self._generator, self._plan = generator, plan
        self._kept = Kept(folder, plan)
        self._known: dict[int, Subjects] = {}

    def missing(self, step: int) -> Iterator[int]:
        """Yield the draws that a step may take from and that are not there yet, and draw them."""
        for number in range(*self._plan.window(step)):
            if number not in self._known:
                self._draw(number)
                yield number

    def take(self, step: int, count: int) -> Samples:
        """Return the pictures of a step."""
        first, last = self._plan.window(step)
        for number in [number for number in self._known if number < first]:
            del self._known[number]
        for _ in self.missing(step):
            pass
        chance = chance_of(self._plan.seed, CHOICES, self._plan.rank, step)
        each = self._plan.each
        numbers: Int[npt.NDArray[np.int64], " b"] = chance.integers(first * each, last * each, count)
        layers = torch.stack([self._kept.picture(int(number)) for number in numbers])
        people = [(self._known[int(number) // each], int(number) % each) for number in numbers]
        who = Subjects(
            z=torch.stack([one.z[place] for one, place in people]),
            background=torch.stack([one.background[place] for one, place in people]),
            angles=torch.stack([one.angles[place] for one, place in people]),
        )
        return Samples(layers=layers, who=who)

    def _draw(self, number: int) -> None:
        plan = self._plan
        chance = chance_of(plan.seed, SUBJECTS, plan.rank, number)
        who = subjects(self._generator.config, plan.people, plan.views, chance)
        self._known[number] = who
        if not self._kept.holds(number):
            self._kept.put(number, draw(self._generator, who, plan.views, plan.size))


def chance_of(*seeds: int) -> np.random.Generator:
    """Return the chance that follows from some numbers."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seeds)))


def _opened(path: Path, kind: type[np.generic], shape: tuple[int, ...]) -> npt.NDArray[np.generic]:
    """Return a file's array, made of zeros where there is none that fits."""
    if path.is_file():
        try:
            found = np.load(path, mmap_mode="r+")
        except (ValueError, EOFError, OSError):
            found = None
        if found is not None and found.shape == shape and found.dtype == kind:
            return found  # type: ignore[no-any-return]
    path.parent.mkdir(parents=True, exist_ok=True)
    return np.lib.format.open_memmap(path, mode="w+", dtype=kind, shape=shape)
