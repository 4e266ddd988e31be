"""Motions of talkers' heads and the sound with them, in an exact order: batches without end."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from phiz.console import Console
from phiz.errors import DataError
from phiz.media import audio
from phiz.prepare import metadata
from phiz.prepare.metadata import BadMetadataError
from phiz.speech import windows
from phiz.train.ordered_stream import Damaged, Order, OrderedStream, Reader
from phiz.world.data import guide

SOUNDS = ".wav"


@dataclass(frozen=True, kw_only=True)
class Talker:
    """One person: how the head stood in each frame, and what was heard."""

    name: str
    poses: Float[Tensor, "t 6"]
    mel: Float[Tensor, "r 80"]

    @property
    def frames(self) -> int:
        return len(self.poses)


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Some frames to learn from."""

    windows: Float[Tensor, "t 1 80 16"]
    start: Float[Tensor, " 6"]
    """The pose of the frame before."""
    motion: Float[Tensor, "t 6"]
    """How far each pose is from that."""
    style: int
    """Whose it is."""
    chance: Float[Tensor, " z"]
    """What the latent code is drawn by."""


@dataclass(frozen=True, kw_only=True)
class MotionBatch:
    """Motions to learn from."""

    windows: Float[Tensor, "b t 1 80 16"]
    start: Float[Tensor, "b 6"]
    motion: Float[Tensor, "b t 6"]
    style: Int[Tensor, " b"]
    chance: Float[Tensor, "b z"]
    damaged: Damaged = ()


def open_talkers(folder: Path) -> list[Talker]:
    """Return all persons of a training folder, in the order of their names; their sounds are read at once.

    Frames are those that have a pose, in the order of their names, one every twenty-fifth of a second.
    """
    path = metadata.find(folder / guide.METADATA, "poses")
    if path is None:
        raise DataError(
            f"{folder} has no {guide.METADATA}/poses.json. Make it with phiz fit, or see docs/data.md."
        )
    found: dict[str, list[tuple[str, list[float]]]] = {}
    try:
        with metadata.opened(path, "poses") as (header, entries):
            if header.fps != windows.FPS:
                raise DataError(f"{path} has {header.fps:g} frames a second, not {windows.FPS}. Take others.")
            for entry in entries:
                person, _, stem = entry.key.partition("/")
                found.setdefault(person, []).append((stem, entry.numbers))
    except BadMetadataError as error:
        raise DataError(f"{path} cannot be used: {error}. phiz data check tells more.") from error
    folders = {unicodedata.normalize("NFC", one.name): one for one in _folders(folder / guide.AUDIO)}
    return [_talker(name, frames, folders.get(name), path) for name, frames in sorted(found.items())]


def motions(talkers: Sequence[Talker], length: int) -> Int[Tensor, " p"]:
    """Return how many motions of so many frames each person has; one begins with every frame."""
    return torch.tensor([max(one.frames - length, 0) for one in talkers])


def cut(talkers: Sequence[Talker], length: int, latent: int, number: int, rng: np.random.Generator) -> Cut:
    """Return a motion by its number, those of each person in a row."""
    ends = motions(talkers, length).cumsum(0)
    style = int(torch.searchsorted(ends, number, right=True))
    first = number - (int(ends[style - 1]) if style else 0)
    talker = talkers[style]
    start = talker.poses[first]
    rows = windows.starts(length, first=first + 1)[:, None] + torch.arange(windows.ROWS)
    heard = talker.mel[rows.clamp(0, len(talker.mel) - 1)].transpose(1, 2)[:, None]
    return Cut(
        windows=heard,
        start=start,
        motion=talker.poses[first + 1 : first + 1 + length] - start,
        style=style,
        chance=torch.from_numpy(rng.standard_normal(latent, dtype=np.float32)),
    )


def joined(cuts: Sequence[Cut], damaged: Damaged = ()) -> MotionBatch:
    """Return motions as a batch."""
    return MotionBatch(
        windows=torch.stack([one.windows for one in cuts]),
        start=torch.stack([one.start for one in cuts]),
        motion=torch.stack([one.motion for one in cuts]),
        style=torch.tensor([one.style for one in cuts]),
        chance=torch.stack([one.chance for one in cuts]),
        damaged=damaged,
    )


def motion_stream(
    talkers: Sequence[Talker], length: int, latent: int, order: Order, console: Console | None = None
) -> OrderedStream[MotionBatch]:
    """Return batches of motions, each of `length` frames, with chance for as many codes."""
    make = partial(cut, talkers, length, latent)
    return OrderedStream(Reader(order.count, make, joined, order.seed), order, console)


def _folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise DataError(
            f"there is no folder {folder}. Sound belongs there, a folder a person; see docs/data.md."
        )
    return [one for one in sorted(folder.iterdir()) if one.is_dir() and not one.name.startswith(".")]


def _talker(name: str, frames: list[tuple[str, list[float]]], folder: Path | None, path: Path) -> Talker:
    sounds = [one for one in sorted(folder.iterdir()) if one.suffix.lower() == SOUNDS] if folder else []
    if not sounds:
        raise DataError(f"{path} has poses of {name!r}, but there is no sound of theirs beside them. Add it.")
    ordered = [numbers for _, numbers in sorted(frames)]
    if any(len(numbers) != 6 for numbers in ordered):
        raise DataError(f"{path} has poses of {name!r} that are not 6 numbers. phiz data check tells which.")
    poses = torch.tensor(ordered, dtype=torch.float32)
    if not poses.isfinite().all():
        raise DataError(f"{path} has poses of {name!r} that are not finite. phiz data check tells which.")
    heard = torch.cat([audio.read(sound) for sound in sounds])
    kept = min(len(poses), len(heard) // windows.FRAME)
    return Talker(name=name, poses=poses[:kept], mel=windows.log_mel(heard[: kept * windows.FRAME]))
