"""Triangles to pixels: which triangle each pixel shows, where in it, and how far away.

Two twins find the triangles: `raster_cpu` (compiled loops) and `raster_torch` (plain torch, any
device). Both snap corners to the same fine grid and decide with whole numbers whether a pixel is
inside, so they agree exactly: neighbours neither overlap nor leave gaps, and the same picture comes
out on every machine. What is found is not differentiable; `interpolate` is in its attributes, and
`barycentric` carries gradients to the corners.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from phiz.graphics import raster_cpu, raster_torch


@dataclass(frozen=True, kw_only=True)
class Hits:
    """What the pixels of a picture (or of several, stacked) show."""

    triangle: Int[Tensor, "*b h w"]
    """Number of the nearest triangle (int32), -1 where there is none."""
    barycentric: Float[Tensor, "*b h w 3"]
    """Perspective-correct weights of the triangle's corners at the pixel's centre; zero outside."""
    depth: Float[Tensor, "*b h w"]
    """Distance along the camera's axis, infinite where there is nothing."""

    @property
    def covered(self) -> Bool[Tensor, "*b h w"]:
        """Return a boolean map (\\*b, h, w) of the pixels that show anything."""
        return self.triangle >= 0

    def to(self, device: torch.device | str) -> Hits:
        return Hits(
            triangle=self.triangle.to(device),
            barycentric=self.barycentric.to(device),
            depth=self.depth.to(device),
        )

    def __getitem__(self, index: int | slice) -> Hits:
        """Return one or some of several stacked pictures."""
        return Hits(
            triangle=self.triangle[index], barycentric=self.barycentric[index], depth=self.depth[index]
        )


def rasterise(
    screen: Float[Tensor, "v 3"],
    triangles: Int[Tensor, "f 3"],
    height: int,
    width: int,
    *,
    cull: bool = False,
) -> Hits:
    """Return what each pixel of a picture shows.

    `screen` holds (x px, y px, depth) of each corner, as `camera.to_screen` makes it; the centre of
    the first pixel is (0.5, 0.5). Triangles with a corner that is not finite, closer than
    ``raster_torch.NEAR`` or more than ``raster_torch.GUARD`` pixels away are left out whole. Of
    equally near triangles the one with the lower number wins. `cull` leaves out triangles whose
    corners run clockwise in the picture: the backs of closed surfaces.
    """
    _check(triangles, height, width)
    if screen.device.type == "cpu":
        found = raster_cpu.rasterise(screen.detach(), triangles, height, width, cull)
    else:
        found = raster_torch.rasterise(screen.detach(), triangles, height, width, cull)
    return Hits(triangle=found[0], barycentric=found[1], depth=found[2])


def rasterise_depth(
    screen: Float[Tensor, "v 3"],
    triangles: Int[Tensor, "f 3"],
    height: int,
    width: int,
    *,
    cull: bool = False,
) -> Float[Tensor, "h w"]:
    """Return only the depths that `rasterise` finds: a shadow map."""
    _check(triangles, height, width)
    if screen.device.type == "cpu":
        return raster_cpu.rasterise_depth(screen.detach(), triangles, height, width, cull)
    return raster_torch.rasterise_depth(screen.detach(), triangles, height, width, cull)


def rasterise_batch(
    screens: Float[Tensor, "b v 3"],
    triangles: Int[Tensor, "f 3"],
    height: int,
    width: int,
    *,
    cull: bool = False,
) -> Hits:
    """Return what the pixels of several pictures of one topology show, stacked."""
    hits = [rasterise(screen, triangles, height, width, cull=cull) for screen in screens]
    if not hits:
        raise ValueError("rasterise_batch() needs at least one picture")
    return Hits(
        triangle=torch.stack([hit.triangle for hit in hits]),
        barycentric=torch.stack([hit.barycentric for hit in hits]),
        depth=torch.stack([hit.depth for hit in hits]),
    )


def interpolate(
    attributes: Float[Tensor, "*b v c"], triangles: Int[Tensor, "f 3"], hits: Hits
) -> Float[Tensor, "*p h w c"]:
    """Return each pixel's mix of its triangle's corners; zero where there is nothing.

    Differentiable in the attributes and in ``hits.barycentric``. Attributes without leading axes
    serve every picture of `hits`.
    """
    shape = hits.triangle.shape
    channels = attributes.shape[-1]
    where, corners = _corners(attributes, triangles, hits)  # (n,), (n, 3)
    weights = hits.barycentric.reshape(-1, 3).index_select(0, where).to(attributes.dtype)
    # index_select: its way back is twice as fast as that of brackets
    flat = attributes.reshape(-1, channels)
    mixed = weights[:, :1] * flat.index_select(0, corners[:, 0])  # (n, c)
    for k in (1, 2):
        mixed = torch.addcmul(mixed, weights[:, k, None], flat.index_select(0, corners[:, k]))
    out = attributes.new_zeros(shape.numel(), channels)
    return out.index_copy(0, where, mixed).reshape(*shape, channels)


def barycentric(
    screen: Float[Tensor, "*b v 3"], triangles: Int[Tensor, "f 3"], hits: Hits
) -> Float[Tensor, "*p h w 3"]:
    """Return ``hits.barycentric`` anew, differentiable in the corners' places on the screen.

    Which triangle a pixel shows stays as it is, so that silhouettes have no gradient.
    """
    shape = hits.triangle.shape
    where, corners = _corners(screen, triangles, hits)
    corner = screen.reshape(-1, 3)[corners].double()  # (n, 3 corners, 3)
    width = shape[-1]
    inside = where % (shape[-2] * width)
    centre = torch.stack([inside % width, inside // width], dim=-1) + 0.5
    to = corner[..., :2] - centre[:, None]  # from the pixel to each corner
    after, last = to.roll(-1, dims=1), to.roll(-2, dims=1)
    edges = after[..., 0] * last[..., 1] - after[..., 1] * last[..., 0]  # (n, 3)
    weights = edges / corner[..., 2]
    total = weights.sum(-1, keepdim=True)
    # Slivers that have an area on the rasteriser's grid only: keep what it found.
    flat = total.abs() < 1e-12
    found = hits.barycentric.reshape(-1, 3).index_select(0, where).double()
    weights = torch.where(flat, found, weights / torch.where(flat, torch.ones_like(total), total))
    out = screen.new_zeros(shape.numel(), 3)
    return out.index_copy(0, where, weights.to(screen.dtype)).reshape(*shape, 3)


def with_gradients(screen: Float[Tensor, "*b v 3"], triangles: Int[Tensor, "f 3"], hits: Hits) -> Hits:
    """Return the hits with weights and depths that carry gradients to the screen."""
    weights = barycentric(screen, triangles, hits)
    live = replace(hits, barycentric=weights)
    depth = interpolate(screen[..., 2:], triangles, live)[..., 0]
    return replace(live, depth=torch.where(hits.covered, depth, hits.depth.to(depth.dtype)))


def _corners(
    values: Float[Tensor, "*b v c"], triangles: Int[Tensor, "f 3"], hits: Hits
) -> tuple[Int[Tensor, " n"], Int[Tensor, "n 3"]]:
    """Return the flat numbers of the covered pixels, and of their corners among all values."""
    where = (hits.triangle.reshape(-1) >= 0).nonzero()[:, 0]
    corners = triangles.index_select(0, hits.triangle.reshape(-1).index_select(0, where)).long()
    if values.dim() > 2:
        pixels = hits.triangle.shape[-1] * hits.triangle.shape[-2]
        corners = corners + (where // pixels * values.shape[-2])[:, None]
    return where, corners


def _check(triangles: Int[Tensor, "f 3"], height: int, width: int) -> None:
    if not (0 < height <= raster_torch.GUARD and 0 < width <= raster_torch.GUARD):
        raise ValueError(
            f"cannot draw {height}x{width} pixels; each side has to be 1 to {raster_torch.GUARD}"
        )
    if triangles.is_floating_point():
        raise ValueError("triangles are corner numbers; they have to be integers")
