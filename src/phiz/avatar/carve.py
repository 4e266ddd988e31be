"""Where in space nobody can be, as some view sees past it."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from phiz.avatar.targets import Targets
from phiz.generator.generator import Generator, Prepared
from phiz.graphics import camera as cameras

EMPTY, SURE = 0.02, 0.9
"""Share of a pixel below which nobody is there, and the weight from which views are believed."""
DEEP = 0.02
"""Generator units: what is tuned is how much light such a length of empty space swallows."""


@torch.no_grad()
def empty_points(targets: Targets, span: float, count: int, chance: torch.Generator) -> Float[Tensor, "n 3"]:
    """Return those of so many random points in a cube that lie beside the person in some view."""
    points = (torch.rand(count, 3, generator=chance) - 0.5) * span
    uv = cameras.project(targets.camera, points.expand(targets.count, -1, -1))[..., :2]
    maps = torch.cat([targets.opacity, targets.opacity_weight], dim=1)
    found = functional.grid_sample(maps, uv[:, None], align_corners=False, padding_mode="border")[:, :, 0]
    inside = uv.abs().amax(-1) < 1
    is_empty: Tensor = inside & (found[:, 0] < EMPTY) & (found[:, 1] > SURE)
    return points[is_empty.any(0)]


def swallowed(generator: Generator, prepared: Prepared, points: Float[Tensor, "n 3"]) -> Float[Tensor, ""]:
    """Return how much light is swallowed on short ways about points, on average: 0 in empty space."""
    return (1 - torch.exp(-DEEP * generator.density(prepared, points[None]))).mean()
