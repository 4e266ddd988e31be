"""A head that moves as it should, and the points that show it: what tracking is measured with."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.face import fit_surface
from phiz.face.coeffs import FaceCoeffs, neutral
from phiz.face.follow import Frame
from phiz.face.head import Head
from phiz.graphics import rotation

SIDE, FOCAL = 256, 620.0


@dataclass(frozen=True, kw_only=True)
class Film:
    """What is true, and what a network would have found."""

    face: FaceCoeffs
    frames: list[Frame]


def film(
    model: Head, count: int = 60, *, noise: float = 0.01, missing: range = range(0), seed: int = 0
) -> Film:
    """Return somebody who nods, talks, blinks and looks around; `noise` is in distances of the eyes."""
    chance = torch.Generator().manual_seed(seed)
    time = torch.arange(count) / 25
    names = model.expression_names
    expression = torch.zeros(count, len(names))
    expression[:, names.index("jawOpen")] = 0.25 * (1 - torch.cos(2 * math.pi * 2.5 * time))
    expression[:, names.index("mouthSmileLeft")] = 0.3 * torch.sin(2 * time).clamp_min(0)
    expression[:, names.index("mouthSmileRight")] = 0.3 * torch.sin(2 * time).clamp_min(0)
    blink = torch.exp(-(((time[:, None] - torch.tensor([0.7, 1.8])) / 0.07) ** 2)).amax(1)
    for side in ("Left", "Right"):
        expression[:, names.index(f"eyeBlink{side}")] = blink
    turn = torch.stack([0.12 * torch.sin(3 * time), 0.4 * torch.sin(2 * time), 0.1 * torch.cos(time)], dim=1)
    look = torch.stack([0.25 * torch.sin(2.5 * time), 0.1 * torch.cos(2 * time)], dim=1)
    face = replace(
        neutral(model.sizes, count),
        identity=(0.6 * torch.randn(1, model.sizes.identity, generator=chance)).expand(count, -1),
        expression=expression,
        rotation=turn,
        translation=torch.stack(
            [0.01 * torch.sin(time), 0.01 * torch.cos(time), 0.02 * torch.sin(time)], dim=1
        ),
        gaze=look[:, None].expand(-1, 2, -1),
    )
    xy = shown(model, face)
    unit = (xy[:, 45] - xy[:, 36]).norm(dim=1)
    sigma = (noise * unit)[:, None].expand(xy.shape[:2]).clamp_min(1e-3)
    xy = xy + sigma[..., None] * torch.randn(xy.shape, generator=chance)
    frames = [Frame(xy[k], sigma[k], 0.0 if k in missing else 0.99, (SIDE, SIDE)) for k in range(count)]
    return Film(face=face, frames=frames)


@torch.no_grad()
def shown(model: Head, face: FaceCoeffs) -> Float[Tensor, "t n 2"]:
    """Return where the camera of fits, one metre away, shows all points of faces."""
    parts = [face[k : k + 20] for k in range(0, face.batch, 20)]
    surface = torch.cat([model.vertices(part) for part in parts])
    points = torch.cat(
        [anchors.on(surface) for anchors in (fit_surface.anchors68(model), fit_surface.anchors478(model))],
        dim=1,
    )
    world = points @ rotation.from_euler(face.rotation).mT + face.translation[:, None]
    away = 1 - world[..., 2:]
    flat = FOCAL * world[..., :2] / away * torch.tensor([1.0, -1.0])
    return flat + SIDE / 2
