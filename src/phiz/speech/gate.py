"""Whether anybody speaks: a voice told from its background by loudness, and a gate that opens softly.

Everything here goes frame by frame and remembers a few numbers, so that a stream may last for hours. No step
has a jump in it: sounds that differ in the last digit open the gate equally far to the last digit.
"""

from __future__ import annotations

import math
from collections import deque
from itertools import islice

import torch
from jaxtyping import Float
from torch import Tensor

FPS = 25
SLACK = 0.2
"""How far a probability may fall behind its last height, or rise above its last depth, without any effect."""
CLOSED, OPEN = 0.3, 0.55
"""Where a gate is closed and open after the slack: it opens from 0.5 to 0.75, and closes from 0.35 to 0.1."""
OPENING_S, CLOSING_S = 0.08, 0.24
"""How long the gate takes from one end to the other."""

OWN = slice(6, 10)
"""The looks of a window that belong to its frame."""
VOICE = slice(8, 64)
"""Bands in which voices are strong: 250 to 4500 Hz."""
A_DECIBEL = 0.08
"""In the units of windows."""
QUIETEST = -3.2
"""What counts as background at least, and is assumed before anything has been heard."""
FLOOR_S = 2.4
"""The quietest moment of so many seconds is the background; the longest syllable is shorter."""
ABOVE_DB, STEEP_DB = 12.0, 2.5
"""By how much a voice is louder than the background, and how sharp that border is."""
STIR_DB, STIR_STEEP_DB, STIR_S = 2.5, 0.6, 0.8
"""By how much any sound that is no hum is, at one moment at least within that time."""


def loudness(windows: Float[Tensor, "t 1 80 16"]) -> Float[Tensor, " t"]:
    """Return how loud each frame is where voices are strong, from -4 to 4: 8 are a hundred decibels."""
    return windows[:, 0, VOICE, OWN].mean(dim=(1, 2))


class VoiceActivity:
    """How surely somebody speaks, by loudness above the background; a class because it remembers that.

    It lets everything pass that comes and goes as fast as syllables do; a hum or a fan it stops after
    two seconds. Beside a network that knows voices only hums are left to stop: that is `is_beside`.
    """

    def __init__(self, *, is_beside: bool = False) -> None:
        self._recent = deque([QUIETEST] * round(FLOOR_S * FPS), maxlen=round(FLOOR_S * FPS))
        self._border, self._steep = (STIR_DB, STIR_STEEP_DB) if is_beside else (ABOVE_DB, STEEP_DB)
        kept = round(STIR_S * FPS) if is_beside else 1
        self._above: deque[float] = deque(maxlen=kept)  # decibels above the background, of late

    def push(self, loudness: Float[Tensor, " t"]) -> Float[Tensor, " t"]:
        """Return 0 to 1 for the next frames."""
        most = []
        for level in loudness.tolist():
            self._recent.append(max(level, QUIETEST))
            self._above.append((level - _second_least(self._recent)) / A_DECIBEL)
            most.append(max(self._above))
        return ((loudness.new_tensor(most) - self._border) / self._steep).sigmoid()


class Gate:
    """How far the mouth may move, from how surely somebody talks; a class because it takes its time."""

    def __init__(self) -> None:
        self._held = 0.0
        self._way = 0.0

    def push(self, talking: Float[Tensor, " t"]) -> Float[Tensor, " t"]:
        """Return 0 (a face at rest) to 1 for the next frames."""
        ways = []
        for sure in talking.tolist():
            # The play of a loose gear: small changes to and fro do not arrive.
            self._held = min(max(self._held, sure - SLACK), sure + SLACK)
            goal = min(max((self._held - CLOSED) / (OPEN - CLOSED), 0.0), 1.0)
            self._way = min(max(goal, self._way - 1 / (CLOSING_S * FPS)), self._way + 1 / (OPENING_S * FPS))
            ways.append(self._way)
        x = talking.new_tensor(ways)
        return x * x * (3 - 2 * x)


class Emphasis:
    """How much louder than the talk around it each moment is, -1 to 1: `idle.emphasis` for streams.

    A class because it remembers how loud the talk was; pauses do not count. It is late by the time that it
    takes to notice.
    """

    NEAR_S, FAR_S, GAIN = 0.08, 2.0, 3.0
    USUAL, WORTH = 0.4, 8.0
    """How loud talk is before any has been heard, and how many frames that guess is worth."""

    def __init__(self) -> None:
        self._loud, self._talk = [0.0, 0.0], [0.0, 0.0]
        self._far, self._heard = self.USUAL, self.WORTH

    def push(self, loudness: Float[Tensor, " t"], gate: Float[Tensor, " t"]) -> Float[Tensor, " t"]:
        """Return the emphasis of the next frames, from how loud (0 to 1) they are, and where talk is."""
        slow = 1 - math.exp(-1 / (FPS * self.FAR_S))
        found = []
        for loud, talk in zip(loudness.tolist(), gate.tolist(), strict=True):
            self._heard += talk
            share = max(slow, 1 / self._heard)  # a mean of all that was heard, until that is long enough
            self._far += share * talk * (loud - self._far)
            more = self._followed(self._loud, loud * talk) - self._far * self._followed(self._talk, talk)
            found.append(min(max(self.GAIN * more, -1.0), 1.0))
        return loudness.new_tensor(found)

    def _followed(self, kept: list[float], value: float) -> float:
        """Return a value that runs after another without corners; `kept` is where it was."""
        quick = 1 - math.exp(-1 / (FPS * self.NEAR_S))
        kept[0] += quick * (value - kept[0])
        kept[1] += quick * (kept[0] - kept[1])
        return kept[1]


class Queue:
    """Rows that wait for others about the same frames; a class because it is what waits."""

    def __init__(self, rows: Float[Tensor, "t *c"]) -> None:
        self._rows = rows

    def put(self, rows: Float[Tensor, "t *c"]) -> None:
        """Append rows."""
        self._rows = torch.cat([self._rows, rows])

    def take(self, count: int) -> Float[Tensor, "n *c"]:
        """Return the first rows, which wait no longer."""
        if count > len(self._rows):
            raise ValueError(f"{len(self._rows)} rows are waiting, not {count}")
        taken, self._rows = self._rows[:count], self._rows[count:].clone()
        return taken


def _second_least(levels: deque[float]) -> float:
    """Return the least but one: a single dropout is no background."""
    return next(islice(iter(sorted(levels)), 1, None))
