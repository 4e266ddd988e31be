"""What worker processes do: pictures by number -> square batches of bytes, whatever is damaged among them."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from phiz.errors import DataError, MediaError, PhizError
from phiz.train.picture_sources import Picture, Source

Crop = Literal["refuse", "centre"]
PATIENCE = 100
"""Damaged pictures in a row after which one that never ends is given up."""


class Damage(NamedTuple):
    """A picture that cannot be read."""

    number: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class PictureBatch:
    """Pictures to learn from; bytes until they are on their device, see `phiz.train.pictures.on_device`."""

    images: UInt8[Tensor, "b 3 h w"]
    labels: Float[Tensor, "b n"]
    damaged: tuple[Damage, ...] = ()
    """Pictures found damaged on the way, that others took the place of; each worker tells of each once."""


class Reader(Dataset["PictureBatch | PhizError"]):
    """Gives batches for lists of items; item 2 n is picture n, item 2 n + 1 its mirror image."""

    def __init__(self, source: Source, *, resolution: int, crop: Crop) -> None:
        self.source = source
        self.resolution = resolution
        self.crop: Crop = crop
        self._known: set[int] = set()  # damaged pictures, which are tried once: there may be many in a row

    def __getitem__(self, items: Sequence[int]) -> PictureBatch | PhizError:
        """Return a batch, or what is wrong: raised in a worker, an error would arrive as a page of text."""
        damaged: list[Damage] = []
        try:
            pictures = [self._read(item, damaged) for item in items]
        except PhizError as error:
            return error
        return PictureBatch(
            images=torch.stack([picture.image for picture in pictures]),
            labels=torch.stack([picture.label for picture in pictures]),
            damaged=tuple(damaged),
        )

    def _read(self, item: int, damaged: list[Damage]) -> Picture:
        """Return a picture, or the next one that can be read, ready to learn from."""
        number, is_mirrored = divmod(item, 2)
        count = self.source.count
        tries = PATIENCE if count is None else count
        for ahead in range(tries):
            place = number + ahead if count is None else (number + ahead) % count
            if place in self._known:
                continue
            try:
                image, label = self.source.read(place)
            except MediaError as error:
                self._known.add(place)
                damaged.append(Damage(place, str(error)))
                continue
            self._refuse_oblong(image, place)
            square = make_square(image, self.resolution)
            return Picture(square.flip(-1) if is_mirrored else square, label)
        last = f"; the last: {damaged[-1].reason}" if damaged else ". Copy or make them again."
        raise DataError(f"none of {tries} pictures can be read{last}")

    def _refuse_oblong(self, image: Tensor, number: int) -> None:
        height, width = image.shape[1:]
        if height != width and self.crop == "refuse":
            raise DataError(
                f"{self.source.name(number)} has {width} x {height} pixels and should be square. "
                "Cut the pictures, or have the middle taken (crop: centre)."
            )


def make_square(
    picture: UInt8[Tensor, "3 h w"], resolution: int
) -> UInt8[Tensor, "3 {resolution} {resolution}"]:
    """Return the largest square in a picture's middle, at this height and width.

    It is resampled by Lanczos' filter with three lobes, widened when shrinking so that nothing aliases.
    """
    height, width = picture.shape[1:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    picture = picture[:, top : top + side, left : left + side]
    if side == resolution:
        return picture.contiguous()
    pixels = Image.fromarray(np.ascontiguousarray(picture.movedim(0, -1).numpy()))
    resized = np.array(pixels.resize((resolution, resolution), Image.Resampling.LANCZOS))
    return torch.from_numpy(resized).movedim(-1, 0).contiguous()


def behave(worker: int) -> None:
    """Leave signals to the parent, which may have a snapshot to write and still needs pictures meanwhile."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def same(batch: Any) -> Any:
    """Return a batch as it is; a loader would otherwise take it apart."""
    return batch
