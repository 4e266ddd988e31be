"""Features of a mouth put into features of a face, where a mask says so.

As published, both maps are enlarged to the mask's 512 pixels with a bicubic kernel, blended there and brought
back by the same kernel without averaging: of all that was enlarged, four rows and four columns a place are
looked at. Here only those are made; the answer is the same to rounding.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from phiz.avatar.published_quirks import PUBLISHED, PublishedQuirks
from phiz.generator.generator import Features

CHANNELS = 32
"""Features that are enlarged at once; all together they would take a gigabyte."""


def blended(
    own: Features, mouth: Features, mask: Float[Tensor, "b 1 n n"], quirks: PublishedQuirks = PUBLISHED
) -> Features:
    """Return features with those of a mouth in them, where its mask is 1."""
    blend = plain
    if quirks.blends_at_512:
        blend = enlarged if quirks.enlarges_all else picked
    small = own.image if quirks.blends_features_alone else blend(own.image, mouth.image, mask)
    return Features(blend(own.map, mouth.map, mask), small)


def plain(
    own: Float[Tensor, "b c h w"], other: Float[Tensor, "b c h w"], mask: Float[Tensor, "b 1 n n"]
) -> Float[Tensor, "b c h w"]:
    """Return a blend at the features' size, with the mask averaged."""
    share = functional.interpolate(mask, size=own.shape[-2:], mode="area")
    return own * (1 - share) + other * share


def enlarged(
    own: Float[Tensor, "b c h w"], other: Float[Tensor, "b c h w"], mask: Float[Tensor, "b 1 n n"]
) -> Float[Tensor, "b c h w"]:
    """Return a blend at the mask's size, brought back."""
    size, large = own.shape[-2:], mask.shape[-2:]
    pieces = []
    for few, others in zip(
        torch.split(own, CHANNELS, dim=1), torch.split(other, CHANNELS, dim=1), strict=True
    ):
        mixed = _bicubic(few, large) * (1 - mask) + _bicubic(others, large) * mask
        pieces.append(_bicubic(mixed, size))
    return torch.cat(pieces, dim=1)


def picked(
    own: Float[Tensor, "b c h w"], other: Float[Tensor, "b c h w"], mask: Float[Tensor, "b 1 n n"]
) -> Float[Tensor, "b c h w"]:
    """Return the same without enlarging what is never looked at."""
    rows, columns = ((size, mask.shape[-1]) for size in own.shape[-2:])
    up, left = (kernels(*sizes)[0].to(own) for sizes in (rows, columns))
    down, right = (kernels(*sizes)[1].to(own) for sizes in (rows, columns))
    used, beside = (kernels(*sizes)[2].to(own.device) for sizes in (rows, columns))
    share = mask[:, :, used][..., beside]
    mixed = (up @ own @ left.T) * (1 - share) + (up @ other @ left.T) * share
    return down @ mixed @ right.T


@lru_cache(maxsize=8)
def kernels(
    small: int, large: int
) -> tuple[Float[Tensor, "p {small}"], Float[Tensor, "{small} p"], Bool[Tensor, " {large}"]]:
    """Return the weights that enlarge a line, those that bring it back, and which places those look at.

    Both leave out all other places.
    """
    there = _bicubic(torch.eye(small, dtype=torch.float64)[None, None], (large, small))[0, 0]
    back = _bicubic(torch.eye(large, dtype=torch.float64)[None, None], (small, large))[0, 0]
    used = (back != 0).any(dim=0)
    return there[used], back[:, used], used


def _bicubic(x: Tensor, size: tuple[int, ...] | torch.Size) -> Tensor:
    return functional.interpolate(x, size=tuple(size), mode="bicubic", align_corners=False)
