"""Where a face folds: heights of lines as pictures over the head's rest shape, seen from the front.

Brow lines, crow's feet, bags under the eyes, folds from nose to mouth, lines of the lips. How deep
each is in a picture depends on the person's age and on the expression.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from phiz.world.body import texture_loops
from phiz.world.drawn import loops

HALF_WIDTH, LOW, HIGH = 0.085, -0.105, 0.11
FRONT = 0.04
"""What lies farther back than this has no creases."""
SIZE = 512
NAMES = ("brow", "eyes", "fold", "lips", "frown")

Array = npt.NDArray[np.float64]
Line = tuple[tuple[float, float], ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Creases:
    """One picture for each of `NAMES`: height in units of the deepest line, negative in a fold."""

    maps: Float[Tensor, "c h w"]

    def at(self, rest: Float[Tensor, "n 3"]) -> Float[Tensor, "n c"]:
        """Return the heights at points of the rest shape (metres); zero beside the face."""
        if loops.ready(rest):
            out = np.empty((rest.shape[0], len(NAMES)), np.float32)
            frame = np.asarray([HALF_WIDTH, HIGH, HIGH - LOW], np.float32)
            texture_loops.folds(_channels_last(self), loops.array(rest), frame, np.float32(FRONT), out)
            return torch.from_numpy(out)
        u = rest[:, 0] / HALF_WIDTH
        v = (HIGH - rest[:, 1]) * (2 / (HIGH - LOW)) - 1
        grid = torch.stack([u, v], dim=-1)[None, None]
        found = torch.nn.functional.grid_sample(
            self.maps[None].to(rest), grid, mode="bilinear", padding_mode="zeros", align_corners=False
        )[0, :, 0]
        return (found * (rest[:, 2] > FRONT)).transpose(0, 1)


@lru_cache(maxsize=4)
def _channels_last(drawn: Creases) -> npt.NDArray[np.float32]:
    return np.ascontiguousarray(drawn.maps.permute(1, 2, 0).numpy())


def creases(landmarks: Float[Tensor, "68 3"]) -> Creases:
    """Return the creases of a head whose rest shape has these landmarks (metres)."""
    return _drawn(tuple((round(float(x), 5), round(float(y), 5)) for x, y, _ in landmarks.tolist()))


@lru_cache(maxsize=4)
def _drawn(points: Line) -> Creases:
    p = np.asarray(points)
    y, x = np.meshgrid(
        HIGH - (np.arange(SIZE) + 0.5) * (HIGH - LOW) / SIZE,
        ((np.arange(SIZE) + 0.5) * 2 / SIZE - 1) * HALF_WIDTH,
        indexing="ij",
    )
    maps = [_brow(x, y, p), _eyes(x, y, p), _folds(x, y, p), _lips(x, y, p), _frown(x, y, p)]
    return Creases(maps=torch.from_numpy(np.stack(maps).astype(np.float32)))


def _distance(x: Array, y: Array, line: Array) -> tuple[Array, Array]:
    """Return the distance to a poly-line, and where along it the nearest point lies (0 to 1)."""
    best, along = np.full(x.shape, np.inf), np.zeros(x.shape)
    for k, (a, b) in enumerate(pairwise(line)):
        d = b - a
        t = np.clip(((x - a[0]) * d[0] + (y - a[1]) * d[1]) / (d @ d), 0, 1)
        away = np.hypot(x - a[0] - t * d[0], y - a[1] - t * d[1])
        along = np.where(away < best, (k + t) / (len(line) - 1), along)
        best = np.minimum(best, away)
    return best, along


def _line(x: Array, y: Array, line: Array, width: float) -> Array:
    """Return a groove with soft shoulders that fades out at both ends."""
    away, along = _distance(x, y, line)
    groove = -np.exp(-((away / width) ** 2)) + 0.35 * np.exp(-(((away - 1.8 * width) / (1.2 * width)) ** 2))
    return np.asarray(groove * np.sin(np.pi * np.clip(along, 0.04, 0.96)) ** 0.6)


def _smooth(points: Array) -> Array:
    """Return a curve through (most nearly) the points, ten times as many."""
    t, fine = np.linspace(0, 1, len(points)), np.linspace(0, 1, 10 * len(points))
    line = np.stack([np.interp(fine, t, points[:, k]) for k in (0, 1)], axis=1)
    for _ in range(12):
        line[1:-1] = 0.25 * line[:-2] + 0.5 * line[1:-1] + 0.25 * line[2:]
    return line


def _brow(x: Array, y: Array, p: Array) -> Array:
    total = np.zeros(x.shape)
    base = p[[19, 24], 1].mean()
    for k in range(4):
        height = base + 0.016 + 0.0095 * k
        sway = 0.0022 * np.cos(x * 95 + 0.9 * k) + 0.0012 * np.sin(x * 210 + 2.1 * k)
        away = y - height - sway + 0.9 * x**2 * (4 - k)
        reach = np.clip((0.042 - 0.004 * abs(k - 1) - np.abs(x)) / 0.018, 0, 1)
        part = np.clip(0.75 + 0.45 * np.sin(x * 140 + 1.7 * k), 0.2, 1)
        total -= (np.exp(-((away / 0.0011) ** 2)) - 0.4 * np.exp(-((away / 0.0034) ** 2))) * reach * part
    return total


def _eyes(x: Array, y: Array, p: Array) -> Array:
    total, side = np.zeros(x.shape), np.abs(x)
    corner = (p[45] + p[36] * [-1, 1]) / 2
    inner = (p[42] + p[39] * [-1, 1]) / 2
    for degrees, length in ((34, 0.013), (14, 0.017), (-7, 0.018), (-27, 0.015), (-44, 0.011)):
        way = np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])
        start = corner + 0.0065 * way
        end = corner + (0.0065 + length) * way + [0, -0.0025]
        total += 0.8 * _line(
            side, y, _smooth(np.stack([start, (start + end) / 2 + [0, 0.0008], end])), 0.0009
        )
    low = min(p[[40, 41, 46, 47], 1])
    middle = (inner + corner) / 2
    for drop, width, depth in ((0.0055, 0.0012, 0.5), (0.0105, 0.0022, 0.7)):
        bag = np.stack([inner + [0.002, -0.004], [middle[0], low - drop], corner + [0.002, -0.5 * drop]])
        total += depth * _line(side, y, _smooth(bag), width)
    return total


def _folds(x: Array, y: Array, p: Array) -> Array:
    side = np.abs(x)
    wing = (p[35] + p[31] * [-1, 1]) / 2
    corner = (p[54] + p[48] * [-1, 1]) / 2
    nose = np.stack(
        [wing + [0.005, 0.009], wing + [0.0115, -0.002], corner + [0.0090, 0.009], corner + [0.0085, 0.000]]
    )
    down = np.stack([corner + [0.002, -0.002], corner + [0.0055, -0.010], corner + [0.0045, -0.019]])
    return _line(side, y, _smooth(nose), 0.0024) + 0.4 * _line(side, y, _smooth(down), 0.0016)


def _lips(x: Array, y: Array, p: Array) -> Array:
    """Return fine upright furrows, a bit fanned out."""
    middle = p[[62, 66], 1].mean()
    fan = x / (1 + 9 * np.abs(y - middle))
    furrows = np.cos(fan * 2 * np.pi / 0.0021 + 2.1 * np.sin(fan * 700)) + 0.5 * np.cos(
        fan * 2 * np.pi / 0.0013
    )
    return np.asarray(0.5 * furrows * (np.abs(x) < 0.04) * (np.abs(y - middle) < 0.022))


def _frown(x: Array, y: Array, p: Array) -> Array:
    side, base = np.abs(x), p[[21, 22], 1].mean()
    line = np.array([[0.0055, base - 0.006], [0.0065, base + 0.003], [0.0058, base + 0.012]])
    across = np.array([[-0.008, base - 0.010], [0.0, base - 0.0115], [0.008, base - 0.010]])
    return _line(side, y, _smooth(line), 0.0011) + 0.6 * _line(x, y, _smooth(across), 0.0010)
