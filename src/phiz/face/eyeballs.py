"""Where eyes look, from where their irises show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.face.coeffs import FaceCoeffs, neutral
from phiz.face.head import Head
from phiz.graphics import rotation

CENTRES = (0, 5)
"""Of the ten points of the irises, the middle of each; four points around it follow."""
ROUNDS = 3
MOST = 0.8
"""Radians; eyes turn no further."""


def gazes(
    model: Head,
    face: FaceCoeffs,
    irises: Float[Tensor, "t 10 2"],
    focal: Float[Tensor, ""],
    sizes: Sequence[tuple[int, int]],
) -> Float[Tensor, "t 2 2"]:
    """Return yaw and pitch of the left and the right eye of posed faces, all of one shape.

    An iris' middle lies on a ball about the eye's centre. Where it shows says how far it has left the line
    through that centre; the rest of its way leads towards the camera.
    """
    centre, resting = eyes(model, face[:1])
    turn = rotation.from_euler(face.rotation)  # (t, 3, 3)
    world = torch.einsum("tij,sj->tsi", turn, centre) + face.translation[:, None]
    away = (1 - world[..., 2]).clamp_min(0.05)
    half = irises.new_tensor([[width / 2, height / 2] for height, width in sizes])
    rays = (irises[:, list(order(model))] - half[:, None]) / focal * irises.new_tensor([1.0, -1.0])
    radius = resting.norm(dim=-1)
    depth = radius.expand(len(rays), -1)
    across = world[..., :2]
    for _ in range(ROUNDS):  # how near an iris is depends on where the eye looks, and the other way round
        across = rays * (away - depth)[..., None] - world[..., :2]
        most = across.norm(dim=-1, keepdim=True).clamp_min(1e-9)
        across = across * (0.98 * radius[None, :, None] / most).clamp_max(1.0)
        depth = (radius.square()[None] - across.square().sum(-1)).sqrt()
    seen = torch.cat([across, depth[..., None]], dim=-1)  # as the camera sees it
    local = torch.einsum("tji,tsj->tsi", turn, seen)
    return (angles(local) - angles(resting)[None]).clamp(-MOST, MOST)


def eyes(model: Head, face: FaceCoeffs) -> tuple[Float[Tensor, "2 3"], Float[Tensor, "2 3"]]:
    """Return the centres of somebody's eyeballs, left and right, and from there the resting irises."""
    still = replace(neutral(model.sizes), identity=face.identity)
    with torch.no_grad():
        surface = model.vertices(still)
    centres = torch.stack([model.eye_weights[side] @ surface[0, model.eye_vertices[side]] for side in (0, 1)])
    dense = model.landmarks478(surface)[0, -10:]
    return centres, dense[list(order(model))] - centres


def order(model: Head) -> tuple[int, int]:
    """Return which of the two irises is the left eye's, and which the right one's."""
    x = model.landmarks478(model.mean[None])[0, -10:, 0]
    first, second = CENTRES
    return (first, second) if float(x[first]) > float(x[second]) else (second, first)


def angles(directions: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 2"]:
    """Return yaw and pitch of eyes that look in some directions."""
    x, y, z = directions.unbind(-1)
    return torch.stack([torch.atan2(x, z), -torch.atan2(y, torch.hypot(x, z))], dim=-1)
