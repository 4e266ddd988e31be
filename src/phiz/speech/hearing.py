"""What is heard, frame by frame, whichever network hears: expressions, closed lips, whether anybody talks.

Our own networks and the published ones are listened to in the same way: windows of sound go in as they come,
and what is known about frames comes out, by some networks a few frames later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.speech.expression import ExpressionNet, Feedback
from phiz.speech.mouth_network import MouthNet, Past
from phiz.speech.windows import silence

LOUD, STEEP = -2.3, 3.0
"""How loud all bands of a window are together where a voice begins, and how sharp that border is."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What is known about some frames, 25 a second."""

    expression: Float[Tensor, "t e"]
    """In the modes of the network's own head."""
    closed: Float[Tensor, " t"]
    """How surely a /p/, /b/ or /m/ keeps the lips together, 0 to 1."""
    talking: Float[Tensor, " t"]
    """How surely somebody talks, 0 to 1."""

    def __len__(self) -> int:
        return len(self.expression)


@runtime_checkable
class Hearing(Protocol):
    """Something that hears windows and tells about frames, in constant memory."""

    delay: int
    """Frames by which it tells late."""

    def push(self, windows: Float[Tensor, "t 1 80 16"]) -> Told:
        """Return what these windows tell; where they are cut changes nothing."""
        ...

    def finish(self) -> Told:
        """Return what is left to tell when no more sound comes; the hearing is used up."""
        ...


def listen(
    network: MouthNet | ExpressionNet, rest: Float[Tensor, " e"] | None = None, *, delay: int = 0
) -> Hearing:
    """Return a hearing of a sound that begins.

    `rest` is the face that published networks start from, without one the mean face. Our own do not need it:
    what they tell is added to a face.
    """
    if isinstance(network, MouthNet):
        return MouthHearing(network, delay)
    start = torch.zeros(network.config.expressions) if rest is None else rest
    return FeedbackHearing(network, start)


def joined(told: Sequence[Told]) -> Told:
    """Return what was told piece by piece as one."""
    return Told(
        expression=torch.cat([one.expression for one in told]),
        closed=torch.cat([one.closed for one in told]),
        talking=torch.cat([one.talking for one in told]),
    )


class MouthHearing:
    """Our own network, listening; a class because it remembers what it heard."""

    def __init__(self, network: MouthNet, delay: int) -> None:
        if not 0 <= delay <= network.config.sizes.longest:
            raise ValueError(
                f"this network may be told late by 0 to {network.config.sizes.longest} frames, not {delay}"
            )
        self.delay = delay
        self._network = network
        self._past: Past | None = None
        self._missing = delay  # frames before the first, about which the network says something as well

    @torch.no_grad()
    def push(self, windows: Float[Tensor, "t 1 80 16"]) -> Told:
        """Return what these windows tell."""
        network = self._network
        if not len(windows):
            none = windows.new_zeros(0)
            return Told(expression=windows.new_zeros(0, network.config.modes), closed=none, talking=none)
        late = torch.tensor([self.delay], device=windows.device)
        said, self._past = network(windows[None], late, self._past)
        first = min(self._missing, len(windows))
        self._missing -= first
        return Told(
            expression=network.among_all(said.modes[0, first:]),
            closed=said.closed[0, first:].sigmoid(),
            talking=said.talking[0, first:].sigmoid(),
        )

    def finish(self) -> Told:
        """Return the last frames: what comes after them is silence."""
        return self.push(silence(self.delay))


class FeedbackHearing:
    """A published network, listening; it tells nothing about lips, and of talk only that it is loud."""

    delay = 0

    def __init__(self, network: ExpressionNet, rest: Float[Tensor, " e"]) -> None:
        self._feedback = Feedback(network, rest)

    @torch.no_grad()
    def push(self, windows: Float[Tensor, "t 1 80 16"]) -> Told:
        """Return what these windows tell."""
        loudness = windows.mean(dim=(1, 2, 3))
        return Told(
            expression=self._feedback(windows),
            closed=torch.zeros_like(loudness),
            talking=(STEEP * (loudness - LOUD)).sigmoid(),
        )

    def finish(self) -> Told:
        """Return nothing: everything has been told."""
        return self.push(silence(0))
