"""Convolutions of 3 x 3 by tiles, as compiled loops: to the domain of products and back.

"Fast Algorithms for Convolutional Neural Networks" (Lavin and Gray, 2016). A large tile of 4 x 4 results
needs 36 products a pair of channels instead of 144, a small one of 2 x 2 needs 16 instead of 36. A polynomial
is known by its values at a few points: 0, 5/8, -5/8, 3/2, -3/2 and infinity lose half as many digits as whole
numbers do; a small tile takes 0, 1, -1 and infinity.

Arrays are flat with channels innermost, places in them unsigned, and each loop makes one line of few others:
only so do loops over channels become vector instructions.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from phiz.compiling import compiled

NEAR, FAR = 0.625, 1.5
"""The points of large tiles beside 0 and infinity, and their negatives."""
CHUNK = 128
"""Channels of a tile that are worked on together, which stay in the fastest memory."""
_k = np.uint64
_f = np.float32


def _mix3(out: Any, to: Any, x: Any, i: Any, j: Any, k: Any, a: Any, b: Any, c: Any, count: Any) -> None:
    """Write a weighted sum of three lines."""
    for n in range(_k(count)):
        out[to + n] = a * x[i + n] + b * x[j + n] + c * x[k + n]


def _mix4(
    out: Any, to: Any, x: Any, i: Any, j: Any, k: Any, m: Any, a: Any, b: Any, c: Any, d: Any, count: Any
) -> None:
    """Write a weighted sum of four lines."""
    for n in range(_k(count)):
        out[to + n] = (a * x[i + n] + b * x[j + n]) + (c * x[k + n] + d * x[m + n])


def _mix5(
    out: Any, to: Any, x: Any, i: Any, j: Any, k: Any, m: Any, p: Any, a: Any, b: Any, c: Any, count: Any
) -> None:
    """Write a line plus a sum of two pairs of lines, where `c` says with which sign the seconds come."""
    for n in range(_k(count)):
        pairs = a * (x[i + n] + c * x[j + n]) + b * (x[k + n] + c * x[m + n])
        out[to + n] = pairs + x[p + n]


def _pairs(
    out: Any, to: Any, x: Any, i: Any, j: Any, k: Any, m: Any, a: Any, b: Any, c: Any, count: Any
) -> None:
    """Write a sum of two pairs of lines, where `c` says with which sign the seconds come."""
    for n in range(_k(count)):
        out[to + n] = a * (x[i + n] + c * x[j + n]) + b * (x[k + n] + c * x[m + n])


def _scaled(out: Any, to: Any, x: Any, at: Any, gain: Any, shift: Any, begin: Any, count: Any) -> None:
    for n in range(_k(count)):
        out[to + n] = x[at + n] * gain[begin + n] + shift[begin + n]


def _copied(out: Any, to: Any, x: Any, at: Any, count: Any) -> None:
    for n in range(_k(count)):
        out[to + n] = x[at + n]


def _cleared(out: Any, to: Any, count: Any) -> None:
    for n in range(_k(count)):
        out[to + n] = _f(0)


def _shifted(out: Any, to: Any, x: Any, at: Any, bias: Any, begin: Any, count: Any) -> None:
    for n in range(_k(count)):
        out[to + n] = x[at + n] + bias[begin + n]


def _rectified(out: Any, to: Any, x: Any, at: Any, bias: Any, slope: Any, begin: Any, count: Any) -> None:
    for n in range(_k(count)):
        found = x[at + n] + bias[begin + n]
        out[to + n] = max(found, _f(0)) + slope[begin + n] * min(found, _f(0))


def _added(out: Any, to: Any, x: Any, at: Any, bias: Any, begin: Any, plus: Any, count: Any) -> None:
    for n in range(_k(count)):
        out[to + n] = x[at + n] + bias[begin + n] + plus[to + n]


mix3, mix4, mix5, pairs = compiled(_mix3), compiled(_mix4), compiled(_mix5), compiled(_pairs)
scaled, copied, cleared = compiled(_scaled), compiled(_copied), compiled(_cleared)
shifted, rectified, added = compiled(_shifted), compiled(_rectified), compiled(_added)


def _large(out: Any, to: Any, apart: Any, x: Any, at: Any, step: Any, count: Any) -> None:
    """Write the values of six lines at the six points, `apart` from each other."""
    a, b, one = _f(0.625), _f(1.5), _f(1)
    aa, bb, both, product = _f(0.390625), _f(2.25), _f(2.640625), _f(0.87890625)
    p0 = at
    p1 = p0 + step
    p2 = p1 + step
    p3 = p2 + step
    p4 = p3 + step
    p5 = p4 + step
    mix3(out, to, x, p4, p2, p0, one, -both, product, count)
    mix4(out, to + apart, x, p4, p2, p3, p1, one, -bb, a, -a * bb, count)
    mix4(out, to + _k(2) * apart, x, p4, p2, p3, p1, one, -bb, -a, a * bb, count)
    mix4(out, to + _k(3) * apart, x, p4, p2, p3, p1, one, -aa, b, -b * aa, count)
    mix4(out, to + _k(4) * apart, x, p4, p2, p3, p1, one, -aa, -b, b * aa, count)
    mix3(out, to + _k(5) * apart, x, p5, p3, p1, one, -both, product, count)


def _small(out: Any, to: Any, apart: Any, x: Any, at: Any, step: Any, count: Any) -> None:
    """Write the values of four lines at the four points."""
    zero, one = _f(0), _f(1)
    p0 = at
    p1 = p0 + step
    p2 = p1 + step
    p3 = p2 + step
    mix3(out, to, x, p0, p2, p2, one, -one, zero, count)
    mix3(out, to + apart, x, p1, p2, p2, one, one, zero, count)
    mix3(out, to + _k(2) * apart, x, p2, p1, p1, one, -one, zero, count)
    mix3(out, to + _k(3) * apart, x, p1, p3, p3, one, -one, zero, count)


def _large_back(out: Any, to: Any, apart: Any, x: Any, at: Any, step: Any, count: Any) -> None:
    """Write the four results that six lines of values stand for."""
    a, b, one = _f(0.625), _f(1.5), _f(1)
    aa, bb, aaa, bbb = _f(0.390625), _f(2.25), _f(0.244140625), _f(3.375)
    p0 = at
    p1 = p0 + step
    p2 = p1 + step
    p3 = p2 + step
    p4 = p3 + step
    p5 = p4 + step
    mix5(out, to, x, p1, p2, p3, p4, p0, one, one, one, count)
    pairs(out, to + apart, x, p1, p2, p3, p4, a, b, -one, count)
    pairs(out, to + _k(2) * apart, x, p1, p2, p3, p4, aa, bb, one, count)
    mix5(out, to + _k(3) * apart, x, p1, p2, p3, p4, p5, aaa, bbb, -one, count)


def _small_back(out: Any, to: Any, apart: Any, x: Any, at: Any, step: Any, count: Any) -> None:
    """Write the two results that four lines of values stand for."""
    one = _f(1)
    p0 = at
    p1 = p0 + step
    p2 = p1 + step
    p3 = p2 + step
    mix3(out, to, x, p0, p1, p2, one, one, one, count)
    mix3(out, to + apart, x, p1, p2, p3, one, -one, -one, count)


large, small = compiled(_large), compiled(_small)
large_back, small_back = compiled(_large_back), compiled(_small_back)


def _spread(
    x: Any, height: int, width: int, channels: int, gain: Any, shift: Any, v: Any, tile: int, first: int,
    last: int,
) -> None:  # fmt: skip
    """Write what tiles `first` to `last` of maps x (b, h, w, c) are in the domain of products.

    v (points, tiles, c) has nine products for each of a tile's results. Maps are multiplied and shifted
    first, unless there is nothing to multiply with; around them is nothing.
    """
    size = tile + 2
    across, down = (width + tile - 1) // tile, (height + tile - 1) // tile
    patch, rows = np.empty(36 * CHUNK, np.float32), np.empty(36 * CHUNK, np.float32)
    line, plane = _k(size * CHUNK), _k((last - first) * channels)
    for number in range(first, last):
        picture, place = divmod(number, down * across)
        top, left = tile * (place // across) - 1, tile * (place % across) - 1
        for begin in range(0, channels, CHUNK):
            count = min(CHUNK, channels - begin)
            for i in range(size):
                for j in range(size):
                    y, z = top + i, left + j
                    to = _k((i * size + j) * CHUNK)
                    if y < 0 or y >= height or z < 0 or z >= width:
                        cleared(patch, to, count)
                        continue
                    at = _k(((picture * height + y) * width + z) * channels + begin)
                    if gain.size > 0:
                        scaled(patch, to, x, at, gain, shift, _k(begin), count)
                    else:
                        copied(patch, to, x, at, count)
            to = _k((number - first) * channels + begin)
            for i in range(size):
                if size == 6:
                    large(rows, _k(i) * line, _k(CHUNK), patch, _k(i) * line, _k(CHUNK), count)
                else:
                    small(rows, _k(i) * line, _k(CHUNK), patch, _k(i) * line, _k(CHUNK), count)
            for j in range(size):
                if size == 6:
                    large(v, to + _k(j) * plane, _k(6) * plane, rows, _k(j * CHUNK), line, count)
                else:
                    small(v, to + _k(j) * plane, _k(4) * plane, rows, _k(j * CHUNK), line, count)


def _collect(
    m: Any, height: int, width: int, channels: int, bias: Any, slope: Any, plus: Any, y: Any, begin: int,
    every: int, tile: int, first: int, last: int,
) -> None:  # fmt: skip
    """Write what products m (points, tiles, c) stand for to channels of maps y (b, h, w, `every`).

    The bias is added; then negative numbers are multiplied by a slope, or another map is added, or neither.
    """
    size = tile + 2
    across, down = (width + tile - 1) // tile, (height + tile - 1) // tile
    rows, found = np.empty(24 * CHUNK, np.float32), np.empty(4 * CHUNK, np.float32)
    line, plane = _k(size * CHUNK), _k((last - first) * channels)
    for number in range(first, last):
        picture, place = divmod(number, down * across)
        top, left = tile * (place // across), tile * (place % across)
        for part in range(0, channels, CHUNK):
            count = min(CHUNK, channels - part)
            at = _k((number - first) * channels + part)
            for j in range(size):
                if size == 6:
                    large_back(rows, _k(j * CHUNK), line, m, at + _k(j) * plane, _k(6) * plane, count)
                else:
                    small_back(rows, _k(j * CHUNK), line, m, at + _k(j) * plane, _k(4) * plane, count)
            for i in range(min(tile, height - top)):
                if size == 6:
                    large_back(found, _k(0), _k(CHUNK), rows, _k(i) * line, _k(CHUNK), count)
                else:
                    small_back(found, _k(0), _k(CHUNK), rows, _k(i) * line, _k(CHUNK), count)
                for j in range(min(tile, width - left)):
                    pixel = (picture * height + top + i) * width + left + j
                    to = _k(pixel * every + begin + part)
                    if slope.size > 0:
                        rectified(y, to, found, _k(j * CHUNK), bias, slope, _k(part), count)
                    elif plus.size > 0:
                        added(y, to, found, _k(j * CHUNK), bias, _k(part), plus, count)
                    else:
                        shifted(y, to, found, _k(j * CHUNK), bias, _k(part), count)


spread, collect = compiled(_spread), compiled(_collect)
