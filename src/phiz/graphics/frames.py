"""Rigid motions as 4x4 matrices, and the one matrix between our head and the published generator.

Read matrices right to left: ``world_from_camera @ camera_from_head``. See ``docs/conventions.md``.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

GENERATOR_AXES = ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
"""Turn from (left, up, front) to the generator's (front, left, up)."""

GENERATOR_UNITS_PER_METRE = 0.90625
"""Ten units of the published morphable model (decimetres) span 0.2 * 1015 / 224 generator units."""


def rigid(rotation: Float[Tensor, "*b 3 3"], translation: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 4 4"]:
    """Return the 4x4 matrix that rotates first and shifts then."""
    top = torch.cat([rotation, translation[..., None]], dim=-1)
    bottom = torch.zeros_like(top[..., :1, :])
    bottom[..., 3] = 1
    return torch.cat([top, bottom], dim=-2)


def invert(matrix: Float[Tensor, "*b 4 4"]) -> Float[Tensor, "*b 4 4"]:
    """Return the inverse of a rotation, uniform scale and shift, without a general solver."""
    linear, shift = matrix[..., :3, :3], matrix[..., :3, 3:]
    back = linear.transpose(-1, -2) / linear[..., :, :1].square().sum(-2, keepdim=True)
    return rigid(back, -(back @ shift)[..., 0])


def transform(matrix: Float[Tensor, "*a 4 4"], points: Float[Tensor, "*b n 3"]) -> Float[Tensor, "*c n 3"]:
    """Return points seen from another frame."""
    return points @ matrix[..., :3, :3].transpose(-1, -2) + matrix[..., None, :3, 3]


def turn(matrix: Float[Tensor, "*a 4 4"], directions: Float[Tensor, "*b n 3"]) -> Float[Tensor, "*c n 3"]:
    """Return directions seen from another frame; shifts leave them alone."""
    return directions @ matrix[..., :3, :3].transpose(-1, -2)


def scale_of(matrix: Float[Tensor, "*b 4 4"]) -> Float[Tensor, "*b"]:
    """Return by how much a matrix of rotation, uniform scale and shift makes things longer."""
    return matrix[..., :3, 0].square().sum(-1).sqrt()


def generator_from_head(
    scale: float = GENERATOR_UNITS_PER_METRE, offset: Sequence[float] = (0.0, 0.0, 0.0)
) -> Float[Tensor, "4 4"]:
    """Return the matrix from our head frame (metres) to the published generator's frame.

    Ours: x the person's left, y up, z out of the face. Theirs: x towards the frontal camera, y to
    the right of the frontal picture (the person's left), z up. `offset` is where the origin of the
    head frame lies in the generator's frame.
    """
    return rigid(scale * torch.tensor(GENERATOR_AXES), torch.tensor([float(x) for x in offset]))
