"""Pieces of speech with a head that moves to it, in an exact order, and the chance that moves ours.

Heads of synthetic voices follow rules (`phiz.world.voices.heads`) and are moved anew each time, in a style
that chance picks, or between two. Heads of people who were filmed move as was measured; each is a style.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from phiz.console import Console
from phiz.errors import DataError
from phiz.speech import windows
from phiz.speech.head_motion import BEFORE
from phiz.speech.head_network import DEGREES, PATIENCE
from phiz.speech.mouth_network import moved_late
from phiz.train import talkers, voice_changes, voice_sources
from phiz.train.ordered_stream import Damaged, Order, OrderedStream, Reader
from phiz.train.talkers import Talker
from phiz.train.voice_changes import VoiceChanges
from phiz.train.voice_sources import ClipShards
from phiz.world.data.writing import INDEX
from phiz.world.voices import beats, heads
from phiz.world.voices.beats import Beat
from phiz.world.voices.engines import Phone

MIXED = 0.3
"""How often a head moves in a style between two."""
DRAWS = 2
"""How often chance is drawn for each piece."""


@dataclass(frozen=True, kw_only=True)
class Turning:
    """Some seconds of sound, and how a head moves meanwhile."""

    mel: Float[Tensor, "r 80"]
    poses: Float[Tensor, "t 6"]
    style: Float[Tensor, " s"]
    """The share of each style in it."""
    about: Float[Tensor, "t 2"] | None
    """How strong an accent is heard, and whether somebody talks; None where nobody knows."""
    first: int = 0
    """The frame that the windows begin with, counted from the start of the spectrogram."""


@runtime_checkable
class Speakers(Protocol):
    """A numbered collection of speech with heads."""

    @property
    def styles(self) -> tuple[str, ...]:
        """Return what the ways to move are called."""
        ...

    @property
    def count(self) -> int:
        """Return how many pieces there are."""
        ...

    def read(self, number: int, rng: np.random.Generator) -> Turning:
        """Return a piece; `rng` says how its head moves, or where it begins."""
        ...


@dataclass(frozen=True, kw_only=True)
class Listened:
    """What of a clip does not change with chance; half precision keeps many in little memory."""

    mel: Float[Tensor, "r 80"]
    phones: tuple[Phone, ...]
    beats: tuple[Beat, ...]
    about: Float[Tensor, "t 2"]


@dataclass(frozen=True, kw_only=True)
class ClipHeads:
    """Synthetic voices, whose heads follow rules."""

    voices: ClipShards
    remembered: int
    """Clips that stay in memory."""
    styles: tuple[str, ...] = heads.STYLES

    @property
    def count(self) -> int:
        return self.voices.count

    def read(self, number: int, rng: np.random.Generator) -> Turning:
        """Return a whole clip, its head moved in a style that chance picks."""
        clip = self.listened(number)
        shares = drawn_style(len(self.styles), rng)
        used = np.flatnonzero(shares)
        manner = heads.mixed([heads.MANNERS[self.styles[k]] for k in used], [shares[k] for k in used])
        seconds = len(clip.about) / windows.FPS
        poses = heads.poses(clip.phones, clip.beats, seconds, manner, rng)
        return Turning(
            mel=clip.mel.float(),
            poses=torch.from_numpy(poses),
            style=torch.from_numpy(shares).float(),
            about=clip.about,
        )

    def listened(self, number: int) -> Listened:
        """Return a clip and its syllables."""
        if number in self._known:
            return self._known[number]
        clip = self.voices.clip(number)
        syllables = beats.beats_of(clip.phones, clip.samples)
        accents = torch.from_numpy(beats.accent_curve(syllables, len(clip.labels)))
        talking = torch.from_numpy(clip.labels[:, 2]).float()
        found = Listened(
            mel=windows.log_mel(torch.from_numpy(clip.samples)).half(),
            phones=clip.phones,
            beats=tuple(syllables),
            about=torch.stack([accents, talking], dim=1),
        )
        if len(self._known) < self.remembered:
            self._known[number] = found
        return found

    def __getstate__(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in ("voices", "remembered", "styles")}

    @cached_property
    def _known(self) -> dict[int, Listened]:
        return {}


@dataclass(frozen=True, kw_only=True)
class FilmedHeads:
    """People who were filmed, cut into pieces of the same length."""

    people: Sequence[Talker]
    frames: int

    @property
    def styles(self) -> tuple[str, ...]:
        return tuple(one.name for one in self.people)

    @property
    def count(self) -> int:
        return int(self._ends[-1])

    def read(self, number: int, rng: np.random.Generator) -> Turning:
        """Return a piece near its place, begun at a frame that chance picks; zero is the person's rest."""
        who = int(torch.searchsorted(self._ends, number, right=True))
        person = self.people[who]
        place = number - (int(self._ends[who - 1]) if who else 0)
        latest = len(person.numbers) - self.frames
        first = min(place * self.frames + int(rng.integers(0, self.frames)), latest)
        poses = person.numbers - person.numbers.median(dim=0).values
        style = torch.zeros(len(self.people))
        style[who] = 1.0
        return Turning(
            mel=person.mel, poses=poses[first : first + self.frames], style=style, about=None, first=first
        )

    @cached_property
    def _ends(self) -> Int[Tensor, " p"]:
        return torch.tensor([len(one.numbers) // self.frames for one in self.people]).cumsum(0)


def open_speakers(folder: Path, *, frames: int, remembered: int = 0) -> Speakers:
    """Return the speech of a folder: shards of voices, or people in the guide's layout with their poses."""
    if (folder / INDEX).is_file():
        voices = voice_sources.open_voices([folder], frames=frames)
        assert isinstance(voices, ClipShards)
        return ClipHeads(voices=voices, remembered=remembered)
    found, _ = talkers.open_talkers(folder, "poses", length=DEGREES)
    people = [one for one in found if len(one.numbers) >= frames]
    if not people:
        raise DataError(
            f"nobody in {folder} has {frames} frames with sound. Record longer films, or give --frames."
        )
    return FilmedHeads(people=people, frames=frames)


def drawn_style(count: int, rng: np.random.Generator) -> Float[np.ndarray, " s"]:
    """Return the shares of a style, or of two that are mixed."""
    shares = np.zeros(count)
    one = int(rng.integers(0, count))
    shares[one] = 1.0
    if count > 1 and rng.random() < MIXED:
        other = (one + int(rng.integers(1, count))) % count
        shares[other] = float(rng.random())
        shares[one] -= shares[other]
    return shares


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Some seconds to learn from."""

    windows: Float[Tensor, "t 1 80 16"]
    poses: Float[Tensor, "t 6"]
    style: Float[Tensor, " s"]
    about: Float[Tensor, "t 2"]
    is_labelled: bool
    delay: int
    white: Float[Tensor, "d n c"]
    """Chance, drawn more than once, from long before the first frame on."""


@dataclass(frozen=True, kw_only=True)
class HeadBatch:
    """Pieces to learn from: at each window, the truth is that of a frame some time before it."""

    windows: Float[Tensor, "b t 1 80 16"]
    poses: Float[Tensor, "b t 6"]
    style: Float[Tensor, "b s"]
    about: Float[Tensor, "b t 2"]
    is_labelled: Float[Tensor, " b"]
    delay: Int[Tensor, " b"]
    white: Float[Tensor, "b d n c"]
    damaged: Damaged = ()

    def to(self, device: torch.device) -> HeadBatch:
        return HeadBatch(
            windows=self.windows.to(device),
            poses=self.poses.to(device),
            style=self.style.to(device),
            about=self.about.to(device),
            is_labelled=self.is_labelled.to(device),
            delay=self.delay.to(device),
            white=self.white.to(device),
            damaged=self.damaged,
        )


def piece(
    speakers: Speakers,
    delays: Sequence[int],
    chance: int,
    changes: VoiceChanges,
    number: int,
    rng: np.random.Generator,
) -> Piece:
    """Return a piece by its number: its head moved, its sound changed, and chance drawn for ours."""
    turning = speakers.read(number, rng)
    delay = int(delays[int(rng.integers(0, len(delays)))])
    mel = voice_changes.changed(turning.mel, changes, rng)
    frames = len(turning.poses)
    rows = windows.starts(frames, first=turning.first)[:, None] + torch.arange(windows.ROWS)
    white = rng.standard_normal((DRAWS, BEFORE + frames, chance), dtype=np.float32)
    return Piece(
        windows=mel[rows.clamp(0, len(mel) - 1)].transpose(1, 2)[:, None],
        poses=turning.poses,
        style=turning.style,
        about=torch.zeros(frames, 2) if turning.about is None else turning.about,
        is_labelled=turning.about is not None,
        delay=delay,
        white=torch.from_numpy(white),
    )


def joined(pieces: Sequence[Piece], damaged: Damaged = ()) -> HeadBatch:
    """Return pieces of the same length as a batch."""
    late = [lateness(one.delay) for one in pieces]
    return HeadBatch(
        windows=torch.stack([one.windows for one in pieces]),
        poses=moved_late(torch.stack([one.poses for one in pieces]), late),
        style=torch.stack([one.style for one in pieces]),
        about=moved_late(torch.stack([one.about for one in pieces]), late),
        is_labelled=torch.tensor([float(one.is_labelled) for one in pieces]),
        delay=torch.tensor([one.delay for one in pieces]),
        white=torch.stack([one.white for one in pieces]),
        damaged=damaged,
    )


def lateness(delay: int) -> int:
    """Return by how many frames what is told lags behind what is heard, counting that a head may be late."""
    return max(delay, PATIENCE)


def head_stream(
    speakers: Speakers,
    delays: Sequence[int],
    chance: int,
    changes: VoiceChanges,
    order: Order,
    console: Console | None = None,
) -> OrderedStream[HeadBatch]:
    """Return batches of pieces without end; `chance` is how many random numbers a frame takes."""
    make = partial(piece, speakers, tuple(delays), chance, changes)
    return OrderedStream(Reader(order.count, make, joined, order.seed), order, console)
