"""Other loudnesses, rooms and throats for a mel spectrogram, much faster than for the sound itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from phiz.speech.windows import BANDS, RANGE

DECIBELS = 2 * RANGE / 100
"""What a decibel is in a spectrogram."""


@dataclass(frozen=True, kw_only=True)
class VoiceChanges:
    """How far spectrograms are changed, at most."""

    loudness_db: float = 9.0
    tilt_db: float = 6.0
    """Between the lowest and the highest band, to either side."""
    stretch: float = 0.09
    """Share by which bands lie higher or lower, as throats are shorter or longer."""
    deaf: float = 0.25
    """How often some bands are not heard."""
    deaf_bands: int = 14
    """How many, at most."""
    floor_db: float = 25.0
    """A noise floor rises by up to so many decibels above silence, in half of them."""


USUAL = VoiceChanges()
NONE = VoiceChanges(loudness_db=0, tilt_db=0, stretch=0, deaf=0, floor_db=0)


def changed(
    mel: Float[Tensor, "r 80"], changes: VoiceChanges, rng: np.random.Generator
) -> Float[Tensor, "r 80"]:
    """Return a spectrogram as somebody else, somewhere else, would have given it."""
    factor = 1 + float(rng.uniform(-changes.stretch, changes.stretch))
    shift = float(rng.uniform(-changes.loudness_db, changes.loudness_db))
    tilt = float(rng.uniform(-changes.tilt_db, changes.tilt_db)) * torch.linspace(-0.5, 0.5, BANDS)
    floor = float(rng.uniform(0, changes.floor_db)) * (rng.random() < 0.5)
    moved = mel @ _stretched(factor) if changes.stretch else mel
    # What is silent stays so: a quiet room is not made loud by another microphone.
    is_heard = (moved > -RANGE + 1e-3).float()
    moved = moved + is_heard * DECIBELS * (shift + tilt)
    if changes.floor_db:
        noise = -RANGE + DECIBELS * floor
        moved = torch.maximum(moved, torch.full_like(moved, noise))
    if rng.random() < changes.deaf:
        width = int(rng.integers(1, changes.deaf_bands + 1))
        first = int(rng.integers(0, BANDS - width + 1))
        moved = moved.clone()
        moved[:, first : first + width] = -RANGE
    return moved.clamp(-RANGE, RANGE)


def _stretched(factor: float) -> Float[Tensor, "80 80"]:
    """Return the matrix that moves every band to `factor` times its place, with the bands between."""
    places = (torch.arange(BANDS) / factor).clamp(0, BANDS - 1)
    below = places.long().clamp(max=BANDS - 2)
    part = places - below
    matrix = torch.zeros(BANDS, BANDS)
    column = torch.arange(BANDS)
    matrix[below, column] = 1 - part
    matrix[below + 1, column] += part
    return matrix
