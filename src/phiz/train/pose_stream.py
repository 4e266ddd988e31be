"""Motions of talkers' heads and the sound with them, in an exact order: batches without end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from phiz.console import Console
from phiz.speech import windows
from phiz.train.ordered_stream import Damaged, Order, OrderedStream, Reader
from phiz.train.talkers import Talker


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Some frames to learn from."""

    windows: Float[Tensor, "t 1 80 16"]
    start: Float[Tensor, " 6"]
    """The pose of the frame before."""
    motion: Float[Tensor, "t 6"]
    """How far each pose is from that."""
    style: int
    """Whose it is."""
    chance: Float[Tensor, " z"]
    """What the latent code is drawn by."""


@dataclass(frozen=True, kw_only=True)
class MotionBatch:
    """Motions to learn from."""

    windows: Float[Tensor, "b t 1 80 16"]
    start: Float[Tensor, "b 6"]
    motion: Float[Tensor, "b t 6"]
    style: Int[Tensor, " b"]
    chance: Float[Tensor, "b z"]
    damaged: Damaged = ()


def motions(talkers: Sequence[Talker], length: int) -> Int[Tensor, " p"]:
    """Return how many motions of so many frames each person has; one begins with every frame."""
    return torch.tensor([max(len(one.numbers) - length, 0) for one in talkers])


def cut(talkers: Sequence[Talker], length: int, latent: int, number: int, rng: np.random.Generator) -> Cut:
    """Return a motion by its number, those of each person in a row."""
    ends = motions(talkers, length).cumsum(0)
    style = int(torch.searchsorted(ends, number, right=True))
    first = number - (int(ends[style - 1]) if style else 0)
    talker = talkers[style]
    start = talker.numbers[first]
    rows = windows.starts(length, first=first + 1)[:, None] + torch.arange(windows.ROWS)
    heard = talker.mel[rows.clamp(0, len(talker.mel) - 1)].transpose(1, 2)[:, None]
    return Cut(
        windows=heard,
        start=start,
        motion=talker.numbers[first + 1 : first + 1 + length] - start,
        style=style,
        chance=torch.from_numpy(rng.standard_normal(latent, dtype=np.float32)),
    )


def joined(cuts: Sequence[Cut], damaged: Damaged = ()) -> MotionBatch:
    """Return motions as a batch."""
    return MotionBatch(
        windows=torch.stack([one.windows for one in cuts]),
        start=torch.stack([one.start for one in cuts]),
        motion=torch.stack([one.motion for one in cuts]),
        style=torch.tensor([one.style for one in cuts]),
        chance=torch.stack([one.chance for one in cuts]),
        damaged=damaged,
    )


def motion_stream(
    talkers: Sequence[Talker], length: int, latent: int, order: Order, console: Console | None = None
) -> OrderedStream[MotionBatch]:
    """Return batches of motions, each of `length` frames, with chance for as many codes."""
    make = partial(cut, talkers, length, latent)
    return OrderedStream(Reader(order.count, make, joined, order.seed), order, console)
