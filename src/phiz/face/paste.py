"""An edited crop goes back into the photo it was cut from, with an edge that nobody sees."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from phiz.face import warp
from phiz.face.align import Crop

FEATHER = 0.06
"""Share of a crop's side over which it fades into the photo, from its edge inwards."""
RIM = 2
"""Pixels along the photo's edge in which a crop has mixed with the black beyond it."""
LEAST = 1e-3
"""Weights below this count as zero: they move no byte, and are what smooth resampling leaves behind."""


def paste(
    photo: Float[Tensor, "3 h w"],
    crop: Crop,
    edited: Float[Tensor, "3 t t"],
    *,
    mask: Float[Tensor, "1 t t"] | None = None,
    feather: float = FEATHER,
    is_retouch: bool = False,
) -> Float[Tensor, "3 h w"]:
    """Return the photo with an edited crop put back where it was.

    `edited` may be finer or coarser than the crop was. It fades out towards the crop's edges and wherever
    the crop had to make up what it shows; beyond the photo there is nothing to paste on. `mask` says what
    else to leave alone: it is 1 where the edit counts. What a weight of zero covers stays bit for bit.

    As a retouch, what the edit changed is added, instead of the edit laid over the photo. Then an untouched
    crop changes nothing and the photo's finer detail stays, which suits small edits; where a shape moved,
    its old outline would shine through.
    """
    size = edited.shape[-1]
    photo_from_edited = warp.join(
        crop.photo_from_crop, _rescaled(crop.picture.shape[-1], size).to(crop.photo_from_crop)
    )
    window = _window(photo, photo_from_edited, size)
    if window is None:
        return photo.clone()
    left, top, right, bottom = window
    place = warp.scaling(1, 1, left, top).to(photo_from_edited)
    edited_from_window = warp.join(warp.invert(photo_from_edited), place)
    seen = _resized(crop.seen, size)
    change = edited - _resized(crop.picture, size) if is_retouch else edited
    change = _spread(change, _grown(1 - seen) < 1)
    # up to the photo's very edge; beyond it nothing can be pasted anyhow
    weight = _grown(seen) * feathered(size, feather).to(photo)
    if mask is not None:
        weight = weight * mask
    layers = torch.cat([change, weight.to(change)])
    shown = warp.sample(layers[None], edited_from_window[None], (bottom - top, right - left), fill=0)[0]
    change, weight = shown[:3], shown[3:].clamp(0, 1)
    below = photo[:, top:bottom, left:right]
    mixed = below + weight * (change if is_retouch else change - below)
    result = photo.clone()
    result[:, top:bottom, left:right] = torch.where(weight > LEAST, mixed.clamp(-1, 1), below)
    return result


def feathered(size: int, share: float = FEATHER) -> Float[Tensor, "1 {size} {size}"]:
    """Return a square mask that is 1 inside and falls smoothly to 0 over `share` of its side."""
    middles = (torch.arange(size, dtype=torch.float32) + 0.5) / size
    depth = torch.minimum(middles, 1 - middles)
    rise = (depth / max(share, 1e-6)).clamp(0, 1)
    smooth = rise * rise * (3 - 2 * rise)
    return (smooth[:, None] * smooth)[None]


def _grown(mask: Tensor) -> Tensor:
    """Return a mask with its high values reaching a few pixels further."""
    return functional.max_pool2d(mask[None], 2 * RIM + 1, 1, RIM)[0]


def _spread(picture: Tensor, known: Tensor) -> Tensor:
    """Return a picture whose unknown pixels, near known ones, are the mean of their known neighbours."""
    if bool(known.all()):
        return picture
    share = known.to(picture)
    picture = picture * share
    for _ in range(2 * RIM + 1):
        near = functional.avg_pool2d(share[None], 3, 1, 1)[0]
        filled = functional.avg_pool2d(picture[None], 3, 1, 1)[0] / near.clamp(min=1e-6)
        picture = torch.where(share > 0, picture, filled)
        share = torch.maximum(share, (near > 0).to(share))
    return picture


def _rescaled(old: int, new: int) -> Tensor:
    """Return the map to a square of `old` pixels from one of `new`."""
    return warp.scaling(old / new, old / new)


def _resized(picture: Tensor, size: int) -> Tensor:
    """Return a square picture with another number of pixels."""
    if picture.shape[-1] == size:
        return picture
    frame = _rescaled(picture.shape[-1], size).to(picture.device)
    # beyond an edge is the edge again: a dark rim would show where the crop ends
    around = functional.pad(picture[None], (2, 2, 2, 2), mode="replicate")
    return warp.sample(around, warp.join(warp.scaling(1, 1, 2, 2).to(frame), frame)[None], (size, size))[0]


def _window(photo: Tensor, photo_from_edited: Tensor, size: int) -> tuple[int, int, int, int] | None:
    """Return the part of the photo (left, top, right, bottom) that a crop covers; None if it covers none."""
    outer = warp.apply(photo_from_edited, warp.corners(size, size).to(photo_from_edited))
    low, high = outer.amin(dim=0).floor().tolist(), outer.amax(dim=0).ceil().tolist()
    left, top = int(max(low[0], 0)), int(max(low[1], 0))
    right, bottom = int(min(high[0], photo.shape[2])), int(min(high[1], photo.shape[1]))
    return (left, top, right, bottom) if right > left and bottom > top else None
