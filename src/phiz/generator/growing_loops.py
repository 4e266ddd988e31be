"""Compiled loops of the upsampler, each a strip of rows of one picture: twins of `growing` and `activation`.

What plain torch does in a dozen passes over a large map (filter, add, bias, rectifier, limit) happens here
while a row is at hand. Maps are (h, w, c) and come as unsigned integers that hold the bits of their numbers:
`shift` is 0 for float32 in 32 bits, and 16 for bfloat16, which is the upper half of a float32. Sums are
float32 either way. `out` is a strip: its first row is row `start` of the whole map.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from phiz.compiling import compiled

SLOPE = np.float32(0.2)
GAIN = np.float32(np.sqrt(2.0))
OUTER, INNER = np.float32(0.125), np.float32(0.375)
UNLIMITED = float("inf")
"""A limit that nothing reaches."""


def _read(bits: Any, shift: Any) -> Any:
    """Return the number that some bits stand for."""
    return np.uint32(np.uint32(bits) << shift).view(np.float32)


def _write(value: Any, shift: Any) -> Any:
    """Return the bits of a number, rounded to even where half of them are dropped."""
    bits = np.float32(value).view(np.uint32)
    if shift:
        bits = np.uint32(bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1)))
    return bits >> shift


def _limited(value: Any, gain: Any, most: Any) -> Any:
    """Return a number rectified at a gain, and limited."""
    value = value * gain if value > 0 else value * (gain * SLOPE)
    return most if value > most else (-most if value < -most else value)


read = compiled(_read)
write = compiled(_write)
limited = compiled(_limited)


def _activate(x: Any, bias: Any, gain: float, clamp: float, shift: Any) -> None:
    """Add the bias to rows, rectify and limit, in place."""
    up, most = np.float32(gain), np.float32(clamp)
    for n in range(x.shape[0]):
        line = x[n]
        for c in range(line.shape[0]):
            line[c] = write(limited(read(line[c], shift) + bias[c], up, most), shift)


def _grow(x: Any, out: Any, is_added: bool, bias: Any, clamp: float, shift: Any, start: int) -> None:
    """Write rows of the filtered doubled map, activated, plus what `out` held if it `is_added`.

    Beyond the edges are zeros then; else the edges again.
    """
    _, width, channels = x.shape
    row = np.zeros((width + 2, channels), np.float32)
    half, edge, most_of = np.float32(0.5), np.float32(0.125), np.float32(0.75)
    most = np.float32(clamp)
    for y in range(out.shape[0]):
        grown_row(x, row, start + y, not is_added, shift)
        for j in range(width):
            before, here, after = row[j], row[j + 1], row[j + 2]
            even, odd = out[y, 2 * j], out[y, 2 * j + 1]
            # One loop for each: with fewer arrays at a time the compiler sees that none overlap.
            for c in range(channels):
                value = half * (before[c] + here[c]) + bias[c]
                value += read(even[c], shift) if is_added else np.float32(0)
                even[c] = write(limited(value, GAIN, most), shift)
            for c in range(channels):
                value = edge * (before[c] + after[c]) + most_of * here[c] + bias[c]
                value += read(odd[c], shift) if is_added else np.float32(0)
                odd[c] = write(limited(value, GAIN, most), shift)


def _grown_row(x: Any, row: Any, y: int, is_repeated: bool, shift: Any) -> None:
    """Write row `y` of the map doubled and filtered along its columns, a place in, edges repeated or not."""
    height, width, channels = x.shape
    m = y // 2
    own, above, below = np.float32(0.75), np.float32(0.125), np.float32(0.125)
    if y % 2 == 0:
        own, above, below = np.float32(0.5), np.float32(0.5), np.float32(0)
    for j in range(width):
        target = row[j + 1]
        for c in range(channels):
            target[c] = own * read(x[m, j, c], shift)
        if m > 0 or is_repeated:
            for c in range(channels):
                target[c] += above * read(x[max(m - 1, 0), j, c], shift)
        if below > 0 and (m < height - 1 or is_repeated):
            for c in range(channels):
                target[c] += below * read(x[min(m + 1, height - 1), j, c], shift)
    if is_repeated:
        row[0], row[width + 1] = row[1], row[width]


def _filter_columns(kept: Any, line: Any, y: int) -> None:
    """Write row `y` filtered along its columns, two places in; `kept` has rows by number modulo 4."""
    a, b, c, d = kept[(y - 2) % 4], kept[(y - 1) % 4], kept[y % 4], kept[(y + 1) % 4]
    for j in range(a.shape[0]):
        target, one, two, three, four = line[j + 2], a[j], b[j], c[j], d[j]
        for k in range(a.shape[1]):
            target[k] = OUTER * (one[k] + four[k])
        for k in range(a.shape[1]):
            target[k] += INNER * (two[k] + three[k])


def _neighbours(own: Any, around: Any, out: Any, shift: Any, start: int) -> None:
    """Write rows of the filtered map of `growing._from_neighbours`, and what the filter makes of ones."""
    height, width, channels = own.shape
    wide = 2 * width
    kept = np.empty((4, wide, channels), np.float32)
    line = np.zeros((wide + 3, channels), np.float32)
    made = start - 3
    for y in range(start, start + out.shape[0]):
        while made < y + 1:
            made += 1
            narrow_row(own, around, kept[made % 4], made, shift)
        filter_columns(kept, line, y)
        tall = np.float32(0)
        for k in range(4):
            if 0 <= y - 2 + k < 2 * height:
                tall += OUTER if k in (0, 3) else INNER
        for j in range(wide):
            target = out[y - start, j]
            for c in range(channels):
                outer, inner = line[j, c] + line[j + 3, c], line[j + 1, c] + line[j + 2, c]
                target[c] = write(OUTER * outer + INNER * inner, shift)
            across = np.float32(1)
            if j == 0:
                across = np.float32(0.5)
            elif j == 1 or j == wide - 1:
                across = np.float32(0.875)
            target[channels] = write(tall * across, shift)


def _narrow_row(own: Any, around: Any, target: Any, y: int, shift: Any) -> None:
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
                found[c] = read(own[m, j, c], shift)
            if 0 <= other < height:
                for c in range(channels):
                    found[c] += read(around[other, j, c], shift)
            if 0 <= beside < width:
                for c in range(channels):
                    found[c] += read(around[m, beside, c], shift)
            for c in range(channels):
                value = found[c] * GAIN
                found[c] = value if value > 0 else value * SLOPE


def _shuffle(x: Any, wide: Any, out: Any, bias: Any, clamp: float, shift: Any, start: int) -> None:
    """Write rows of the filtered map whose quarters are four channels each of `wide`, plus `x`, activated.

    The first row of `wide` is the one that the filter needs for row `start`, or the map's first.
    """
    _, width, channels = x.shape
    offset = max((start - 2) // 2, 0)
    kept = np.empty((4, 2 * width, channels), np.float32)
    line = np.zeros((2 * width + 3, channels), np.float32)
    most = np.float32(clamp)
    made = start - 3
    for y in range(start, start + out.shape[0]):
        while made < y + 1:
            made += 1
            shuffled_row(x, wide, kept[made % 4], made, offset, shift)
        filter_columns(kept, line, y)
        for j in range(2 * width):
            target = out[y - start, j]
            for c in range(channels):
                outer, inner = line[j, c] + line[j + 3, c], line[j + 1, c] + line[j + 2, c]
                target[c] = write(limited(OUTER * outer + INNER * inner + bias[c], GAIN, most), shift)


def _shuffled_row(x: Any, wide: Any, target: Any, y: int, offset: int, shift: Any) -> None:
    """Write one row of the map before the filter; zeros beyond its edges."""
    height, width, channels = x.shape
    if y < 0 or y >= 2 * height:
        target[:] = np.float32(0)
        return
    m, lower = y // 2, y % 2
    for j in range(width):
        for side in range(2):
            found, added = target[2 * j + side], wide[m - offset, j, 2 * lower + side]
            for c in range(channels):
                found[c] = read(x[m, j, c], shift) + read(added[c], shift)


grown_row = compiled(_grown_row)
narrow_row = compiled(_narrow_row)
shuffled_row = compiled(_shuffled_row)
filter_columns = compiled(_filter_columns)
activate = compiled(_activate)
grow = compiled(_grow)
neighbours = compiled(_neighbours)
shuffle = compiled(_shuffle)
