"""What stands behind a person: rooms, windows, foliage, sky, walls; painted, never photographed.

A background is out of focus, so it is painted small (`ROWS` high), blurred as a lens would, and
scaled up. All of it happens in linear light, in which a blurred lamp stays bright.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

Kind = Literal["wall", "room", "office", "lights", "foliage", "sky", "studio"]
Colour = tuple[float, float, float]
Canvas = npt.NDArray[np.float32]
Painter = Callable[[np.random.Generator, Canvas, Canvas], Canvas]

KINDS: tuple[Kind, ...] = ("wall", "room", "office", "lights", "foliage", "sky", "studio")
ROWS = 80
"""Height at which it is painted; finer detail than this is out of focus anyway."""


@dataclass(frozen=True, kw_only=True)
class Backdrop:
    """How to paint a background at any size: the same numbers give the same picture."""

    kind: Kind
    colours: tuple[Colour, ...]
    """Linear light; the first is the largest area's, the rest are accents. At least one."""
    blur: float
    """Standard deviation of the lens blur as a share of the picture's height."""
    brightness: float
    """Everything is multiplied by this: how the background is lit compared to the person."""
    seed: int


@lru_cache(maxsize=2)
def paint(backdrop: Backdrop, height: int, width: int) -> Float[Tensor, "3 h w"]:
    """Return the background in linear light, brighter than 1 where a lamp shines; the last ones are kept."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([backdrop.seed, 7])))
    columns = max(8, round(ROWS * width / height))
    colours = np.asarray(backdrop.colours, np.float32)
    blank = np.broadcast_to(colours[0], (ROWS, columns, 3)).copy()
    small = PAINTERS[backdrop.kind](rng, blank, colours)
    picture = torch.from_numpy(np.ascontiguousarray(small.transpose(2, 0, 1)))[None]
    picture = _blur(picture, max(backdrop.blur * ROWS, 0.6))
    large = torch.nn.functional.interpolate(
        picture, size=(height, width), mode="bilinear", align_corners=False
    )
    return large[0].clamp(min=0) * backdrop.brightness


def _blur(picture: Float[Tensor, "1 3 h w"], sigma: float) -> Float[Tensor, "1 3 h w"]:
    """Return the picture blurred by a bell curve, its edge pixels continued outwards."""
    reach = min(math.ceil(2.5 * sigma), 3 * ROWS)
    bell = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    bell = (bell / bell.sum())[None, None, None].expand(3, 1, 1, -1)
    for _ in range(2):
        wide = torch.nn.functional.pad(picture, (reach, reach, 0, 0), mode="replicate")
        picture = torch.nn.functional.conv2d(wide, bell, groups=3).transpose(2, 3)
    return picture


def _noise(rng: np.random.Generator, shape: tuple[int, int], cells: int, octaves: int = 3) -> Canvas:
    """Return smooth noise in about [-1, 1]; `cells` bumps from top to bottom, and finer ones on top."""
    total = torch.zeros(shape)
    for k in range(octaves):
        rows = min(cells * 2**k + 1, shape[0])
        columns = max(2, round(rows * shape[1] / shape[0]))
        grid = torch.from_numpy(rng.random((1, 1, rows, columns), dtype=np.float32) * 2 - 1)
        layer = torch.nn.functional.interpolate(grid, size=shape, mode="bilinear", align_corners=True)
        total = total + layer[0, 0] * 0.55**k
    return total.numpy()


def _axes(canvas: Canvas) -> tuple[Canvas, Canvas]:
    """Return (x, y) of each pixel: y from 0 (top) to 1, x alike with 0 in the middle."""
    rows, columns = canvas.shape[:2]
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32) / rows
    return x - columns / rows / 2, y


def _box(rng: np.random.Generator, canvas: Canvas, colour: Canvas, size: tuple[float, float]) -> None:
    """Paint one upright rectangle of about this height and width (shares of the height)."""
    rows, columns = canvas.shape[:2]
    tall = size[0] * (0.5 + float(rng.random())) * rows
    wide = size[1] * (0.5 + float(rng.random())) * rows
    top = float(rng.random()) * 1.2 * rows - tall / 2
    left = float(rng.random()) * (columns + wide) - wide
    rectangle = (
        slice(max(int(top), 0), max(int(top + tall), 0)),
        slice(max(int(left), 0), max(int(left + wide), 0)),
    )
    canvas[rectangle] = colour * (0.6 + 0.8 * float(rng.random()))


def _wall(rng: np.random.Generator, canvas: Canvas, colours: Canvas) -> Canvas:
    x, y = _axes(canvas)
    turn = float(rng.random()) * 2 * math.pi
    slope = 1 + 0.8 * float(rng.random()) * (math.cos(turn) * x + math.sin(turn) * (y - 0.5))
    cloud = 1 + 0.12 * _noise(rng, canvas.shape[:2], 3)
    if rng.random() < 0.4:  # the corner of the room
        edge = float(rng.random()) - 0.5
        slope = slope * np.where(x > edge, 0.55 + 0.4 * float(rng.random()), 1)
    return canvas * (slope * cloud)[..., None].astype(np.float32)


def _room(rng: np.random.Generator, canvas: Canvas, colours: Canvas) -> Canvas:
    canvas = _wall(rng, canvas, colours)
    for _ in range(int(rng.integers(2, 7))):
        _box(rng, canvas, colours[int(rng.integers(0, len(colours)))], (0.45, 0.3))
    if rng.random() < 0.5:  # a window
        _box(rng, canvas, np.array([1.6, 1.8, 2.0], np.float32), (0.55, 0.32))
    if rng.random() < 0.5:  # a lamp
        _disc(rng, canvas, np.array([3.0, 2.2, 1.2], np.float32), 0.06)
    return canvas


def _office(rng: np.random.Generator, canvas: Canvas, colours: Canvas) -> Canvas:
    canvas = _wall(rng, canvas, colours)
    rows, columns = canvas.shape[:2]
    boards = int(rng.integers(2, 6))
    for level in range(boards):
        top, bottom = rows * level // boards, rows * (level + 1) // boards - 1
        at = 0
        while at < columns:  # books, folders and gaps on a shelf
            wide = int(rng.integers(1, 7))
            lowest = top + int(float(rng.random()) * 0.4 * (bottom - top))
            if rng.random() < 0.75:
                shade = colours[int(rng.integers(0, len(colours)))] * (0.3 + 0.9 * float(rng.random()))
                canvas[lowest:bottom, at : at + wide] = shade
            at += wide
        canvas[bottom : bottom + 1] = colours[0] * 0.35
    if rng.random() < 0.5:
        _box(rng, canvas, np.array([0.9, 1.2, 1.6], np.float32), (0.3, 0.4))
    return canvas


def _disc(rng: np.random.Generator, canvas: Canvas, colour: Canvas, radius: float) -> None:
    """Paint one disc: what an unsharp lamp looks like."""
    x, y = _axes(canvas)
    width = canvas.shape[1] / canvas.shape[0]
    away = np.hypot(x - (float(rng.random()) - 0.5) * width, y - float(rng.random()))
    cover = np.clip((radius - away) * ROWS, 0, 1)[..., None]
    canvas += cover * (colour - canvas * 0.5)


def _lights(rng: np.random.Generator, canvas: Canvas, colours: Canvas) -> Canvas:
    dim = 0.25 + 0.25 * _noise(rng, canvas.shape[:2], 3)[..., None].clip(-1, 1)
    canvas = np.asarray(canvas * dim, np.float32)
    size = 0.025 + 0.055 * float(rng.random())
    for _ in range(int(rng.integers(8, 34))):
        colour = colours[int(rng.integers(0, len(colours)))] * (1 + 3 * float(rng.random()))
        _disc(rng, canvas, colour, size * (0.7 + 0.6 * float(rng.random())))
    return canvas


def _foliage(rng: np.random.Generator, canvas: Canvas, colours: Canvas) -> Canvas:
    leaves = _noise(rng, canvas.shape[:2], 7, octaves=4)
    tone = _noise(rng, canvas.shape[:2], 3)
    other = colours[min(1, len(colours) - 1)]
    share = np.clip(0.5 + 0.5 * tone, 0, 1)[..., None]
    canvas = (canvas * (1 - share) + other * share) * np.exp(1.1 * leaves - 0.3)[..., None]
    gaps = np.clip((leaves - 0.75) * 4, 0, 1)[..., None]  # the sky between the leaves
    return np.asarray(canvas * (1 - gaps) + np.array([1.3, 1.5, 1.7], np.float32) * gaps, np.float32)


def _sky(rng: np.random.Generator, canvas: Canvas, colours: Canvas) -> Canvas:
    _, y = _axes(canvas)
    paler = np.clip(y * (0.6 + 0.6 * float(rng.random())), 0, 1)[..., None]
    canvas = canvas * (1 - paler) + np.array([1.0, 1.05, 1.1], np.float32) * paler
    cloud = np.clip(_noise(rng, canvas.shape[:2], 3, octaves=4) * 1.4, 0, 1)[..., None] * float(rng.random())
    canvas = canvas * (1 - cloud) + 1.35 * cloud
    if rng.random() < 0.7:  # land, trees or houses below
        skyline = 0.45 + 0.6 * float(rng.random()) + 0.1 * _noise(rng, canvas.shape[:2], 5)[:1]
        land = colours[min(1, len(colours) - 1)] * (0.5 + 0.4 * _noise(rng, canvas.shape[:2], 6)[..., None])
        canvas = np.where((y > skyline)[..., None], land, canvas)
    return np.asarray(canvas, np.float32)


def _studio(rng: np.random.Generator, canvas: Canvas, colours: Canvas) -> Canvas:
    x, y = _axes(canvas)
    away = np.hypot(x - 0.5 * (float(rng.random()) - 0.5), y - 0.3 - 0.4 * float(rng.random()))
    glow = 0.35 + 0.9 * np.exp(-((away / (0.35 + 0.4 * float(rng.random()))) ** 2))
    mottle = 1 + 0.15 * float(rng.random()) * _noise(rng, canvas.shape[:2], 4)
    return np.asarray(canvas * (glow * mottle)[..., None], np.float32)


PAINTERS: Mapping[Kind, Painter] = {
    "wall": _wall,
    "room": _room,
    "office": _office,
    "lights": _lights,
    "foliage": _foliage,
    "sky": _sky,
    "studio": _studio,
}
