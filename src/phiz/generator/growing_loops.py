"""Compiled loops of the upsampler, each a band of rows of one picture: twins of `growing` and `activation`.

Maps are (h, w, c), float32. What plain torch does in a dozen passes over a large map (filter, add, bias,
rectifier, limit) happens here while a row is at hand.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from phiz.graphics.compiling import compiled

SLOPE = np.float32(0.2)
GAIN = np.float32(np.sqrt(2.0))
OUTER, INNER = np.float32(0.125), np.float32(0.375)


def _activate(x: Any, bias: Any, gain: float, clamp: float, first: int, last: int) -> None:
    """Add the bias, rectify and limit, in place."""
    up, down, most = np.float32(gain), np.float32(gain) * SLOPE, np.float32(clamp)
    for y in range(first, last):
        for j in range(x.shape[1]):
            line = x[y, j]
            for c in range(line.shape[0]):
                value = line[c] + bias[c]
                value = value * up if value > 0 else value * down
                line[c] = most if value > most else (-most if value < -most else value)


def _grow(x: Any, out: Any, is_added: bool, bias: Any, clamp: float, first: int, last: int) -> None:
    """Write rows `first` to `last` of the filtered doubled map plus what `out` held, activated."""
    height, width, channels = x.shape
    row = np.empty((width + 2, channels), np.float32)
    row[0, :] = np.float32(0)
    row[width + 1, :] = np.float32(0)
    half, edge, most_of = np.float32(0.5), np.float32(0.125), np.float32(0.75)
    up, down, most = GAIN, GAIN * SLOPE, np.float32(clamp)
    for y in range(first, last):
        m = y // 2
        for j in range(width):
            target = row[j + 1]
            if y % 2 == 0:
                for c in range(channels):
                    target[c] = half * x[m, j, c]
                if m > 0:
                    for c in range(channels):
                        target[c] += half * x[m - 1, j, c]
            else:
                for c in range(channels):
                    target[c] = most_of * x[m, j, c]
                if m > 0:
                    for c in range(channels):
                        target[c] += edge * x[m - 1, j, c]
                if m < height - 1:
                    for c in range(channels):
                        target[c] += edge * x[m + 1, j, c]
        for j in range(width):
            before, here, after = row[j], row[j + 1], row[j + 2]
            even, odd = out[y, 2 * j], out[y, 2 * j + 1]
            for c in range(channels):
                one = half * (before[c] + here[c]) + bias[c]
                two = edge * (before[c] + after[c]) + most_of * here[c] + bias[c]
                if is_added:
                    one += even[c]
                    two += odd[c]
                one = one * up if one > 0 else one * down
                two = two * up if two > 0 else two * down
                even[c] = most if one > most else (-most if one < -most else one)
                odd[c] = most if two > most else (-most if two < -most else two)


def _neighbours(own: Any, around: Any, out: Any, first: int, last: int) -> None:
    """Write rows of the filtered map of `growing._from_neighbours`, and what the filter makes of ones."""
    height, width, channels = own.shape
    wide = 2 * width
    kept = np.empty((4, wide, channels), np.float32)  # the last rows of the narrow map, by number modulo 4
    line = np.empty((wide + 3, channels), np.float32)
    line[:2, :] = np.float32(0)
    line[wide + 2, :] = np.float32(0)
    made = first - 3
    for y in range(first, last):
        while made < y + 1:
            made += 1
            _narrow_row(own, around, kept[made % 4], made)
        tall = np.float32(0)
        for k in range(4):
            if 0 <= y - 2 + k < 2 * height:
                tall += OUTER if k in (0, 3) else INNER
        above, first_row = kept[(y - 2) % 4], kept[(y - 1) % 4]
        second_row, below = kept[y % 4], kept[(y + 1) % 4]
        for j in range(wide):
            for c in range(channels):
                line[j + 2, c] = OUTER * (above[j, c] + below[j, c]) + INNER * (
                    first_row[j, c] + second_row[j, c]
                )
        for j in range(wide):
            target = out[y, j]
            for c in range(channels):
                target[c] = OUTER * (line[j, c] + line[j + 3, c]) + INNER * (line[j + 1, c] + line[j + 2, c])
            across = np.float32(1)
            if j == 0:
                across = np.float32(0.5)
            elif j == 1 or j == wide - 1:
                across = np.float32(0.875)
            target[channels] = tall * across


def _narrow(own: Any, around: Any, target: Any, y: int) -> None:
    """Write one row of the narrow map; zeros beyond its edges."""
    height, width, channels = own.shape
    if y < 0 or y >= 2 * height:
        target[:] = np.float32(0)
        return
    m = y // 2
    other = m - 1 if y % 2 == 0 else m + 1
    for j in range(width):
        for side in range(2):
            beside = j - 1 if side == 0 else j + 1
            found = target[2 * j + side]
            for c in range(channels):
                found[c] = own[m, j, c]
            if 0 <= other < height:
                for c in range(channels):
                    found[c] += around[other, j, c]
            if 0 <= beside < width:
                for c in range(channels):
                    found[c] += around[m, beside, c]
            for c in range(channels):
                value = found[c] * GAIN
                found[c] = value if value > 0 else value * SLOPE


def _shuffle(x: Any, wide: Any, out: Any, bias: Any, clamp: float, first: int, last: int) -> None:
    """Write rows of the filtered map whose quarters are four channels each of `wide`, plus `x`, activated."""
    height, width, channels = x.shape
    line = np.empty((2 * width + 3, channels), np.float32)
    up, down, most = GAIN, GAIN * SLOPE, np.float32(clamp)
    for y in range(first, last):
        line[:, :] = np.float32(0)
        for k in range(4):
            source = y - 2 + k
            if source < 0 or source >= 2 * height:
                continue
            tap = OUTER if k in (0, 3) else INNER
            m, lower = source // 2, source % 2
            for j in range(width):
                for side in range(2):
                    target, place = line[2 * j + side + 2], 2 * lower + side
                    for c in range(channels):
                        target[c] += tap * (x[m, j, c] + wide[m, j, place, c])
        for j in range(2 * width):
            target = out[y, j]
            for c in range(channels):
                value = OUTER * (line[j, c] + line[j + 3, c]) + INNER * (line[j + 1, c] + line[j + 2, c])
                value += bias[c]
                value = value * up if value > 0 else value * down
                target[c] = most if value > most else (-most if value < -most else value)


activate = compiled(_activate)
grow = compiled(_grow)
_narrow_row = compiled(_narrow)
neighbours = compiled(_neighbours)
shuffle = compiled(_shuffle)
