"""Colours as evidence: how pictures differ from faces drawn in light.

Chosen points of the visible skin are followed as the face moves: each has a colour, which light and texture
give it, and shows at a pixel, whose colour the picture gives. Both sides have slopes in all that is unknown,
so that colours and points enter the same second-order steps. Silhouettes play no part.

As published (and as everywhere in phiz where faces are fitted) colours are products of sRGB skin and light.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import grid_sample, normalize, pad

from phiz.face.coeffs import LIGHT_BANDS, NEUTRAL_LIGHT
from phiz.face.fit_solve import POSE, Quadratic, State
from phiz.face.fit_terms import Points, answers, see
from phiz.graphics import shade

LIGHTS = 3 * LIGHT_BANDS
"""Numbers of light, before those of texture."""
GREY_SPREAD, TINT_SPREAD = 0.5, 0.1
"""How much a coefficient of light varies, and how much a channel of it from the mean of the three."""


@dataclass(frozen=True, kw_only=True)
class Corners:
    """The corners of the triangles in which some points lie: what the points' colours are mixed from."""

    shares: Float[Tensor, "*b n 3"]
    normals: Points
    """Three a point, of the head's own frame and any length, as sums of modes."""
    skin: Float[Tensor, "*b n 3 3"]
    """Colours of the mean texture, corner by corner."""
    skin_modes: Float[Tensor, "*b n 3 3 t"]


@dataclass(frozen=True, kw_only=True)
class Painted:
    """What light does to some corners."""

    normals: Float[Tensor, "b n 3 3"]
    """Turned like the head."""
    basis: Float[Tensor, "b n 3 9"]
    skin: Float[Tensor, "b n 3 3"]
    lit: Float[Tensor, "b n 3 3"]
    """By how much."""


@dataclass(frozen=True, kw_only=True)
class Shading:
    """Points of the skin and the colours that the picture shows there; a `Term`.

    Colours err as Cauchy's distribution has it: hair, glasses and shadows, which differ by much more than
    `tolerance`, hardly pull at all.
    """

    points: Points
    corners: Corners
    picture: Float[Tensor, "b 9 h w"]
    """RGB in [0, 1], then its slope along x, then along y."""
    slope: Float[Tensor, "b n 3 2"]
    """Slopes of the drawn face's colours where the points show."""
    weight: Float[Tensor, "b n"]
    """How many independent colours each point is worth; zero for points that do not count."""
    centre: Float[Tensor, "b 2"]
    tolerance: Float[Tensor, " b"]
    """A deviation, as a share of white, up to which colours count fully."""

    def cost(self, state: State) -> Float[Tensor, " b"]:
        """Return the sum of charges."""
        return self._charge(self._apart(state).square().sum(-1)).sum(1).double()

    def quadratic(self, state: State) -> Quadratic:
        """Return the cost with its slope and curvature."""
        rows, apart = self._rows(_single(state))
        squared = apart.square().sum(-1)
        weight = 2 * self.weight / (self.tolerance.square()[:, None] + squared)
        scaled = (rows * weight[..., None, None]).flatten(1, 2)
        return Quadratic(
            cost=self._charge(squared).sum(1).double(),
            slope=torch.einsum("bnp,bn->bp", scaled, apart.flatten(1)).double(),
            bend=(scaled.mT @ rows.flatten(1, 2)).double(),
        )

    def mean_distance(self, state: State) -> Float[Tensor, " b"]:
        """Return how far apart the colours are, in shares of white; NaN where no point counts."""
        distance: Tensor = self._apart(state).norm(dim=-1)
        return (distance * self.weight).sum(1) / self.weight.sum(1)

    def typical_distance(self, state: State) -> Float[Tensor, " b"]:
        """Return the median of how far apart the colours are; NaN where no point counts."""
        distance: Tensor = self._apart(state).norm(dim=-1)
        return torch.where(self.weight > 0, distance, torch.nan).nanmedian(1).values

    def _charge(self, squared: Tensor) -> Tensor:
        return self.weight * torch.log1p(squared / self.tolerance.square()[:, None])

    def _apart(self, state: State) -> Float[Tensor, "b n 3"]:
        """Return what the picture shows at the points, less what is drawn there."""
        now = _single(state)
        return self._shown(see(self.points, now, self.centre).xy)[..., :3] - self._mixed(self._painted(now))

    def _rows(self, state: State) -> tuple[Float[Tensor, "b n 3 p"], Float[Tensor, "b n 3"]]:
        """Return how each colour's error answers to all numbers, and the errors."""
        seen = see(self.points, state, self.centre)
        shown = self._shown(seen.xy)
        painted = self._painted(state)
        # Where two pictures nearly agree, the mean of their slopes is right to second order (Malis, 2004).
        slope = (torch.stack([shown[..., 3:6], shown[..., 6:]], dim=-1) + self.slope) / 2  # (b, n, 3, 2)
        moved = slope @ answers(self.points, seen, state, self.centre)
        self._shade(moved, painted, state)
        shares = self.corners.shares[..., None]
        mixed = torch.einsum("bnkj,bnkl->bnjl", shares * painted.skin, painted.basis)
        by_light = torch.einsum("bnjl,ji->bnjil", mixed, torch.eye(3).to(mixed)).flatten(3)
        by_texture = ((shares * painted.lit)[..., None] * self.corners.skin_modes).sum(2)
        return torch.cat([moved, -by_light, -by_texture], dim=-1), shown[..., :3] - self._mixed(painted)

    def _shade(self, moved: Tensor, painted: Painted, state: State) -> None:
        """Take from the answers what normals contribute that turn with pose and shape, in place."""
        light = _light(state)[:, None, None]  # (b, 1, 1, 9, 3)
        bent = (shade_slope(painted.normals).mT @ light).mT  # (b, n, corner, colour, axis)
        bent = bent * (self.corners.shares[..., None] * painted.skin)[..., None]
        spun = torch.linalg.cross(painted.normals[..., None, :].expand_as(bent), bent)
        moved[..., :3] -= spun.sum(2)
        own = (bent @ state.turn[:, None, None]).transpose(2, 3).flatten(3)  # (b, n, colour, corner axis)
        modes = torch.unflatten(self.corners.normals.modes, 1, (-1, 3)).flatten(2, 3)
        moved[..., POSE:] -= own @ modes

    def _painted(self, state: State) -> Painted:
        corners = self.corners
        upright = normalize(corners.normals.at(state.shape), dim=-1)
        turned = torch.unflatten(upright @ state.turn.mT, 1, (-1, 3))
        basis = shade.sh_basis(turned)
        tint = torch.einsum("bnkct,bt->bnkc", corners.skin_modes, state.paint[:, LIGHTS:])
        return Painted(
            normals=turned, basis=basis, skin=corners.skin + tint, lit=basis @ _light(state)[:, None]
        )

    def _mixed(self, painted: Painted) -> Float[Tensor, "b n 3"]:
        return (self.corners.shares[..., None] * painted.skin * painted.lit).sum(2)

    def _shown(self, xy: Tensor) -> Float[Tensor, "b n 9"]:
        height, width = self.picture.shape[-2:]
        where = xy * (2 / xy.new_tensor([width, height])) - 1
        found = grid_sample(self.picture, where[:, None], padding_mode="border", align_corners=False)
        return found[:, :, 0].mT


def with_slopes(picture: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 9 h w"]:
    """Return pictures in [0, 1] with their slopes along x and y, from the two neighbours of each pixel."""
    wide = pad(picture, (1, 1, 1, 1), mode="replicate")
    along = (wide[..., 1:-1, 2:] - wide[..., 1:-1, :-2]) / 2
    down = (wide[..., 2:, 1:-1] - wide[..., :-2, 1:-1]) / 2
    return torch.cat([picture, along, down], dim=1)


def shade_slope(normals: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 9 3"]:
    """Return how the nine functions of `shade.sh_basis` change with the normal."""
    x, y, z = normals.unbind(-1)
    o = torch.zeros_like(x)
    c1, c2, d = o + shade.C1, shade.C2, shade.C2 / (2 * math.sqrt(3))
    rows = [
        (o, o, o),
        (o, -c1, o),
        (o, o, c1),
        (-c1, o, o),
        (c2 * y, c2 * x, o),
        (o, -c2 * z, -c2 * y),
        (o, o, 6 * d * z),
        (-c2 * z, o, -c2 * x),
        (c2 * x, -c2 * y, o),
    ]
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def paint_prior(texture: int, like: Float[Tensor, "..."]) -> tuple[Float[Tensor, " q"], Float[Tensor, "q q"]]:
    """Return the mean and the precision of light and texture before a picture is seen.

    Light is mostly white: what skin's colour and the light's colour could both explain is the skin's.
    """
    mean = like.new_zeros(LIGHTS + texture)
    mean[:LIGHTS:LIGHT_BANDS] = NEUTRAL_LIGHT[0]
    grey = torch.full((3, 3), 1 / 3).to(like)
    tint = torch.eye(3).to(like) - grey
    channels = grey / GREY_SPREAD**2 + tint / TINT_SPREAD**2
    precision = torch.eye(LIGHTS + texture).to(like)
    precision[:LIGHTS, :LIGHTS] = torch.kron(channels, torch.eye(LIGHT_BANDS).to(like))
    return mean, precision


def _light(state: State) -> Float[Tensor, "b 9 3"]:
    return torch.unflatten(state.paint[:, :LIGHTS], 1, (3, LIGHT_BANDS)).mT


def _single(state: State) -> State:
    """Return a state in single precision: colours need no more, and there are many of them."""
    return State(**{name: getattr(state, name).float() for name in state.__dataclass_fields__})
