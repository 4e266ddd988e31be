"""The inside of the mouth: teeth that darken to the back, a rough wet tongue, gums, and the dark."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.world.body import textures
from phiz.world.drawn import shading
from phiz.world.drawn.shading import Light

ENAMEL = (0.77, 0.70, 0.605)
GUMS = (0.42, 0.15, 0.14)
TONGUE = (0.46, 0.17, 0.15)
FADE = 0.023
"""Light falls to 1/e this far behind the lips, in metres."""


@dataclass(frozen=True, kw_only=True)
class MouthPoints:
    """Points inside the mouth that a picture shows."""

    place: Float[Tensor, "n 3"]
    normal: Float[Tensor, "n 3"]
    rest: Float[Tensor, "n 3"]
    view: Float[Tensor, "n 3"]
    behind: Float[Tensor, " n"]
    """How far behind the lips, in metres."""
    open: Float[Tensor, " n"]
    """Ambient occlusion of the surface, 0 to 1."""


def shade(
    points: MouthPoints,
    light: Light,
    is_tooth: Float[Tensor, "n 1"],
    is_tongue: Float[Tensor, "n 1"],
    whiteness: float,
) -> tuple[Float[Tensor, "n 3"], Float[Tensor, "n 3"]]:
    """Return the light from the points, and their own colour. `whiteness` differs from mouth to mouth."""
    noise = textures.lookup(textures.tones(), points.rest, 0.04)
    enamel = _enamel(points, noise, whiteness)
    tongue = points.place.new_tensor(TONGUE) * (1 + 0.10 * noise[:, 3:4] + 0.10 * noise[:, 1:2])
    gums = points.place.new_tensor(GUMS) * (1 + 0.08 * noise[:, 1:2])
    albedo = torch.lerp(torch.lerp(gums, tongue, is_tongue), enamel, is_tooth).clamp(0.01, 0.9)
    depth = torch.exp(-points.behind.clamp(min=0) / FADE)[:, None]
    reached = depth * (0.30 + 0.70 * points.open[:, None])
    bumped = shading.unit(points.normal + 0.30 * (1 - is_tooth) * noise[:, 1:4])
    inside = shading.matt(light, points.normal, wrap=0.30)
    rough = torch.lerp(torch.full_like(depth, 0.38), torch.full_like(depth, 0.24), is_tooth)[:, 0]
    wet = shading.gloss(light, bumped, points.view, rough, 0.035)
    # Red walls colour what light is left deep inside.
    red, plain = reached.new_tensor([0.75, 1.25, 1.3]), reached.new_tensor([0.80, 0.91, 0.95])
    kept = shading.power(reached.clamp(min=1e-4), red)
    kept = shading.mix(kept, shading.power(reached.clamp(min=1e-4), plain), is_tooth)
    return albedo * inside * kept * 0.95 + wet * reached, albedo


def _enamel(points: MouthPoints, noise: Tensor, whiteness: float) -> Tensor:
    """Return tooth colour: warmer at the gums, a touch blue and clear at the edge, each its own."""
    base = points.place.new_tensor(ENAMEL) * (0.82 + 0.22 * whiteness)
    warm = points.place.new_tensor([0.0, -0.035, -0.09]) * (1.2 - whiteness)
    each = torch.cos(points.rest[:, :1] * 820.0) * 0.035  # neighbours differ a little
    return base + warm + each + 0.015 * noise[:, :1]
