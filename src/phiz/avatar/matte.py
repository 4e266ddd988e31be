"""Who is the person in a crop and what is behind them, as exactly as the parser and colours tell."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from phiz.avatar import framing
from phiz.avatar.framing import Framed
from phiz.face import parse, warp
from phiz.face.parse import Parser
from phiz.graphics.rays import pixel_grid

WIDER = 1.3
"""How much more of the photo the parser is shown as well."""
CERTAIN, CERTAIN_BEHIND, NEARNESS = 0.85, 0.36, 0.7
"""Shares above and below which a pixel is sure; what half a picture's width counts as colour."""

ALIKE, MOST_SURE = 12, 4000
"""How many pixels of like colour are asked, and among how many sure ones they are looked for."""
RAG = 4
"""Pixels: half the width of what is too thin to be a part of the person."""
SHARPER = 3.0
"""How much steeper outlines are than the parser is sure of them."""
FEATURES = (2, 3, 4, 5, 11, 12, 13)
"""Brows, eyes and mouth in the parser's table: small, and looked at first."""
FACE_LABELS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13)
HAIR_LABELS = (17, 18)


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """What a crop shows where."""

    matte: Float[Tensor, "1 1 s s"]
    """Share of a pixel that belongs to the person."""
    is_face: Float[Tensor, "1 1 s s"]
    """1 where skin is to be seen, or what lies in it."""
    is_feature: Float[Tensor, "1 1 s s"]
    is_hair: Float[Tensor, "1 1 s s"]


@torch.no_grad()
def parsed(parser: Parser, found: Framed) -> Parsed:
    """Return where a photo shows a person, and where their face.

    Three looks agree better than one: at the crop with its head upright, at its mirror image, and at more of
    the photo.
    """
    size = found.crop.shape[-1]
    margin = (WIDER - 1) / 2 * size
    crop_from_upright = framing.turned_upright(found.camera, size)
    upright = warp.join(found.photo_from_crop.double(), crop_from_upright)
    wider = warp.join(upright, warp.scaling(WIDER, WIDER, -margin, -margin))
    (crop, _), (around, _) = (framing.cut(found.photo, each, size) for each in (upright, wider))
    looks = torch.stack([crop, crop.flip(-1), around])
    sides = parse.read_size(size, size, parser.config.size)
    read = functional.interpolate(looks, size=sides, mode="bilinear", antialias=True)
    shares = parser(parse.normalised(read)).softmax(dim=1)
    if sides != (size, size):
        shares = functional.interpolate(shares, size=(size, size), mode="bilinear", antialias=True)
    own, mirrored, wide = shares.split(1)
    mirrored = swapped(mirrored.flip(-1), parser.config.table.mirrored)
    inner = round(size / WIDER)
    first = (size - inner) // 2
    wide = wide[..., first : first + inner, first : first + inner]
    wide = functional.interpolate(wide, size=(size, size), mode="bilinear", align_corners=False)
    mean = at(warp.invert(crop_from_upright), (own + mirrored + 2 * wide) / 4)
    return Parsed(
        matte=by_colour(1 - mean[:, :1], found.crop[None], found.seen[None]),
        is_face=mean[:, list(FACE_LABELS)].sum(1, keepdim=True),
        is_feature=mean[:, list(FEATURES)].sum(1, keepdim=True),
        is_hair=mean[:, list(HAIR_LABELS)].sum(1, keepdim=True),
    )


def at(there_from_here: Float[Tensor, "2 3"], maps: Float[Tensor, "1 k s s"]) -> Float[Tensor, "1 k s s"]:
    """Return maps in another frame; what lies beyond their edges is what lies at them."""
    size = maps.shape[-1]
    pixels = (pixel_grid(size, size) + 1) * size / 2
    places = warp.apply(there_from_here, pixels.reshape(-1, 2)) * 2 / size - 1
    grid = places.reshape(1, size, size, 2)
    return functional.grid_sample(maps, grid, padding_mode="border", align_corners=False)


def swapped(shares: Float[Tensor, "b k h w"], pairs: tuple[tuple[int, int], ...]) -> Float[Tensor, "b k h w"]:
    """Return shares of classes with left and right ones in each other's place."""
    order = list(range(shares.shape[1]))
    for left, right in pairs:
        order[left], order[right] = right, left
    return shares[:, order]


def by_colour(
    person: Float[Tensor, "1 1 s s"], picture: Float[Tensor, "1 3 s s"], seen: Float[Tensor, "1 1 s s"]
) -> Float[Tensor, "1 1 s s"]:
    """Return a sharper outline: where the parser wavers, pixels go with those of their colour near by."""
    size = person.shape[-1]
    small = size // 2
    share, shown, known = (
        functional.interpolate(x, size=(small, small), mode="area")[0].flatten(1).T
        for x in (person, picture, seen)
    )
    place = pixel_grid(small, small).reshape(-1, 2) * NEARNESS
    features = torch.cat([shown, place], dim=1)
    sure = ((share > CERTAIN) | (share < CERTAIN_BEHIND)) & (known > 0.5)
    pool = sure[:, 0].nonzero()[:, 0]
    doubtful = (~sure[:, 0]).nonzero()[:, 0]
    if len(pool) < ALIKE or len(doubtful) == 0:
        return ((person - 0.5) * SHARPER + 0.5).clamp(0, 1)
    pool = pool[:: max(len(pool) // MOST_SURE, 1)]
    _, which = torch.cdist(features[doubtful], features[pool]).topk(ALIKE, dim=1, largest=False)
    vote = (share[pool][which][..., 0] > 0.5).float().mean(1, keepdim=True)
    share = share.index_copy(0, doubtful, (2 * share[doubtful] + vote) / 3)
    coarse = share.reshape(1, 1, small, small)
    whole = functional.interpolate(coarse, size=(size, size), mode="bilinear", align_corners=False)
    return without_rags(((whole - 0.5) * SHARPER + 0.5).clamp(0, 1))


def without_rags(matte: Float[Tensor, "1 1 s s"]) -> Float[Tensor, "1 1 s s"]:
    """Return an outline without thin pieces and specks; none of them could be drawn from aside."""
    thin, wide = 2 * RAG + 1, 2 * RAG + 3
    inner = -functional.max_pool2d(-matte, thin, stride=1, padding=RAG)
    return torch.minimum(matte, functional.max_pool2d(inner, wide, stride=1, padding=RAG + 1))
