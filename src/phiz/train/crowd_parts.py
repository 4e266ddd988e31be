"""What crowds are put together with: people moved into a picture, heads without a face, faceless surfaces.

Pictures are (3, h, w) in [0, 1]; people are bytes, as `phiz.train.crowd_people` has them.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

from phiz.face import warp
from phiz.train import photo_shapes
from phiz.train.crowd_people import Person

AROUND = 1.3
"""By how much larger than the box around the landmarks the region of a face is, forehead included."""
LARGEST_BAR = 0.25
"""Of the picture's side."""


def placed(
    picture: UInt8[Tensor, "4 h w"], frame: Float[Tensor, "2 3"], side: int, *, is_whole: bool = False
) -> tuple[Float[Tensor, "3 {side} {side}"], Float[Tensor, "1 {side} {side}"]]:
    """Return a person at a place of a square picture, and how much of each pixel the person covers.

    `frame` leads from the person's picture into the square one. The whole picture covers everything; where
    it ends, its edge goes on.
    """
    _, height, width = picture.shape
    window = (0, 0, side, side) if is_whole else _window(frame, height, width, side)
    left, top, right, bottom = window
    shown = torch.zeros(4, side, side)
    if right <= left or bottom <= top:
        return shown[:3], shown[3:]
    step = max(1, math.floor(1 / float(warp.size_of(frame))))
    small = functional.avg_pool2d(picture[None].float() / 255, step) if step > 1 else picture[None] / 255
    covered = torch.tensor([small.shape[-1] * step, small.shape[-2] * step], dtype=torch.float64)
    back = (warp.invert(frame) * (2 / covered)[:, None]).float()
    x = torch.arange(left, right) + 0.5
    y = (torch.arange(top, bottom) + 0.5)[:, None]
    grid = torch.stack([m[0] * x + (m[1] * y + (m[2] - 1)) for m in back], dim=-1)[None]
    padding = "border" if is_whole else "zeros"
    part = functional.grid_sample(small, grid, mode="bilinear", padding_mode=padding, align_corners=False)
    shown[:, top:bottom, left:right] = part[0]
    return shown[:3], shown[3:]


def quarter_turned(person: Person, quarters: int) -> Person:
    """Return somebody lying or upside down, after so many quarter turns clockwise."""
    picture, landmarks = person
    for _ in range(quarters):
        height = picture.shape[1]
        picture = picture.rot90(-1, (1, 2))
        landmarks = torch.stack([height - landmarks[:, 1], landmarks[:, 0]], dim=1)
    return Person(picture, landmarks)


def faceless(person: Person, rng: np.random.Generator) -> Person:
    """Return somebody whose face is hidden: hair all over, as from behind, or something in front."""
    _, height, width = person.picture.shape
    low, high = person.landmarks.amin(dim=0), person.landmarks.amax(dim=0)
    middle, half = (low + high) / 2, (high - low) / 2 * AROUND
    middle = middle - torch.tensor([0.0, 0.25]) * half  # the forehead is above the landmarks
    x = (torch.arange(width) + 0.5 - middle[0]) / half[0]
    y = ((torch.arange(height) + 0.5 - middle[1]) / half[1])[:, None]
    mask = ((1 - torch.sqrt(x**2 + y**2)) * 12).clamp(0, 1)[None]
    if rng.random() < 0.6:
        shade = 0.6 + 0.8 * clutter(height, rng).mean(dim=0, keepdim=True)
        filling = (_hair_of(person, middle) * shade).clamp(0, 1)
    else:
        filling = clutter(height, rng)
    shown = person.picture[:3].float() / 255
    mixed = ((shown + mask * (filling - shown)) * 255).to(torch.uint8)
    return Person(torch.cat([mixed, person.picture[3:]]), person.landmarks)


def enlarged(person: Person, side: int, rng: np.random.Generator) -> Float[Tensor, "3 {side} {side}"]:
    """Return a part of somebody's picture without the face, enlarged: hair, cloth, neck or scenery."""
    _, height, width = person.picture.shape
    low, high = person.landmarks.amin(dim=0), person.landmarks.amax(dim=0)
    rise = 0.35 * float(high[1] - low[1])
    left, top, right, bottom = float(low[0]), float(low[1]) - rise, float(high[0]), float(high[1])
    strips = [
        (0, 0, int(left), height),
        (math.ceil(right), 0, width, height),
        (0, 0, width, int(top)),
        (0, math.ceil(bottom), width, height),
    ]
    strips = [one for one in strips if min(one[2] - one[0], one[3] - one[1]) >= 16]
    if not strips:
        return clutter(side, rng)
    x0, y0, x1, y1 = strips[int(rng.integers(len(strips)))]
    size = int(rng.integers(16, min(x1 - x0, y1 - y0) + 1))
    x, y = int(rng.integers(x0, x1 - size + 1)), int(rng.integers(y0, y1 - size + 1))
    part = person.picture[None, :3, y : y + size, x : x + size].float() / 255
    return resized(part[0], side).rot90(int(rng.integers(4)), (1, 2))


def clutter(side: int, rng: np.random.Generator) -> Float[Tensor, "3 {side} {side}"]:
    """Return patterns that are not quite sharp."""
    small = side // int(rng.choice((2, 4)))
    return resized(photo_shapes.clutter(small, small, rng), side)


def resized(picture: Float[Tensor, "3 h w"], side: int) -> Float[Tensor, "3 {side} {side}"]:
    """Return a picture with `side` pixels each way."""
    return functional.interpolate(picture[None], size=(side, side), mode="bilinear", align_corners=False)[0]


def barred(
    picture: Float[Tensor, "3 h w"], rng: np.random.Generator
) -> tuple[Float[Tensor, "3 h w"], Float[Tensor, "1 h w"]]:
    """Return a picture with bars of one colour along two of its edges, and where those are."""
    _, height, width = picture.shape
    mask = torch.ones(1, height, width)
    first, last = (float(share) for share in rng.uniform(0, LARGEST_BAR, 2))
    if rng.random() < 0.5:
        mask[:, :, round(first * width) : width - round(last * width)] = 0
    else:
        mask[:, round(first * height) : height - round(last * height)] = 0
    colour = (0.0, 0.5, 1.0, float(rng.random()))[int(rng.integers(4))]
    return picture + mask * (colour - picture), mask


def _hair_of(person: Person, middle: Float[Tensor, "2"]) -> Float[Tensor, "3 1 1"]:
    """Return the colour near the top of somebody's head."""
    column = min(max(int(middle[0]), 0), person.picture.shape[2] - 1)
    covered = (person.picture[3, :, column] > 127).nonzero()
    top = int(covered[0]) if len(covered) else 0
    part = person.picture[:3, top + 4 : top + 10, column].float() / 255
    return part.mean(dim=1)[:, None, None] if part.numel() else torch.full((3, 1, 1), 0.2)


def _window(frame: Float[Tensor, "2 3"], height: int, width: int, side: int) -> tuple[int, int, int, int]:
    """Return the part of a square picture that another one covers: left, top, right, bottom."""
    outer = warp.apply(frame, warp.corners(height, width))
    low, high = outer.amin(dim=0).floor().tolist(), outer.amax(dim=0).ceil().tolist()
    return max(int(low[0]), 0), max(int(low[1]), 0), min(int(high[0]), side), min(int(high[1]), side)
