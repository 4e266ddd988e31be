"""Compiled loops over points and light: the twins of what `phiz.world.drawn.shadow` does in torch."""

from __future__ import annotations

from typing import Any

import numpy as np

from phiz.compiling import compiled


def _probe(depth: Any, x: Any, y: Any, across: Any, down: Any) -> Any:
    """Return the depth in the cell at some distance from a place, the map's edge continued."""
    top = np.float32(depth.shape[0] - 1)
    column = int(min(max(x + across, np.float32(0)), top))
    row = int(min(max(y + down, np.float32(0)), top))
    return depth[row, column]


def _decay(depth: Any, at: Any, spiral: Any, radius: Any, depth_scale: Any, out: Any) -> None:
    """Write how much light reaches points of hair: it fades with the depth below the first strand."""
    zero = np.float32(0)
    for i in range(at.shape[1]):
        x, y, far, cosine, sine = at[0, i], at[1, i], at[2, i], at[3, i], at[4, i]
        total = zero
        for k in range(spiral.shape[1]):
            a, b = spiral[0, k], spiral[1, k]
            z = probe(depth, x, y, radius * (a * cosine - b * sine), radius * (a * sine + b * cosine))
            below = z - far
            total += np.exp(below / depth_scale) if below < zero else np.float32(1)
        out[i] = total / np.float32(spiral.shape[1])


def _openness(
    depth: Any, at: Any, first: Any, second: Any, reach: Any, softness: Any, scale: Any, out: Any
) -> None:
    """Write how much of a lamp points see; the penumbra widens with the distance to what shades them."""
    zero, one = np.float32(0), np.float32(1)
    steep = np.float32(0.7) * scale
    for i in range(at.shape[1]):
        x, y, far, cosine, sine = at[0, i], at[1, i], at[2, i], at[3, i], at[4, i]
        gap, number = zero, 0
        for k in range(first.shape[1]):
            a, b = first[0, k], first[1, k]
            z = probe(depth, x, y, reach * (a * cosine - b * sine), reach * (a * sine + b * cosine))
            if far - z > zero:
                gap += far - z
                number += 1
        mean = gap / np.float32(max(number, 1))
        radius = np.float32(0.9) + min(softness * mean * scale, np.float32(2) * reach)
        dark = zero
        for k in range(second.shape[1]):
            a, b = second[0, k], second[1, k]
            z = probe(depth, x, y, radius * (a * cosine - b * sine), radius * (a * sine + b * cosine))
            dark += min(max((far - z) * steep, zero), one)
        out[i] = one - dark / np.float32(second.shape[1])


probe = compiled(_probe)
decay = compiled(_decay)
openness = compiled(_openness)
