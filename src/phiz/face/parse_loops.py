"""The winner of each pixel among enlarged scores, without ever holding the enlarged scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

from phiz.compiling import compiled


def _win(scores: Any, labels: Any) -> None:
    """Write the class (h, w) whose scores (k, rows, columns), enlarged corner to corner, are the highest."""
    classes, rows, columns = scores.shape
    height, width = labels.shape
    wide = np.empty((classes, rows, width), np.float32)
    for x in range(width):
        place = np.float32(x) * (np.float32(columns - 1) / np.float32(max(width - 1, 1)))
        left = min(int(place), columns - 1)
        right = min(left + 1, columns - 1)
        part = place - np.float32(left)
        for k in range(classes):
            for y in range(rows):
                wide[k, y, x] = scores[k, y, left] + part * (scores[k, y, right] - scores[k, y, left])
    best = np.empty(width, np.float32)
    for y in range(height):
        place = np.float32(y) * (np.float32(rows - 1) / np.float32(max(height - 1, 1)))
        upper = min(int(place), rows - 1)
        lower = min(upper + 1, rows - 1)
        part = place - np.float32(upper)
        line = labels[y]
        best[:] = -np.inf
        for k in range(classes):
            first, second = wide[k, upper], wide[k, lower]
            label = np.uint8(k)
            for x in range(width):
                score = first[x] + part * (second[x] - first[x])
                line[x] = label if score > best[x] else line[x]
                best[x] = max(score, best[x])


win = compiled(_win)


def winners(scores: Float[Tensor, "b k h w"], height: int, width: int) -> UInt8[Tensor, "b {height} {width}"]:
    """Return the class of each pixel of a picture, whose scores are known at fewer places."""
    if scores.device.type != "cpu":
        return plain_winners(scores, height, width)
    found = torch.zeros(len(scores), height, width, dtype=torch.uint8)
    for one, labels in zip(scores.detach().float().contiguous(), found, strict=True):
        win(one.numpy(), labels.numpy())
    return found


def plain_winners(
    scores: Float[Tensor, "b k h w"], height: int, width: int
) -> UInt8[Tensor, "b {height} {width}"]:
    """Return the same in plain torch."""
    large = functional.interpolate(scores, size=(height, width), mode="bilinear", align_corners=True)
    return large.argmax(dim=1).to(torch.uint8)
