"""A small head for tests of what people wear: all parts, 68 landmarks, no data folder needed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from phiz.face.coeffs import FaceCoeffs, Sizes
from phiz.face.morphable import ARKIT_NAMES, REGIONS, Part, vertex_normals


@dataclass(frozen=True)
class PlainHead:
    """An egg on a neck, in metres, with ears and eyes; identity makes it wider, taller, deeper."""

    points: Float[Tensor, "v 3"]
    triangles: Int[Tensor, "f 3"]
    parts: Int[Tensor, " f"]
    name: str = "plain"
    metres_per_unit: float = 1.0
    sizes: Sizes = field(default_factory=lambda: Sizes(identity=3, expression=len(ARKIT_NAMES), texture=0))
    expression_names: tuple[str, ...] = ARKIT_NAMES

    @property
    def regions(self) -> Float[Tensor, "v n"]:
        return torch.zeros(len(self.points), len(REGIONS))

    @property
    def skin_mask(self) -> Float[Tensor, " v"]:
        return torch.ones(len(self.points))

    @property
    def lip_mask(self) -> Float[Tensor, " v"]:
        return torch.zeros(len(self.points))

    def vertices(self, face: FaceCoeffs) -> Float[Tensor, "b v 3"]:
        return self.points * (1 + 0.04 * face.identity[:, None])

    def normals(self, vertices: Float[Tensor, "b v 3"]) -> Float[Tensor, "b v 3"]:
        return vertex_normals(vertices, self.triangles)

    def colours(self, face: FaceCoeffs) -> Float[Tensor, "b v 3"]:
        return torch.full((face.batch, len(self.points), 3), 0.6)

    def landmarks(self, vertices: Float[Tensor, "b v 3"]) -> Float[Tensor, "b 68 3"]:
        return vertices[:, -68:]

    def skull(self, face: FaceCoeffs) -> Float[Tensor, "b 4 4"]:
        return torch.eye(4).expand(face.batch, 4, 4)


def plain_head() -> PlainHead:
    """Return the head: rings of points from the crown down to the shoulders, then eyes, ears, landmarks."""
    around = 48
    #        height, half width, front, back
    rings = torch.tensor(
        [(0.145, 0.002, 0.004, 0.000), (0.135, 0.035, 0.042, 0.040), (0.115, 0.06, 0.075, 0.075)]
        + [(0.09, 0.074, 0.096, 0.085), (0.06, 0.077, 0.104, 0.087), (0.035, 0.074, 0.100, 0.085)]
        + [(0.01, 0.070, 0.102, 0.078), (-0.02, 0.064, 0.106, 0.068), (-0.05, 0.056, 0.105, 0.062)]
        + [(-0.075, 0.050, 0.095, 0.060), (-0.085, 0.054, 0.052, 0.062), (-0.11, 0.064, 0.050, 0.072)]
        + [(-0.13, 0.105, 0.050, 0.085), (-0.15, 0.124, 0.052, 0.092), (-0.19, 0.124, 0.058, 0.092)]
    )
    turn = torch.arange(around) * (2 * math.pi / around)
    deep = torch.where(turn.cos() > 0, rings[:, 2:3], rings[:, 3:4])
    sheet = torch.stack(
        [rings[:, 1:2] * turn.sin(), rings[:, :1].expand(-1, around), deep * turn.cos()], dim=-1
    )
    row = torch.arange(len(rings) - 1)[:, None] * around
    here, beside = torch.arange(around)[None], (torch.arange(around)[None] + 1) % around
    a, b, c, d = row + here, row + beside, row + around + here, row + around + beside
    triangles = torch.stack([torch.stack([a, c, b], -1), torch.stack([b, c, d], -1)], dim=2).reshape(-1, 3)
    points = sheet.reshape(-1, 3)
    middle = points[triangles].mean(dim=1)
    parts = torch.full((len(triangles),), int(Part.SKIN))
    parts[(middle[:, 1] > 0.095) | ((middle[:, 2] < -0.01) & (middle[:, 1] > -0.03))] = int(Part.SCALP)
    parts[middle[:, 1] < -0.078] = int(Part.NECK)
    parts[middle[:, 1] < -0.125] = int(Part.SHOULDERS)
    pieces, faces, kinds = [points], [triangles], [parts]
    for part, centre, radii in (
        (Part.LEFT_EYE, (0.0315, 0.034, 0.082), (0.0125, 0.0125, 0.0125)),
        (Part.RIGHT_EYE, (-0.0315, 0.034, 0.082), (0.0125, 0.0125, 0.0125)),
        (Part.LEFT_EAR, (0.08, 0.008, 0.0), (0.009, 0.028, 0.016)),
        (Part.RIGHT_EAR, (-0.08, 0.008, 0.0), (0.009, 0.028, 0.016)),
        (Part.NOSE, (0.0, 0.012, 0.108), (0.014, 0.024, 0.018)),
    ):
        more, its = _ball(torch.tensor(centre), torch.tensor(radii))
        faces.append(its + sum(len(p) for p in pieces))
        kinds.append(torch.full((len(its),), int(part)))
        pieces.append(more)
    pieces.append(_landmarks())
    return PlainHead(points=torch.cat(pieces), triangles=torch.cat(faces), parts=torch.cat(kinds))


def _ball(centre: Tensor, radii: Tensor) -> tuple[Tensor, Tensor]:
    polar = torch.linspace(0, math.pi, 9)[:, None]
    turn = torch.arange(12)[None] * (2 * math.pi / 12)
    parts = [polar.sin() * turn.sin(), polar.cos().expand(9, 12), polar.sin() * turn.cos()]
    points = torch.stack(parts, dim=-1).reshape(-1, 3) * radii + centre
    row, here = torch.arange(8)[:, None] * 12, torch.arange(12)[None]
    a, b = row + here, row + (here + 1) % 12
    return points, torch.cat([torch.stack([a, a + 12, b], -1), torch.stack([b, a + 12, b + 12], -1)]).reshape(
        -1, 3
    )


def _landmarks() -> Float[Tensor, "68 3"]:
    """Return points where the fits look for them: jaw, brows, nose bridge, eyes; the rest at the mouth."""
    marks = torch.tensor([0.0, -0.035, 0.106]).repeat(68, 1)
    spread = torch.linspace(-1, 1, 17)
    marks[:17] = torch.stack([0.072 * spread, -0.076 + 0.11 * spread**2, 0.1 - 0.065 * spread**2], dim=-1)
    for first, side in ((17, -1.0), (22, 1.0)):
        marks[first : first + 5] = torch.tensor([side * 0.035, 0.055, 0.1])
    for k in range(4):
        marks[27 + k] = torch.tensor([0.0, 0.037 - 0.011 * k, 0.107 + 0.006 * k])
    marks[31:36] = torch.tensor([0.0, -0.012, 0.112])
    for first, side in ((36, -1.0), (42, 1.0)):
        marks[first : first + 6] = torch.tensor([side * 0.0315, 0.034, 0.094])
    return marks
