"""Who tells what a mouth does, and in whose modes: a network that listens, or what is known beforehand."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.speech import hearing
from phiz.speech.expression import ExpressionNet
from phiz.speech.hearing import Hearing, Told
from phiz.speech.mouth_network import MouthNet


@dataclass(frozen=True, kw_only=True)
class Modes:
    """The expression modes of a head, and how what is told in them is meant."""

    basis: str
    """The ``name`` of the head model."""
    count: int
    names: tuple[str, ...] = ()
    """ARKit's names, where the modes have any."""
    is_weights: bool = True
    """Whether modes are weights from 0 to 1."""
    is_added: bool = True
    """Whether what is told is added to a face at rest; otherwise it starts from that face already."""

    def where(self, names: Collection[str]) -> Float[Tensor, " e"]:
        """Return 1 for each mode that has one of these names, 0 for the others."""
        return torch.tensor([float(name in names) for name in self.names] or [0.0] * self.count)


@dataclass(frozen=True, kw_only=True)
class Source:
    """Something that tells, frame by frame."""

    hearing: Hearing
    modes: Modes
    tells_talk: bool = True
    """Whether it knows a voice from a noise; without that loudness has to do."""
    tells_brows: bool = False
    is_certain: bool = False
    """Whether it knows when somebody talks without having heard it; then loudness has no say."""


class Known:
    """What is known about each frame before anything is heard; a class because it remembers how far it is.

    It may tell late all the same, to give a head's network time to hear what comes.
    """

    def __init__(self, told: Told, *, delay: int = 0) -> None:
        self.delay = delay
        self._told = told
        self._heard = self._next = 0

    def push(self, windows: Float[Tensor, "t 1 80 16"]) -> Told:
        """Return what is known about the frames of these windows; after the last one nothing moves."""
        self._heard += len(windows)
        return self._until(max(self._next, self._heard - self.delay))

    def finish(self) -> Told:
        """Return what has been held back."""
        return self._until(self._heard)

    def _until(self, last: int) -> Told:
        part, count = slice(self._next, last), last - self._next
        self._next = last
        return Told(
            expression=_longer(self._told.expression[part], count),
            closed=_longer(self._told.closed[part], count),
            talking=_longer(self._told.talking[part], count),
        )


def of_network(network: MouthNet | ExpressionNet, rest: Float[Tensor, " e"], delay: int) -> Source:
    """Return a network that begins to listen; it tells `delay` frames late, or less as it has learned."""
    config = network.config
    if isinstance(network, MouthNet):
        told = [network.config.names[mode] for mode in network.config.told if network.config.names]
        known = network.config.delays or tuple(range(network.config.sizes.longest + 1))
        learned = [late for late in known if late <= max(delay, min(known))]
        return Source(
            hearing=hearing.listen(network, rest, delay=max(learned)),
            modes=Modes(
                basis=config.basis,
                count=network.config.modes,
                names=config.names,
                is_weights=network.config.is_weights,
            ),
            tells_brows=any(name.startswith("brow") for name in told),
        )
    named = bool(config.names)
    return Source(
        hearing=hearing.listen(network, rest),
        modes=Modes(
            basis=config.basis, count=len(rest), names=config.names, is_weights=named, is_added=False
        ),
        tells_talk=False,
        tells_brows=any(name.startswith("brow") for name in config.names),
    )


def _longer(rows: Tensor, count: int) -> Tensor:
    """Return so many rows, those that are missing full of zeros."""
    return torch.cat([rows, rows.new_zeros(count - len(rows), *rows.shape[1:])])
