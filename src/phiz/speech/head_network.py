"""From sound to how a head moves: our own network, which streams and does not move the same way twice.

What is heard in each window goes through convolutions over time that see the past only, as in
`phiz.speech.mouth_network`; what they make of it meets chance and a style, and convolutions of shorter reach
make a pose of that. Chance comes as rows of numbers, one a frame, some of which change slowly: a sway is
slower than anything a network remembers. The pose is a mean of the last few rows: a head has mass.

Nothing is remembered for longer than `HeadSizes.past` frames, so that a head cannot drift away.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from phiz.speech.windows import BANDS, FPS, ROWS

DEGREES = 6
"""Numbers of a pose: pitch, yaw and roll, then where the head is."""
KERNEL = 3
"""Rows that a convolution over time sees."""
PATCH = (8, 4)
"""Bands and looks of a patch of a window; half the bands of each are in the next one, too."""
MASS = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
"""Shares of the last rows in a pose; at 6 Hz a quarter is left."""
SLOWNESS_S = (0.0, 0.2, 0.7, 2.5)
"""How long the rows of chance stay alike: as many of each."""
PATIENCE = 3
"""Frames that a head is late by at least: told of sooner, it comes later rather than nod by half."""
AT_ONCE = 64
"""Windows a batch where nothing is learned."""


@dataclass(frozen=True, kw_only=True)
class HeadSizes:
    """Sizes of a network."""

    patch: int = 16
    """Numbers that are told of a patch of a window."""
    width: int = 96
    """Numbers that are heard in a frame."""
    reaches: tuple[int, ...] = (1, 3, 9, 27)
    """Frames between what each convolution over what is heard sees."""
    moving: int = 80
    """Numbers that a movement is made of."""
    swings: tuple[int, ...] = (1, 3, 9)
    """Frames between what each convolution over movement sees."""
    style: int = 12
    """Numbers that tell one style from another."""
    chance: int = 24
    """Random numbers a frame."""
    longest: int = 6
    """Most frames that a head may be told late by, `PATIENCE` or more."""

    def __post_init__(self) -> None:
        if self.chance % len(SLOWNESS_S) or self.chance < 1:
            raise ValueError(f"chance comes in {len(SLOWNESS_S)} equal parts; {self.chance} cannot be shared")
        if min(self.width, self.moving, self.style, self.patch) < 1 or self.longest < PATIENCE:
            raise ValueError(f"sizes of a network are at least 1, the longest delay at least {PATIENCE}")

    @property
    def past(self) -> int:
        """How many frames back anything makes a difference."""
        return (KERNEL - 1) * (sum(self.reaches) + sum(self.swings)) + len(MASS) - 1


BUILT_IN = HeadSizes()
TINY = HeadSizes(patch=2, width=8, reaches=(1, 2), moving=6, swings=(1,), style=2, chance=4, longest=4)


@dataclass(frozen=True, kw_only=True)
class HeadConfig:
    """Which styles a network knows, and its sizes."""

    styles: tuple[str, ...]
    """What they are called; the first is the usual one."""
    sizes: HeadSizes = BUILT_IN

    def __post_init__(self) -> None:
        if not self.styles or len(set(self.styles)) < len(self.styles):
            raise ValueError(f"a network knows at least one style, each by its own name, not {self.styles}")


Past = tuple[Tensor, ...]
"""What convolutions over time have seen and still need, one tensor each."""


class Heard(NamedTuple):
    """What the network hears; all but the first as logits."""

    rows: Float[Tensor, "b t w"]
    accent: Float[Tensor, "b t"]
    """How strong an accent there is."""
    talking: Float[Tensor, "b t"]


class Ear(nn.Module):
    """Hears a window patch by patch, the same way in all of them, and then all of it.

    On a processor these products of matrices take a sixth of the time of convolutions that hear as well.
    """

    def __init__(self, patch: int, width: int) -> None:
        super().__init__()
        height, length = PATCH
        count = (2 * BANDS // height - 1) * (ROWS // length)
        self.part = nn.Linear(height * length, patch)
        self.whole = nn.Linear(count * patch, width)

    def forward(self, windows: Float[Tensor, "n 1 80 16"]) -> Float[Tensor, "n w"]:
        """Return what is heard in each window."""
        height, length = PATCH
        patches = windows[:, 0].unfold(1, height, height // 2).unfold(2, length, length)  # (n, i, j, h, l)
        parts = functional.relu(self.part(patches.flatten(3)))
        found: Tensor = self.whole(parts.flatten(1))
        return found


class Back(nn.Module):
    """A residual convolution over time that sees nothing of what comes; time is the middle axis."""

    def __init__(self, width: int, reach: int) -> None:
        super().__init__()
        self.reach = reach
        self.norm = nn.LayerNorm(width)
        self.conv = nn.Linear(KERNEL * width, width)
        self.mix = nn.Linear(width, width)

    @property
    def kept(self) -> int:
        """Rows of the past that it needs."""
        return (KERNEL - 1) * self.reach

    def forward(
        self, x: Float[Tensor, "b t w"], past: Float[Tensor, "b p w"]
    ) -> tuple[Float[Tensor, "b t w"], Float[Tensor, "b p w"]]:
        """Return new rows, and what is to be kept for those that come after."""
        seen = torch.cat([past, self.norm(x)], dim=1)
        count = x.shape[1]
        if count == 1:  # the same rows, in fewer steps: a stream has one frame at a time
            rows = seen[:, :: self.reach].reshape(len(x), 1, -1)
        else:
            taps = [seen[:, k * self.reach : k * self.reach + count] for k in range(KERNEL)]
            rows = torch.cat(taps, dim=2)
        fresh = self.mix(functional.gelu(self.conv(rows)))
        return x + fresh, seen[:, seen.shape[1] - self.kept :]


class HeadNet(nn.Module):
    """Hears windows and moves a head."""

    def __init__(self, config: HeadConfig) -> None:
        super().__init__()
        self.config = config
        sizes = config.sizes
        self.ear = Ear(sizes.patch, sizes.width)
        self.lateness = nn.Embedding(sizes.longest + 1, sizes.width)
        self.over_time = nn.ModuleList(Back(sizes.width, reach) for reach in sizes.reaches)
        self.norm = nn.LayerNorm(sizes.width)
        self.about = nn.Linear(sizes.width, 2)
        self.styles = nn.Parameter(torch.randn(len(config.styles), sizes.style))
        self.meet = nn.Linear(sizes.width + 2 + sizes.style + 3 * sizes.chance, sizes.moving)
        self.swinging = nn.ModuleList(Back(sizes.moving, reach) for reach in sizes.swings)
        # A style says how far and how fast, not only whither: it multiplies what is made.
        self.amounts = nn.Linear(sizes.style, sizes.moving)
        self.last = nn.LayerNorm(sizes.moving)
        self.pose = nn.Linear(sizes.moving, DEGREES)
        self.register_buffer("mass", torch.tensor(MASS), persistent=False)
        self.mass: Float[Tensor, " k"]
        self.register_buffer("mean", torch.zeros(DEGREES))
        self.register_buffer("spread", torch.ones(DEGREES))
        self.register_buffer("pace", torch.ones(DEGREES))
        self.mean: Float[Tensor, " 6"]
        self.spread: Float[Tensor, " 6"]
        self.pace: Float[Tensor, " 6"]
        """Spread of how far a pose is from the one before."""

    def forward(
        self,
        windows: Float[Tensor, "b t 1 80 16"],
        delay: Int[Tensor, " b"],
        style: Float[Tensor, "b s"],
        chance: Float[Tensor, "b t n"],
        past: Past | None = None,
    ) -> tuple[Float[Tensor, "b t 6"], Past]:
        """Return poses: when each window has been heard, that of the frame `delay` before it.

        With a `delay` below `PATIENCE` the pose is that of an earlier moment: no more has been heard.

        `style` has a share for each style. `past` is what an earlier call returned, for windows that go on
        where that one ended.
        """
        before = past or self.nothing(windows)
        count = len(self.over_time)
        heard, kept = self.hear(windows, delay, before[:count])
        poses, moved = self.move(heard, style, chance, before[count:])
        return poses, (*kept, *moved)

    def hear(
        self, windows: Float[Tensor, "b t 1 80 16"], delay: Int[Tensor, " b"], past: Past | None = None
    ) -> tuple[Heard, Past]:
        """Return what is heard, whatever chance makes of it."""
        batch, frames = windows.shape[:2]
        rows = self.in_windows(windows.flatten(0, 1)).reshape(batch, frames, -1)
        before = self.nothing(windows)[: len(self.over_time)] if past is None else past
        late = self.lateness(delay.clamp(min=PATIENCE))[:, None]
        rows, kept = _through(self.over_time, rows + late, before)
        rows = self.norm(rows)
        accent, talking = self.about(rows).unbind(dim=2)
        return Heard(rows, accent, talking), kept

    def move(
        self,
        heard: Heard,
        style: Float[Tensor, "b s"],
        chance: Float[Tensor, "b t n"],
        past: Past | None = None,
    ) -> tuple[Float[Tensor, "b t 6"], Past]:
        """Return the poses that chance makes of what is heard.

        Chance comes three times, so that it need not learn when it matters: with accents, with talk, and with
        silence.
        """
        before = self.nothing(chance)[len(self.over_time) :] if past is None else past
        code = style @ self.styles  # (b, c)
        codes = code[:, None].expand(-1, chance.shape[1], -1)
        accent, talk = heard.accent.sigmoid()[..., None], heard.talking.sigmoid()[..., None]
        chances = (chance * accent, chance * talk, chance * (1 - talk))
        rows = self.meet(torch.cat([heard.rows, accent, talk, codes, *chances], dim=2))
        rows, kept = _through(self.swinging, rows, before[:-1])
        rough = self.pose(self.last(rows) * self.amounts(code).exp()[:, None])
        rough = torch.cat([before[-1], rough], dim=1)
        smooth = rough.unfold(1, len(MASS), 1) @ self.mass
        return self.mean + self.spread * smooth, (*kept, rough[:, rough.shape[1] - len(MASS) + 1 :])

    def in_windows(self, windows: Float[Tensor, "n 1 80 16"]) -> Float[Tensor, "n w"]:
        """Return what is heard in each window alone."""
        if torch.is_grad_enabled() or len(windows) <= AT_ONCE:
            found: Tensor = self.ear(windows)
            return found
        return torch.cat([self.ear(some) for some in torch.split(windows, AT_ONCE)])

    def nothing(self, like: Float[Tensor, "b ..."]) -> Past:
        """Return the past of sounds that begin."""
        sizes = self.config.sizes
        hearing = [(KERNEL - 1) * reach for reach in sizes.reaches]
        moving = [(KERNEL - 1) * reach for reach in sizes.swings]
        return (
            *(like.new_zeros(len(like), kept, sizes.width) for kept in hearing),
            *(like.new_zeros(len(like), kept, sizes.moving) for kept in moving),
            like.new_zeros(len(like), len(MASS) - 1, DEGREES),
        )

    def shares(self, style: str | dict[str, float]) -> Float[Tensor, "1 s"]:
        """Return the shares of a style by its name, or of several that are mixed."""
        wanted = {style: 1.0} if isinstance(style, str) else style
        whole = sum(wanted.values())
        if strange := sorted(set(wanted) - set(self.config.styles)):
            raise ValueError(f"there is no style {strange[0]!r}; choose from {', '.join(self.config.styles)}")
        if whole <= 0 or min(wanted.values()) < 0:
            raise ValueError("shares of styles have no sign, and one of them is above 0")
        found = torch.zeros(1, len(self.config.styles))
        for name, share in wanted.items():
            found[0, self.config.styles.index(name)] = share / whole
        return found


def coloured(
    white: Float[Tensor, "b t n"], state: Float[Tensor, "b 2 n"]
) -> tuple[Float[Tensor, "b t n"], Float[Tensor, "b 2 n"]]:
    """Return chance that stays alike for a while, each part as long as `SLOWNESS_S` says, of spread one.

    Each number passes two leaks, one after the other; `state` is what is in them.
    """
    keep = _keeping(white.shape[2]).to(white.device)
    scale = _scale(keep)
    first, second = state.unbind(1)
    rows = []
    for row in white.unbind(1):
        first = keep * first + (1 - keep) * row
        second = keep * second + (1 - keep) * first
        rows.append(scale * second)
    return torch.stack(rows, dim=1), torch.stack([first, second], dim=1)


def at_start(white: Float[Tensor, "b t n"]) -> Float[Tensor, "b 2 n"]:
    """Return the state that many rows of chance leave behind; those of the slowest kind take some 200."""
    nothing = white.new_zeros(len(white), 2, white.shape[2])
    return coloured(white, nothing)[1]


def _keeping(count: int) -> Float[Tensor, " n"]:
    """Return the share of each number that stays from frame to frame."""
    stay = [math.exp(-1 / (slow * FPS)) if slow else 0.0 for slow in SLOWNESS_S]
    return torch.tensor(stay).repeat_interleave(count // len(stay))


def _scale(keep: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Return by what two leaks have to be multiplied for a spread of one.

    Their answer is ``(1 - k)^2 (n + 1) k^n``; the sum of its squares is ``(1 + k^2) (1 - k) / (1 + k)^3``.
    """
    return ((1 + keep) ** 3 / ((1 + keep**2) * (1 - keep))).sqrt()


def _through(blocks: Sequence[nn.Module] | nn.ModuleList, rows: Tensor, past: Past) -> tuple[Tensor, Past]:
    kept = []
    for block, seen in zip(blocks, past, strict=True):
        rows, rest = block(rows, seen)
        kept.append(rest)
    return rows, tuple(kept)
