"""Rotations in five spellings: angles, matrices, axis-angle vectors, quaternions, six numbers.

The matrix is the common tongue: every other form converts to it and from it. All functions work on
any number of leading axes and are differentiable everywhere but at the half turn itself, where a
rotation has two axes; even there no gradient is ever NaN. Columns are vectors: ``p' = R p``.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

SMALL = 1e-6
"""Squared angles below this take a series instead of a quotient of two vanishing numbers."""


def from_euler(angles: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 3 3"]:
    """Return ``Rz @ Ry @ Rx`` of the angles (pitch about x, yaw about y, roll about z)."""
    sx, sy, sz = angles.sin().unbind(-1)
    cx, cy, cz = angles.cos().unbind(-1)
    rows = [
        [cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx],
        [sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx],
        [-sy, cy * sx, cy * cx],
    ]
    return _matrix(rows)


def to_euler(matrix: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b 3"]:
    """Return (pitch, yaw, roll) with yaw in [-pi/2, pi/2].

    At a yaw of a quarter turn pitch and roll turn about the same axis; pitch is zero there.
    """
    level = matrix[..., 0, 0].square() + matrix[..., 1, 0].square()
    locked = level < 1e-12
    yaw = torch.atan2(-matrix[..., 2, 0], _safe_sqrt(level))
    one = torch.ones_like(level)
    pitch = torch.atan2(
        torch.where(locked, one * 0, matrix[..., 2, 1]), torch.where(locked, one, matrix[..., 2, 2])
    )
    roll = torch.atan2(
        torch.where(locked, -matrix[..., 0, 1], matrix[..., 1, 0]),
        torch.where(locked, matrix[..., 1, 1], matrix[..., 0, 0]),
    )
    return torch.stack([pitch, yaw, roll], dim=-1)


def from_axis_angle(vector: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 3 3"]:
    """Return the turn about a vector by its length (Rodrigues' formula)."""
    squared = vector.square().sum(-1)
    tiny = squared < SMALL
    angle = torch.where(tiny, torch.ones_like(squared), squared).sqrt()
    sine = torch.where(tiny, 1 - squared / 6 + squared.square() / 120, angle.sin() / angle)
    # (1 - cos a) / a^2 written with the half angle, which loses no digits
    half = (angle / 2).sin() / angle
    rest = torch.where(tiny, 0.5 - squared / 24 + squared.square() / 720, 2 * half.square())
    across = skew(vector)
    eye = torch.eye(3, dtype=vector.dtype, device=vector.device)
    return eye + sine[..., None, None] * across + rest[..., None, None] * (across @ across)


def to_axis_angle(matrix: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b 3"]:
    """Return the axis times the angle, which lies in [0, pi]."""
    quaternion = to_quaternion(matrix)
    w, axis = quaternion[..., 0], quaternion[..., 1:]
    squared = axis.square().sum(-1)
    tiny = squared < SMALL
    sine = torch.where(tiny, torch.ones_like(squared), squared).sqrt()
    ratio = squared / w.square().clamp(min=0.25)
    series = (1 - ratio / 3 + ratio.square() / 5) / w.clamp(min=0.5)
    scale = 2 * torch.where(tiny, series, torch.atan2(sine, w) / sine)
    return scale[..., None] * axis


def from_quaternion(quaternion: Float[Tensor, "*b 4"]) -> Float[Tensor, "*b 3 3"]:
    """Return the rotation of a quaternion (w, x, y, z) of any length but zero."""
    w, x, y, z = quaternion.unbind(-1)
    s = 2 / quaternion.square().sum(-1)
    rows = [
        [1 - s * (y * y + z * z), s * (x * y - w * z), s * (x * z + w * y)],
        [s * (x * y + w * z), 1 - s * (x * x + z * z), s * (y * z - w * x)],
        [s * (x * z - w * y), s * (y * z + w * x), 1 - s * (x * x + y * y)],
    ]
    return _matrix(rows)


def to_quaternion(matrix: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b 4"]:
    """Return the unit quaternion (w, x, y, z) of a rotation, with w >= 0.

    ``4 q q^T`` is linear in the matrix. Each of its rows is ``q`` up to its length; the row with
    the largest diagonal is at least one long, so nothing is ever divided by a vanishing number.
    """
    m = matrix
    d0, d1, d2 = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    wx, wy, wz = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    yz, xz, xy = m[..., 2, 1] + m[..., 1, 2], m[..., 0, 2] + m[..., 2, 0], m[..., 1, 0] + m[..., 0, 1]
    outer = _matrix(
        [
            [1 + d0 + d1 + d2, wx, wy, wz],
            [wx, 1 + d0 - d1 - d2, xy, xz],
            [wy, xy, 1 - d0 + d1 - d2, yz],
            [wz, xz, yz, 1 - d0 - d1 + d2],
        ]
    )
    best = outer.diagonal(dim1=-2, dim2=-1).argmax(-1)
    row = outer.gather(-2, best[..., None, None].expand(*best.shape, 1, 4)).squeeze(-2)
    sign = torch.where(row[..., :1] < 0, -1.0, 1.0).to(row.dtype)
    return torch.nn.functional.normalize(sign * row, dim=-1)


def multiply(a: Float[Tensor, "*b 4"], b: Float[Tensor, "*b 4"]) -> Float[Tensor, "*b 4"]:
    """Return the quaternion that turns by ``b`` first and by ``a`` then."""
    aw, av, bw, bv = a[..., :1], a[..., 1:], b[..., :1], b[..., 1:]
    vector = aw * bv + bw * av + torch.linalg.cross(av, bv)
    return torch.cat([aw * bw - (av * bv).sum(-1, keepdim=True), vector], dim=-1)


def from_6d(numbers: Float[Tensor, "*b 6"]) -> Float[Tensor, "*b 3 3"]:
    """Return the rotation that six free numbers stand for (Zhou et al., 2019, equation 15).

    They are the first two columns, made perpendicular by Gram and Schmidt. Unlike angles and
    quaternions they have no jump anywhere, so that networks learn them well. The two halves must
    not be parallel.
    """
    normalize = torch.nn.functional.normalize
    first = normalize(numbers[..., :3], dim=-1)
    second = numbers[..., 3:]
    second = normalize(second - (first * second).sum(-1, keepdim=True) * first, dim=-1)
    return torch.stack([first, second, torch.linalg.cross(first, second)], dim=-1)


def to_6d(matrix: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b 6"]:
    """Return the first two columns of a rotation, one after the other."""
    return torch.cat([matrix[..., 0], matrix[..., 1]], dim=-1)


def invert(matrix: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b 3 3"]:
    """Return the turn back."""
    return matrix.transpose(-1, -2)


def angle_between(a: Float[Tensor, "*b 3 3"], b: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b"]:
    """Return the angle of the shortest turn from one rotation to another, in [0, pi]."""
    quaternion = to_quaternion(invert(a) @ b)
    return 2 * torch.atan2(_safe_sqrt(quaternion[..., 1:].square().sum(-1)), quaternion[..., 0])


def slerp(
    start: Float[Tensor, "*b 3 3"], end: Float[Tensor, "*b 3 3"], fraction: float | Float[Tensor, "*b"]
) -> Float[Tensor, "*b 3 3"]:
    """Return the rotation on the shortest way from start (fraction 0) to end (fraction 1)."""
    way = to_axis_angle(invert(start) @ end)
    part = torch.as_tensor(fraction, dtype=way.dtype, device=way.device)
    return start @ from_axis_angle(part[..., None] * way)


def nearest(matrix: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b 3 3"]:
    """Return the rotation nearest to any matrix (least squares; Kabsch without mirror images)."""
    u, _, vh = torch.linalg.svd(matrix)
    mirrored = torch.linalg.det(u @ vh).sign()
    one = torch.ones_like(mirrored)
    unmirrored: Tensor = u @ torch.diag_embed(torch.stack([one, one, mirrored], dim=-1)) @ vh
    return unmirrored


def mean(matrices: Float[Tensor, "n 3 3"]) -> Float[Tensor, "3 3"]:
    """Return the rotation nearest to several at once (the chordal mean)."""
    return nearest(matrices.mean(dim=0))


def skew(vector: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 3 3"]:
    """Return the matrix that takes the cross product with a vector."""
    x, y, z = vector.unbind(-1)
    o = torch.zeros_like(x)
    return _matrix([[o, -z, y], [z, o, -x], [-y, x, o]])


def _matrix(rows: list[list[Tensor]]) -> Tensor:
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def _safe_sqrt(squared: Tensor) -> Tensor:
    """Return the square root, whose gradient at zero is zero instead of infinite."""
    positive = squared > 0
    root = torch.where(positive, squared, torch.ones_like(squared)).sqrt()
    return torch.where(positive, root, torch.zeros_like(root))
