"""Eyes: white with veins, iris behind a clear cornea, pupil, wet highlights, the shade of the lids.

The iris lies behind the cornea, so it shifts against its rim as one looks from the side; the lookup
follows the refracted ray. Highlights mirror in the cornea's own, tighter curve.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.world.body import textures
from phiz.world.drawn import shading
from phiz.world.drawn.shading import Light
from phiz.world.people import Eyes

DEPTH = 0.24
"""How far the iris lies behind the cornea, in radii of the eyeball."""
BULGE = 0.42
"""How far forward the cornea's centre of curvature lies, in radii of the eyeball."""
WET = 0.026
"""Reflectance of the tear film, looked at head-on."""


@dataclass(frozen=True, kw_only=True)
class Socket:
    """Where one eye is, and where its lids are."""

    centre: Float[Tensor, " 3"]
    axes: Float[Tensor, "3 3"]
    """World from eye: column 2 looks out of the pupil."""
    head: Float[Tensor, "3 3"]
    """World from head."""
    lids: Float[Tensor, "6 3"]
    """The six landmarks round the opening: a corner, two above, the other corner, two below."""


@dataclass(frozen=True, kw_only=True)
class EyePoints:
    """Points of one eyeball that a picture shows."""

    place: Float[Tensor, "n 3"]
    local: Float[Tensor, "n 3"]
    """Unit direction from the eyeball's centre in the eye's own frame."""
    view: Float[Tensor, "n 3"]
    footprint: float
    """Width of a sample, in metres."""


def socket_axes(
    vertices: Float[Tensor, "e 3"], local: Float[Tensor, "e 3"]
) -> tuple[Float[Tensor, " 3"], Float[Tensor, "3 3"]]:
    """Return an eyeball's centre and orientation from where its vertices are (Kabsch, 1976)."""
    centre = (vertices.amin(0) + vertices.amax(0)) / 2
    for _ in range(2):  # the extent of a turned ball is not quite centred: refine with its shape
        away = vertices - centre
        u, _, vt = torch.linalg.svd(away.T @ local)
        sign = torch.det(u @ vt)
        axes = u @ torch.diag(torch.stack([torch.ones_like(sign), torch.ones_like(sign), sign])) @ vt
        radius = (away * (local @ axes.T)).sum(-1).mean()
        centre = (vertices - radius * (local @ axes.T)).mean(0)
    return centre, axes


def shade(
    points: EyePoints, socket: Socket, eyes: Eyes, light: Light
) -> tuple[Float[Tensor, "n 3"], Float[Tensor, "n 3"]]:
    """Return the light that an eye sends to the camera, and its own colour."""
    local = points.local
    view = points.view @ socket.axes
    radius = math.tan(eyes.iris_radius)
    flat = local[:, :2] / local[:, 2:].clamp(min=0.2)
    rim = flat.square().sum(-1).sqrt() / radius  # 1 at the edge of the iris
    fine = (points.footprint / (0.012 * radius)) * 0.8
    is_iris = ((1.03 + fine - rim) / (0.10 + 2 * fine)).clamp(0, 1)[:, None] * (local[:, 2:] > 0.2)
    above, below, side = _lid_gaps(points, socket)
    iris = _iris(flat, view, rim, radius, fine, eyes)
    white = _white(local, side, eyes)
    # The lids' edge and the lashes shade the top of the ball; the corners lie deep.
    shade = (
        (0.26 + 0.74 * _ramp(above, 0.30))
        * (0.72 + 0.28 * _ramp(below, 0.16))
        * (0.55 + 0.45 * _ramp(side, 0.30))
    )
    ball = local @ socket.axes.T
    cupped = _cupped_light(light, flat, radius, socket)
    matt = shading.matt(light, ball, wrap=0.25)
    albedo = torch.lerp(white, iris, is_iris)
    diffuse = albedo * torch.lerp(matt, 0.35 * matt + 0.75 * cupped, is_iris) * shade[:, None]
    cornea = _cornea_normals(local, rim) @ socket.axes.T
    wet = (
        shading.mirror_lamps(light, cornea, points.view, WET)
        * (0.25 + 0.75 * _ramp(above - 0.02, 0.05))[:, None]
    )
    sky = shading.gloss(_without_lamps(light), cornea, points.view, torch.full_like(rim, 0.12), WET)
    film = torch.exp(-((below - 0.035) / 0.028).square())[:, None] * matt * 0.20
    return diffuse + wet.clamp(max=2.5) + sky * shade[:, None] + film * (1 - is_iris), albedo


def _ramp(gap: Tensor, width: float) -> Tensor:
    t = (gap / width).clamp(0, 1)
    return t * t * (3 - 2 * t)


def _lid_gaps(points: EyePoints, socket: Socket) -> tuple[Tensor, Tensor, Tensor]:
    """Return angles to the upper lid, the lower lid and the nearer corner."""
    away = (points.place - socket.centre) @ socket.head
    lid = (socket.lids - socket.centre) @ socket.head
    x, y = torch.atan2(away[:, 0], away[:, 2]), torch.atan2(away[:, 1], away[:, 2])
    lx, ly = torch.atan2(lid[:, 0], lid[:, 2]), torch.atan2(lid[:, 1], lid[:, 2])
    upper = _follow(x, lx[[0, 1, 2, 3]], ly[[0, 1, 2, 3]])
    lower = _follow(x, lx[[0, 5, 4, 3]], ly[[0, 5, 4, 3]])
    low, high = torch.minimum(lx[0], lx[3]), torch.maximum(lx[0], lx[3])
    return upper - y, y - lower, torch.minimum(x - low, high - x)


def _follow(x: Tensor, at: Tensor, value: Tensor) -> Tensor:
    """Return a lid's height at x: a poly-line through its four landmarks."""
    order = at.argsort()
    at, value = at[order], value[order]
    right = torch.searchsorted(at, x.contiguous()).clamp(1, 3)
    left = right - 1
    t = ((x - at[left]) / (at[right] - at[left]).clamp(min=1e-6)).clamp(0, 1)
    return value[left] + (value[right] - value[left]) * t


def _iris(flat: Tensor, view: Tensor, rim: Tensor, radius: float, fine: float, eyes: Eyes) -> Tensor:
    """Return the iris' own colour where the refracted ray meets it."""
    slope = view[:, :2] / view[:, 2:].clamp(min=0.35) / 1.34
    depth = DEPTH * (1 - rim.square()).clamp(min=0)[:, None]
    hit = (flat - depth * slope) / radius
    r = hit.square().sum(-1).sqrt()
    turn = torch.atan2(hit[:, 1], hit[:, 0]) / (2 * math.pi)
    start = (eyes.seed % 97) / 97
    noise = textures.lookup_polar(textures.fibres().to(flat), 0.15 + 0.5 * r, turn + start)
    streak, clump = noise[:, 0], noise[:, 1]
    # Inner and outer zone meet in the wavy collarette.
    zone = ((r - 0.50 - 0.05 * clump) / 0.16).clamp(0, 1)[:, None]
    colour = torch.lerp(flat.new_tensor(eyes.inner), flat.new_tensor(eyes.colour), zone)
    colour = colour * (1 + 0.30 * streak + 0.22 * clump).clamp(0.35, 2.1)[:, None]
    collar = torch.exp(-((r - 0.52 - 0.05 * clump) / 0.06).square())
    colour = colour * (1 + 0.35 * collar)[:, None]
    limbus = ((r - 0.76) / 0.24).clamp(0, 1)
    colour = colour * (1 - 0.82 * limbus * limbus)[:, None]
    pupil = ((r - eyes.pupil) / (0.05 + fine) + 0.5).clamp(0, 1)[:, None]
    return colour * pupil + 0.002


def _white(local: Tensor, side: Tensor, eyes: Eyes) -> Tensor:
    """Return the sclera: not white, pinker and more veined towards the corners."""
    turn = torch.atan2(local[:, 1], local[:, 0]) / (2 * math.pi)
    veins = textures.lookup_polar(
        textures.fibres().to(local), local[:, 2].clamp(0, 1), turn + eyes.seed % 89 / 89
    )
    corner = (1 - _ramp(side, 0.38))[:, None]
    red = (0.10 + 0.5 * eyes.redness) * (0.25 + corner) + (0.25 + eyes.redness) * veins[:, 2:3] * (
        0.15 + 0.7 * corner
    )
    base = local.new_tensor([0.55, 0.51, 0.475])
    caruncle = (1 - _ramp(side, 0.13))[:, None]
    white = base * torch.exp(-red * local.new_tensor([0.18, 0.75, 0.70]))
    return torch.lerp(white, local.new_tensor([0.50, 0.23, 0.20]), 0.8 * caruncle)


def _cupped_light(light: Light, flat: Tensor, radius: float, socket: Socket) -> Tensor:
    """Return light on the iris: the cornea focuses it on the side away from the lamp."""
    spot = flat / radius
    bowl = torch.cat([-0.55 * spot, torch.ones_like(spot[:, :1])], dim=-1)
    normals = shading.unit(bowl) @ socket.axes.T
    return shading.matt(light, normals, wrap=0.45) * 0.95


def _cornea_normals(local: Tensor, rim: Tensor) -> Tensor:
    """Return the wet surface's normals in the eye's frame: ball outside, tighter bulge inside."""
    bulged = shading.unit(local - local.new_tensor([0.0, 0.0, BULGE]))
    inside = _ramp(1.25 - rim, 0.45)[:, None]
    return shading.unit(torch.lerp(local, bulged, inside))


def _without_lamps(light: Light) -> Light:
    return Light(ambient=light.ambient, open=light.open, lamps=())
