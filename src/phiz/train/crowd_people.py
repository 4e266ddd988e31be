"""People to put into crowds: rendered ones from shards, each with its outline and its landmarks."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from phiz.errors import DataError, MediaError
from phiz.face.points import MIRROR_68
from phiz.media import image
from phiz.train.picture_archives import is_shards
from phiz.world.data import shard_samples
from phiz.world.data.shard_samples import ShardSamples
from phiz.world.data.writing import Index

NEEDED = frozenset({"jpg", "alpha.png", "json"})


class Person(NamedTuple):
    """Somebody in front of a background of their own."""

    picture: UInt8[Tensor, "4 h w"]
    """Red, green, blue, and how much of a pixel the person covers."""
    landmarks: Float[Tensor, "68 2"]


@dataclass(frozen=True, kw_only=True)
class PeopleShards:
    """People by number, from what ``phiz world shards`` wrote; those once read stay in memory."""

    folder: Path
    index: Index
    remembered: int
    """How many stay; a person of 256 x 256 pixels takes a quarter of a megabyte."""

    @property
    def count(self) -> int:
        return self.index.count

    def name(self, number: int) -> str:
        return f"sample {number} of {self.folder}"

    def read(self, number: int) -> Person:
        """Return a person; raise a `MediaError` where this one cannot be read, though others may."""
        if number in self._known:
            return self._known[number]
        files = self._samples.files(number)
        if not files.keys() >= NEEDED:
            raise MediaError(f"{self.name(number)} is damaged. Write the data set again; the rest is kept.")
        found = unpacked(files, self.name(number))
        if len(self._known) < self.remembered:
            self._known[number] = found
        return found

    def __getstate__(self) -> Mapping[str, object]:
        return {"folder": self.folder, "index": self.index, "remembered": self.remembered}

    @cached_property
    def _samples(self) -> ShardSamples:
        return ShardSamples(folder=self.folder, index=self.index)

    @cached_property
    def _known(self) -> dict[int, Person]:
        return {}


def open_people(folder: Path, *, remembered: int = 0) -> PeopleShards:
    """Return the people in a folder of shards."""
    if not folder.is_dir() or not is_shards(folder):
        raise DataError(f"there are no shards in {folder}. Make some: phiz world shards -o {folder}")
    index = shard_samples.finished(folder)
    return PeopleShards(folder=folder, index=index, remembered=remembered)


def unpacked(files: Mapping[str, bytes], name: str) -> Person:
    """Return the person in the files of a sample."""
    shown = image.to_bytes(image.decode(files["jpg"], name=name)).movedim(-1, 0)
    try:
        with Image.open(io.BytesIO(files["alpha.png"])) as opened:
            cover = torch.from_numpy(np.array(opened, dtype=np.uint8))
        landmarks = torch.tensor(json.loads(files["json"])["landmarks68"])
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise MediaError(f"{name} is damaged ({error}). Write the data set again.") from error
    if cover.shape != shown.shape[1:] or landmarks.shape != (len(MIRROR_68), 2):
        raise MediaError(f"{name} is not as shards have it. Write the data set again.")
    return Person(torch.cat([shown, cover[None]]), landmarks)
