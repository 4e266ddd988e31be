"""Compiled loops over strands: the twins of what `hair_growth`, `hair_bounds` and others do in numpy.

All distances are from the axis that `hair_fields` describes. Arithmetic is in single precision and
in the order of the plain twins, so that both agree to a few hundred-millionths of a metre.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from phiz.compiling import compiled
from phiz.world.grown.hair_fields import ALONG, AROUND, CELL, LOWEST, MARGIN, SKULL_RADIUS

F = np.float32
ZERO, HALF, ONE, TWO_PI = F(0), F(0.5), F(1), F(2 * np.pi)
EIGHTH, QUARTER, WHOLE = F(0.41421356), F(np.pi / 4), F(np.pi)
ARC = (F(8.05374449538e-2), F(-1.38776856032e-1), F(1.99777106478e-1), F(-3.33329491539e-1))
"""Minimax polynomial of the arc tangent up to the eighth of a turn's half (Moshier's Cephes, 1989)."""
RADIUS, LOW, STEP, LEAST, NEXT = F(SKULL_RADIUS), F(LOWEST), F(CELL), F(1e-12), F(ALONG - 1.001)
TURNS, ROWS = F(AROUND / (2 * np.pi)), F(1 / CELL)
MARGIN_, SPAN = F(MARGIN), F(0.07)


def _arc(y: Any, x: Any) -> Any:
    """Return the angle of a direction, -pi to pi; five times as fast as the system's and as exact."""
    a, b = abs(y), abs(x)
    small, large = min(a, b), max(max(a, b), F(1e-30))
    # Selections, not branches: neighbouring strands lie in any quadrant.
    wide = small > EIGHTH * large
    t = (small - large if wide else small) / (small + large if wide else large)
    z = t * t
    angle = ((((ARC[0] * z + ARC[1]) * z + ARC[2]) * z + ARC[3]) * z * t + t) + (QUARTER if wide else ZERO)
    angle = HALF * WHOLE - angle if a > b else angle
    angle = WHOLE - angle if x < ZERO else angle
    return -angle if y < ZERO else angle


def _locate(x: Any, y: Any, z: Any) -> Any:
    """Return angle, rise, reach and direction from the axis of a point seen from the skull's centre."""
    across = x * x + z * z
    above = max(y, ZERO)
    reach = np.sqrt(max(across + above * above, LEAST))
    rise = min(y, ZERO) + RADIUS * arc(above, np.sqrt(across))
    scale = ONE / reach
    return arc(x, z), rise, reach, x * scale, above * scale, z * scale


def _skin(radius: Any, angle: Any, rise: Any) -> Any:
    """Return how far from the axis the skin lies in one direction."""
    column = angle * TURNS + F(AROUND // 2)
    row = min(max((rise - LOW) * ROWS - HALF, ZERO), NEXT)
    west, south = np.floor(column), np.floor(row)
    u, v = column - west, row - south
    left, first = int(west) % AROUND, int(south)
    right = (left + 1) % AROUND
    a, b = radius[first, left], radius[first, right]
    c, d = radius[first + 1, left], radius[first + 1, right]
    below = a + (b - a) * u
    return below + (c + (d - c) * u - below) * v


def _edge(line: Any, angle: Any) -> Any:
    """Return the height of the lowest hair in one direction."""
    column = angle * TURNS + F(AROUND // 2)
    west = np.floor(column)
    left = int(west) % AROUND
    return line[left] + (line[(left + 1) % AROUND] - line[left]) * (column - west)


def _opening(heights: Any, angles: Any, height: Any) -> Any:
    """Return half the angle that the face's opening has at a height."""
    last = heights.shape[0] - 1
    if height >= heights[last]:
        return angles[last]
    if height < heights[0]:
        return angles[0]
    k = 0
    while k < last - 1 and height >= heights[k + 1]:
        k += 1
    share = (height - heights[k]) / (heights[k + 1] - heights[k])
    return angles[k] + share * (angles[k + 1] - angles[k])


def _smooth(value: Any, start: Any, end: Any) -> Any:
    t = min(max((value - start) / (end - start), ZERO), ONE)
    return t * t * (F(3) - F(2) * t)


def _grow(
    skull: Any, gate: Any, roots: Any, strands: Any, way: Any, style: Any, reach: Any, points: Any
) -> None:
    """Write the strands' points (n, k, 3), step by step from the roots.

    `skull` is (centre, radius, hairline), `gate` (heights, angles), `strands` (direction, pull,
    length, volume, side, gap) and `style` (is the face open, how loose hair is, its slack, how it hugs).
    """
    centre, radius, line = skull
    heights, angles = gate
    direction, pull, length, volume, side, gap = strands
    open_face, loose, slack, hug = style
    tiny = F(1e-12)
    count = roots.shape[0]
    heading, before = direction.copy(), reach.copy()
    for i in range(count):
        points[i, 0, 0], points[i, 0, 1], points[i, 0, 2] = roots[i, 0], roots[i, 1], roots[i, 2]
    # A step of all strands at a time: a strand's steps wait for each other, other strands do not.
    for k in range(1, way.shape[0]):
        for i in range(count):
            px, py, pz = points[i, k - 1, 0], points[i, k - 1, 1], points[i, k - 1, 2]
            stride = length[i] * (way[k] - way[k - 1])
            dx = heading[i, 0] + pull[i, 0] * stride
            dy = heading[i, 1] + pull[i, 1] * stride
            dz = heading[i, 2] + pull[i, 2] * stride
            size = stride / max(np.sqrt(dx * dx + dy * dy + dz * dz), tiny)
            rise = volume[i] * min(ONE, length[i] * way[k] / F(0.035))
            tx, ty, tz = px + size * dx, py + size * dy, pz + size * dz
            angle, up, far, ox, oy, oz = locate(tx - centre[0], ty - centre[1], tz - centre[2])
            if open_face:
                least = opening(heights, angles, ty) * gap[i]
                if abs(angle) < least:
                    angle, flat = side[i] * least, np.sqrt(ox * ox + oz * oz)
                    ox, oz = flat * np.sin(angle), flat * np.cos(angle)
            elif ty < edge(line, angle):
                rise *= ONE - F(0.75) * smooth(abs(angle), F(1.1), F(0.8))
            hangs = up < F(0.005)
            low = skin(radius, angle, up) + (MARGIN_ + F(0.24) * min(max(F(-0.12) - up, ZERO), SPAN))
            low += (HALF if hangs else ONE) * rise
            high = (before[i] - hug * stride + slack) if hangs else (low + loose)
            far = max(min(far, high), low)
            before[i] = far
            nx, nz = centre[0] + far * ox, centre[2] + far * oz
            ny = min(ty, centre[1]) + far * oy
            dx, dy, dz = nx - px, ny - py, nz - pz
            size = ONE / max(np.sqrt(dx * dx + dy * dy + dz * dz), tiny)
            heading[i, 0], heading[i, 1], heading[i, 2] = dx * size, dy * size, dz * size
            points[i, k, 0], points[i, k, 1], points[i, k, 2] = nx, ny, nz


def _confine(points: Any, skull: Any, gate: Any, side: Any, ceiling: Any, most: Any, out: Any) -> None:
    """Write strands outside of the skin, off the face, and on top no higher than a ceiling.

    No gate has angles beyond `most`; where that is negative the face is not open.
    """
    centre, radius, _ = skull
    heights, angles = gate
    count, steps = points.shape[:2]
    limited, top = ceiling < F(np.inf), heights[heights.shape[0] - 1]
    for i in range(count):
        out[i, 0, 0], out[i, 0, 1], out[i, 0, 2] = points[i, 0, 0], points[i, 0, 1], points[i, 0, 2]
        for k in range(1, steps):
            x, y, z = points[i, k, 0], points[i, k, 1], points[i, k, 2]
            angle, up, far, ox, oy, oz = locate(x - centre[0], y - centre[1], z - centre[2])
            wrong = False
            if abs(angle) < most and y < top:
                least = opening(heights, angles, y) * F(0.9)
                if abs(angle) < least:
                    wrong, angle, flat = True, side[i] * least, np.sqrt(ox * ox + oz * oz)
                    ox, oz = flat * np.sin(angle), flat * np.cos(angle)
            low = skin(radius, angle, up) + (MARGIN_ + F(0.24) * min(max(F(-0.12) - up, ZERO), SPAN))
            if far < low:
                wrong, far = True, low
            if limited:
                room = HALF * ceiling * (ONE + F(3) * min(max((F(0.085) - up) / SPAN, ZERO), ONE))
                over = far - low - room
                if over > ZERO:
                    wrong, far = True, far - over + room * (ONE - np.exp(-over / room))
            if wrong:
                x, z = centre[0] + far * ox, centre[2] + far * oz
                y = min(y, centre[1]) + far * oy
            out[i, k, 0], out[i, k, 1], out[i, k, 2] = x, y, z


def _lay(points: Any, skull: Any, rise: Any, near: Any, out: Any) -> None:
    """Write strands laid on the skin, `rise` above it; where `near` is 1 they stay as far out as they are."""
    centre, radius, _ = skull
    for i in range(points.shape[0]):
        for k in range(points.shape[1]):
            x, y, z = points[i, k, 0], points[i, k, 1], points[i, k, 2]
            angle, up, far, ox, oy, oz = locate(x - centre[0], y - centre[1], z - centre[2])
            low = skin(radius, angle, up) + MARGIN_ + rise[i, k]
            far = max(low, far * near[k] + low * (ONE - near[k]))
            out[i, k, 0], out[i, k, 2] = centre[0] + far * ox, centre[2] + far * oz
            out[i, k, 1] = min(y, centre[1]) + far * oy


def _wind(points: Any, centre: Any, bend: Any, strength: Any, across: Any, up: Any, out: Any) -> None:
    """Write strands bent and wound: `across` and `up` (n, k) are how far curls carry each point, if any."""
    count, steps = points.shape[:2]
    tiny, curled = F(1e-12), across.shape[0] == count
    for i in range(count):
        for k in range(steps):
            m = min(k, steps - 2)
            ax = points[i, m + 1, 0] - points[i, m, 0]
            ay = points[i, m + 1, 1] - points[i, m, 1]
            az = points[i, m + 1, 2] - points[i, m, 2]
            x, y, z = points[i, k, 0], points[i, k, 1], points[i, k, 2]
            bx, by, bz = x - centre[0], y - centre[1], z - centre[2]
            cx, cy, cz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
            size = max(np.sqrt(cx * cx + cy * cy + cz * cz), tiny)
            cx, cy, cz = cx / size, cy / size, cz / size
            ux, uy, uz = cy * az - cz * ay, cz * ax - cx * az, cx * ay - cy * ax
            size = max(np.sqrt(ux * ux + uy * uy + uz * uz), tiny)
            one, other = strength[k] * bend[i, 0], strength[k] * abs(bend[i, 1])
            if curled:
                one, other = one + across[i, k], other + up[i, k]
            other /= size
            out[i, k, 0] = x + one * cx + other * ux
            out[i, k, 1] = y + one * cy + other * uy
            out[i, k, 2] = z + one * cz + other * uz


def _draw_in(points: Any, leader: Any, pull: Any, farthest: Any, out: Any) -> None:
    """Write strands drawn towards their locks' leaders, save where those are too far at their tips."""
    count, steps = points.shape[:2]
    share, last = F(0.35), steps - 1
    for i in range(count):
        j, far = leader[i], ZERO
        gap = (
            share * (points[i, 0, 0] - points[j, 0, 0]),
            share * (points[i, 0, 1] - points[j, 0, 1]),
            share * (points[i, 0, 2] - points[j, 0, 2]),
        )
        for c in range(3):
            way = points[j, last, c] + gap[c] - points[i, last, c]
            far += way * way
        for k in range(steps):
            scale = pull[k] if far <= farthest else ZERO
            for c in range(3):
                here = points[i, k, c]
                out[i, k, c] = here + (points[j, k, c] + gap[c] - here) * scale


def _resample(points: Any, at: Any, out: Any) -> None:
    """Write points between the steps of each strand."""
    last = points.shape[1] - 2
    for i in range(at.shape[0]):
        for k in range(at.shape[1]):
            first = min(int(at[i, k]), last)
            part = F(at[i, k] - first)
            for c in range(3):
                before = points[i, first, c]
                out[i, k, c] = before + (points[i, first + 1, c] - before) * part


def _outermost(points: Any, chosen: Any, wide: Any, centre: Any, out: Any) -> None:
    """Write the largest reach in each cell of the map, over chosen points and middles of triangles."""
    third = F(1 / 3)
    own = chosen.shape[0]
    for n in range(own + wide.shape[0]):
        if n < own:
            p = chosen[n]
            x, y, z = points[p, 0], points[p, 1], points[p, 2]
        else:
            a, b, c = wide[n - own, 0], wide[n - own, 1], wide[n - own, 2]
            x = (points[a, 0] + points[b, 0] + points[c, 0]) * third
            y = (points[a, 1] + points[b, 1] + points[c, 1]) * third
            z = (points[a, 2] + points[b, 2] + points[c, 2]) * third
        angle, rise, reach, _, _, _ = locate(x - centre[0], y - centre[1], z - centre[2])
        column = int((angle / TWO_PI + HALF) * F(AROUND) + HALF) % AROUND
        row = int(np.floor((rise - LOW) / STEP))
        if 0 <= row < ALONG:
            out[row, column] = max(out[row, column], reach)


def _tint(own: Any, depth: Any, along: Any, out: Any) -> None:
    """Write each strand's colour times how light its layer and each of its points are."""
    for i in range(own.shape[0]):
        for k in range(along.shape[0]):
            light = depth[i] * along[k]
            for c in range(3):
                out[i, k, c] = min(max(own[i, c] * light, ZERO), ONE)


arc = compiled(_arc)
locate = compiled(_locate)
skin = compiled(_skin)
edge = compiled(_edge)
opening = compiled(_opening)
smooth = compiled(_smooth)
grow = compiled(_grow)
confine = compiled(_confine)
lay = compiled(_lay)
wind = compiled(_wind)
draw_in = compiled(_draw_in)
resample = compiled(_resample)
outermost = compiled(_outermost)
tint = compiled(_tint)
