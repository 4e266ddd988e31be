"""A field on planes at many points side by side: the compiled loops that `ray_loops` asks at every step.

Arrays end with an axis of `LANES` rays, along which loops run; what one ray needs lies in a lane.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from phiz.compiling import compiled
from phiz.generator.field_loops import AXES

LANES = 32
"""Rays side by side."""
FAINT = np.float32(20)
"""From here on the soft rectifier is a straight line, as in torch."""


class Net(NamedTuple):
    """A field on planes."""

    planes: Any
    """(3 * height * width * c)"""
    height: int
    width: int
    scale: Any
    """What makes the planes' cube one from -1 to 1."""
    weight: Any
    """(h, c)"""
    bias: Any
    to_density: Any
    """(h,)"""
    offset: Any
    gain: Any
    near: Any
    far: Any
    dark: Any
    """Share of the light that is as good as none."""
    taken: Any
    """(cells ** 3) bytes, z outermost: 0 where nothing of the person is."""
    cells: int
    """Cells along an edge of the planes' cube; with none, anything may be anywhere."""
    is_soft: bool
    is_relative: bool
    is_fine: bool
    is_opaque: bool


class Room(NamedTuple):
    """What some rays side by side need while they are marched; arrays end with an axis of lanes."""

    points: Any
    asked: Any
    empty: Any
    """Whether the sample at hand lies where nothing is."""
    across: Any
    pairs: Any
    features: Any
    hidden: Any
    raw: Any
    total: Any
    kept: Any
    """What was looked up for the coarse samples, and below how dense it is there."""
    thick: Any
    known: Any
    """How many of a ray's coarse samples were looked at."""
    places: Any
    which: Any
    """Numbers of the samples in the order of their places: finer ones, then coarse ones."""
    weights: Any
    light: Any
    share: Any
    sums: Any
    middles: Any
    along: Any
    stretch: Any
    grown: Any
    pair: Any
    """Two pixels side by side, not in lanes, and below two more."""
    other: Any


def room_for(samples: int, channels: int, width: int) -> Room:
    """Return room for rays with so many coarse samples."""

    def numbers(*shape: int) -> Any:
        return np.zeros((*shape, LANES), np.float32)

    def whole(*shape: int) -> Any:
        return np.zeros((*shape, LANES), np.int64)

    return Room(
        points=numbers(3),
        asked=whole(),
        empty=np.zeros(LANES, np.bool_),
        across=numbers(2),
        pairs=numbers(4 * channels),
        features=numbers(channels),
        hidden=numbers(width),
        raw=numbers(),
        total=numbers(width),
        kept=numbers(samples, channels),
        thick=numbers(samples),
        known=whole(),
        places=numbers(2 * samples),
        which=whole(2 * samples),
        weights=numbers(samples),
        light=numbers(),
        share=numbers(),
        sums=numbers(),
        middles=numbers(),
        along=numbers(),
        stretch=numbers(),
        grown=np.zeros(samples, np.float32),
        pair=np.zeros(2 * channels, np.float32),
        other=np.zeros(2 * channels, np.float32),
    )


def _look(net: Net, room: Room, count: Any) -> None:
    """Write what the planes hold at the points of the first `count` lanes that are asked.

    That is the left and the right neighbours on the first two planes, which share their columns, and on the
    third; `share_out` goes between them.
    """
    planes, height, width, points, pairs = net.planes, net.height, net.width, room.points, room.pairs
    across, pair, other = room.across, room.pair, room.other
    one, half, channels = np.float32(1), np.float32(0.5), pairs.shape[0] // 4
    wide, high, row = np.float32(width), np.float32(height), width * channels
    for number in range(count):
        lane = room.asked[number]
        x = ((points[0, lane] + one) * wide - one) * half
        w = ((points[1, lane] + one) * wide - one) * half
        y = ((points[1, lane] + one) * high - one) * half
        z = ((points[2, lane] + one) * high - one) * half
        if not (0 <= x < width - 1 and 0 <= w < width - 1 and 0 <= y < height - 1 and 0 <= z < height - 1):
            edge(planes, height, width, points, pairs, across, lane)
            continue
        i, j, k, m = int(x), int(w), int(y), int(z)
        down, deep = y - np.float32(k), z - np.float32(m)
        up, flat = one - down, one - deep
        across[0, lane], across[1, lane] = x - np.float32(i), w - np.float32(j)
        at = k * row + i * channels
        above, below = planes[at:], planes[at + row :]
        for c in range(pair.shape[0]):
            pair[c] = up * above[c] + down * below[c]
        at = (height + m) * row + i * channels
        above, below = planes[at:], planes[at + row :]
        for c in range(pair.shape[0]):
            pair[c] += flat * above[c] + deep * below[c]
        at = (2 * height + m) * row + j * channels
        above, below = planes[at:], planes[at + row :]
        for c in range(other.shape[0]):
            other[c] = flat * above[c] + deep * below[c]
        for c in range(pair.shape[0]):
            pairs[c, lane] = pair[c]
        for c in range(other.shape[0]):
            pairs[pair.shape[0] + c, lane] = other[c]


def _edge(planes: Any, height: Any, width: Any, points: Any, pairs: Any, across: Any, lane: Any) -> None:
    """Write the same at the planes' edges, in the left neighbours alone."""
    channels = pairs.shape[0] // 4
    one, half = np.float32(1), np.float32(0.5)
    across[0, lane] = across[1, lane] = np.float32(0)
    for c in range(pairs.shape[0]):
        pairs[c, lane] = np.float32(0)
    for k in range(3):
        x = ((points[AXES[k][0], lane] + one) * np.float32(width) - one) * half
        y = ((points[AXES[k][1], lane] + one) * np.float32(height) - one) * half
        if not (-one < x < width and -one < y < height):
            continue
        left, top = int(np.floor(x)), int(np.floor(y))
        right, down = x - np.float32(left), y - np.float32(top)
        for corner in range(4):
            j, i = left + corner % 2, top + corner // 2
            if 0 <= i < height and 0 <= j < width:
                share = (right if corner % 2 else one - right) * (down if corner // 2 else one - down)
                for c in range(channels):
                    pairs[c, lane] += share * planes[((k * height + i) * width + j) * channels + c]


def _share_out(pairs: Any, across: Any, found: Any) -> None:
    """Write what lies between the neighbours that `look` found."""
    channels = found.shape[0]
    for c in range(channels):
        for lane in range(found.shape[1]):
            one, other = pairs[c, lane], pairs[2 * channels + c, lane]
            one += across[0, lane] * (pairs[channels + c, lane] - one)
            found[c, lane] = one + (other + across[1, lane] * (pairs[3 * channels + c, lane] - other))


def _layer(found: Any, weight: Any, bias: Any, to_density: Any, hidden: Any, raw: Any) -> None:
    """Write a layer (h, c) of what was found, rectified, and what the density is made of."""
    zero = np.float32(0)
    for lane in range(raw.shape[0]):
        raw[lane] = zero
    for j in range(hidden.shape[0]):
        start = bias[j]
        for lane in range(raw.shape[0]):
            value = start + weight[j, 0] * found[0, lane] + weight[j, 1] * found[1, lane]
            value += weight[j, 2] * found[2, lane] + weight[j, 3] * found[3, lane]
            value += weight[j, 4] * found[4, lane] + weight[j, 5] * found[5, lane]
            hidden[j, lane] = value + (weight[j, 6] * found[6, lane] + weight[j, 7] * found[7, lane])
        for c in range(8, found.shape[0]):
            share = weight[j, c]
            for lane in range(raw.shape[0]):
                hidden[j, lane] += share * found[c, lane]
        share = to_density[j]
        for lane in range(raw.shape[0]):
            hidden[j, lane] = max(hidden[j, lane], zero)
            raw[lane] += share * hidden[j, lane]


def _positive(raw: Any, is_soft: Any, gain: Any) -> Any:
    """Return a density of what the field says, as `phiz.generator.field.density` does."""
    if not is_soft:
        return max(raw, np.float32(0)) * gain
    x = raw - np.float32(1)
    return (x if x > FAINT else np.log1p(np.exp(x))) * gain


look = compiled(_look)
edge = compiled(_edge)
share_out = compiled(_share_out)
layer = compiled(_layer)
positive = compiled(_positive)
