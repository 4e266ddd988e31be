"""Tables about the 68 iBUG landmarks: who mirrors whom, and the five points that alignment uses.

Left and right in names are the person's. In a picture seen from the front, points 0 to 7 of the jaw line lie
on the person's right.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

JAW = tuple(range(17))
RIGHT_BROW, LEFT_BROW = tuple(range(17, 22)), tuple(range(22, 27))
NOSE = tuple(range(27, 36))
RIGHT_EYE, LEFT_EYE = tuple(range(36, 42)), tuple(range(42, 48))
OUTER_LIPS, INNER_LIPS = tuple(range(48, 60)), tuple(range(60, 68))

MIRROR_68: tuple[int, ...] = (
    *range(16, -1, -1),
    *range(26, 16, -1),
    *(27, 28, 29, 30, 35, 34, 33, 32, 31),
    *(45, 44, 43, 42, 47, 46),
    *(39, 38, 37, 36, 41, 40),
    *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55),
    *(64, 63, 62, 61, 60, 67, 66, 65),
)
"""The number that each landmark has in the mirror image of the face."""

FACING_LIPS = ((61, 67), (62, 66), (63, 65))
"""Points of the inner lips that lie above each other, upper one first."""
FACING_LIDS = ((37, 41), (38, 40), (43, 47), (44, 46))
"""Likewise of the lids: two pairs of the right eye, two of the left."""

FIVE_FROM_68 = ((36, 39), (42, 45), (30,), (48,), (54,))
"""The five alignment points as means of landmarks: the two eyes, nose tip, mouth corners.

The first eye and the first mouth corner are the picture's left ones, the person's right.
"""


def five_points(landmarks: Float[Tensor, "*b 68 c"]) -> Float[Tensor, "*b 5 c"]:
    """Return the five alignment points of 68 landmarks, in two or three dimensions."""
    return torch.stack([landmarks[..., list(group), :].mean(dim=-2) for group in FIVE_FROM_68], dim=-2)


def facing(landmarks: Float[Tensor, "*b 68 c"], pairs: Sequence[tuple[int, int]]) -> Float[Tensor, "*b p"]:
    """Return how far apart the two points of each pair are."""
    one, other = (landmarks[..., list(side), :] for side in zip(*pairs, strict=True))
    apart: Tensor = (one - other).norm(dim=-1)
    return apart


def eyes_apart(landmarks: Float[Tensor, "*b 68 c"]) -> Float[Tensor, "*b"]:
    """Return the distance between the middles of the eyes."""
    five = five_points(landmarks)
    apart: Tensor = (five[..., 1, :] - five[..., 0, :]).norm(dim=-1)
    return apart


def lips_open(landmarks: Float[Tensor, "*b 68 c"]) -> Float[Tensor, "*b"]:
    """Return how far the lips are apart, in distances between the eyes."""
    return facing(landmarks, FACING_LIPS).mean(-1) / eyes_apart(landmarks)
