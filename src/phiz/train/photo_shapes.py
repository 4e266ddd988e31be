"""What stands behind and in front of people in changed pictures: patterns, boxes, sticks, hands.

Rendered backgrounds are out of focus and nothing hides a rendered face. Photos have sharp clutter and things
in front, so learning has to see such; what it shows does not matter, only that it is no part of a face.
All pictures are (3, h, w) in [0, 1].
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

SKIN = ((0.93, 0.76, 0.66), (0.80, 0.58, 0.45), (0.55, 0.36, 0.26), (0.30, 0.19, 0.14))
"""Colours of hands, from light to dark, as files hold them."""


def clutter(height: int, width: int, rng: np.random.Generator) -> Float[Tensor, "3 {height} {width}"]:
    """Return a pattern: soft or sharp clouds of colour, with boxes and stripes on it."""
    picture = clouds(height, width, rng)
    for _ in range(int(rng.integers(0, 6))):
        mask = box(height, width, rng) if rng.random() < 0.7 else stripes(height, width, rng)
        colour = torch.from_numpy(rng.random((3, 1, 1), np.float32))
        filling = clouds(height, width, rng) if rng.random() < 0.3 else colour
        picture = picture + mask * (filling - picture)
    return picture


def clouds(height: int, width: int, rng: np.random.Generator) -> Float[Tensor, "3 {height} {width}"]:
    """Return colours that change slowly, or quickly, from place to place."""
    base = torch.from_numpy(rng.random((3, 1, 1), np.float32))
    picture = base.expand(3, height, width)
    strength, cells = 0.5 * float(rng.random()), int(rng.integers(2, 6))
    fall = float(rng.uniform(0.4, 0.9))
    while cells < max(height, width) // 2 and strength > 0.02:
        tints = rng.random() if rng.random() < 0.7 else 0.0  # 0 is grey
        grain = rng.standard_normal((3, cells, cells), np.float32)
        grain = tints * grain + (1 - tints) * grain[:1]
        size = (height, width)
        large = functional.interpolate(
            torch.from_numpy(grain)[None], size=size, mode="bilinear", align_corners=False
        )
        picture = picture + strength * large[0]
        cells, strength = cells * 2, strength * fall
    return picture.clamp(0, 1)


def box(height: int, width: int, rng: np.random.Generator) -> Float[Tensor, "1 {height} {width}"]:
    """Return the mask of a turned rectangle."""
    x, y = _turned(height, width, rng.uniform(0, 1, 2), rng.uniform(0, math.pi), height)
    half_x, half_y = rng.uniform(0.03, 0.4, 2)
    return _inside(torch.maximum(x.abs() - half_x, y.abs() - half_y), height)


def stripes(height: int, width: int, rng: np.random.Generator) -> Float[Tensor, "1 {height} {width}"]:
    """Return the mask of parallel stripes."""
    x, _ = _turned(height, width, rng.uniform(0, 1, 2), rng.uniform(0, math.pi), height)
    period = float(rng.uniform(0.03, 0.4))
    return _inside((x.remainder(period) - period / 2).abs() - period / 4, height)


def ellipse(height: int, width: int, rng: np.random.Generator) -> Float[Tensor, "1 {height} {width}"]:
    """Return the mask of a turned ellipse."""
    x, y = _turned(height, width, rng.uniform(0.1, 0.9, 2), rng.uniform(0, math.pi), height)
    half_x, half_y = rng.uniform(0.05, 0.25, 2)
    away = torch.sqrt((x / half_x) ** 2 + (y / half_y) ** 2) - 1
    return _inside(away * min(half_x, half_y), height)


def fingers(height: int, width: int, rng: np.random.Generator) -> Float[Tensor, "1 {height} {width}"]:
    """Return the mask of one to five rounded sticks side by side: fingers, a microphone, a straw."""
    centre, angle = rng.uniform(0.1, 0.9, 2), rng.uniform(0, 2 * math.pi)
    thick = float(rng.uniform(0.015, 0.07))
    mask = torch.zeros(1, height, width)
    for number in range(int(rng.integers(1, 6))):
        x, y = _turned(height, width, centre, angle + rng.uniform(-0.1, 0.1), height)
        x = x - 2.1 * thick * number
        beyond = (y - float(rng.uniform(-0.05, 0.15))).clamp(min=0)  # a round end; the other is outside
        mask = torch.maximum(mask, _inside(torch.sqrt(x**2 + beyond**2) - thick, height))
    return mask


def covered(
    picture: Float[Tensor, "3 h w"], rng: np.random.Generator
) -> tuple[Float[Tensor, "3 h w"], Float[Tensor, "1 h w"]]:
    """Return a picture with something in front, and where that is."""
    _, height, width = picture.shape
    kind = rng.random()
    shape = fingers if kind < 0.5 else ellipse if kind < 0.75 else box
    mask = shape(height, width, rng)
    if rng.random() < 0.5:
        tone = torch.tensor(SKIN[int(rng.integers(len(SKIN)))])[:, None, None]
        shade = clouds(height, width, rng).mean(0, keepdim=True) + 0.5
        filling = (tone * shade * float(rng.uniform(0.6, 1.1))).clamp(0, 1)
    else:
        filling = clouds(height, width, rng)
    return picture + mask * (filling - picture), mask


def _turned(
    height: int, width: int, centre: object, angle: float, unit: int
) -> tuple[Float[Tensor, "h w"], Float[Tensor, "h w"]]:
    """Return coordinates about a centre (in shares of width and height), turned, in units of the height."""
    across, down = np.asarray(centre, np.float64).tolist()
    x = (torch.arange(width) + 0.5 - across * width) / unit
    y = (torch.arange(height) + 0.5 - down * height)[:, None] / unit
    c, s = math.cos(angle), math.sin(angle)
    return c * x + s * y, c * y - s * x


def _inside(distance: Float[Tensor, "h w"], height: int) -> Float[Tensor, "1 h w"]:
    """Return 1 where a distance (in heights) is negative, with an edge of one pixel."""
    return (0.5 - distance * height).clamp(0, 1)[None].float()
