"""Any head model as mean plus modes, and chosen points of its surface.

Second-order fitting asks how every point answers to every coefficient. Linear models say so themselves; our
own head also rolls eyes and keeps lips apart. `chart` measures the answer of any model once, one mode at a
time, and `fit` later adds what the measurement left out. Lengths are metres here, whatever the model's unit.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from phiz.errors import HeadError
from phiz.face import modes
from phiz.face.coeffs import FaceCoeffs, neutral
from phiz.face.morphable import MorphableModel, Part
from phiz.graphics import rotation

FACE_PARTS = (Part.SKIN, Part.NOSE, Part.UPPER_LIP, Part.LOWER_LIP)
"""What a picture's colours are compared with: no hair, no eyes, no neck."""
COLOUR_STEP = 0.25
"""Texture modes are measured at this weight, so that clipping to [0, 1] does not bend them."""
TINY_WEIGHT = 1e-6
SLIVER = 1e-12
"""Square metres; no sum of cross products counts as shorter."""


@dataclass(frozen=True, kw_only=True)
class Anchors:
    """Points of a surface, each a mix of a few vertices."""

    corners: Int[Tensor, "n m"]
    weights: Float[Tensor, "n m"]

    def on(self, vertices: Float[Tensor, "b v 3"]) -> Float[Tensor, "b n 3"]:
        """Return the points on some surfaces."""
        return (vertices[:, self.corners] * self.weights[..., None]).sum(2)

    def joined(self, other: Anchors) -> Anchors:
        """Return these points and then others, each a mix of as many vertices as it takes."""
        most = max(self.corners.shape[1], other.corners.shape[1])
        corners, weights = (
            torch.cat(
                [
                    torch.nn.functional.pad(getattr(part, name), (0, most - part.corners.shape[1]))
                    for part in (self, other)
                ]
            )
            for name in ("corners", "weights")
        )
        return Anchors(corners=corners, weights=weights)

    def modes_of(self, per_vertex: Float[Tensor, "v 3 k"]) -> Float[Tensor, "n 3 k"]:
        """Return how the points move with each mode."""
        return torch.einsum("nm,nmck->nck", self.weights, per_vertex[self.corners])


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A head model as sums of modes: identity first, then expression."""

    mean: Float[Tensor, "v 3"]
    """Metres."""
    modes: Float[Tensor, "v 3 k"]
    colour: Float[Tensor, "v 3"]
    """sRGB in [0, 1]."""
    colour_modes: Float[Tensor, "v 3 t"]
    triangles: Int[Tensor, "f 3"]
    is_face: Bool[Tensor, " f"]
    """Which of the triangles colours are compared on."""
    around: Int[Tensor, "v m"]
    """The triangles at each vertex; filled up with their number, which is none of them."""

    def normals_turn(
        self, vertices: Int[Tensor, " u"], surface: Float[Tensor, "v 3"]
    ) -> Float[Tensor, "u 3 k"]:
        """Return how the unit normals of some vertices of a surface turn with each mode.

        A normal is the sum of its triangles' cross products, made one long.
        """
        around = self.around[vertices]
        member, column = (around < len(self.triangles)).nonzero(as_tuple=True)
        used, where = torch.unique(around[member, column], return_inverse=True)
        corners = self.triangles[used]
        first, second, third = (surface[corners[:, k]] for k in range(3))
        along, beside = second - first, third - first
        across = torch.linalg.cross(along, beside)
        moved = [self.modes[corners[:, k]] for k in range(3)]
        turned = rotation.skew(along) @ (moved[2] - moved[0]) - rotation.skew(beside) @ (moved[1] - moved[0])
        total = surface.new_zeros(len(vertices), 3).index_add(0, member, across[where])
        slope = surface.new_zeros(len(vertices), *turned.shape[1:]).index_add(0, member, turned[where])
        size = total.norm(dim=1).clamp_min(SLIVER)
        upright = total / size[:, None]
        slope = slope / size[:, None, None]
        across_it: Tensor = slope - upright[:, :, None] * (upright[:, None] @ slope)
        return across_it


def chart(model: MorphableModel) -> Chart:
    """Return a model as sums of modes; kept, because it costs as much as a whole fit."""
    return _chart(cast(Hashable, model))


def anchors68(model: MorphableModel) -> Anchors:
    """Return the 68 landmarks as mixes of vertices."""
    return _anchors(cast(Hashable, model), "landmarks")


def anchors478(model: MorphableModel) -> Anchors:
    """Return the points of the 478-point layout as mixes of vertices."""
    if not hasattr(model, "landmarks478"):
        raise HeadError(f"the head model {model.name!r} does not know the 478 points. Give it 68 points.")
    return _anchors(cast(Hashable, model), "landmarks478")


def face_parts(model: MorphableModel) -> Bool[Tensor, " f"]:
    """Return which triangles are the face's own, or all of them where the model's parts name no face."""
    kept = torch.zeros_like(model.parts, dtype=torch.bool)
    for part in FACE_PARTS:
        kept |= model.parts == int(part)
    return kept if bool(kept.any()) else ~kept


@lru_cache(maxsize=4)
@torch.no_grad()
def _chart(key: Hashable) -> Chart:
    model = cast(MorphableModel, key)
    rest = neutral(model.sizes, 1, model.triangles.device)
    mean = model.vertices(rest)[0]
    identity = [moved - mean for moved in _one_by_one(model, rest, "identity")]
    expression = [moved - still for moved, still in modes.surfaces(model, rest)]
    colour = model.colours(rest)[0]
    texture = [(tinted - colour) / COLOUR_STEP for tinted in _one_by_one(model, rest, "texture")]
    parts = [*identity, *expression]
    scale = model.metres_per_unit
    return Chart(
        mean=mean * scale,
        modes=_last(parts, mean) * scale,
        colour=colour,
        colour_modes=_last(texture, colour),
        triangles=model.triangles.long(),
        is_face=face_parts(model),
        around=_around(model.triangles.long(), len(mean)),
    )


def _one_by_one(model: MorphableModel, rest: FaceCoeffs, name: str) -> Iterator[Float[Tensor, "n v 3"]]:
    """Yield surfaces with one identity mode at 1, or colours with one texture mode at `COLOUR_STEP`."""
    alone = torch.eye(getattr(model.sizes, name), device=model.triangles.device)
    for some in torch.split(alone, modes.AT_ONCE):
        many = modes.repeat(rest, rest.expression.expand(len(some), -1))
        if name == "identity":
            yield model.vertices(replace(many, identity=some))
        else:
            yield model.colours(replace(many, texture=some * COLOUR_STEP))


def _around(triangles: Int[Tensor, "f 3"], count: int) -> Int[Tensor, "v m"]:
    """Return the triangles at each vertex, as many columns as the busiest has."""
    order = torch.argsort(triangles.flatten(), stable=True)
    owner = triangles.flatten()[order]
    first = torch.searchsorted(owner, torch.arange(count, device=owner.device))
    place = torch.arange(len(owner), device=owner.device) - first[owner]
    table = torch.full((count, int(place.max()) + 1), len(triangles), device=owner.device)
    table[owner, place] = order // 3
    return table


def _last(parts: list[Tensor], like: Tensor) -> Float[Tensor, "v 3 k"]:
    """Return modes with their number as the last axis, so that a vertex's answers lie side by side."""
    if not parts:
        return like.new_zeros(*like.shape, 0)
    return torch.cat(parts).permute(1, 2, 0).contiguous()


@lru_cache(maxsize=8)
@torch.enable_grad()
def _anchors(key: Hashable, method: str) -> Anchors:
    """Return what a linear map from vertices to points is made of: the weights are its slope."""
    model = cast(MorphableModel, key)
    rest = neutral(model.sizes, 1, model.triangles.device)
    with torch.no_grad():
        vertices = model.vertices(rest)
    find = getattr(model, method)
    live = vertices.detach().requires_grad_()
    points = find(live)[0, :, 0]  # (n,)
    rows = [torch.autograd.grad(point, live, retain_graph=True)[0][0, :, 0] for point in points]
    slope = torch.stack(rows)  # (n, v)
    most = int((slope.abs() > TINY_WEIGHT).sum(1).max())
    corners = slope.abs().topk(max(most, 1), dim=1).indices
    return Anchors(corners=corners, weights=slope.gather(1, corners).detach())
