"""Soft shadows: what a lamp sees, drawn as depths, and how much of the lamp a point sees.

The penumbra widens with the distance to whatever throws the shadow (Fernando, "Percentage-closer
soft shadows", 2005). Hair lets some light through: `depth_scale` turns the hard comparison into a
decay with the depth below the first strand that the lamp meets.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int
from torch import Tensor

from phiz.graphics import raster
from phiz.world.drawn import light_loops, loops, mesh_loops

FAR = 40.0
"""The lamp stands this far away, in widths of its map: near enough to infinitely far."""
MARGIN = 1.02
BLOCKERS, TAPS = 4, 9
GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))


@dataclass(frozen=True, kw_only=True)
class ShadowMap:
    """Depths seen from a lamp."""

    axes: Float[Tensor, "3 3"]
    """Rows: right, up and towards the lamp."""
    low: Float[Tensor, " 2"]
    """Right and up of the map's lower left corner."""
    scale: float
    """Cells a metre."""
    depth: Float[Tensor, "s s"]

    @property
    def cell(self) -> float:
        return 1 / self.scale


def lamp_axes(direction: Float[Tensor, " 3"]) -> Float[Tensor, "3 3"]:
    """Return right, up and back of a viewer who stands at the lamp."""
    spare = direction.new_tensor([0.0, 1.0, 0.0] if abs(float(direction[1])) < 0.95 else [0.0, 0.0, 1.0])
    right = torch.nn.functional.normalize(torch.linalg.cross(spare, direction), dim=0)
    return torch.stack([right, torch.linalg.cross(direction, right), direction])


def cast(
    vertices: Float[Tensor, "v 3"], triangles: Int[Tensor, "f 3"], direction: Float[Tensor, " 3"], size: int
) -> ShadowMap:
    """Return what a lamp in a unit direction sees of some triangles."""
    axes = lamp_axes(direction)
    seen = vertices @ axes.T
    if loops.ready(seen):
        screen = np.empty((len(seen), 3), np.float32)
        x, y, width, scale = mesh_loops.lamp_screen(loops.array(seen), size, MARGIN, FAR, screen)
        depth = raster.rasterise_depth(torch.from_numpy(screen), triangles, size, size)
        return ShadowMap(axes=axes, low=torch.tensor([x, y]), scale=scale, depth=depth - FAR * width)
    low, high = seen[:, :2].amin(0), seen[:, :2].amax(0)
    width = float((high - low).amax()) * MARGIN
    scale = size / width
    screen_ = torch.stack(
        [(seen[:, 0] - low[0]) * scale, size - (seen[:, 1] - low[1]) * scale, FAR * width - seen[:, 2]],
        dim=-1,
    )
    depth = raster.rasterise_depth(screen_, triangles, size, size)
    return ShadowMap(axes=axes, low=low, scale=scale, depth=depth - FAR * width)


def openness(
    shadow: ShadowMap,
    points: Float[Tensor, "n 3"],
    *,
    softness: float,
    turn: Float[Tensor, " n"],
    depth_scale: float = 0.0,
    taps: int = TAPS,
) -> Float[Tensor, " n"]:
    """Return how much of the lamp each point sees.

    `turn` (turns, any number a point) rotates the pattern of probes, so that what is left of it is
    grain and not bands. With `depth_scale` (metres) light decays with depth instead of stopping.
    """
    seen = points @ shadow.axes.T
    x = (seen[:, 0] - shadow.low[0]) * shadow.scale
    y = shadow.depth.shape[0] - (seen[:, 1] - shadow.low[1]) * shadow.scale
    far = -seen[:, 2] - 1.2 * shadow.cell
    angle = turn * (2 * math.pi)
    at = torch.stack([x, y, far, angle.cos(), angle.sin()])
    if loops.ready(at):
        return _by_loops(shadow, at, softness, depth_scale, taps)
    far = far[:, None]
    if depth_scale > 0:
        found = _probes(shadow, at, taps, 1.5 + 0.02 * softness * shadow.scale)
        return torch.exp((found - far).clamp_(max=0) / depth_scale).mean(1)
    reach = 0.06 * softness * shadow.scale + 1
    gap = (far - _probes(shadow, at, BLOCKERS, reach)).clamp_(min=0)
    mean = gap.sum(1) / (gap > 0).sum(1).clamp(min=1)
    radius = 0.9 + (softness * mean * shadow.scale).clamp(max=2 * reach)
    dark = (far - _probes(shadow, at, taps, radius[:, None])) * (0.7 * shadow.scale)
    return 1 - dark.clamp_(0, 1).mean(1)


def _by_loops(
    shadow: ShadowMap, at: Float[Tensor, "5 n"], softness: float, depth_scale: float, taps: int
) -> Float[Tensor, " n"]:
    """Return what `openness` does, from the same numbers a point as `_probes` takes."""
    f, out = np.float32, np.empty(at.shape[1], np.float32)
    given, scale = (loops.array(shadow.depth), loops.array(at)), shadow.scale
    if depth_scale > 0:
        light_loops.decay(*given, _spiral(taps), f(1.5 + 0.02 * softness * scale), f(depth_scale), out)
    else:
        reach = f(0.06 * softness * scale + 1)
        light_loops.openness(*given, _spiral(BLOCKERS), _spiral(taps), reach, f(softness), f(scale), out)
    return torch.from_numpy(out)


@lru_cache(maxsize=16)
def _spiral(count: int) -> npt.NDArray[np.float32]:
    """Return points of a sunflower's spiral in the unit disc: rows of x and of y."""
    steps = torch.arange(count)
    reach, way = ((steps + 0.5) / count).sqrt(), steps * GOLDEN_ANGLE
    return torch.stack([reach * way.cos(), reach * way.sin()]).numpy()


def _probes(
    shadow: ShadowMap, at: Float[Tensor, "5 n"], count: int, radius: float | Float[Tensor, "n 1"]
) -> Float[Tensor, "n k"]:
    """Return depths of the map on a spiral round each point: (x, y, depth, cosine and sine of a turn)."""
    size = shadow.depth.shape[0]
    a, b = torch.from_numpy(_spiral(count)).to(at.device)
    x, y, _, cosine, sine = at[..., None].unbind(0)  # (n, 1) each
    column = (x + radius * (a * cosine - b * sine)).clamp_(0, size - 1).int()
    row = (y + radius * (a * sine + b * cosine)).clamp_(0, size - 1).int()
    number = row.mul_(size).add_(column)
    return shadow.depth.reshape(-1).index_select(0, number.reshape(-1)).reshape(number.shape)
