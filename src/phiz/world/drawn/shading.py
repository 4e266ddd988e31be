"""How light leaves surfaces: diffuse, subsurface, two-lobed gloss, hair. Plain torch on lists of points.

All vectors are of the world, all light is linear. `n` points are what a picture shows, in no order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from phiz.graphics import shade
from phiz.world.drawn import loops, shade_loops

BOUNCE = (0.82, 1.0, 1.06)
"""Exponents on openness: what narrow places keep has bounced off skin, which is warm."""
THROUGH = (0.12, 0.022, 0.010)
"""How much light ears let through."""
BLEED = (0.26, 0.11, 0.06)
"""How far red, green and blue light wrap round skin past the terminator."""
GRAZING = 0.15
"""Least cosine to the eye that counts: outlines of a mesh would else shine like wire."""
SHEEN = 0.016
"""Share of the surroundings that hair mirrors."""
PENUMBRA = (0.62, 0.92, 1.0)
"""Exponents on a shadow's openness: light that bleeds into the edge of a shadow is red."""


@dataclass(frozen=True, kw_only=True)
class Lamp:
    """A key light as the points of a picture see it."""

    direction: Float[Tensor, " 3"]
    colour: Float[Tensor, " 3"]
    softness: float
    visible: Float[Tensor, " n"]
    """1 where the lamp is seen, 0 in full shadow."""


@dataclass(frozen=True, kw_only=True)
class Light:
    """All light on the points of a picture."""

    ambient: Float[Tensor, "9 3"]
    open: Float[Tensor, " n"]
    """Share of the surroundings that a point sees, 0 to 1."""
    lamps: tuple[Lamp, ...]

    def __getitem__(self, index: Tensor) -> Light:
        """Return the light on some of the points."""
        lamps = tuple(replace(lamp, visible=lamp.visible[index]) for lamp in self.lamps)
        return Light(ambient=self.ambient, open=self.open[index], lamps=lamps)


@dataclass(frozen=True, kw_only=True)
class Packed:
    """The lamps of a light as arrays: a row each."""

    lamps: tuple[npt.NDArray[np.float32], ...]
    """Directions, colours, softnesses, visibilities."""
    ambient: npt.NDArray[np.float32]
    open: npt.NDArray[np.float32]


def packed(light: Light) -> Packed:
    """Return a light as compiled loops take it."""
    if light.lamps:
        directions = np.stack([loops.array(lamp.direction) for lamp in light.lamps])
        colours = np.stack([loops.array(lamp.colour) for lamp in light.lamps])
        visible = np.stack([loops.array(lamp.visible) for lamp in light.lamps])
    else:
        directions = colours = visible = np.empty((0, 3), np.float32)
    softness = np.asarray([lamp.softness for lamp in light.lamps], np.float32)
    return Packed(
        lamps=(directions, colours, softness, visible),
        ambient=loops.array(light.ambient),
        open=loops.array(light.open),
    )


def _three(values: tuple[float, float, float]) -> npt.NDArray[np.float32]:
    return np.asarray(values, np.float32)


def dot(a: Float[Tensor, "*n 3"], b: Float[Tensor, "*m 3"]) -> Float[Tensor, "*n 1"]:
    """Return inner products, the last axis kept."""
    if a.dim() == 2 and a.shape == b.shape and loops.ready(a):
        out = np.empty(a.shape[0], np.float32)
        shade_loops.dot(loops.array(a), loops.array(b), out)
        return torch.from_numpy(out)[:, None]
    # Three columns are summed twice as fast as an axis of three.
    return (a[..., 0] * b[..., 0] + a[..., 1] * b[..., 1] + a[..., 2] * b[..., 2])[..., None]


def unit(v: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 3"]:
    """Return vectors of length one; a zero stays zero."""
    if v.dim() == 2 and loops.ready(v):
        out = np.empty(v.shape, np.float32)
        shade_loops.unit(loops.array(v), out)
        return torch.from_numpy(out)
    return v * torch.rsqrt(dot(v, v) + 1e-18)


def mix(
    a: Float[Tensor, "*n c"], b: Float[Tensor, "*m c"], share: Float[Tensor, "*n 1"]
) -> Float[Tensor, "*n c"]:
    """Return a where the share is 0 and b where it is 1; torch.lerp is slow where shapes differ."""
    if a.dim() == 2 and a.shape == b.shape and share.shape == (a.shape[0], 1) and loops.ready(a):
        out = np.empty(a.shape, np.float32)
        shade_loops.mix(loops.array(a), loops.array(b), loops.array(share[:, 0]), out)
        return torch.from_numpy(out)
    return a + (b - a) * share


def power(values: Float[Tensor, "n 1"], exponents: Float[Tensor, " c"]) -> Float[Tensor, "n c"]:
    """Return positive values to several powers; torch.pow takes eight times as long."""
    return torch.exp(values.log() * exponents)


def fifth(values: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """Return the fifth power, for Schlick's Fresnel."""
    square = values * values
    return square * square * values


def surround(light: Light, normals: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
    """Return ambient light on white; what narrow places keep has bounced off skin: it is warmer."""
    if loops.ready(normals):
        out = np.empty(normals.shape, np.float32)
        ambient, open_to = loops.array(light.ambient), loops.array(light.open)
        shade_loops.surround(loops.array(normals), open_to, ambient, _three(BOUNCE), out)
        return torch.from_numpy(out)
    open_ = light.open[:, None]
    bounce = open_.new_tensor(BOUNCE)
    return shade.irradiance(normals, light.ambient).clamp(min=0) * power(open_.clamp(min=0.02), bounce)


def matt(light: Light, normals: Float[Tensor, "n 3"], wrap: float = 0.0) -> Float[Tensor, "n 3"]:
    """Return the light on a white, matt surface."""
    total = surround(light, normals)
    if loops.ready(normals):
        shade_loops.matt(loops.array(normals), packed(light).lamps, np.float32(wrap), total.numpy())
        return total
    for lamp in light.lamps:
        facing = ((normals @ lamp.direction)[:, None] + wrap).clamp(min=0) / (1 + wrap)
        total = total + facing * lamp.visible[:, None] * lamp.colour
    return total


def subsurface(
    light: Light, normals: Float[Tensor, "n 3"], thin: Float[Tensor, " n"]
) -> Float[Tensor, "n 3"]:
    """Return the light that leaves white skin: it wraps round, red furthest, and shines through ears."""
    bleed, penumbra = normals.new_tensor(BLEED), normals.new_tensor(PENUMBRA)
    total = surround(light, normals)
    if loops.ready(normals):
        tables = [_three(t) for t in (BLEED, PENUMBRA, THROUGH)]
        given = (loops.array(normals), loops.array(thin), packed(light).lamps)
        shade_loops.subsurface(*given, *tables, total.numpy())
        return total
    for lamp in light.lamps:
        cosine = (normals @ lamp.direction)[:, None]
        facing = ((cosine + bleed) / (1 + bleed)).clamp(min=0)
        facing = facing * facing / (facing + 0.12)  # a soft foot, so that no line shows where it ends
        seen = power(lamp.visible[:, None].clamp(min=1e-4), penumbra)
        through = thin[:, None] * (0.35 - cosine).clamp(min=0) * normals.new_tensor(THROUGH)
        total = total + (facing * 1.1 * seen + through) * lamp.colour
    return total


def gloss(
    light: Light,
    normals: Float[Tensor, "n 3"],
    view: Float[Tensor, "n 3"],
    roughness: Float[Tensor, " n"],
    reflectance: float | Float[Tensor, "n 1"],
    *,
    surroundings: bool = True,
) -> Float[Tensor, "n 3"]:
    """Return what lamps and surroundings mirror in a rough surface: GGX with Schlick's Fresnel."""
    if loops.ready(normals):
        return _gloss_by_loops(light, normals, view, roughness, reflectance, surroundings)
    facing = dot(normals, view).clamp(min=GRAZING)
    alpha = roughness[:, None].square()
    total = torch.zeros_like(normals)
    if surroundings:
        total = _mirrored_surround(light, normals, view, facing, alpha, reflectance)
    for lamp in light.lamps:
        cosine = (normals @ lamp.direction)[:, None].clamp(min=0)
        half = unit(view + lamp.direction)
        # A wide lamp is a blurred highlight: its radius adds to that of the lobe.
        wide = (alpha + 0.35 * lamp.softness).clamp(max=1)
        peak = dot(normals, half).clamp(min=0)
        slope = peak.square() * (wide.square() - 1) + 1
        spread = wide.square() / (math.pi * slope.square())
        k = wide * 0.5
        visible = 1 / ((facing * (1 - k) + k) * (cosine * (1 - k) + k))
        fresnel = reflectance + (1 - reflectance) * fifth(1 - dot(view, half).clamp(0, 1))
        amount = spread * visible * fresnel * (math.pi / 4) * cosine * lamp.visible[:, None]
        total = total + amount * lamp.colour
    return total


def _gloss_by_loops(
    light: Light,
    normals: Float[Tensor, "n 3"],
    view: Float[Tensor, "n 3"],
    roughness: Float[Tensor, " n"],
    reflectance: float | Float[Tensor, "n 1"],
    surroundings: bool,
) -> Float[Tensor, "n 3"]:
    bundle, graze, out = packed(light), np.float32(GRAZING), np.zeros(normals.shape, np.float32)
    plain = torch.tensor([reflectance]) if isinstance(reflectance, float) else reflectance.reshape(-1)
    given = tuple(loops.array(t) for t in (normals, view, roughness, plain))
    if surroundings:
        shade_loops.mirrored_surround(*given, bundle.open, bundle.ambient, graze, out)
    shade_loops.gloss(*given, bundle.lamps, graze, out)
    return torch.from_numpy(out)


def _mirrored_surround(
    light: Light, normals: Tensor, view: Tensor, facing: Tensor, alpha: Tensor, reflectance: float | Tensor
) -> Tensor:
    mirrored = 2 * facing * normals - view
    fresnel = reflectance + (1 - alpha).clamp(min=0) * fifth(1 - facing) * 0.30
    seen = shade.irradiance(unit(mirrored + alpha * normals), light.ambient).clamp(min=0)
    return seen * fresnel * (light.open * light.open.sqrt())[:, None]


def strands(
    light: Light,
    along: Float[Tensor, "n 3"],
    outward: Float[Tensor, "n 3"],
    view: Float[Tensor, "n 3"],
    colour: Float[Tensor, "n 3"],
    shift: Float[Tensor, " n"],
) -> Float[Tensor, "n 3"]:
    """Return the light that hair sends to the eye.

    Kajiya and Kay's diffuse term, and Marschner's first two highlights as shifted lobes: one white
    and tight towards the root, one coloured and wide towards the tip. `shift` (about 0, one number
    a strand) keeps neighbouring strands from shining in step.
    """
    total = colour * surround(light, unit(outward + 0.35 * view)) * 0.95
    across = dot(along, view)
    # Dark hair would be black without what its surface mirrors of the room: a soft band.
    mirrored = unit(outward + view - 2 * along * across)
    facing = (1 - across.square()).clamp(min=0).sqrt()
    total = total + SHEEN * facing * surround(light, mirrored)
    if loops.ready(total):
        given = tuple(loops.array(t) for t in (along, outward, view, colour, shift))
        shade_loops.strands(*given, packed(light).lamps, total.numpy())
        return total
    for lamp in light.lamps:
        toward = (along @ lamp.direction)[:, None]
        sine = (1 - toward.square()).clamp(min=0).sqrt()
        side = (outward @ lamp.direction)[:, None]
        lit = (0.35 + 0.65 * side).clamp(min=0)
        spread = 0.10 + 0.5 * lamp.softness
        first = _lobe(toward + across + 0.12 + shift[:, None], spread)
        second = _lobe(toward + across - 0.20 + shift[:, None] * 1.5, 2 * spread + 0.08)
        back = (-dot(view, lamp.direction)).clamp(min=0) ** 2  # shines through fair hair
        body = colour * (0.55 * sine * lit + 0.25 * back)
        shine = 0.10 * first / (1 + 4 * spread) + colour.sqrt() * colour * 0.55 * second
        total = total + (body + shine * (0.2 + 0.8 * lit) * 0.9) * lamp.visible[:, None] * lamp.colour
    return total


def _lobe(offset: Tensor, spread: float) -> Tensor:
    return torch.exp(-0.5 * (offset / spread).square())


def mirror_lamps(
    light: Light, normals: Float[Tensor, "n 3"], view: Float[Tensor, "n 3"], reflectance: float
) -> Float[Tensor, "n 3"]:
    """Return sharp pictures of the lamps in a wet surface, each a softbox with a soft rim."""
    facing = dot(normals, view).clamp(min=0)
    mirrored = unit(2 * facing * normals - view)
    fresnel = reflectance + (1 - reflectance) * fifth(1 - facing)
    total = torch.zeros_like(normals)
    for lamp in light.lamps:
        radius = min(max(lamp.softness, 0.10), 0.45)
        away = torch.acos((mirrored @ lamp.direction).clamp(-1, 1))[:, None]
        disc = ((radius * 1.15 - away) / (0.3 * radius)).clamp(0, 1)
        radiance = lamp.colour / math.sin(radius) ** 2
        total = total + disc * fresnel * radiance * lamp.visible[:, None]
    return total
