"""Where speech with a face to it comes from: shards of synthetic voices, or footage that was prepared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from phiz.errors import DataError, MediaError
from phiz.face.morphable import ARKIT_NAMES
from phiz.speech import windows
from phiz.train import talkers
from phiz.world.data import shard_samples
from phiz.world.data.shard_samples import ShardSamples
from phiz.world.data.writing import INDEX, Index
from phiz.world.voices import clips

BUILT_IN_BASIS = "phiz"
"""Our own head, whose expressions synthetic voices come with."""


@dataclass(frozen=True, kw_only=True)
class Speech:
    """Some seconds of sound, and what a face does meanwhile."""

    mel: Float[Tensor, "r 80"]
    expression: Float[Tensor, "t e"]
    labels: Int[Tensor, "t 3"] | None
    """Viseme, whether lips are surely shut, whether somebody talks; None where nobody knows."""
    first: int = 0
    """The frame that the windows begin with, counted from the start of the spectrogram."""


@runtime_checkable
class Voices(Protocol):
    """A numbered collection of speech."""

    @property
    def basis(self) -> str:
        """Return whose expression modes the faces have."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Return what the modes are called, where they have names."""
        ...

    @property
    def modes(self) -> int:
        """Return how many modes there are."""
        ...

    @property
    def count(self) -> int:
        """Return how many pieces there are."""
        ...

    def read(self, number: int, rng: np.random.Generator) -> Speech:
        """Return a piece; `rng` says where it begins, if it may."""
        ...


@dataclass(frozen=True, kw_only=True)
class ClipShards:
    """Shards that ``phiz world voices`` wrote."""

    folder: Path
    index: Index
    basis: str = BUILT_IN_BASIS
    names: tuple[str, ...] = ARKIT_NAMES
    modes: int = len(ARKIT_NAMES)

    @property
    def count(self) -> int:
        return self.index.count

    def clip(self, number: int) -> clips.Clip:
        """Return a clip."""
        found = self._samples.files(number)
        if not found:
            raise MediaError(f"clip {number} of {self.folder} is damaged. Write the data set again.")
        return clips.decode(found)

    def read(self, number: int, rng: np.random.Generator) -> Speech:
        """Return a whole clip."""
        clip = self.clip(number)
        return Speech(
            mel=windows.log_mel(torch.from_numpy(clip.samples)),
            expression=torch.from_numpy(clip.curves),
            labels=torch.from_numpy(clip.labels).long(),
        )

    def __getstate__(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in ("folder", "index", "basis", "names", "modes")}

    @cached_property
    def _samples(self) -> ShardSamples:
        return ShardSamples(folder=self.folder, index=self.index)


@dataclass(frozen=True, kw_only=True)
class Footage:
    """People of a folder in the guide's layout, cut into pieces of the same length."""

    people: Sequence[talkers.Talker]
    basis: str
    names: tuple[str, ...]
    modes: int
    frames: int
    """Of a piece."""

    @property
    def count(self) -> int:
        return int(self._ends[-1])

    def read(self, number: int, rng: np.random.Generator) -> Speech:
        """Return a piece near its place, begun at a frame that chance picks."""
        who = int(torch.searchsorted(self._ends, number, right=True))
        person = self.people[who]
        place = number - (int(self._ends[who - 1]) if who else 0)
        latest = len(person.numbers) - self.frames
        first = min(place * self.frames + int(rng.integers(0, self.frames)), latest)
        return Speech(
            mel=person.mel, expression=person.numbers[first : first + self.frames], labels=None, first=first
        )

    @cached_property
    def _ends(self) -> Int[Tensor, " p"]:
        return torch.tensor([len(one.numbers) // self.frames for one in self.people]).cumsum(0)


@dataclass(frozen=True, kw_only=True)
class Together:
    """Several collections as one."""

    parts: tuple[Voices, ...]

    @property
    def basis(self) -> str:
        return self.parts[0].basis

    @property
    def names(self) -> tuple[str, ...]:
        return self.parts[0].names

    @property
    def modes(self) -> int:
        return self.parts[0].modes

    @property
    def count(self) -> int:
        return sum(part.count for part in self.parts)

    def read(self, number: int, rng: np.random.Generator) -> Speech:
        """Return a piece of the collection that this number falls into."""
        for part in self.parts:
            if number < part.count:
                return part.read(number, rng)
            number -= part.count
        raise IndexError(f"there are {self.count} pieces of speech")


def open_voices(folders: Sequence[Path], *, frames: int) -> Voices:
    """Return the speech of folders: shards of voices, or footage in the guide's layout."""
    parts = tuple(_open(folder, frames) for folder in folders)
    if not parts:
        raise DataError("no folder of speech was named. Make one: phiz world voices -o voices --hours 10")
    first = parts[0]
    for folder, part in zip(folders, parts, strict=True):
        if (part.basis, part.modes) != (first.basis, first.modes):
            raise DataError(
                f"{folder} tells {part.modes} modes of {part.basis!r}, {folders[0]} {first.modes} of "
                f"{first.basis!r}. Learn from one kind at a time."
            )
    return parts[0] if len(parts) == 1 else Together(parts=parts)


def _open(folder: Path, frames: int) -> Voices:
    if (folder / INDEX).is_file():
        index = shard_samples.finished(folder, what="clips")
        if index.recipe.get("kind") != "voices":
            raise DataError(f"{folder} holds no voices. Make some: phiz world voices -o voices --hours 10")
        return ClipShards(folder=folder, index=index)
    found, header = talkers.open_talkers(folder, "expressions")
    people = [one for one in found if len(one.numbers) >= frames]
    if not people:
        raise DataError(
            f"nobody in {folder} has {frames} frames with sound. Record longer films, or give --frames."
        )
    modes = people[0].numbers.shape[1]
    names = ARKIT_NAMES if header.basis == BUILT_IN_BASIS and modes == len(ARKIT_NAMES) else ()
    return Footage(people=people, basis=header.basis, names=names, modes=modes, frames=frames)
