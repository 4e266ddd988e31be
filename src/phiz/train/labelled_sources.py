"""Pictures with a label for each pixel, by number: rendered people, or data sets such as CelebAMask-HQ.

Three kinds of folder are known: shards (``phiz world shards``), portraits (``phiz world portraits``), and
pictures with masks. Of the last there are two: ``images/`` and ``labels/`` with files of the same names, each
pixel of a label its class; or CelebAMask-HQ as it was published, a mask for each part of each face.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from phiz.errors import DataError, MediaError
from phiz.face.parse import CLASSES_19
from phiz.media import image
from phiz.train.picture_archives import is_shards
from phiz.train.sitters import are_portraits
from phiz.world.data import shard_samples
from phiz.world.data.portraits import read_portraits
from phiz.world.data.shard_samples import ShardSamples
from phiz.world.data.writing import Index

Bytes = npt.NDArray[np.uint8]

PICTURES, MASKS = "CelebA-HQ-img", "CelebAMask-HQ-mask-anno"
"""Folders of CelebAMask-HQ: ``0.jpg``, and ``0/00000_skin.png`` (two thousand faces a folder)."""
FACES_A_FOLDER = 2000
PARTS = (
    *("skin l_brow r_brow l_eye r_eye eye_g l_ear r_ear ear_r nose mouth u_lip l_lip neck neck_l".split()),
    *("cloth hair hat".split()),
)
"""What masks are called, in the order of the classes from 1 on; later ones lie over earlier ones."""
IMAGES, LABELS = "images", "labels"
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


class Labelled(NamedTuple):
    """A picture and what each of its pixels shows; as files hold them, channels first."""

    image: UInt8[Tensor, "3 h w"]
    labels: UInt8[Tensor, "h w"]
    alpha: UInt8[Tensor, "h w"]
    """How much of a pixel the person covers, 255 for all of it."""


@runtime_checkable
class LabelledSource(Protocol):
    """Something that has labelled pictures by number."""

    @property
    def count(self) -> int:
        """Return how many pictures there are."""
        ...

    def name(self, number: int) -> str:
        """Return what a picture is called, for messages."""
        ...

    def read(self, number: int) -> Labelled:
        """Return a picture; raise a `MediaError` where this one cannot be read, though others may."""
        ...


def open_source(folder: Path) -> LabelledSource:
    """Return the labelled pictures in a folder."""
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}. Make one: phiz world shards -o {folder}")
    if are_portraits(folder):
        return PortraitLabels(folder=folder, count=len(read_portraits(folder)[0]["images"]))
    if is_shards(folder):
        return _open_shards(folder)
    if (folder / MASKS).is_dir():
        return _open_celeba(folder)
    if (folder / LABELS).is_dir():
        return _open_files(folder)
    raise DataError(
        f"{folder} holds no labelled pictures. Give a folder of `phiz world shards` or of `phiz world "
        f"portraits`, one with {IMAGES} and {LABELS}, or CelebAMask-HQ with its {PICTURES} and {MASKS}."
    )


@dataclass(frozen=True, kw_only=True)
class PortraitLabels:
    """Portraits that ``phiz world portraits`` wrote."""

    folder: Path
    count: int

    def name(self, number: int) -> str:
        return f"portrait {number} of {self.folder}"

    def read(self, number: int) -> Labelled:
        found = {name: torch.from_numpy(self._arrays[name][number].copy()) for name in ("labels", "alpha")}
        shown = torch.from_numpy(self._arrays["images"][number].copy())
        return Labelled(shown.movedim(-1, 0).contiguous(), found["labels"], found["alpha"])

    def __getstate__(self) -> Mapping[str, object]:
        return {"folder": self.folder, "count": self.count}  # mapped files do not travel to other processes

    @cached_property
    def _arrays(self) -> Mapping[str, npt.NDArray[np.generic]]:
        return read_portraits(self.folder)[0]


@dataclass(frozen=True, kw_only=True)
class ShardLabels:
    """Shards that ``phiz world shards`` wrote; each table of contents is read when it is first needed."""

    folder: Path
    index: Index

    @property
    def count(self) -> int:
        return self.index.count

    def name(self, number: int) -> str:
        return f"sample {number} of {self.folder}"

    def read(self, number: int) -> Labelled:
        files = self._samples.files(number)
        if not {"jpg", "labels.png", "alpha.png"} <= files.keys():
            raise MediaError(f"{self.name(number)} is damaged. Write the data set again; the rest is kept.")
        shown = image.to_bytes(image.decode(files["jpg"], name=self.name(number)))
        levels = (_levels(files[f"{part}.png"], self.name(number)) for part in ("labels", "alpha"))
        return Labelled(shown.movedim(-1, 0).contiguous(), *levels)

    def __getstate__(self) -> Mapping[str, object]:
        return {"folder": self.folder, "index": self.index}

    @cached_property
    def _samples(self) -> ShardSamples:
        return ShardSamples(folder=self.folder, index=self.index)


@dataclass(frozen=True, kw_only=True)
class LabelFiles:
    """Pictures in ``images`` and files of the same names in ``labels``, whose pixels are classes."""

    folder: Path
    names: tuple[str, ...]

    @property
    def count(self) -> int:
        return len(self.names)

    def name(self, number: int) -> str:
        return str(self.folder / LABELS / self.names[number])

    def read(self, number: int) -> Labelled:
        labels = _levels(image.bytes_of(Path(self.name(number))), self.name(number))
        stem = self.folder / IMAGES / Path(self.names[number]).stem
        found = next((path for suffix in SUFFIXES if (path := stem.with_suffix(suffix)).is_file()), None)
        if found is None:
            raise MediaError(f"{self.name(number)} has no picture {stem}.jpg (or .png, .webp).")
        return fitted(image.read(found), labels)


@dataclass(frozen=True, kw_only=True)
class CelebaMasks:
    """CelebAMask-HQ as it was published."""

    folder: Path
    numbers: tuple[int, ...]

    @property
    def count(self) -> int:
        return len(self.numbers)

    def name(self, number: int) -> str:
        return str(self.folder / PICTURES / f"{self.numbers[number]}.jpg")

    def read(self, number: int) -> Labelled:
        face = self.numbers[number]
        begin = self.folder / MASKS / str(face // FACES_A_FOLDER)
        labels: Tensor | None = None
        for label, part in enumerate(PARTS, start=1):
            path = begin / f"{face:05d}_{part}.png"
            if not path.is_file():
                continue
            mask = _grey(image.bytes_of(path), str(path)) > 127
            labels = torch.zeros(mask.shape, dtype=torch.uint8) if labels is None else labels
            if labels.shape != mask.shape:
                raise MediaError(f"{path} has another size than other masks of the same face. Copy it again.")
            labels[mask] = label
        if labels is None:
            raise MediaError(f"{self.name(number)} has no masks in {begin}. Copy the data set again.")
        return fitted(image.read(Path(self.name(number))), labels)


def fitted(picture: Float[Tensor, "3 _ _"], labels: UInt8[Tensor, "h w"]) -> Labelled:
    """Return a picture at the size of its labels; whoever is there covers all that is not background."""
    height, width = labels.shape
    if picture.shape[1:] != labels.shape:
        resize = torch.nn.functional.interpolate
        picture = resize(picture[None], size=(height, width), mode="bilinear", antialias=True)[0]
    shown = image.to_bytes(picture).movedim(-1, 0).contiguous()
    return Labelled(shown, labels, (labels > 0).to(torch.uint8) * 255)


def check_classes(found: Labelled, classes: int, name: str) -> None:
    """Refuse a picture with labels that a network of so many classes does not have."""
    highest = int(found.labels.max())
    if highest >= classes:
        known = CLASSES_19.names.get(highest, "nothing that is known")
        raise DataError(
            f"{name} has the label {highest} ({known}), the network {classes} classes. Take one with more: "
            f"--parser.classes {max(highest + 1, CLASSES_19.count)}"
        )


def _open_shards(folder: Path) -> ShardLabels:
    index = shard_samples.finished(folder)
    return ShardLabels(folder=folder, index=index)


def _open_files(folder: Path) -> LabelFiles:
    names = tuple(sorted(path.name for path in (folder / LABELS).glob("*.png")))
    if not names:
        raise DataError(f"{folder / LABELS} has no PNG files. Each is the labels of a picture.")
    return LabelFiles(folder=folder, names=names)


def _open_celeba(folder: Path) -> CelebaMasks:
    stems = [path.stem for path in (folder / PICTURES).glob("*.jpg")]
    numbers = tuple(sorted(int(stem) for stem in stems if stem.isdecimal()))
    if not numbers:
        raise DataError(f"{folder / PICTURES} has no pictures. Give CelebAMask-HQ as published.")
    return CelebaMasks(folder=folder, numbers=numbers)


def _levels(data: bytes, name: str) -> UInt8[Tensor, "h w"]:
    """Return the numbers in a PNG whose pixels are numbers: grey, or places in a palette."""
    with image.opened(data, name) as found:
        if found.mode not in ("L", "P", "1"):
            raise MediaError(
                f"{name} has pixels of the kind {found.mode}; labels are grey, or from a palette."
            )
        return torch.from_numpy(np.array(found, dtype=np.uint8))


def _grey(data: bytes, name: str) -> UInt8[Tensor, "h w"]:
    with image.opened(data, name) as found:
        return torch.from_numpy(np.array(found.convert("L"), dtype=np.uint8))
