"""Solid noise: what skin, irises and cloth look like up close, without a single picture file.

A volume of band-limited noise repeats without a seam in all three directions. It is looked up at
the REST position of a surface, so that detail sticks to the skin whatever the face does.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from phiz.world.body import texture_loops
from phiz.world.drawn import loops

CELLS = 64
"""Cells a side of a volume."""
SEED = 20_260_101
BLOBS = 1400
"""Freckles in one period."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Volume:
    """Noise that repeats every `CELLS` cells."""

    values: Float[Tensor, "c d d d"]
    """One cell more than `CELLS` a side, the last a copy of the first, so that lookups never wrap."""

    def last(self) -> npt.NDArray[np.float32]:
        """Return the values with the channels last; made once."""
        return _channels_last(self)


@lru_cache(maxsize=4)
def _channels_last(volume: Volume) -> npt.NDArray[np.float32]:
    return np.ascontiguousarray(volume.values.permute(1, 2, 3, 0).numpy())


@lru_cache(maxsize=1)
def tones() -> Volume:
    """Return broad blotches, fine mottling, freckles in [0, 1], and grain; unit deviation else."""
    random = np.random.default_rng(SEED)
    return _volume(
        [_band(random, 1, 6, 1.3), _band(random, 5, 20, 1.0), _freckles(random), _band(random, 12, 32, 0.0)]
    )


@lru_cache(maxsize=1)
def pores() -> Volume:
    """Return the height of fine skin relief (pores pull down) and the same, finer, for roughness."""
    random = np.random.default_rng(SEED + 1)
    cells = _band(random, 6, 14, 0.0)
    pits = -np.clip(cells - 0.7, 0, None) * 1.6 + 0.3 * _band(random, 10, 30, 0.3)
    return _volume([pits.astype(np.float32), _band(random, 10, 32, 0.0)])


@lru_cache(maxsize=1)
def fibres() -> Float[Tensor, "c h w"]:
    """Return noise over (radius, angle) for irises and (height, angle) for veins; wraps in angle."""
    random = np.random.default_rng(SEED + 2)
    rows, columns = 32, 256
    streaks = _band2(random, rows, columns, 1.2, 40)
    clumps = _band2(random, rows, columns, 2.5, 9)
    veins = np.exp(-np.abs(_band2(random, rows, columns, 3.0, 7)) * 9)
    image = np.stack([streaks, clumps, veins.astype(np.float32)])
    return torch.from_numpy(np.concatenate([image, image[:, :, :1]], axis=2))


def lookup(volume: Volume, points: Float[Tensor, "n 3"], period: float) -> Float[Tensor, "n c"]:
    """Return the volume's channels at points (metres); the noise repeats every `period` metres."""
    if loops.ready(points):
        out = np.empty((points.shape[0], volume.values.shape[0]), np.float32)
        texture_loops.lookup(volume.last(), loops.array(points), np.float32(period), out)
        return torch.from_numpy(out)
    where = points / period
    where = (where - where.floor()) * 2 - 1
    grid = where[None, None, None]  # (1, 1, 1, n, 3)
    found = torch.nn.functional.grid_sample(
        volume.values.to(points)[None], grid, mode="bilinear", padding_mode="border", align_corners=True
    )
    return found[0, :, 0, 0].transpose(0, 1)


def lookup_slow(volume: Volume, points: Float[Tensor, "n 3"], period: float) -> Float[Tensor, "n c"]:
    """Return what `lookup` does, by the definition of trilinear interpolation; for the tests."""
    place = (points / period).remainder(1) * CELLS
    low = place.floor().clamp(max=CELLS - 1).long()
    part = place - low
    total = points.new_zeros(points.shape[0], volume.values.shape[0])
    for dx in (0, 1):
        for dy in (0, 1):
            for dz in (0, 1):
                step = torch.tensor([dx, dy, dz], device=points.device)
                weight = torch.where(step == 1, part, 1 - part).prod(-1, keepdim=True)
                x, y, z = (low + step).unbind(-1)
                total = total + weight * volume.values[:, z, y, x].transpose(0, 1)
    return total


def lookup_polar(
    image: Float[Tensor, "c h w"], radius: Float[Tensor, " n"], angle: Float[Tensor, " n"]
) -> Float[Tensor, "n c"]:
    """Return `fibres` at a radius in [0, 1] and an angle in turns."""
    grid = torch.stack([(angle - angle.floor()) * 2 - 1, radius.clamp(0, 1) * 2 - 1], dim=-1)
    found = torch.nn.functional.grid_sample(
        image[None], grid[None, None], mode="bilinear", padding_mode="border", align_corners=True
    )
    return found[0, :, 0].transpose(0, 1)


def offset(seed: int) -> Float[Tensor, " 3"]:
    """Return where in the noise one person's skin begins, in metres."""
    return torch.from_numpy(np.random.default_rng(seed).uniform(0, 1, 3).astype(np.float32))


def _volume(channels: list[npt.NDArray[np.float32]]) -> Volume:
    values = np.pad(np.stack(channels), [(0, 0), (0, 1), (0, 1), (0, 1)], mode="wrap")
    return Volume(values=torch.from_numpy(values))


def _band(random: np.random.Generator, low: float, high: float, fall: float) -> npt.NDArray[np.float32]:
    """Return noise whose waves fit `low` to `high` times into the period; amplitude ~ f^-fall."""
    spectrum = np.fft.rfftn(random.standard_normal((CELLS, CELLS, CELLS)))
    f = np.fft.fftfreq(CELLS, 1 / CELLS)
    frequency = np.sqrt(
        f[:, None, None] ** 2 + f[None, :, None] ** 2 + np.fft.rfftfreq(CELLS, 1 / CELLS) ** 2
    )
    kept = (frequency >= low) & (frequency <= high)
    gain = np.where(kept, np.maximum(frequency, 1) ** -(fall + 1), 0)
    noise = np.fft.irfftn(spectrum * gain, s=(CELLS, CELLS, CELLS), axes=(0, 1, 2))
    return np.asarray(noise / noise.std(), np.float32)


def _band2(
    random: np.random.Generator, rows: int, columns: int, down: float, around: float
) -> npt.NDArray[np.float32]:
    """Return 2-D noise of unit deviation with about `down` and `around` waves along its axes."""
    spectrum = np.fft.rfft2(random.standard_normal((rows, columns)))
    fy, fx = np.fft.fftfreq(rows, 1 / rows)[:, None], np.fft.rfftfreq(columns, 1 / columns)[None]
    gain = np.exp(-((fy / down) ** 2)) * np.exp(-((fx / around - 0.7) ** 2) * 3)
    noise = np.fft.irfft2(spectrum * gain, s=(rows, columns))
    return np.asarray(noise / noise.std(), np.float32)


def _freckles(random: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return spots of many strengths: raising a threshold leaves fewer, as in a paler summer."""
    field = np.zeros((CELLS, CELLS, CELLS), np.float32)
    reach = np.arange(-3, 4)
    grid = np.stack(np.meshgrid(reach, reach, reach, indexing="ij"), axis=-1)
    for centre in random.uniform(0, CELLS, (BLOBS, 3)):
        radius, strength = random.uniform(0.8, 1.9), random.uniform(0.15, 1)
        cell = np.floor(centre).astype(int) + grid
        away = np.square(cell - centre).sum(axis=-1)
        spot = strength * np.exp(-((away / radius**2) ** 1.5))
        at = tuple(np.moveaxis(cell % CELLS, -1, 0))
        field[at] = np.maximum(field[at], spot)
    return field
