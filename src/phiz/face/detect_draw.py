"""Found faces drawn over their picture: a box and five dots each."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.face.candidates import FoundFace

COLOURS = (
    (0.2, 1.0, 0.3),
    (1.0, 0.8, 0.1),
    (0.2, 0.8, 1.0),
    (1.0, 0.4, 0.9),
    (1.0, 0.5, 0.2),
)
"""Of faces, in [0, 1]; the sixth has the first's again."""
LINE = 1 / 300
"""Width of lines as a share of the picture's longer side."""
DOT = 0.03
"""Radius of dots as a share of the face."""


def drawn(picture: Float[Tensor, "3 h w"], faces: Sequence[FoundFace]) -> Float[Tensor, "3 h w"]:
    """Return a copy of a picture with faces marked in it, each in a colour of its own."""
    shown = picture.clone()
    line = max(1.0, LINE * max(picture.shape[1:]))
    for number, face in enumerate(faces):
        colour = picture.new_tensor(COLOURS[number % len(COLOURS)])[:, None] * 2 - 1
        left, top, right, bottom = face.box.tolist()
        half = line / 2
        for edge in (
            (left - half, top - half, right + half, top + half),
            (left - half, bottom - half, right + half, bottom + half),
            (left - half, top - half, left + half, bottom + half),
            (right - half, top - half, right + half, bottom + half),
        ):
            _fill(shown, edge, colour)
        for x, y in face.points.tolist():
            _dot(shown, x, y, max(DOT * face.size, line / 2, 0.75), colour)
    return shown


def _fill(shown: Tensor, edges: tuple[float, float, float, float], colour: Tensor) -> None:
    """Paint a rectangle, at least a pixel wide, in place; what lies outside is left out."""
    left, top = (max(round(one), 0) for one in edges[:2])
    right, bottom = max(round(edges[2]), round(edges[0]) + 1), max(round(edges[3]), round(edges[1]) + 1)
    if right > left and bottom > top:
        shown[:, top:bottom, left:right] = colour[..., None]


def _dot(shown: Tensor, x: float, y: float, radius: float, colour: Tensor) -> None:
    height, width = shown.shape[1:]
    left, right = max(int(x - radius), 0), min(int(x + radius) + 1, width)
    top, bottom = max(int(y - radius), 0), min(int(y + radius) + 1, height)
    if right <= left or bottom <= top:
        return
    across = torch.arange(left, right) + 0.5 - x
    down = (torch.arange(top, bottom) + 0.5 - y)[:, None]
    rows, columns = ((across**2 + down**2) <= radius**2).nonzero(as_tuple=True)
    shown[:, top + rows, left + columns] = colour
