"""Who turns a head while somebody speaks: our network as a stream, a published one after all was heard."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.errors import UsageError
from phiz.options import suggest
from phiz.speech import head_motion, pose
from phiz.speech.head_network import HeadNet
from phiz.speech.pose_network import DEGREES, PoseNet
from phiz.speech.windows import of_waveform

LATE = 3
"""Frames by which a head tells late where there is time: enough to nod with a stress, not after it."""


@runtime_checkable
class HeadStream(Protocol):
    """Something that turns a head to the sound."""

    delay: int
    """Frames by which it tells late."""

    def push(self, windows: Float[Tensor, "t 1 80 16"]) -> Float[Tensor, "n 6"]:
        """Return how far the head is from its rest in the frames that these windows complete."""
        ...

    def finish(self) -> Float[Tensor, "n 6"]:
        """Return the frames that are left."""
        ...


class KnownHead:
    """A head whose movement is known before anything is heard; a class because it remembers how far it is."""

    delay = 0

    def __init__(self, poses: Float[Tensor, "n 6"]) -> None:
        self._poses = poses
        self._next = 0

    def push(self, windows: Float[Tensor, "t 1 80 16"]) -> Float[Tensor, "t 6"]:
        """Return the next poses; the last one stays."""
        places = torch.arange(self._next, self._next + len(windows)).clamp(max=len(self._poses) - 1)
        self._next += len(windows)
        return self._poses[places]

    def finish(self) -> Float[Tensor, "n 6"]:
        """Return nothing: everything has been told."""
        return self._poses[:0]


def streamed(
    network: HeadNet, *, style: str, chance: torch.Generator, amount: float, delay: int
) -> HeadStream:
    """Return our network, turning the head to a sound that begins; it tells at most `delay` frames late."""
    known = network.config.styles
    if style and style not in known:
        raise UsageError(
            f"there is no way to move a head called {style!r}; this network knows {', '.join(known)}."
            f"{suggest(style, known)} Choose one with --style."
        )
    late = min(delay, LATE, network.config.sizes.longest)
    return head_motion.follow(network, style, chance, amount, delay=late)


def published(
    network: PoseNet, sound: Float[Tensor, " n"], *, style: str, seed: int, amount: float
) -> KnownHead:
    """Return the movement that a published network makes of a whole sound, from a head at rest.

    It makes 32 frames at once, so that a stream of it would come more than a second late.
    """
    last = network.config.styles - 1
    if style and not (style.isdecimal() and int(style) <= last):
        raise UsageError(f"the styles of this network are numbered from 0 to {last}; there is no {style!r}.")
    windows = of_waveform(sound)
    codes = pose.draw(network, len(windows), torch.Generator().manual_seed(seed))
    found = pose.poses(network, windows, torch.zeros(DEGREES), style=int(style or 0), codes=codes)
    return KnownHead(amount * found if len(found) else torch.zeros(1, DEGREES))
