"""Strands to triangles: strips that turn their flat side to the camera."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.world.surface import Material, Strands, Surface

GLOSS = 0.55
"""Clean hair: between matt and wet."""


def ribbons(strands: Strands, eye: Float[Tensor, " 3"], *, least: float = 0.0) -> Surface:
    """Return strips that face the camera at `eye` (same frame as the strands).

    `along` is the tangent from root to tip: light hair with it (Kajiya and Kay, 1989), not with the
    strips' own normals, which only point at the camera. The last pair of vertices of a strip lies
    as far apart as ``width`` says, mostly next to nothing. `least` is a width in metres below which
    no strip goes: about half a pixel, so that thin hair does not fall between pixels.
    """
    points = strands.points
    count, steps = points.shape[:2]
    along = torch.empty_like(points)
    along[:, 1:-1] = points[:, 2:] - points[:, :-2]
    along[:, 0] = points[:, 1] - points[:, 0]
    along[:, -1] = points[:, -1] - points[:, -2]
    along = torch.nn.functional.normalize(along, dim=-1, eps=1e-9)
    across = torch.linalg.cross(along, eye - points)
    across = torch.nn.functional.normalize(across, dim=-1, eps=1e-9)
    half = across * (0.5 * strands.width.clamp_min(least))[..., None]
    vertices = torch.stack([points - half, points + half], dim=2).reshape(-1, 3)
    triangles = _strips(count, steps).to(points.device)
    total = count * steps * 2
    return Surface(
        material=Material.HAIR,
        vertices=vertices,
        triangles=triangles,
        labels=torch.full((len(triangles),), int(strands.label), device=points.device),
        colour=_twice(strands.colour),
        gloss=torch.full((total,), GLOSS, device=points.device),
        along=_twice(along),
    )


def _twice(values: Float[Tensor, "n k 3"]) -> Float[Tensor, "m 3"]:
    return values[:, :, None].expand(-1, -1, 2, -1).reshape(-1, 3)


def _strips(count: int, steps: int) -> Tensor:
    """Return the triangles of all strips: left and right vertices of a step lie side by side."""
    first = torch.arange(count)[:, None] * (steps * 2) + torch.arange(steps - 1) * 2  # (n, k - 1)
    first = first.reshape(-1, 1)
    return torch.cat([first + torch.tensor([0, 1, 2]), first + torch.tensor([1, 3, 2])], dim=1).reshape(-1, 3)
