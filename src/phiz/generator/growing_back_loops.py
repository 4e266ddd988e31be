"""The way back through growing in compiled loops: from a large map's gradient to those of the small ones.

Each loop is the transpose of one in `growing_loops`, has its layouts and bits, and writes a strip of rows of
one picture's small map.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from phiz.compiling import compiled
from phiz.generator.growing_loops import GAIN, INNER, OUTER, SLOPE, narrow_row, read, write

HALF, MOST, EDGE = np.float32(0.5), np.float32(0.75), np.float32(0.125)
"""What an even place takes from its two pixels; what an odd one takes from its own, and from each side."""


def _shrink(grad: Any, first: int, out: Any, start: int, height: int, is_repeated: bool, shift: Any) -> None:
    """Write rows from `start` on of the gradient of a map that was doubled, edges repeated or not.

    `grad` has the rows from `first` on of the large map's: all that these come from.
    """
    count, width, channels = out.shape
    total = np.zeros((count, width, channels), np.float32)
    line = np.zeros((2 * width + 4, channels), np.float32)
    narrow = np.empty((width, channels), np.float32)
    for n in range(grad.shape[0]):
        shrunk_row(grad[n], line, narrow, is_repeated, shift)
        row = (first + n) // 2
        if (first + n) % 2 == 0:
            add_row(total, narrow, row, HALF, start, height, is_repeated)
            add_row(total, narrow, row - 1, HALF, start, height, is_repeated)
        else:
            add_row(total, narrow, row, MOST, start, height, is_repeated)
            add_row(total, narrow, row - 1, EDGE, start, height, is_repeated)
            add_row(total, narrow, row + 1, EDGE, start, height, is_repeated)
    for n in range(count):
        for j in range(width):
            source, target = total[n, j], out[n, j]
            for c in range(channels):
                target[c] = write(source[c], shift)


def _add_row(
    total: Any, narrow: Any, row: int, share: Any, start: int, height: int, is_repeated: bool
) -> None:
    """Add a share of a row to that of a strip which it comes from, if it is one of these."""
    if is_repeated:
        row = min(max(row, 0), height - 1)
    if row < max(start, 0) or row >= min(start + total.shape[0], height):
        return
    target = total[row - start]
    for j in range(narrow.shape[0]):
        one, other = target[j], narrow[j]
        for c in range(one.shape[0]):
            one[c] += share * other[c]


def _shrunk_row(grad: Any, line: Any, narrow: Any, is_repeated: bool, shift: Any) -> None:
    """Write the transpose of what doubling does along columns; `line` is room, zero two places around."""
    width, channels = narrow.shape
    for j in range(2 * width):
        source, target = grad[j], line[j + 2]
        for c in range(channels):
            target[c] = read(source[c], shift)
    for j in range(width):
        target = narrow[j]
        even, odd, next_even = line[2 * j + 2], line[2 * j + 3], line[2 * j + 4]
        for c in range(channels):
            target[c] = HALF * (even[c] + next_even[c]) + MOST * odd[c]
        odd_before, odd_after = line[2 * j + 1], line[2 * j + 5]
        for c in range(channels):
            target[c] += EDGE * (odd_before[c] + odd_after[c])
    if is_repeated:
        for c in range(channels):
            narrow[0, c] += HALF * line[2, c] + EDGE * line[3, c]
            narrow[width - 1, c] += EDGE * line[2 * width + 1, c]


def _narrow_back(own: Any, around: Any, grad: Any, out: Any, start: int, shift: Any) -> None:
    """Write rows (w, 4, d) of what the quarters of each pixel's narrow map are worth, before the rectifier.

    `grad` is that of the whole filtered map; quarters are numbered row by row.
    """
    count, width, _, channels = out.shape
    kept = np.empty((2 * width, channels), np.float32)
    line = np.zeros((2 * width + 3, channels), np.float32)
    for n in range(2 * count):
        y = 2 * start + n
        narrow_row(own, around, kept, y, shift)
        mixed_rows(grad, line, y, shift)
        for x in range(2 * width):
            target, found = out[n // 2, x // 2, 2 * (n % 2) + x % 2], kept[x]
            left, here, right, second = line[x], line[x + 1], line[x + 2], line[x + 3]
            for c in range(channels):
                value = OUTER * (left[c] + second[c]) + INNER * (here[c] + right[c])
                factor = GAIN if found[c] > 0 else GAIN * SLOPE
                target[c] = write(value * factor, shift)


def _mixed_rows(grad: Any, line: Any, y: int, shift: Any) -> None:
    """Write the transpose of the filter along rows for row `y`, a place in; nothing comes from beyond."""
    for k in range(4):
        row, share = y - 1 + k, OUTER if k in (0, 3) else INNER
        is_first, is_there = k == 0, 0 <= row < grad.shape[0]
        for x in range(grad.shape[1]):
            target = line[x + 1]
            if is_first:
                for c in range(target.shape[0]):
                    target[c] = np.float32(0)
            if is_there:
                source = grad[row, x]
                for c in range(target.shape[0]):
                    target[c] += share * read(source[c], shift)


add_row = compiled(_add_row)
shrunk_row = compiled(_shrunk_row)
mixed_rows = compiled(_mixed_rows)
shrink = compiled(_shrink)
narrow_back = compiled(_narrow_back)
