"""Rays through a field on planes, some side by side and each from end to end, in compiled loops.

Moving, looking up, one hidden layer, adding up: a sample takes some hundred products, so that making lists
of samples costs more than the samples. Here nothing of a sample leaves the core's cache, and a ray ends where
no light passes any more. The plain twin is `phiz.generator.generator.Generator.march`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from phiz.animate.plane_loops import LANES, Net, Room, layer, look, positive, share_out
from phiz.compiling import compiled

EMPTY = np.float32(1e-10)
"""parity: the small constant of `phiz.graphics.rays.composite_weights`."""
LEAST = np.float32(1e-5)
"""parity: the small constants of `phiz.graphics.rays.inverse_cdf`."""


class Rays(NamedTuple):
    """Rays of one camera, and what they meet of a head that moved."""

    numbers: Any
    """(n,) which rays are asked for."""
    directions: Any
    """(r, 3) for one unit of depth."""
    origin: Any
    shifts: Any
    """(r, 3) from where a ray meets the head to where that point is at rest."""
    meeting: Any
    """(r, 2) depth where it meets it, and strength."""
    sight: Any
    """Forward (3), reach, fade."""
    neck: Any
    """See `unbend`; empty where the head has not turned."""


def _unbend(neck: Any, points: Any, lane: Any) -> None:
    """Move a point to where it lies when the head has not turned, as `phiz.avatar.rig.Neck.undo` does.

    `neck` is three rows of a matrix, the pivot, the direction up, the lowest and the highest height.
    """
    x, y, z = points[0, lane], points[1, lane], points[2, lane]
    height = (x - neck[12]) * neck[15] + (y - neck[13]) * neck[16] + (z - neck[14]) * neck[17]
    part = min(max((height - neck[18]) / (neck[19] - neck[18]), np.float32(0)), np.float32(1))
    part = part * part * (np.float32(3) - np.float32(2) * part)
    for axis in range(3):
        row = 4 * axis
        there = neck[row] * x + neck[row + 1] * y + neck[row + 2] * z + neck[row + 3]
        points[axis, lane] += part * (there - points[axis, lane])


def _finer(weights: Any, places: Any, which: Any, lane: Any, grown: Any) -> None:
    """Write the places of a ray's coarse samples (numbers from `count` on) and of finer ones, in order.

    Finer ones lie where coarse ones weigh much, as `Marcher` takes them without chance.
    """
    count, half, one = grown.shape[0], np.float32(0.5), np.float32(1)
    last = np.float32(count - 1)
    total = np.float32(0)
    for k in range(1, count - 1):
        total += weights[k, lane] + LEAST
    grown[0] = np.float32(0)
    for k in range(1, count - 1):
        grown[k] = grown[k - 1] + (weights[k, lane] + LEAST) / total
    edges, at, passed, put = count - 1, 0, 0, 0
    for k in range(count):
        chance = np.float32(k) / last
        while at < edges and grown[at] < chance:
            at += 1
        below, above = max(at - 1, 0), min(at, edges - 1)
        first, end = (np.float32(below) + half) / last, (np.float32(above) + half) / last
        step = grown[above] - grown[below]
        part = (chance - grown[below]) / (one if step < LEAST else step)
        place = first + part * (end - first)
        while passed < count and np.float32(passed) / last < place:
            places[put, lane], which[put, lane] = np.float32(passed) / last, count + passed
            passed += 1
            put += 1
        places[put, lane], which[put, lane] = place, k
        put += 1
    for k in range(passed, count):
        places[put, lane], which[put, lane] = np.float32(k) / last, count + k
        put += 1


def _begin(rays: Rays, room: Room, start: Any, most: Any) -> None:
    """Make room for the rays from `start` on, of which there are `most`."""
    samples, zero = room.kept.shape[0], np.float32(0)
    for j in range(room.total.shape[0]):
        for lane in range(LANES):
            room.total[j, lane] = zero
    for lane in range(LANES):
        r = rays.numbers[start + min(lane, most - 1)]
        x, y, z = rays.directions[r, 0], rays.directions[r, 1], rays.directions[r, 2]
        room.along[lane] = x * rays.sight[0] + y * rays.sight[1] + z * rays.sight[2]
        room.stretch[lane] = np.sqrt(x * x + y * y + z * z)
        room.known[lane], room.sums[lane], room.middles[lane] = 0, zero, zero
        for k in range(samples):
            room.weights[k, lane] = zero
            room.places[k, lane] = np.float32(k) / np.float32(samples - 1)
            room.which[k, lane] = samples + k


def _is_empty(net: Net, points: Any, lane: Any) -> Any:
    """Return whether nothing of the person is where a point lies."""
    count, at = net.cells, 0
    if count == 0:
        return False
    for axis in range(2, -1, -1):
        place = int(np.floor((points[axis, lane] + np.float32(1)) * np.float32(0.5) * np.float32(count)))
        if place < 0 or place >= count:
            return True
        at = at * count + place
    return net.taken[at] == 0


def _ask(rays: Rays, net: Net, room: Room, start: Any, most: Any, k: Any) -> Any:
    """Write where the field is to be asked for the samples `k` of the rays.

    Return how many there are, or -1 if nothing is left to see on any of the rays. Where nothing can be, the
    field is not asked.
    """
    samples, one, zero, is_over, asking = room.kept.shape[0], np.float32(1), np.float32(0), True, 0
    for lane in range(most):
        room.share[lane] = zero
        if room.light[lane] < net.dark:
            continue
        is_over = False
        number = room.which[k, lane] - samples
        if 0 <= number < room.known[lane]:
            continue
        r, place = rays.numbers[start + lane], room.places[k, lane]
        depth = net.near * (one - place) + net.far * place
        away = abs(depth * room.along[lane] - rays.meeting[r, 0])
        held = (
            min(max((rays.sight[3] + rays.sight[4] - away) / rays.sight[4], zero), one) * rays.meeting[r, 1]
        )
        for axis in range(3):
            room.points[axis, lane] = rays.origin[axis] + depth * rays.directions[r, axis]
        if rays.neck.shape[0] > 0:
            unbend(rays.neck, room.points, lane)
        for axis in range(3):
            room.points[axis, lane] = (room.points[axis, lane] + held * rays.shifts[r, axis]) * net.scale
        room.empty[lane] = is_empty(net, room.points, lane)
        if room.empty[lane]:
            continue
        room.asked[asking] = lane
        asking += 1
    return -1 if is_over else asking


def _recall(room: Room, most: Any, k: Any, is_first: Any) -> None:
    """Keep what was looked up for the coarse samples `k`, or later take from there what is known."""
    samples, channels = room.kept.shape[0], room.kept.shape[1]
    if is_first:
        for c in range(channels):
            for lane in range(room.share.shape[0]):
                room.kept[k, c, lane] = room.features[c, lane]
        return
    for lane in range(most):
        number = room.which[k, lane] - samples
        if 0 <= number < room.known[lane]:
            for c in range(channels):
                room.features[c, lane] = room.kept[number, c, lane]


def _weigh(net: Net, room: Room, most: Any, k: Any, count: Any, is_first: Any) -> None:
    """Write by how much the samples `k` of `count` show, and how much light they let through."""
    samples, one = room.kept.shape[0], np.float32(1)
    for lane in range(most):
        if room.light[lane] < net.dark:
            continue
        number, place = room.which[k, lane] - samples, room.places[k, lane]
        if 0 <= number < room.known[lane]:
            density = room.thick[number, lane]
        elif room.empty[lane]:
            density = np.float32(0)
        else:
            density = positive(room.raw[lane] + net.offset, net.is_soft, net.gain)
        if is_first:
            room.thick[k, lane], room.known[lane] = density, k + 1
        if k == count - 1:
            room.share[lane] = room.light[lane]
        else:
            step = room.places[k + 1, lane] - place
            step = step if net.is_relative else (net.far - net.near) * step
            passing = np.exp(-density * step * room.stretch[lane])
            room.share[lane] = (one - passing) * room.light[lane]
            room.light[lane] *= passing + EMPTY
        if is_first:
            room.weights[k, lane] = room.share[lane]


def _add(net: Net, room: Room, most: Any, k: Any) -> None:
    """Add the samples `k` to what the rays have met."""
    one = np.float32(1)
    for lane in range(most):
        place = room.places[k, lane]
        room.sums[lane] += room.share[lane]
        room.middles[lane] += room.share[lane] * (net.near * (one - place) + net.far * place)
    for j in range(room.total.shape[0]):
        for lane in range(room.share.shape[0]):
            room.total[j, lane] += room.share[lane] * room.hidden[j, lane]


def _march(rays: Rays, net: Net, room: Room, summed: Any, found: Any) -> None:
    """Write what rays meet: the weighted sum of the hidden layer (n, h), and a few numbers (n, 3).

    These are the sum of the weights, the light that passes, and the weighted sum of the depths.
    """
    samples = room.kept.shape[0]
    for start in range(0, rays.numbers.shape[0], LANES):
        most = min(LANES, rays.numbers.shape[0] - start)
        begin(rays, room, start, most)
        for turn in range(2 if net.is_fine else 1):
            is_first, is_last = turn == 0, turn == 1 or not net.is_fine
            count = samples if is_first else 2 * samples
            for lane in range(LANES):
                room.light[lane] = np.float32(1) if lane < most else np.float32(0)
                if not is_first:
                    finer(room.weights, room.places, room.which, lane, room.grown)
            for k in range(count if is_last and net.is_opaque else count - 1):
                asking = ask(rays, net, room, start, most, k)
                if asking < 0:
                    break
                if asking:
                    look(net, room, asking)
                    share_out(room.pairs, room.across, room.features)
                if asking or not is_first:
                    recall(room, most, k, is_first)
                    layer(room.features, net.weight, net.bias, net.to_density, room.hidden, room.raw)
                weigh(net, room, most, k, count, is_first)
                if is_last:
                    add(net, room, most, k)
        for lane in range(most):
            for j in range(summed.shape[1]):
                summed[start + lane, j] = room.total[j, lane]
            found[start + lane, 0], found[start + lane, 1] = room.sums[lane], room.light[lane]
            found[start + lane, 2] = room.middles[lane]


unbend = compiled(_unbend)
finer = compiled(_finer)
begin = compiled(_begin)
is_empty = compiled(_is_empty)
ask = compiled(_ask)
recall = compiled(_recall)
weigh = compiled(_weigh)
add = compiled(_add)
march = compiled(_march)
