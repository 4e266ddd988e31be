"""How well and how fast photos become avatars: people of our world, of whom every side is known, and photos.

    python benchmarks/invert.py [PHOTO ...] [--people 6] [--seconds 50] [--threads 2] [--sheet sheet.png]

Rendered people are painted once, from nearly the front and with a face that does something, as a "photo" of
512 pixels. From that alone an avatar is made. Printed: PSNR on the person from where they were seen; PSNR and
perceptual distance of the view turned by 20 degrees to either side, against what the world paints there and,
to compare, that of the same picture unturned; how often that view is nearest to its own person's photo among
all (built-in features); millimetres between drawn and true depth; seconds a stage, processor seconds.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from phiz.avatar import invert
from phiz.avatar.avatar import Avatar
from phiz.avatar.descent import Progress
from phiz.avatar.invert import INVERT
from phiz.console import tabulate
from phiz.face import head as heads
from phiz.face.head import Head
from phiz.generator import store
from phiz.generator.generator import Generator
from phiz.layers import filters
from phiz.layers.perceptual import perceptual_distance
from phiz.media import image, photo
from phiz.world import paint, portrait
from phiz.world.figure import dress
from phiz.world.grown.hair_cards import styles_for
from phiz.world.portrait import PORTRAIT_UNITS_PER_METRE

FIRST = 880_000
"""Number of the first person; nobody's networks have seen them."""
FRONT, ASIDE = (0.08, 0.03), (math.radians(-20), math.radians(20))
SIZE = 512


@dataclass(frozen=True, kw_only=True)
class Made:
    """An avatar, what it took, and what it should have been."""

    name: str
    person: Avatar
    steps: int
    wall_s: float
    processor_s: float
    front: Tensor
    """Drawn from where the person was seen."""
    aside: Tensor
    """Drawn from both sides (2, 3, s, s)."""
    true: Tensor | None
    """Painted from both sides."""
    depth_mm: float


def make(
    name: str, picture: Tensor, generator: Generator, seconds: float
) -> tuple[Avatar, int, float, float]:
    """Return an avatar of a photo, its steps, and the seconds it took."""
    steps = [0]

    def watch(progress: Progress) -> bool:
        steps[0] = progress.step
        return False

    wall, processor = time.perf_counter(), time.process_time()
    someone = invert.of_photo(picture, generator, replace(INVERT, seconds=seconds), watch=watch)
    print(name, dict(someone.about), flush=True)
    return someone, steps[0], time.perf_counter() - wall, time.process_time() - processor


@torch.no_grad()
def of_world(number: int, generator: Generator, head: Head, seconds: float) -> Made:
    """Return an avatar of somebody whom the world can paint from everywhere."""
    sitter = portrait.sample_portrait(number, head, styles_for(head))
    outfit, size = dress(sitter.person, head), generator.config.resolution

    def painted(yaw: float, pitch: float, pixels: int) -> paint.Picture:
        scene = portrait.seen_from(sitter, head, yaw, pitch)
        return paint.paint(sitter.person, scene, head, size=pixels, outfit=outfit)

    seen = painted(*FRONT, SIZE).image
    with torch.enable_grad():
        someone, steps, wall, processor = make(f"person {number}", seen, generator, seconds)
    prepared = someone.prepare()
    camera = portrait.view_camera(torch.tensor(ASIDE), torch.zeros(2))
    drawn = someone.generator.render(prepared, camera)
    views = [painted(yaw, 0.0, size) for yaw in ASIDE]
    depth = torch.stack([view.depth for view in views])[:, None] * PORTRAIT_UNITS_PER_METRE
    volume = generator.config.volume_resolution
    far = functional.interpolate(depth.nan_to_num(posinf=9.0), size=(volume, volume), mode="area")[:, 0]
    both = (far < 1.1) & (drawn.opacity > 0.8)
    wrong = (drawn.depth - far).abs()[both] / PORTRAIT_UNITS_PER_METRE * 1000
    return Made(
        name=f"person {number}",
        person=someone,
        steps=steps,
        wall_s=wall,
        processor_s=processor,
        front=someone.generator.render(prepared, someone.camera).image[0],
        aside=drawn.image.clamp(-1, 1),
        true=torch.stack([view.image for view in views]),
        depth_mm=float(wrong.mean()),
    )


@torch.no_grad()
def of_file(path: Path, generator: Generator, seconds: float) -> Made:
    """Return an avatar of a photo of which nothing else is known."""
    with torch.enable_grad():
        someone, steps, wall, processor = make(path.name, photo.read(path).picture, generator, seconds)
    prepared = someone.prepare()
    sides = [invert.beside(someone.camera, yaw, 0.0) for yaw in ASIDE]
    aside = torch.cat([someone.generator.render(prepared, camera).image for camera in sides])
    return Made(
        name=path.name,
        person=someone,
        steps=steps,
        wall_s=wall,
        processor_s=processor,
        front=someone.generator.render(prepared, someone.camera).image[0],
        aside=aside.clamp(-1, 1),
        true=None,
        depth_mm=math.nan,
    )


def psnr(one: Tensor, other: Tensor) -> float:
    """Return the likeness of pictures in decibels."""
    return float(-10 * torch.log10(((one - other) / 2).square().mean()))


def features(picture: Tensor) -> Tensor:
    """Return what tells people apart, of the middle of a picture."""
    size = picture.shape[-1]
    first, last = size // 5, size - size // 5
    found = filters.picture_features(picture[None, :, first:last, first:last].clamp(-1, 1))
    return functional.normalize(found[0], dim=0)


def rows(made: list[Made]) -> list[list[object]]:
    """Return what was measured, a row each."""
    crops = [features(invert_crop(one)) for one in made]
    known = torch.stack(crops)
    shown = []
    for k, one in enumerate(made):
        near = [int((known @ features(side)).argmax()) == k for side in one.aside]
        row: list[object] = [one.name, float(one.person.about["psnr_db"])]
        if one.true is None:
            row += ["", "", ""]
        else:
            apart = perceptual_distance(one.aside, one.true).mean()
            unturned = psnr(one.front.expand_as(one.true), one.true)
            row += [psnr(one.aside, one.true), unturned, float(apart)]
        depth: object = "" if math.isnan(one.depth_mm) else one.depth_mm
        shown.append([*row, depth, sum(near), one.steps, one.wall_s, one.processor_s])
    return shown


def invert_crop(one: Made) -> Tensor:
    """Return the photo as the generator was asked to draw it."""
    preview = invert.preview(one.person, ())
    return preview[..., : preview.shape[-2]]


def main() -> None:
    """Print the table, and draw the sheet if it is wanted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", nargs="*", type=Path)
    parser.add_argument("--people", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=INVERT.seconds)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sheet", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    generator, head = store.load(), heads.built_in()
    made = [of_file(path, generator, asked.seconds) for path in asked.photos]
    made += [of_world(FIRST + k, generator, head, asked.seconds) for k in range(asked.people)]
    names = ["who", "PSNR", "turned", "unturned", "look", "depth mm", "found of 2", "steps", "s", "CPU s"]
    print("\n".join(tabulate(names, rows(made))))
    if asked.sheet is not None:
        lines = []
        for one in made:
            line = torch.cat([invert.preview(one.person), *([] if one.true is None else one.true)], dim=-1)
            lines.append(line)
        widest = max(line.shape[-1] for line in lines)
        padded = [functional.pad(line, (0, widest - line.shape[-1]), value=-1.0) for line in lines]
        image.write(asked.sheet, torch.cat(padded, dim=-2))


if __name__ == "__main__":
    main()
