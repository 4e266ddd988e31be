"""Compiled lookups: the twins of `phiz.world.body.textures.lookup` and of the creases' pictures."""

from __future__ import annotations

from typing import Any

import numpy as np

from phiz.compiling import compiled


def _lookup(values: Any, points: Any, period: Any, out: Any) -> None:
    """Write the channels of a volume (z, y, x, c) that repeats every `period`, at points."""
    top = values.shape[0] - 1
    one = np.float32(1)
    for i in range(points.shape[0]):
        x, y, z = points[i, 0] / period, points[i, 1] / period, points[i, 2] / period
        x, y, z = (x - np.floor(x)) * top, (y - np.floor(y)) * top, (z - np.floor(z)) * top
        a, b, c = min(int(x), top - 1), min(int(y), top - 1), min(int(z), top - 1)
        u, v, w = np.float32(x - a), np.float32(y - b), np.float32(z - c)
        for k in range(values.shape[3]):
            near = (values[c, b, a, k] * (one - u) + values[c, b, a + 1, k] * u) * (one - v)
            near += (values[c, b + 1, a, k] * (one - u) + values[c, b + 1, a + 1, k] * u) * v
            far = (values[c + 1, b, a, k] * (one - u) + values[c + 1, b, a + 1, k] * u) * (one - v)
            far += (values[c + 1, b + 1, a, k] * (one - u) + values[c + 1, b + 1, a + 1, k] * u) * v
            out[i, k] = near * (one - w) + far * w


def _folds(maps: Any, rest: Any, frame: Any, deepest: Any, out: Any) -> None:
    """Write heights of creases (h, w, c) at points of the rest shape: zero outside and behind."""
    height, width, channels = maps.shape
    half_width, high, tall = frame
    one = np.float32(1)
    for i in range(rest.shape[0]):
        for k in range(channels):
            out[i, k] = np.float32(0)
        if not rest[i, 2] > deepest:
            continue
        x = (rest[i, 0] / half_width + one) * np.float32(0.5 * width) - np.float32(0.5)
        y = (high - rest[i, 1]) / tall * np.float32(height) - np.float32(0.5)
        a, b = int(np.floor(x)), int(np.floor(y))
        u, v = np.float32(x - a), np.float32(y - b)
        for dy in range(2):
            for dx in range(2):
                if 0 <= a + dx < width and 0 <= b + dy < height:
                    weight = (u if dx else one - u) * (v if dy else one - v)
                    for k in range(channels):
                        out[i, k] += weight * maps[b + dy, a + dx, k]


lookup = compiled(_lookup)
folds = compiled(_folds)
