"""From sound to a mouth: our own network, which hears no further ahead than it is told to.

Windows of sound go through convolutions one by one; what is heard in each is a row of numbers. Convolutions
over time then look at rows of the past only. To know what comes next a mouth may be told late: by `delay`
frames, any number up to the longest, chosen anew for each use of the same network. What a frame needs of the
past is kept between calls, so that a stream and a film give the same numbers.

Residual convolutions of growing reach: "An Empirical Evaluation of Generic Convolutional and Recurrent
Networks for Sequence Modeling" (Bai et al., 2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor, nn
from torch.nn import functional

from phiz.speech.windows import BANDS, ROWS

KERNEL = 3
"""Rows that a convolution over time sees."""
AT_ONCE = 64
"""Windows a batch where nothing is learned: what is between two convolutions stays in the cache."""
FEW = 8
"""Rows up to which products of matrices are faster than a convolution."""


HEARD = (
    *("jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "mouthRollLower", "mouthRollUpper"),
    *("mouthShrugLower", "tongueOut", "mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft"),
    *("mouthStretchRight", "mouthDimpleLeft", "mouthDimpleRight", "mouthLowerDownLeft"),
    *("mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight", "mouthPressLeft", "mouthPressRight"),
    *("browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
)
"""What a voice tells about a face, in ARKit's words; lids and eyes it does not tell anything about."""


@dataclass(frozen=True, kw_only=True)
class MouthSizes:
    """Sizes of a network."""

    channels: tuple[int, ...] = (16, 32, 48, 64)
    """Of the convolutions of a window."""
    width: int = 192
    """Numbers that are heard in a frame."""
    reaches: tuple[int, ...] = (1, 2, 4, 8, 1, 2)
    """Frames between what each convolution over time sees."""
    mapping: int = 0
    """Width of a layer between what is heard and what is told; 0 for none."""
    longest: int = 12
    """Most frames that a mouth may be told late by."""
    visemes: int = 22
    """Classes of sounds by what one sees, which help to learn."""

    def __post_init__(self) -> None:
        if min(self.longest, self.mapping) < 0 or min(self.width, self.visemes, *self.channels) < 1:
            raise ValueError("sizes of a network are at least 1, delays and mappings at least 0")

    @property
    def past(self) -> int:
        """How many frames back one hears beyond its own window."""
        return (KERNEL - 1) * sum(self.reaches)


BUILT_IN = MouthSizes()
GUIDE = MouthSizes(width=256, mapping=512)
"""Of the widths that the training guide names: 256 numbers of sound, 512 of the mapping."""
TINY = MouthSizes(channels=(2, 3), width=8, reaches=(1, 2), longest=3)


@dataclass(frozen=True, kw_only=True)
class MouthConfig:
    """What a network tells, and its sizes."""

    basis: str
    """Whose expression modes it tells: the ``name`` of a head model."""
    modes: int
    """How many that head has."""
    told: tuple[int, ...]
    """Which of them a sound tells anything about; the others stay as they are at rest."""
    names: tuple[str, ...] = ()
    """What all modes are called, where they have names."""
    is_weights: bool = True
    """Whether modes are weights from 0 to 1, as ARKit's are."""
    delays: tuple[int, ...] = ()
    """By how many frames it has learned to tell late; without any, by all up to the longest."""
    sizes: MouthSizes = BUILT_IN

    def __post_init__(self) -> None:
        if self.delays and not 0 <= min(self.delays) <= max(self.delays) <= self.sizes.longest:
            raise ValueError(f"delays are from 0 to the longest, {self.sizes.longest}, not {self.delays}")
        if not self.told or min(self.told) < 0 or max(self.told) >= self.modes:
            raise ValueError(f"told are modes from 0 to {self.modes - 1}, at least one, not {self.told}")
        if len(self.names) not in (0, self.modes):
            raise ValueError(f"{self.modes} modes cannot have {len(self.names)} names")


Past = tuple[Tensor, ...]
"""What convolutions over time have seen and still need, one tensor each."""


class Told(NamedTuple):
    """What the network says about frames; all but the first two as logits."""

    modes: Float[Tensor, "b t k"]
    visemes: Float[Tensor, "b t v"]
    closed: Float[Tensor, "b t"]
    """Whether a /p/, /b/ or /m/ keeps the lips together."""
    talking: Float[Tensor, "b t"]


class Back(nn.Module):
    """A residual convolution over time that sees nothing of what comes."""

    def __init__(self, width: int, reach: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.conv = nn.Conv1d(width, width, KERNEL, dilation=reach)
        self.mix = nn.Conv1d(width, width, 1)

    @property
    def kept(self) -> int:
        """Rows of the past that it needs."""
        return (KERNEL - 1) * int(self.conv.dilation[0])

    def forward(
        self, x: Float[Tensor, "b w t"], past: Float[Tensor, "b w p"]
    ) -> tuple[Float[Tensor, "b w t"], Float[Tensor, "b w p"]]:
        """Return new rows, and what is to be kept for those that come after."""
        seen = torch.cat([past, self.norm(x.transpose(1, 2)).transpose(1, 2)], dim=2)
        is_few = x.shape[2] <= FEW and not torch.is_grad_enabled()
        moved = self._few(seen, x.shape[2]) if is_few else self.mix(functional.gelu(self.conv(seen)))
        return x + moved, seen[:, :, seen.shape[2] - self.kept :]

    def _few(self, seen: Float[Tensor, "b w s"], count: int) -> Float[Tensor, "b w t"]:
        """Return the same for a few rows as products of matrices, in half the time."""
        reach = int(self.conv.dilation[0])
        taps = [seen[:, :, k * reach : k * reach + count] for k in range(KERNEL)]
        rows = torch.stack(taps, dim=2).flatten(1, 2).transpose(1, 2)
        found = functional.linear(rows, self.conv.weight.flatten(1), self.conv.bias)
        mixed = functional.linear(functional.gelu(found), self.mix.weight[:, :, 0], self.mix.bias)
        return mixed.transpose(1, 2)


class MouthNet(nn.Module):
    """Hears windows and tells a mouth."""

    def __init__(self, config: MouthConfig) -> None:
        super().__init__()
        self.config = config
        sizes = config.sizes
        steps = [nn.Conv2d(1, sizes.channels[0], (5, 3), (2, 1), (2, 1)), nn.ReLU()]
        for before, after in pairwise(sizes.channels):
            steps += [nn.Conv2d(before, after, 3, 2, 1), nn.ReLU()]
        halvings = 2 ** (len(sizes.channels) - 1)
        left = sizes.channels[-1] * -(-BANDS // (2 * halvings)) * -(-ROWS // halvings)
        self.ear = nn.Sequential(*steps, nn.Flatten(), nn.Linear(left, sizes.width))
        self.lateness = nn.Embedding(sizes.longest + 1, sizes.width)
        self.over_time = nn.ModuleList(Back(sizes.width, reach) for reach in sizes.reaches)
        self.norm = nn.LayerNorm(sizes.width)
        wide = sizes.mapping or sizes.width
        between = [nn.Linear(sizes.width, wide), nn.GELU()] if sizes.mapping else []
        self.mapping = nn.Sequential(*between)
        self.modes = nn.Linear(wide, len(config.told))
        self.about = nn.Linear(wide, sizes.visemes + 2)
        self.register_buffer("mean", torch.zeros(len(config.told)))
        self.register_buffer("spread", torch.ones(len(config.told)))
        self.mean: Float[Tensor, " k"]
        self.spread: Float[Tensor, " k"]

    def forward(
        self, windows: Float[Tensor, "b t 1 80 16"], delay: Int[Tensor, " b"], past: Past | None = None
    ) -> tuple[Told, Past]:
        """Return what is told when each window has been heard: about the frame `delay` before it.

        `past` is what an earlier call returned, for windows that go on where that one ended.
        """
        batch, frames = windows.shape[:2]
        rows = self.heard(windows.flatten(0, 1)).reshape(batch, frames, -1)
        x = (rows + self.lateness(delay)[:, None]).transpose(1, 2)
        kept = []
        for block, seen in zip(self.over_time, past or self.nothing(windows), strict=True):
            x, rest = block(x, seen)
            kept.append(rest)
        known = self.mapping(self.norm(x.transpose(1, 2)))
        visemes, closed, talking = self.about(known).split([self.config.sizes.visemes, 1, 1], dim=2)
        modes = self.mean + self.spread * self.modes(known)
        return Told(modes, visemes, closed[..., 0], talking[..., 0]), tuple(kept)

    def heard(self, windows: Float[Tensor, "n 1 80 16"]) -> Float[Tensor, "n w"]:
        """Return what is heard in each window alone."""
        if torch.is_grad_enabled() or len(windows) <= AT_ONCE:
            # Channels innermost: on a processor convolutions learn a third faster.
            found: Tensor = self.ear(windows.contiguous(memory_format=torch.channels_last))
            return found
        return torch.cat([self.ear(some) for some in torch.split(windows, AT_ONCE)])

    def nothing(self, like: Float[Tensor, "b ..."]) -> Past:
        """Return the past of sounds that begin."""
        blocks = (block for block in self.over_time if isinstance(block, Back))
        return tuple(like.new_zeros(len(like), self.config.sizes.width, block.kept) for block in blocks)

    def among_all(self, modes: Float[Tensor, "... k"]) -> Float[Tensor, "... e"]:
        """Return modes that are told among all modes of the head; the others are zero."""
        whole = modes.new_zeros(*modes.shape[:-1], self.config.modes)
        whole[..., list(self.config.told)] = modes.clamp(0, 1) if self.config.is_weights else modes
        return whole


def moved_late(values: Num[Tensor, "b t ..."], delay: Sequence[int]) -> Num[Tensor, "b t ..."]:
    """Return what is true of the frame `delay` before each; where there is none, of the first."""
    places = (torch.arange(values.shape[1])[None] - torch.tensor(list(delay))[:, None]).clamp(min=0)
    return torch.stack([row[place] for row, place in zip(values, places, strict=True)])
