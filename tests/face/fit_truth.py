"""Faces before cameras, of which everything is known: what fits are held against."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.face.coeffs import FaceCoeffs, neutral
from phiz.face.fit import Fit
from phiz.face.fit_points import Landmarks
from phiz.face.fit_surface import Anchors, anchors68, face_parts
from phiz.face.morphable import MorphableModel
from phiz.graphics import camera as cameras
from phiz.graphics import frames, rotation
from phiz.graphics.camera import Camera

SIZE = 256
FRONTAL = (0.3, 0.6, 0.3)
ANYHOW = (0.6, 1.2, math.pi)
"""How far heads turn at most: pitch, yaw, roll."""


@dataclass(frozen=True, kw_only=True)
class Truth:
    """Some faces and cameras, and where the faces' points show."""

    model: MorphableModel
    face: FaceCoeffs
    camera: Camera
    xy: Float[Tensor, "b n 2"]

    @property
    def sizes(self) -> list[tuple[int, int]]:
        return [(SIZE, SIZE)] * len(self.xy)

    def seen(self, noise: float = 0.0, sigma: float | None = None) -> Landmarks:
        """Return the points as a detector would find them, with errors of so many pixels."""
        chance = torch.Generator().manual_seed(3)
        errors = noise * torch.randn(self.xy.shape, generator=chance)
        spread = torch.full(self.xy.shape[:2], max(noise, 0.1) if sigma is None else sigma)
        return Landmarks(xy=self.xy + errors, sigma=spread)


def truth(
    model: MorphableModel,
    count: int,
    *,
    most: tuple[float, float, float] = FRONTAL,
    anchors: Anchors | None = None,
    seed: int = 0,
) -> Truth:
    """Return faces by chance, turned by up to so much, from half a metre to two and a half away."""
    chance = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=chance)

    sizes = model.sizes
    expression = 0.7 * normal(count, sizes.expression)
    if model.expression_names:
        expression = (expression.abs() - 0.7).clamp(0, 1)
    angles = (2 * torch.rand(count, 3, generator=chance) - 1) * torch.tensor(most)
    face = replace(
        neutral(sizes, count),
        identity=0.8 * normal(count, sizes.identity),
        expression=expression,
        texture=0.8 * normal(count, sizes.texture),
        rotation=rotation.to_euler(rotation.from_euler(angles)),
    )
    far = 0.5 + 2 * torch.rand(count, generator=chance)
    eye = torch.stack([0.03 * torch.ones(count), 0.02 * torch.ones(count), far], dim=1)
    upright = torch.eye(3).expand(count, 3, 3)
    camera = Camera(
        world_from_camera=frames.rigid(upright, eye), intrinsics=cameras.intrinsics_from_focal(5.5 * far)
    )
    with torch.no_grad():
        world = model.vertices(face) * model.metres_per_unit @ rotation.from_euler(face.rotation).mT
        points = (anchors or anchors68(model)).on(world)
    xy = cameras.to_screen(camera, points, SIZE, SIZE)[..., :2]
    return Truth(model=model, face=face, camera=camera, xy=xy)


def turned_by_deg(one: Truth, found: Fit) -> Float[Tensor, " b"]:
    """Return by how many degrees the fits' heads are turned from the true ones."""
    pairs = (rotation.from_euler(one.face.rotation), rotation.from_euler(found.face.rotation))
    return torch.rad2deg(rotation.angle_between(*pairs))


def shape_error_mm(one: Truth, found: Fit) -> Float[Tensor, " b"]:
    """Return the mean distance of face vertices once both faces lie on each other, scale included."""
    model = one.model
    own = torch.unique(model.triangles[face_parts(model)])
    with torch.no_grad():
        pairs = [model.vertices(face)[:, own] * model.metres_per_unit for face in (one.face, found.face)]
    true, fitted = (points - points.mean(1, keepdim=True) for points in pairs)
    turn = rotation.nearest(true.mT @ fitted)
    fitted = fitted @ turn.mT
    scale = (true * fitted).sum((1, 2)) / fitted.square().sum((1, 2))
    return 1000 * (true - scale[:, None, None] * fitted).norm(dim=-1).mean(1)
