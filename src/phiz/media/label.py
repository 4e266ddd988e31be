"""A label that says what a film is: small light letters on a dark plate, legible on any background."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from phiz.errors import UsageError

SMALLEST = 8
"""Pixels; smaller letters cannot be read."""
_PART = 20  # a letter's height, as a part of a frame's shorter side
_DARK, _LIGHT = -0.9, 0.95
_PLATE, _INK = 0.6, 0.95  # how much of the picture they hide


class Label:
    """Draws one text into the lower right corner of frames; a class because letters are drawn once."""

    def __init__(self, height: int, width: int, text: str) -> None:
        if not text.strip() or not text.isprintable():
            raise UsageError(f"--label {text!r} cannot be drawn. Give a short text in one line.")
        ink, margin = _letters(text, height, width)
        rows, columns = ink.shape
        self.size = (height, width)
        self._place = (
            slice(height - margin - rows, height - margin),
            slice(width - margin - columns, width - margin),
        )
        self._keep = (1 - _PLATE) * (1 - _INK * ink)
        self._add = _PLATE * _DARK * (1 - _INK * ink) + _INK * ink * _LIGHT

    def apply(self, frame: Float[Tensor, "3 h w"]) -> Float[Tensor, "3 h w"]:
        """Return a picture in [-1, 1] with the label in it."""
        if tuple(frame.shape[1:]) != self.size:
            raise ValueError(f"this label is for frames of {self.size}, not {tuple(frame.shape[1:])}")
        shown = frame.clone()
        corner = shown[:, self._place[0], self._place[1]]
        corner.mul_(self._keep.to(frame)).add_(self._add.to(frame))
        return shown


def _letters(text: str, height: int, width: int) -> tuple[Float[Tensor, "r c"], int]:
    """Return how much ink lies where, and how far from the edges the plate stands."""
    short = min(height, width)
    for size in range(max(short // _PART, SMALLEST), SMALLEST - 1, -1):
        margin, edge = max(size // 3, 1), max(size // 3, 1)
        font = ImageFont.load_default(size)
        left, above, right, below = font.getbbox(text)
        columns, rows = round(right - left) + 2 * edge, round(below - above) + 2 * edge
        if columns + 2 * margin > width or rows + 2 * margin > height:
            continue
        plate = Image.new("L", (columns, rows))
        ImageDraw.Draw(plate).text((edge - left, edge - above), text, fill=255, font=font)
        return torch.from_numpy(np.asarray(plate, dtype=np.float32) / 255), margin
    raise UsageError(
        f"--label {text!r} does not fit into frames of {width} x {height} pixels. Give a shorter one."
    )
