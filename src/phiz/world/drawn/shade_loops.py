"""Compiled loops over lit points: the twins of `phiz.world.drawn.shading` in torch, step for step."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from phiz.compiling import compiled
from phiz.graphics.shade import C0, C1, C2

F = np.float32
K0, K1, K2, K3, K4 = F(C0), F(C1), F(C2), F(C2 / (2 * math.sqrt(3))), F(C2 / 2)
PI = F(math.pi)
ZERO, ONE, TWO = F(0), F(1), F(2)


def _unit(v: Any, out: Any) -> None:
    """Write vectors of length one; a zero stays zero."""
    for i in range(v.shape[0]):
        x, y, z = v[i, 0], v[i, 1], v[i, 2]
        scale = ONE / np.sqrt(x * x + y * y + z * z + F(1e-18))
        out[i, 0], out[i, 1], out[i, 2] = x * scale, y * scale, z * scale


def _dot(a: Any, b: Any, out: Any) -> None:
    """Write inner products."""
    for i in range(a.shape[0]):
        out[i] = a[i, 0] * b[i, 0] + a[i, 1] * b[i, 1] + a[i, 2] * b[i, 2]


def _mix(a: Any, b: Any, share: Any, out: Any) -> None:
    """Write what lies between rows of a and of b."""
    for i in range(a.shape[0]):
        for k in range(a.shape[1]):
            out[i, k] = a[i, k] + (b[i, k] - a[i, k]) * share[i]


def _moles(albedo: Any, rest: Any, table: Any, tint: Any, footprint: Any, out: Any) -> None:
    """Write skin's colour with its moles (x, y, radius, darkness) on it."""
    for i in range(albedo.shape[0]):
        r, g, b = albedo[i, 0], albedo[i, 1], albedo[i, 2]
        for m in range(table.shape[0] if rest[i, 2] > F(0.03) else 0):
            wide = max(table[m, 2], F(0.6) * footprint)
            x, y = rest[i, 0] - table[m, 0], rest[i, 1] - table[m, 1]
            away = (x * x + y * y) / (wide * wide)
            if away > F(5):
                continue
            share = np.exp(-away * away) * table[m, 3] * (table[m, 2] / wide) ** 2
            r += (r * tint[0] - r) * share
            g += (g * tint[1] - g) * share
            b += (b * tint[2] - b) * share
        out[i, 0], out[i, 1], out[i, 2] = r, g, b


def _glow(x: Any, y: Any, z: Any, ambient: Any, k: Any) -> Any:
    """Return one channel of the surroundings' light on a white surface with this normal."""
    total = K0 * ambient[0, k] - K1 * y * ambient[1, k] + K1 * z * ambient[2, k] - K1 * x * ambient[3, k]
    total += K2 * x * y * ambient[4, k] - K2 * y * z * ambient[5, k]
    total += K3 * (F(3) * z * z - ONE) * ambient[6, k] - K2 * x * z * ambient[7, k]
    total += K4 * (x * x - y * y) * ambient[8, k]
    return max(total, ZERO)


def _surround(normals: Any, open_: Any, ambient: Any, bounce: Any, out: Any) -> None:
    """Write ambient light on white."""
    for i in range(normals.shape[0]):
        seen = np.log(max(open_[i], F(0.02)))
        for k in range(3):
            kept = np.exp(seen * bounce[k]) if seen != ZERO else ONE
            out[i, k] = glow(normals[i, 0], normals[i, 1], normals[i, 2], ambient, k) * kept


def _facing(normals: Any, i: Any, direction: Any, lamp: Any) -> Any:
    """Return the cosine between a point's normal and the way to a lamp."""
    return (
        normals[i, 0] * direction[lamp, 0]
        + normals[i, 1] * direction[lamp, 1]
        + normals[i, 2] * direction[lamp, 2]
    )


def _matt(normals: Any, lamps: Any, wrap: Any, out: Any) -> None:
    """Add the lamps' light on a white, matt surface."""
    direction, colour, _, visible = lamps
    for i in range(normals.shape[0]):
        for lamp in range(direction.shape[0]):
            lit = max(facing(normals, i, direction, lamp) + wrap, ZERO) / (ONE + wrap) * visible[lamp, i]
            for k in range(3):
                out[i, k] += lit * colour[lamp, k]


def _subsurface(
    normals: Any, thin: Any, lamps: Any, bleed: Any, penumbra: Any, through: Any, out: Any
) -> None:
    """Add the lamps' light that leaves white skin."""
    direction, colour, _, visible = lamps
    for i in range(normals.shape[0]):
        for lamp in range(direction.shape[0]):
            cosine = facing(normals, i, direction, lamp)
            dark = np.log(max(visible[lamp, i], F(1e-4)))
            back = thin[i] * max(F(0.35) - cosine, ZERO)
            for k in range(3):
                lit = max((cosine + bleed[k]) / (ONE + bleed[k]), ZERO)
                if lit > ZERO:
                    lit = lit * lit / (lit + F(0.12)) * F(1.1)
                    if dark != ZERO:
                        lit *= np.exp(dark * penumbra[k])
                out[i, k] += (lit + back * through[k]) * colour[lamp, k]


def _fifth(value: Any) -> Any:
    square = value * value
    return square * square * value


def _mirrored_surround(
    normals: Any, view: Any, rough: Any, reflect: Any, open_: Any, ambient: Any, grazing: Any, out: Any
) -> None:
    """Write what a rough surface mirrors of the surroundings."""
    many = reflect.shape[0] > 1
    for i in range(normals.shape[0]):
        x, y, z = normals[i, 0], normals[i, 1], normals[i, 2]
        ahead = max(x * view[i, 0] + y * view[i, 1] + z * view[i, 2], grazing)
        alpha = rough[i] * rough[i]
        own = reflect[i if many else 0]
        fresnel = own + max(ONE - alpha, ZERO) * fifth(ONE - ahead) * F(0.30)
        fresnel *= open_[i] * np.sqrt(open_[i])
        mx, my, mz = (
            TWO * ahead * x - view[i, 0] + alpha * x,
            TWO * ahead * y - view[i, 1] + alpha * y,
            TWO * ahead * z - view[i, 2] + alpha * z,
        )
        scale = ONE / np.sqrt(mx * mx + my * my + mz * mz + F(1e-18))
        for k in range(3):
            out[i, k] = glow(mx * scale, my * scale, mz * scale, ambient, k) * fresnel


def _gloss(normals: Any, view: Any, rough: Any, reflect: Any, lamps: Any, grazing: Any, out: Any) -> None:
    """Add what lamps mirror in a rough surface."""
    direction, colour, softness, visible = lamps
    many = reflect.shape[0] > 1
    for lamp in range(direction.shape[0]):
        lx, ly, lz = direction[lamp, 0], direction[lamp, 1], direction[lamp, 2]
        soft = F(0.35) * softness[lamp]
        for i in range(normals.shape[0]):
            x, y, z = normals[i, 0], normals[i, 1], normals[i, 2]
            cosine = x * lx + y * ly + z * lz
            if cosine <= ZERO or visible[lamp, i] == ZERO:
                continue
            vx, vy, vz = view[i, 0], view[i, 1], view[i, 2]
            ahead = max(x * vx + y * vy + z * vz, grazing)
            hx, hy, hz = vx + lx, vy + ly, vz + lz
            scale = ONE / np.sqrt(hx * hx + hy * hy + hz * hz + F(1e-18))
            wide = min(rough[i] * rough[i] + soft, ONE)
            peak = max((x * hx + y * hy + z * hz) * scale, ZERO)
            slope = peak * peak * (wide * wide - ONE) + ONE
            spread = wide * wide / (PI * slope * slope)
            k = wide * F(0.5)
            shown = ONE / ((ahead * (ONE - k) + k) * (cosine * (ONE - k) + k))
            own = reflect[i if many else 0]
            met = min(max((vx * hx + vy * hy + vz * hz) * scale, ZERO), ONE)
            fresnel = own + (ONE - own) * fifth(ONE - met)
            amount = spread * shown * fresnel * (PI * F(0.25)) * cosine * visible[lamp, i]
            out[i, 0] += amount * colour[lamp, 0]
            out[i, 1] += amount * colour[lamp, 1]
            out[i, 2] += amount * colour[lamp, 2]


def _strands(along: Any, outward: Any, view: Any, colour: Any, shift: Any, lamps: Any, out: Any) -> None:
    """Add the lamps' light that hair sends to the eye."""
    direction, tint, softness, visible = lamps
    for i in range(along.shape[0]):
        across = along[i, 0] * view[i, 0] + along[i, 1] * view[i, 1] + along[i, 2] * view[i, 2]
        for lamp in range(direction.shape[0]):
            seen = visible[lamp, i]
            if seen < F(1e-6):
                continue
            toward = facing(along, i, direction, lamp)
            sine = np.sqrt(max(ONE - toward * toward, ZERO))
            lit = max(F(0.35) + F(0.65) * facing(outward, i, direction, lamp), ZERO)
            spread = F(0.10) + F(0.5) * softness[lamp]
            first = (toward + across + F(0.12) + shift[i]) / spread
            second = (toward + across - F(0.20) + shift[i] * F(1.5)) / (TWO * spread + F(0.08))
            back = max(-facing(view, i, direction, lamp), ZERO)
            body = F(0.55) * sine * lit + F(0.25) * back * back
            white = F(0.10) * np.exp(F(-0.5) * first * first) / (ONE + F(4) * spread)
            warm = F(0.55) * np.exp(F(-0.5) * second * second)
            shown = (F(0.2) + F(0.8) * lit) * F(0.9)
            for k in range(3):
                c = colour[i, k]
                shine = white + np.sqrt(c) * c * warm
                out[i, k] += (c * body + shine * shown) * seen * tint[lamp, k]


unit = compiled(_unit)
dot = compiled(_dot)
mix = compiled(_mix)
moles = compiled(_moles)
glow = compiled(_glow)
facing = compiled(_facing)
fifth = compiled(_fifth)
surround = compiled(_surround)
matt = compiled(_matt)
subsurface = compiled(_subsurface)
mirrored_surround = compiled(_mirrored_surround)
gloss = compiled(_gloss)
strands = compiled(_strands)
