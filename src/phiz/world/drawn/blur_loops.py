"""Compiled loops over whole pictures: the twin of `phiz.world.drawn.develop.blur`."""

from __future__ import annotations

from typing import Any

import numpy as np

from phiz.compiling import compiled


def _blur(picture: Any, bell: Any, out: Any) -> None:
    """Write a picture (c, h, w) under a bell, first down, then across; its edges repeat."""
    channels, height, width = picture.shape
    reach = bell.shape[0] // 2
    wide = np.empty(width + 2 * reach, np.float32)
    for c in range(channels):
        for y in range(height):
            line = wide[reach : reach + width]
            line[:] = np.float32(0)
            for k in range(bell.shape[0]):
                source = picture[c, min(max(y + k - reach, 0), height - 1)]
                weight = bell[k]
                for x in range(width):
                    line[x] += weight * source[x]
            for x in range(reach):
                wide[x] = line[0]
                wide[reach + width + x] = line[width - 1]
            target = out[c, y]
            target[:] = np.float32(0)
            for k in range(bell.shape[0]):
                weight, source = bell[k], wide[k : k + width]
                for x in range(width):
                    target[x] += weight * source[x]


blur = compiled(_blur)
