"""People in the guide's layout who talk: what was measured in each frame, and the sound with it."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.errors import DataError
from phiz.media import audio
from phiz.prepare import metadata
from phiz.prepare.metadata import BadMetadataError, Header
from phiz.speech import windows
from phiz.world.data import guide

SOUNDS = ".wav"


@dataclass(frozen=True, kw_only=True)
class Talker:
    """One person: the numbers of each frame, and what was heard."""

    name: str
    numbers: Float[Tensor, "t k"]
    mel: Float[Tensor, "r 80"]


def open_talkers(folder: Path, kind: str, *, length: int = 0) -> tuple[list[Talker], Header]:
    """Return all persons of a training folder, in the order of their names, and what their numbers are.

    `kind` names the metadata file: poses, expressions. Frames are those that stand in it, in the order of
    their names, one every twenty-fifth of a second; each has `length` numbers, if that is given. Sounds are
    read at once.
    """
    path = metadata.find(folder / guide.METADATA, kind)
    if path is None:
        raise DataError(
            f"{folder} has no {guide.METADATA}/{kind}.json. Make it with phiz prepare, or see docs/data.md."
        )
    found: dict[str, list[tuple[str, list[float]]]] = {}
    try:
        with metadata.opened(path, kind) as (header, entries):
            if header.fps != windows.FPS:
                raise DataError(f"{path} has {header.fps:g} frames a second, not {windows.FPS}. Take others.")
            for entry in entries:
                person, _, stem = entry.key.partition("/")
                found.setdefault(person, []).append((stem, entry.numbers))
    except BadMetadataError as error:
        raise DataError(f"{path} cannot be used: {error}. phiz data check tells more.") from error
    folders = {unicodedata.normalize("NFC", one.name): one for one in _folders(folder / guide.AUDIO)}
    first = next(iter(found.values()), [("", [])])[0][1]
    size = length or len(first)
    people = [_talker(name, frames, folders.get(name), path, size) for name, frames in sorted(found.items())]
    return people, header


def _folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise DataError(
            f"there is no folder {folder}. Sound belongs there, a folder a person; see docs/data.md."
        )
    return [one for one in sorted(folder.iterdir()) if one.is_dir() and not one.name.startswith(".")]


def _talker(
    name: str, frames: list[tuple[str, list[float]]], folder: Path | None, path: Path, size: int
) -> Talker:
    what = path.stem
    sounds = [one for one in sorted(folder.iterdir()) if one.suffix.lower() == SOUNDS] if folder else []
    if not sounds:
        raise DataError(
            f"{path} has {what} of {name!r}, but there is no sound of theirs beside them. Add it."
        )
    ordered = [numbers for _, numbers in sorted(frames)]
    if any(len(numbers) != size for numbers in ordered):
        raise DataError(
            f"{path} has {what} of {name!r} that are not {size} numbers. phiz data check tells which."
        )
    numbers = torch.tensor(ordered, dtype=torch.float32)
    if not numbers.isfinite().all():
        raise DataError(f"{path} has {what} of {name!r} that are not finite. phiz data check tells which.")
    heard = torch.cat([audio.read(sound) for sound in sounds])
    kept = min(len(numbers), len(heard) // windows.FRAME)
    return Talker(name=name, numbers=numbers[:kept], mel=windows.log_mel(heard[: kept * windows.FRAME]))
