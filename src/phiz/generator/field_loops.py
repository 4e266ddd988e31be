"""The foreground at many points where no gradient is wanted: a few points at a time through all layers, and
the compiled loop that looks them up on three planes.

On a processor, in float32 and bfloat16; the plain twins are `field.Foreground.hidden` and `planes.look_up`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from phiz.compiling import compiled
from phiz.generator.pieces import computed, pieces, share
from phiz.layers.modulated import Folded

AXES = ((0, 1), (0, 2), (1, 2))
"""Which coordinates run along a plane's width and height."""
PIECE = 1024
"""Points whose layers stay in a core's cache."""
Begin = Callable[[int, Float[Tensor, "n 3"]], Float[Tensor, "n e"]]
"""What the first layer sees of some points of a picture."""


def _look_up(planes: Any, points: Any, scale: float, out: Any) -> None:
    """Write the sum of what the planes (3, h, w, c) hold at points times a scale; beyond them is nothing."""
    _, height, width, channels = planes.shape
    one, half, factor = np.float32(1), np.float32(0.5), np.float32(scale)
    for n in range(points.shape[0]):
        target = out[n]
        for c in range(channels):
            target[c] = np.float32(0)
        for k in range(3):
            x = ((points[n, AXES[k][0]] * factor + one) * np.float32(width) - one) * half
            y = ((points[n, AXES[k][1]] * factor + one) * np.float32(height) - one) * half
            if not (-one < x < width and -one < y < height):
                continue
            left, top = int(np.floor(x)), int(np.floor(y))
            across, down = x - np.float32(left), y - np.float32(top)
            for corner in range(4):
                j, i = left + corner % 2, top + corner // 2
                if i < 0 or i >= height or j < 0 or j >= width:
                    continue
                share = (across if corner % 2 else one - across) * (down if corner // 2 else one - down)
                found = planes[k, i, j]
                for c in range(channels):
                    target[c] += share * found[c]


look_up = compiled(_look_up)


def hidden(
    layers: tuple[Folded, ...],
    points: Float[Tensor, "b n 3"],
    begin: Begin,
    rectify: Callable[[Tensor], Tensor],
    pictures: int,
) -> Float[Tensor, "b2 n h"]:
    """Return the last layer at points; `rectify` works in place."""
    kind, points = computed(points), points.detach().contiguous()
    weights = [layer.weight.to(kind).transpose(1, 2) for layer in layers]
    biases = [layer.bias.to(kind) for layer in layers]
    count = points.shape[1]
    out = points.new_empty(pictures, count, weights[-1].shape[2], dtype=kind)
    each = pieces(count, PIECE)

    def worker() -> Callable[[int], None]:
        rooms = [torch.empty(min(PIECE, count), weight.shape[2], dtype=kind) for weight in weights[:-1]]

        def piece(number: int) -> None:
            picture, first = number // each, number % each * PIECE
            last = out[picture, first : first + PIECE]
            x = begin(picture, points[picture % len(points), first : first + PIECE]).to(kind)
            for weight, bias, room in zip(weights, biases, [*rooms, last], strict=True):
                y = room[: len(last)]
                torch.addmm(bias, x, weight[picture % len(weight)], out=y)
                x = rectify(y)

        return piece

    share(pictures * each, worker)
    return out


def looking_up(planes: Float[Tensor, "b 3 c h w"], scale: float) -> Begin:
    """Return what looks points, times a scale, up on the planes of their picture."""
    tables = planes.detach().float().permute(0, 1, 3, 4, 2).contiguous().numpy()

    def begin(picture: int, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n c"]:
        found = torch.empty(len(points), tables.shape[-1])
        look_up(tables[picture % len(tables)], points.numpy(), scale, found.numpy())
        return found

    return begin
