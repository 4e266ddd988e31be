"""Compiled loops over strands of hair: the twin of `phiz.world.grown.hair_ribbons.ribbons`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from phiz.compiling import compiled
from phiz.world.drawn import loops
from phiz.world.grown import hair_ribbons
from phiz.world.surface import Material, Strands, Surface


def ribbons(strands: Strands, eye: Float[Tensor, " 3"], *, least: float = 0.0) -> Surface:
    """Return strips that face the camera, by whichever twin can work on the strands."""
    if not loops.ready(strands.points):
        return hair_ribbons.ribbons(strands, eye, least=least)
    count, steps = strands.points.shape[:2]
    total, f = count * steps * 2, np.float32
    vertices, along, colour = np.empty((total, 3), f), np.empty((total, 3), f), np.empty((total, 3), f)
    triangles = np.empty((count * (steps - 1) * 2, 3), np.int32)
    given = (loops.array(t) for t in (strands.points, strands.width, strands.colour, eye))
    draw(*given, f(least), vertices, along, colour, triangles)
    return Surface(
        material=Material.HAIR,
        vertices=torch.from_numpy(vertices),
        triangles=torch.from_numpy(triangles),
        labels=torch.full((len(triangles),), int(strands.label), dtype=torch.int8),
        colour=torch.from_numpy(colour),
        gloss=torch.full((total,), hair_ribbons.GLOSS),
        along=torch.from_numpy(along),
    )


def _draw(
    points: Any, width: Any, colour: Any, eye: Any, least: Any, out: Any, along: Any, tint: Any, corners: Any
) -> None:
    """Write both edges of each strip, its tangents, colours and triangles, in place."""
    count, steps = points.shape[:2]
    half = np.float32(0.5)
    for s in range(count):
        for k in range(steps):
            before, after = max(k - 1, 0), min(k + 1, steps - 1)
            tx = points[s, after, 0] - points[s, before, 0]
            ty = points[s, after, 1] - points[s, before, 1]
            tz = points[s, after, 2] - points[s, before, 2]
            scale = np.float32(1) / max(np.sqrt(tx * tx + ty * ty + tz * tz), np.float32(1e-9))
            tx, ty, tz = tx * scale, ty * scale, tz * scale
            vx, vy, vz = eye[0] - points[s, k, 0], eye[1] - points[s, k, 1], eye[2] - points[s, k, 2]
            ax, ay, az = ty * vz - tz * vy, tz * vx - tx * vz, tx * vy - ty * vx
            wide = half * max(width[s, k], least)
            scale = wide / max(np.sqrt(ax * ax + ay * ay + az * az), np.float32(1e-9))
            across = (ax * scale, ay * scale, az * scale)
            tangent = (tx, ty, tz)
            a = (s * steps + k) * 2
            for c in range(3):
                out[a, c] = points[s, k, c] - across[c]
                out[a + 1, c] = points[s, k, c] + across[c]
                along[a, c] = along[a + 1, c] = tangent[c]
                tint[a, c] = tint[a + 1, c] = colour[s, k, c]
            if k < steps - 1:
                t = (s * (steps - 1) + k) * 2
                corners[t, 0], corners[t, 1], corners[t, 2] = a, a + 1, a + 2
                corners[t + 1, 0], corners[t + 1, 1], corners[t + 1, 2] = a + 1, a + 3, a + 2


draw = compiled(_draw)
