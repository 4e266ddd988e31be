"""How far eyes are closed, from the points of their lids.

A fit draws every weight towards rest, and a blink of four frames with it: it finds two thirds of one. The
distance of the lids, against how far they are apart in most frames, tells a shut eye plainly.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.face import landmarks, points, warp

MOSTLY = 0.8
"""Share of the frames in which lids are no further apart than counts as open."""
SHUTTING, SHUT = 0.6, 0.22
"""Of the open distance: from here on it is a blink and not a look down or a smile, and here it is whole."""


def closures(sparse: Float[Tensor, "t 68 2"]) -> Float[Tensor, "t 2"]:
    """Return how far the left and the right eye of one person are closed in each frame, 0 to 1."""
    apart = gaps(sparse)
    open_ = torch.quantile(apart, MOSTLY, dim=0).clamp_min(1e-6)
    share = ((SHUTTING - apart / open_) / (SHUTTING - SHUT)).clamp(0, 1)
    return share * share * (3 - 2 * share)


def gaps(sparse: Float[Tensor, "t 68 2"]) -> Float[Tensor, "t 2"]:
    """Return how far lids are apart, left and right, in half sides of the whole face's frame."""
    frames = landmarks.frame_around(sparse)
    places = warp.apply(warp.invert(frames), sparse.double())
    right, left = points.facing(places, points.FACING_LIDS).view(-1, 2, 2).mean(-1).unbind(-1)
    return torch.stack([left, right], dim=-1).to(sparse.dtype)
