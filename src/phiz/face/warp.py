"""Pictures seen through a flat map: 2 x 3 matrices, a resampler that does not alias, what lies beyond edges.

A matrix ``picture_from_crop`` takes pixel coordinates of a crop to those of the picture it is cut from; the
centre of the first pixel is (0.5, 0.5) in both. Matrices are float64, so there and back is exact to 1e-9
pixels.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

SHRINK = 2.0
"""A crop that shows its picture smaller than by this factor is cut from a picture shrunk to this factor."""
MARGIN = 4.0
"""Crop pixels around a crop that its outermost pixels still depend on."""
FINE_BLUR = 4.0
"""Pixels; a wider blur is done on a smaller copy, where it is this wide."""
REACH = 4.0
"""Standard deviations after which a Gaussian counts as zero."""


def invert(matrix: Float[Tensor, "*b 2 3"]) -> Float[Tensor, "*b 2 3"]:
    """Return the map back."""
    back = torch.linalg.inv(matrix[..., :2])
    return torch.cat([back, -(back @ matrix[..., 2:])], dim=-1)


def join(outer: Float[Tensor, "*b 2 3"], inner: Float[Tensor, "*b 2 3"]) -> Float[Tensor, "*b 2 3"]:
    """Return the map that goes through `inner` first and `outer` then."""
    linear, shift = outer[..., :2], outer[..., 2:]
    return torch.cat([linear @ inner[..., :2], linear @ inner[..., 2:] + shift], dim=-1)


def scaling(across: float, down: float, left: float = 0.0, top: float = 0.0) -> Float[Tensor, "2 3"]:
    """Return the map that stretches along both axes and shifts then."""
    return torch.tensor([[across, 0.0, left], [0.0, down, top]], dtype=torch.float64)


def apply(matrix: Float[Tensor, "*a 2 3"], points: Float[Tensor, "*b n 2"]) -> Float[Tensor, "*c n 2"]:
    """Return points through a map, rounded once, to their own precision."""
    wide = points.double() @ matrix[..., :2].transpose(-1, -2) + matrix[..., None, :, 2]
    return wide.to(points.dtype)


def size_of(matrix: Float[Tensor, "*b 2 3"]) -> Float[Tensor, "*b"]:
    """Return how many pixels of the picture one pixel of the crop spans."""
    area: Tensor = torch.linalg.det(matrix[..., :2])
    return area.abs().sqrt()


def corners(height: int, width: int) -> Float[Tensor, "4 2"]:
    """Return a crop's outer corners, clockwise from the top left."""
    return torch.tensor([[0, 0], [width, 0], [width, height], [0, height]], dtype=torch.float64)


def reduce(
    pictures: Float[Tensor, "b c h w"],
    picture_from_crop: Float[Tensor, "b 2 3"],
    size: tuple[int, int],
    *,
    margin: float = MARGIN,
) -> tuple[Float[Tensor, "b c h2 w2"], Float[Tensor, "b 2 3"]]:
    """Return the part of pictures that crops show, not much finer than they show it, and the maps into it.

    `margin` is how much around the crops is kept, in crop pixels.
    """
    height, width = pictures.shape[-2:]
    ratio = float(size_of(picture_from_crop).min())
    outer = apply(picture_from_crop, corners(*size).to(picture_from_crop).expand(len(pictures), 4, 2))
    around = margin * float(size_of(picture_from_crop).max())
    low = (outer.amin(dim=(0, 1)) - around).floor().tolist()
    high = (outer.amax(dim=(0, 1)) + around).ceil().tolist()
    left, right = _span(low[0], high[0], width)
    top, bottom = _span(low[1], high[1], height)
    part = pictures[..., top:bottom, left:right]
    factor = ratio / SHRINK
    if factor > 1:
        small = math.ceil(part.shape[-2] / factor), math.ceil(part.shape[-1] / factor)
        smaller = functional.interpolate(part, small, mode="bicubic", antialias=True)
    else:
        smaller = part
    across, down = smaller.shape[-1] / part.shape[-1], smaller.shape[-2] / part.shape[-2]
    into = scaling(across, down, -left * across, -top * down).to(picture_from_crop)
    return smaller, join(into.expand_as(picture_from_crop), picture_from_crop)


def sample(
    pictures: Float[Tensor, "b c h w"],
    picture_from_crop: Float[Tensor, "b 2 3"],
    size: tuple[int, int],
    *,
    fill: float = -1.0,
    is_smooth: bool = True,
) -> Float[Tensor, "b c h2 w2"]:
    """Return crops of (height, width) pixels; beyond its edges a picture is `fill`.

    The plain way interpolates linearly between four pixels, as networks that recognise faces were shown
    them. The smooth way is bicubic, and where a crop pixel spans several of the picture's it averages over
    them; its overshoots are the caller's to cut off.
    """
    if not is_smooth:
        return _look_up(pictures, picture_from_crop, size, fill, "bilinear")
    pictures, picture_from_crop = reduce(pictures, picture_from_crop, size)
    steps = max(1, math.ceil(float(size_of(picture_from_crop).max()) - 1e-6))
    fine_size = size[0] * steps, size[1] * steps
    crop_from_fine = scaling(1 / steps, 1 / steps).to(picture_from_crop)
    picture_from_fine = join(picture_from_crop, crop_from_fine.expand_as(picture_from_crop))
    fine = _look_up(pictures, picture_from_fine, fine_size, fill, "bicubic")
    return fine if steps == 1 else functional.interpolate(fine, size, mode="bicubic", antialias=True)


def extend(
    picture: Float[Tensor, "c h w"], margins: tuple[int, int, int, int], blur: float
) -> tuple[Float[Tensor, "c h2 w2"], Float[Tensor, "1 h2 w2"]]:
    """Return a picture grown by (left, top, right, bottom) pixels, and 1 where it still is the old one.

    What FFHQ's makers did (Karras et al., 2019): the picture is mirrored at its edges, becomes blurred from
    a third of the margin before an edge on, and beyond the edge fades into its median colour. `blur` is a
    standard deviation in pixels.
    """
    left, top, right, bottom = margins
    height, width = picture.shape[1:]
    rows = _mirrored(height, top, bottom).to(picture.device)
    columns = _mirrored(width, left, right).to(picture.device)
    grown = picture[:, rows][:, :, columns]
    soft, small = _blurred(grown, blur)
    depth = torch.minimum(
        _depth(len(columns), left, right).to(picture)[None, :],
        _depth(len(rows), top, bottom).to(picture)[:, None],
    )
    beyond = 1 - depth[None]  # 0 at an edge of the old picture, 1 at the new one's
    blurred = (3 * beyond + 1).clamp(0, 1)
    grown = torch.lerp(grown, soft, blurred)
    median = small.flatten(1).median(dim=1).values
    return torch.lerp(grown, median[:, None, None], beyond.clamp(0, 1)), 1 - blurred


def _span(low: float, high: float, length: int) -> tuple[int, int]:
    """Return a range of at least one pixel within a picture, the nearest to the one asked for."""
    first = int(min(max(low, 0), length - 1))
    return first, int(max(min(high, length), first + 1))


def _look_up(
    pictures: Tensor, picture_from_crop: Tensor, size: tuple[int, int], fill: float, mode: str
) -> Tensor:
    height, width = pictures.shape[-2:]
    # grid_sample reaches from -1 to 1 across a picture; the product is made in float64 and rounded once
    unit = scaling(2 / width, 2 / height, -1, -1).to(picture_from_crop)
    x_from, y_from = join(unit.expand_as(picture_from_crop), picture_from_crop).to(pictures).unbind(1)
    x = torch.arange(size[1], device=pictures.device, dtype=pictures.dtype) + 0.5
    y = (torch.arange(size[0], device=pictures.device, dtype=pictures.dtype) + 0.5)[:, None]
    grid = torch.stack(
        [m[:, 0, None, None] * x + (m[:, 1, None, None] * y + m[:, 2, None, None]) for m in (x_from, y_from)],
        dim=-1,
    )
    found = functional.grid_sample(pictures - fill, grid, mode=mode, align_corners=False)
    return found + fill


def _mirrored(length: int, before: int, after: int) -> Int[Tensor, " n"]:
    """Return which pixel stands where along an axis that is mirrored at its first and last, however often."""
    places = torch.arange(-before, length + after).abs()
    if length == 1:
        return torch.zeros_like(places)
    folded = places % (2 * length - 2)
    return torch.minimum(folded, 2 * length - 2 - folded)


def _depth(length: int, before: int, after: int) -> Float[Tensor, " n"]:
    """Return how far inside the new edges a pixel lies, in units of the margin there."""
    places = torch.arange(length, dtype=torch.float64)
    endless = torch.full_like(places, math.inf)
    first = places / before if before else endless
    last = (length - 1 - places) / after if after else endless
    return torch.minimum(first, last)


def _blurred(picture: Tensor, blur: float) -> tuple[Tensor, Tensor]:
    """Return a picture under a Gaussian, and the smaller blurred copy that it was made from."""
    size = picture.shape[-2:]
    factor = max(1.0, blur / FINE_BLUR)
    small_size = [max(1, round(n / factor)) for n in size]
    small = functional.interpolate(picture[None], small_size, mode="bilinear", antialias=True)
    small = _gaussian(_gaussian(small, blur * small_size[1] / size[1]).mT, blur * small_size[0] / size[0]).mT
    return functional.interpolate(small, list(size), mode="bilinear")[0], small[0]


def _gaussian(picture: Tensor, deviation: float) -> Tensor:
    """Return a picture blurred along its last axis; beyond its ends is its mirror image."""
    reach = max(1, math.ceil(REACH * deviation))
    places = torch.arange(-reach, reach + 1, device=picture.device, dtype=picture.dtype)
    weights = torch.softmax(-0.5 * (places / max(deviation, 1e-3)).square(), dim=0)
    around = _mirrored(picture.shape[-1], reach, reach).to(picture.device)
    lines = picture[..., around].reshape(-1, 1, len(around))
    return functional.conv1d(lines, weights[None, None]).reshape(picture.shape)
