"""From hits to lists: which points of which material a picture shows, and how they make up pixels.

A pixel is made of 2 x 2 samples. Smooth surfaces are shaded once a pixel, at the first sample that
shows them, and count as often as they show; small or busy ones (eyes, teeth, hair) every time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from phiz.graphics.raster import Hits
from phiz.world.drawn import develop, loops, sample_loops
from phiz.world.surface import Label, Material

SUB = 2
"""Samples along a side of a pixel."""
COUNT = SUB * SUB
SKIN, EYES, MOUTH, HAIR, THINGS = range(5)
"""Groups of materials that are shaded alike."""
GROUP_OF_MATERIAL = {
    Material.SKIN: SKIN,
    Material.EYE: EYES,
    Material.TOOTH: MOUTH,
    Material.TONGUE: MOUTH,
    Material.MOUTH: MOUTH,
    Material.HAIR: HAIR,
    Material.CLOTH: THINGS,
    Material.PLAIN: THINGS,
}
ONCE, EVERY, HALF = range(3)
WAYS = (ONCE, EVERY, EVERY, HALF, ONCE)
"""How the points of each group are chosen."""


@dataclass(frozen=True, kw_only=True)
class Points:
    """Points of one material that a picture shows."""

    pixel: Int[Tensor, " n"]
    """Row times width plus column."""
    triangle: Int[Tensor, " n"]
    weights: Float[Tensor, "n 3"]
    corners: Int[Tensor, "n 3"]
    """Vertex numbers."""
    share: Float[Tensor, " n"]
    """How much of its pixel each point stands for."""

    def __len__(self) -> int:
        return int(self.pixel.shape[0])

    def mix(self, table: Float[Tensor, "v c"], first: int = 0) -> Float[Tensor, "n c"]:
        """Return the table's rows (of vertices from number `first` on), mixed at each point."""
        if loops.ready(table):
            out = np.empty((len(self), table.shape[1]), np.float32)
            given = (loops.array(t) for t in (self.weights, self.corners))
            sample_loops.mix(*given, loops.array(table), first, out)
            return torch.from_numpy(out)
        corners = self.corners - first if first else self.corners
        total = self.weights[:, 0, None] * table.index_select(0, corners[:, 0])
        total += self.weights[:, 1, None] * table.index_select(0, corners[:, 1])
        total += self.weights[:, 2, None] * table.index_select(0, corners[:, 2])
        return total

    def __getitem__(self, index: Tensor) -> Points:
        return Points(
            pixel=self.pixel[index],
            triangle=self.triangle[index],
            weights=self.weights[index],
            corners=self.corners[index],
            share=self.share[index],
        )


@dataclass(frozen=True, kw_only=True)
class Blocks:
    """The samples of a picture, grouped by pixel."""

    triangle: Int[Tensor, "p 4"]
    """-1 where there is nothing."""
    depth: Float[Tensor, "p 4"]
    hits: Hits
    """As drawn: rows and columns of samples."""


@dataclass(frozen=True, kw_only=True)
class Sorted:
    """What the pixels of a picture show, in a row, and the points to be shaded."""

    points: tuple[Points, ...]
    """One list a group of materials."""
    labels: Int[Tensor, " p"]
    """The commonest of a pixel's labels; sides are the person's."""
    alpha: Float[Tensor, " p"]
    depth: Float[Tensor, " p"]
    """Mean of the samples that hold the label; infinite where there are none."""


def sort(
    hits: Hits, triangles: Int[Tensor, "f 3"], material: Int[Tensor, " f"], labels: Int[Tensor, " f"]
) -> Sorted:
    """Return what the pixels show of triangles with some material and label each."""
    groups = torch.full((len(Material),), -1, dtype=torch.long)
    for name, group in GROUP_OF_MATERIAL.items():
        groups[name] = group
    kind = groups.to(material.device)[material.long()]
    if loops.ready(kind):
        return _sorted_by_loops(hits, triangles, kind, labels)
    found = blocks(hits)
    covered = found.triangle >= 0
    number = found.triangle.long() + 1  # 0 is nothing
    pad = torch.nn.functional.pad
    kinds = pad(kind, (1, 0), value=-1)[number]
    label, holders = majority(pad(labels.long(), (1, 0), value=int(Label.BACKGROUND))[number])
    choose = (once_a_pixel, every_sample, every_other)
    depth = torch.where(covered & holders, found.depth, torch.inf)
    finite = torch.isfinite(depth)
    seen = torch.where(finite, depth, 0.0).sum(1) / finite.sum(1).clamp(min=1)
    return Sorted(
        points=tuple(choose[way](found, kinds == k, triangles) for k, way in enumerate(WAYS)),
        labels=label,
        alpha=covered.float().mean(1),
        depth=torch.where(finite.any(1), seen, torch.inf),
    )


def _sorted_by_loops(
    hits: Hits, triangles: Int[Tensor, "f 3"], kind: Int[Tensor, " f"], labels: Int[Tensor, " f"]
) -> Sorted:
    pixels = hits.triangle.numel() // COUNT
    label, (alpha, depth) = np.empty(pixels, np.int64), np.empty((2, pixels), np.float32)
    flat = np.empty((len(WAYS), COUNT * pixels), np.int32)
    share, counts = np.empty(flat.shape, np.float32), np.zeros(len(WAYS), np.int64)
    triangle, corners = loops.array(hits.triangle), loops.array(triangles.int())
    out = (label, alpha, depth, flat, share, counts)
    given = (triangle, *(loops.array(t) for t in (hits.depth, kind, labels)))
    sample_loops.sort(*given, int(Label.BACKGROUND), np.asarray(WAYS), out)
    points = []
    for group, count in enumerate(counts.tolist()):
        some = np.empty(count, np.int64), np.empty(count, np.int64)
        mixed = np.empty((count, 3), np.float32), np.empty((count, 3), np.int64)
        own = flat[group, :count]
        sample_loops.gather(own, triangle, loops.array(hits.barycentric), corners, (*some, *mixed))
        pixel, number, weights, corner = (torch.from_numpy(a) for a in (*some, *mixed))
        each = torch.from_numpy(share[group, :count])
        points.append(Points(pixel=pixel, triangle=number, weights=weights, corners=corner, share=each))
    return Sorted(
        points=tuple(points),
        labels=torch.from_numpy(label),
        alpha=torch.from_numpy(alpha),
        depth=torch.from_numpy(depth),
    )


def blocks(hits: Hits) -> Blocks:
    """Return the hits of a picture drawn at twice its size, four a pixel."""
    return Blocks(
        triangle=grouped(hits.triangle),
        depth=grouped(hits.depth),
        hits=hits,
    )


def grouped(values: Shaped[Tensor, "h w *c"]) -> Shaped[Tensor, "p 4 *c"]:
    """Return samples (2h, 2w, ...) as (h * w, 4, ...)."""
    height, width = values.shape[0] // SUB, values.shape[1] // SUB
    split = values.reshape(height, SUB, width, SUB, *values.shape[2:])
    return split.transpose(1, 2).reshape(height * width, COUNT, *values.shape[2:])


def once_a_pixel(found: Blocks, chosen: Bool[Tensor, "p 4"], triangles: Int[Tensor, "f 3"]) -> Points:
    """Return one point for each pixel that shows any of the chosen samples."""
    number = chosen.sum(1)
    pixel = number.nonzero()[:, 0]
    first = chosen[pixel].int().argmax(1)
    return _points(found, pixel, first, number[pixel].float() / COUNT, triangles)


def every_sample(found: Blocks, chosen: Bool[Tensor, "p 4"], triangles: Int[Tensor, "f 3"]) -> Points:
    """Return each chosen sample as a point of its own."""
    pixel, sample = chosen.nonzero(as_tuple=True)
    share = torch.full((pixel.shape[0],), 1 / COUNT, device=pixel.device)
    return _points(found, pixel, sample, share, triangles)


def every_other(found: Blocks, chosen: Bool[Tensor, "p 4"], triangles: Int[Tensor, "f 3"]) -> Points:
    """Return half of each pixel's chosen samples (of an odd number, the larger half)."""
    some = chosen.any(1).nonzero()[:, 0]
    rank = chosen[some].int().cumsum(1)
    kept = chosen[some] & (rank % 2 == 1)
    row, sample = kept.nonzero(as_tuple=True)
    share = (rank[:, -1] / kept.sum(1) / COUNT)[row]
    pixel = some[row]
    return _points(found, pixel, sample, share, triangles)


def _points(found: Blocks, pixel: Tensor, sample: Tensor, share: Tensor, triangles: Tensor) -> Points:
    width = found.hits.triangle.shape[1] // SUB
    row, column = SUB * (pixel // width) + sample // SUB, SUB * (pixel % width) + sample % SUB
    flat = row * (SUB * width) + column
    triangle = found.hits.triangle.reshape(-1)[flat].long()
    weights = found.hits.barycentric.reshape(-1, 3)[flat]
    return Points(
        pixel=pixel, triangle=triangle, weights=weights, corners=triangles[triangle].long(), share=share
    )


def majority(values: Int[Tensor, "p 4"]) -> tuple[Int[Tensor, " p"], Bool[Tensor, "p 4"]]:
    """Return the commonest of each pixel's four values (of equals, the first), and who holds it."""
    winner = values[:, 0].clone()
    mixed = (values[:, 1:] != values[:, :1]).any(1).nonzero()[:, 0]
    some = values[mixed]
    votes = (some[:, :, None] == some[:, None, :]).sum(-1)  # (m, 4)
    # argmax does not promise the first of equals on every device: make them differ.
    first = (votes * COUNT - torch.arange(COUNT, device=values.device)).argmax(1, keepdim=True)
    winner[mixed] = some.gather(1, first)[:, 0]
    return winner, values == winner[:, None]


def relief(
    points: Points,
    places: Float[Tensor, "n 3"],
    normals: Float[Tensor, "n 3"],
    height: Float[Tensor, " n"],
    width: int,
    pixels: int,
) -> Float[Tensor, "n 3"]:
    """Return normals tilted by a height map over a picture's points (one a pixel).

    Needs no texture coordinates (Mikkelsen, "Bump mapping unparametrized surfaces on the GPU",
    2010). Where a neighbour is missing or lies on another fold, the surface counts as flat.
    """
    count = len(points)
    if loops.ready(places):
        out, spots = np.empty((count, 3), np.float32), np.full(pixels + width + 1, -1, np.int32)
        given = (loops.array(t) for t in (points.pixel, places, normals, height))
        sample_loops.relief(*given, width, spots, out)
        return torch.from_numpy(out)
    where = torch.full((pixels + width + 1,), -1, dtype=torch.long, device=places.device)
    where[points.pixel] = torch.arange(count, device=places.device)
    own = torch.arange(count, device=places.device)
    right, down = where[points.pixel + 1], where[points.pixel + width]
    right, down = torch.where(right < 0, own, right), torch.where(down < 0, own, down)
    packed = torch.cat([places, height[:, None]], dim=1)
    dx, dy = packed[right] - packed, packed[down] - packed
    dpx, dpy = dx[:, :3], dy[:, :3]
    r1, r2 = torch.linalg.cross(dpy, normals), torch.linalg.cross(normals, dpx)
    area = (dpx * r1).sum(-1, keepdim=True)
    tilt = (dx[:, 3:] * r1 + dy[:, 3:] * r2) * torch.sign(area)
    near = (dpx.square().sum(-1) < 36e-6) & (dpy.square().sum(-1) < 36e-6) & (area[:, 0].abs() > 1e-12)
    slope = tilt / area.abs().clamp(min=1e-12)
    steep = slope.square().sum(-1, keepdim=True).sqrt()
    slope = slope * (0.9 / steep.clamp(min=0.9))
    tilted = normals - torch.where(near[:, None], slope, 0.0)
    return torch.nn.functional.normalize(tilted, dim=-1)


def turns(points: Points, width: int) -> Float[Tensor, " n"]:
    """Return interleaved gradient noise (Jimenez, 2014): neighbours get well-spread turns."""
    x, y = (points.pixel % width).float(), (points.pixel // width).float()
    return (52.9829189 * (0.06711056 * x + 0.00583715 * y).frac()).frac()


def blurred(
    values: Float[Tensor, "n 3"], points: Points, size: int, sigmas: list[float]
) -> Float[Tensor, "n 3"]:
    """Return values (one a pixel) blurred over the points' own pixels, each channel by its own sigma."""
    sheet = values.new_zeros(size * size, 4)
    sheet[points.pixel] = torch.cat([values, torch.ones_like(values[:, :1])], dim=1)
    sheet = sheet.T.reshape(4, size, size)
    out = []
    for channel, sigma in enumerate(sigmas):
        spread = develop.blur(sheet[[channel, 3]], sigma).reshape(2, -1)[:, points.pixel]
        out.append(spread[0] / spread[1].clamp(min=0.05))
    return torch.stack(out, dim=-1)
