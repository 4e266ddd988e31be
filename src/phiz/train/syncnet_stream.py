"""Pieces of speech, sound and mouth, in an exact order; changed so that only timing tells what fits.

A real face that is tracked by a camera moves in a style of its own: curves are stronger or weaker than ours,
never quite at rest, smoothed, noisy, or missing. Whoever judges it may rely on when things happen alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from phiz.console import Console
from phiz.errors import DataError
from phiz.speech import sync_network, windows
from phiz.speech.sync_network import SyncConfig
from phiz.train import voice_changes, voice_sources
from phiz.train.ordered_stream import Damaged, Order, OrderedStream, Reader
from phiz.train.voice_changes import VoiceChanges
from phiz.train.voice_sources import ClipShards, Speech, Together, Voices

Curves = Float[NDArray[np.float32], "t c"]

SMALLEST_GAIN = 0.3
WANDER_S = (1.5, 8.0)
"""How long a swing lasts of what a tracker takes for movement, when really the head turns."""


@dataclass(frozen=True, kw_only=True)
class MouthChanges:
    """How curves are changed, a clip at a time; shares say how often."""

    gain: float = 0.45
    """How much stronger or weaker each curve is: one deviation of the logarithm."""
    offset: float = 0.1
    """How far each curve is from zero at rest, at most."""
    wander: float = 0.06
    """How far it wanders slowly, at most."""
    blur: float = 0.9
    """Over how many frames curves are smoothed: the widest deviation."""
    noise: float = 0.03
    """The strongest noise: one deviation."""
    dropped: float = 0.5
    """The highest share of curves that are missing."""
    merged: float = 0.2
    """How often jawOpen is how far lips are apart, and mouthClose is missing, as trackers have it."""
    alone: float = 0.15
    """How often nothing is left but jawOpen and mouthClose."""
    untouched: float = 0.1
    """How often curves stay as they are."""

    def __post_init__(self) -> None:
        if min(self.gain, self.offset, self.wander, self.blur, self.noise) < 0:
            raise ValueError("curves are changed by no less than nothing")
        if not all(0 <= x <= 1 for x in (self.dropped, self.merged, self.alone, self.untouched)):
            raise ValueError("how often curves are changed is a share from 0 to 1")


PLAIN = MouthChanges(gain=0, offset=0, wander=0, blur=0, noise=0, dropped=0, merged=0, alone=0, untouched=1)
"""Curves as they are."""


class Piece(NamedTuple):
    """Some frames of a clip."""

    windows: Float[Tensor, "t 1 80 16"]
    curves: Float[Tensor, "t c"]


@dataclass(frozen=True, kw_only=True)
class PieceBatch:
    """Pieces to learn from."""

    windows: Float[Tensor, "b t 1 80 16"]
    curves: Float[Tensor, "b t c"]
    damaged: Damaged = ()


@dataclass(frozen=True, kw_only=True)
class Remembered:
    """Clips that stay in memory once read, up to so many: reading one takes as long as learning from it."""

    clips: ClipShards
    most: int

    @property
    def basis(self) -> str:
        return self.clips.basis

    @property
    def names(self) -> tuple[str, ...]:
        return self.clips.names

    @property
    def modes(self) -> int:
        return self.clips.modes

    @property
    def count(self) -> int:
        return self.clips.count

    def read(self, number: int, rng: np.random.Generator) -> Speech:
        """Return a whole clip; what is kept has half precision, and so has what is not."""
        if number in self._known:
            return self._known[number]
        found = self.clips.read(number, rng)
        found = replace(found, mel=found.mel.half(), expression=found.expression.half())
        if len(self._known) < self.most:
            self._known[number] = found
        return found

    def __getstate__(self) -> Mapping[str, object]:
        return {"clips": self.clips, "most": self.most}

    @cached_property
    def _known(self) -> dict[int, Speech]:
        return {}


def open_named(folders: Sequence[Path], config: SyncConfig, *, frames: int, remembered: int = 0) -> Voices:
    """Return the speech of folders whose curves have the names that a network reads."""
    found = voice_sources.open_voices(folders, frames=frames)
    if missing := [name for name in config.names if name not in found.names]:
        raise DataError(
            f"{folders[0]} tells modes of {found.basis!r}, among them no {missing[0]}. Take voices of "
            "phiz world voices, or footage that was fitted with the built-in head."
        )
    parts = found.parts if isinstance(found, Together) else (found,)
    kept = tuple(
        Remembered(clips=part, most=remembered) if isinstance(part, ClipShards) else part for part in parts
    )
    return kept[0] if len(kept) == 1 else Together(parts=kept)


def piece(
    voices: Voices,
    config: SyncConfig,
    mouth: MouthChanges,
    sound: VoiceChanges,
    frames: int,
    number: int,
    rng: np.random.Generator,
) -> Piece:
    """Return some frames of speech, from anywhere in it, changed by chance."""
    speech = voices.read(number, rng)
    left = len(speech.expression) - frames
    if left < 0:
        raise DataError(f"piece {number} has {frames + left} frames, not {frames}. Give --frames less.")
    first = int(rng.integers(0, left + 1))
    rows = windows.starts(frames, first=speech.first + first)[:, None] + torch.arange(windows.ROWS)
    mel = voice_changes.changed(speech.mel.float(), sound, rng)
    curves = changed_mouth(read_by(config, voices.names, speech), config.names, mouth, rng)
    return Piece(
        windows=mel[rows.clamp(0, len(mel) - 1)].transpose(1, 2)[:, None],
        curves=torch.from_numpy(curves[first : first + frames].copy()),
    )


def read_by(config: SyncConfig, names: Sequence[str], speech: Speech) -> Curves:
    """Return the curves that a network reads."""
    found: Curves = sync_network.chosen(speech.expression, names, config).float().numpy()
    return found


def joined(pieces: Sequence[Piece], damaged: Damaged = ()) -> PieceBatch:
    """Return pieces as a batch."""
    return PieceBatch(
        windows=torch.stack([one.windows for one in pieces]),
        curves=torch.stack([one.curves for one in pieces]),
        damaged=damaged,
    )


def piece_stream(
    voices: Voices,
    config: SyncConfig,
    changes: tuple[MouthChanges, VoiceChanges],
    frames: int,
    order: Order,
    console: Console | None = None,
) -> OrderedStream[PieceBatch]:
    """Return batches of pieces, each of so many frames."""
    make = partial(piece, voices, config, *changes, frames)
    return OrderedStream(Reader(order.count, make, joined, order.seed), order, console)


def changed_mouth(
    curves: Curves, names: Sequence[str], changes: MouthChanges, rng: np.random.Generator
) -> Curves:
    """Return curves in another style, as another face or a tracker has it; their timing is the same.

    Left and right are changed alike.
    """
    if rng.random() < changes.untouched:
        return curves
    stems = list(dict.fromkeys(sync_network.stem(name) for name in names))
    place = [stems.index(sync_network.stem(name)) for name in names]
    kept = _kept(stems, changes, rng)
    out = curves.astype(np.float64)
    if rng.random() < changes.merged and {"jawOpen", "mouthClose"} <= set(names):
        jaw, close = names.index("jawOpen"), names.index("mouthClose")
        out[:, jaw] = (out[:, jaw] - out[:, close]).clip(0)
        out[:, close] = 0
        kept[stems.index("mouthClose")] = False
    gain = np.exp(changes.gain * rng.standard_normal(len(stems))).clip(SMALLEST_GAIN)
    out = out * gain[place] + _wandering(len(out), len(stems), changes, rng)[:, place]
    out = smoothed(out, changes.blur * float(rng.random()))
    out += changes.noise * float(rng.random()) ** 2 * rng.standard_normal((len(out), len(stems)))[:, place]
    return (out.clip(0, 1) * kept[place]).astype(np.float32)


def smoothed(
    curves: Float[NDArray[np.float64], "t c"], deviation: float
) -> Float[NDArray[np.float64], "t c"]:
    """Return curves smoothed by a bell of so many frames; their ends go on as they are."""
    if deviation < 0.1:
        return curves
    reach = int(np.ceil(3 * deviation))
    bell = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    padded = np.pad(curves, ((reach, reach), (0, 0)), mode="edge")
    parts = (weight * padded[k : k + len(curves)] for k, weight in enumerate(bell / bell.sum()))
    total: NDArray[np.float64] = np.sum(list(parts), axis=0)
    return total


def _kept(stems: Sequence[str], changes: MouthChanges, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return which curves are there; jawOpen always is, where the network reads it."""
    if rng.random() < changes.alone:
        kept = np.array([one in ("jawOpen", "mouthClose") for one in stems])
    else:
        kept = rng.random(len(stems)) >= changes.dropped * rng.random()
    if "jawOpen" in stems:
        kept[stems.index("jawOpen")] = True
    return kept


def _wandering(
    frames: int, count: int, changes: MouthChanges, rng: np.random.Generator
) -> Float[NDArray[np.float64], "t k"]:
    """Return what is added to each curve: a constant, and a slow swing."""
    clock = np.arange(frames)[:, None] / windows.FPS
    swing = np.sin(2 * np.pi * (clock / rng.uniform(*WANDER_S, count) + rng.random(count)))
    far = changes.wander * rng.random() * rng.random(count)
    return changes.offset * rng.random() * rng.random(count) + far * swing
