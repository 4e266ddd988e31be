"""How well a drawn face that talks follows the true one: points, lips, lids, and what should not move.

Points are the 68 landmarks of `phiz.face.points`, in pixels; lengths are told in distances between the eyes.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from phiz.face.points import FACING_LIDS, INNER_LIPS, LEFT_EYE, OUTER_LIPS, RIGHT_EYE, eyes_apart, facing

MARGIN = 0.25
"""How far a box reaches beyond its points, in widths of what they span."""
CORNERS = ((36, 39), (42, 45))
"""Of the eyes."""
MOUTH = (*OUTER_LIPS, *INNER_LIPS)
EYES = (RIGHT_EYE, LEFT_EYE)
STILL = 1.5 / 127.5
"""Colours that differ by no more have not moved: a step and a half of 255."""
EDGE = 7
"""Pixels across a window that has to rest as a whole for its middle to count as resting."""
STEPS = 127.5
"""Steps of a byte in a unit of colour."""


def box_around(points: Float[Tensor, "t n 2"], size: int, margin: float = MARGIN) -> Float[Tensor, "t 1 s s"]:
    """Return 1 in an upright box around points, in pictures of so many pixels a side."""
    low, high = points.amin(1), points.amax(1)
    around = margin * (high - low)[:, :1]
    low, high = low - around, high + around
    places = torch.arange(size, device=points.device) + 0.5
    inside = (places >= low[..., None]) & (places <= high[..., None])  # (t, 2, s)
    return (inside[:, 1, :, None] & inside[:, 0, None, :]).to(points)[:, None]


def points_off(
    found: Float[Tensor, "t 68 2"], truth: Float[Tensor, "t 68 2"], which: tuple[int, ...] = ()
) -> Float[Tensor, " t"]:
    """Return how far points lie from the true ones in the mean, in distances between the true eyes.

    `which` names the points that count; all do without.
    """
    apart = (found - truth).norm(dim=2)
    chosen = apart[:, list(which)] if which else apart
    mean: Tensor = chosen.mean(1) / eyes_apart(truth)
    return mean


def lids_open(points: Float[Tensor, "t 68 2"]) -> Float[Tensor, " t"]:
    """Return how far lids are open: the height of an eye by its width, the mean of both eyes."""
    return facing(points, FACING_LIDS).mean(1) / facing(points, CORNERS).mean(1)


class Flicker(NamedTuple):
    """How much moves of what should rest; each number is about two frames that follow each other."""

    change: Float[Tensor, " p"]
    """Mean change of colours where the truth rests, in steps of 255; NaN where nothing rests."""
    resting: Float[Tensor, " p"]
    """Share of what was looked at that rests."""


def flicker(
    drawn: Float[Tensor, "t 3 h w"],
    truth: Float[Tensor, "t 3 h w"],
    where: Float[Tensor, "t 1 h w"] | None = None,
) -> Flicker:
    """Return how much drawn pictures change where the true ones do not; `where` says where to look."""
    moves = (truth.diff(dim=0).abs().amax(1, keepdim=True) > STILL).to(drawn)
    near = functional.max_pool2d(moves, EDGE, stride=1, padding=EDGE // 2)
    looked = torch.ones_like(near) if where is None else torch.minimum(where[1:], where[:-1])
    rests = (1 - near) * looked
    change = drawn.diff(dim=0).abs().mean(1, keepdim=True) * STEPS
    return Flicker(
        change=(change * rests).sum((1, 2, 3)) / rests.sum((1, 2, 3)),
        resting=rests.sum((1, 2, 3)) / looked.sum((1, 2, 3)),
    )


def brighter(
    drawn: Float[Tensor, "t 3 h w"], truth: Float[Tensor, "t 3 h w"], where: Float[Tensor, "t 1 h w"]
) -> Float[Tensor, " t"]:
    """Return by how many steps of 255 drawn pictures are too bright in a mask; NaN where that is empty."""
    apart = STEPS * (drawn - truth).mean(1, keepdim=True)
    found: Tensor = (apart * where).sum((1, 2, 3)) / where.sum((1, 2, 3))
    return found


class Followed(NamedTuple):
    """How a change follows the true one, one number a picture."""

    share: Float[Tensor, " t"]
    """How much of the true change there is: 1 is all of it, 0 none."""
    correlation: Float[Tensor, " t"]


def followed(
    change: Float[Tensor, "t 3 h w"], truth: Float[Tensor, "t 3 h w"], where: Float[Tensor, "t2 1 h w"]
) -> Followed:
    """Return how much of the change between two true pictures there is between two drawn ones, in a mask."""
    both, ours, true = (
        (a * b * where).sum((1, 2, 3)) for a, b in ((change, truth), (change, change), (truth, truth))
    )
    return Followed(share=both / true, correlation=both / (ours * true).sqrt().clamp(min=1e-9))


class Known(NamedTuple):
    """Whether somebody is told from others."""

    nearest: Bool[Tensor, " t"]
    """Whether nobody of the crowd is more like them than they themselves."""
    likeness: Float[Tensor, " t"]
    """Cosine of the angle to their own picture, once features are centred and scaled as the crowd's are."""


def known(features: Float[Tensor, "t n"], crowd: Float[Tensor, "p n"], own: int) -> Known:
    """Return whether pictures are most like picture `own` of a crowd, by features of any kind."""
    middle, spread = crowd.mean(0), crowd.std(0).clamp(min=1e-6)
    here, there = (functional.normalize((one - middle) / spread, dim=1) for one in (features, crowd))
    likeness = here @ there.T
    return Known(nearest=likeness.argmax(1) == own, likeness=likeness[:, own])
