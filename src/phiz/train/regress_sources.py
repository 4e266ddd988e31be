"""Pictures that a regressor learns from, by number: rendered people, and photos with points and skin masks.

Rendered people are folders of ``phiz world shards``. Photos lie in any folder; the 68 points of each stand
beside it or in ``metadata/landmarks.json`` (see `phiz.face.fit_points`), and its skin mask, a grey PNG of the
photo's size, white where plain skin shows, is ``NAME.skin.png`` beside it or ``skin/<person>/<stem>.png``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

from phiz.errors import DataError, MediaError, PhizError
from phiz.face import fit_points
from phiz.face.coeffs import FaceCoeffs
from phiz.graphics import frames, rotation
from phiz.graphics.camera import Camera
from phiz.media import image
from phiz.train import picture_sources
from phiz.train.picture_archives import is_shards
from phiz.world.data import layout, shard_samples
from phiz.world.data.shard_samples import ShardSamples
from phiz.world.data.writing import Index
from phiz.world.surface import Label

SKIN_SUFFIX, SKIN_FOLDER = ".skin.png", "skin"
POINTS = 68
PLAIN = (Label.SKIN, Label.NOSE, Label.UPPER_LIP, Label.LOWER_LIP)
"""What has the colours of the head model, and nothing in front."""
IS_PLAIN = torch.tensor([255 * (label in PLAIN) for label in range(256)], dtype=torch.uint8)
PARTS = ("jpg", "labels.png", "alpha.png", "json")


class Portrait(NamedTuple):
    """A picture of a face, and what is known about the face."""

    image: UInt8[Tensor, "3 h w"]
    skin: UInt8[Tensor, "h w"]
    """How much of a pixel is plain skin, 255 for all of it."""
    alpha: UInt8[Tensor, "h w"]
    """How much of a pixel the person covers; 255 everywhere where that is not known."""
    landmarks: Float[Tensor, "68 2"]
    """Pixels of the picture."""
    counts: Float[Tensor, " 68"]
    """0 for points that do not count."""
    face: FaceCoeffs | None = None
    """The face, where it is known: a batch of one."""
    seen: Float[Tensor, "3 4"] | None = None
    """Where the picture shows points of the figure: pixels times depth, and depth. With `face` only."""


@runtime_checkable
class PortraitSource(Protocol):
    """Something that has portraits by number."""

    @property
    def count(self) -> int:
        """Return how many there are."""
        ...

    def name(self, number: int) -> str:
        """Return what a portrait is called, for messages."""
        ...

    def read(self, number: int) -> Portrait:
        """Return a portrait; raise a `MediaError` where this one cannot be used, though others may."""
        ...


@dataclass(frozen=True, kw_only=True)
class WorldPortraits:
    """Shards that ``phiz world shards`` wrote."""

    folder: Path
    index: Index

    @property
    def count(self) -> int:
        return self.index.count

    def name(self, number: int) -> str:
        return f"sample {number} of {self.folder}"

    def read(self, number: int) -> Portrait:
        files = self._samples.files(number)
        if not set(PARTS) <= files.keys():
            raise MediaError(f"{self.name(number)} is damaged. Write the data set again; the rest is kept.")
        face, camera, facts = layout.decode_facts(files)
        levels = {part: _pixels(files[part], self.name(number), "L") for part in ("labels.png", "alpha.png")}
        shown = _pixels(files["jpg"], self.name(number), "RGB")
        return Portrait(
            image=shown.movedim(-1, 0).contiguous(),
            skin=IS_PLAIN[levels["labels.png"].int()],
            alpha=levels["alpha.png"],
            landmarks=torch.tensor(facts["landmarks68"], dtype=torch.float32),
            counts=torch.ones(POINTS),
            face=face,
            seen=picture_from_figure(face, camera, *shown.shape[:2]),
        )

    def __getstate__(self) -> Mapping[str, object]:
        return {"folder": self.folder, "index": self.index}

    @cached_property
    def _samples(self) -> ShardSamples:
        return ShardSamples(folder=self.folder, index=self.index)


@dataclass(frozen=True, kw_only=True)
class Photos:
    """A user's pictures, with points and skin masks as files."""

    folder: Path
    names: picture_sources.Names
    use_skin: bool = True
    """Without, all of a face is looked at, whatever is in front of it."""

    @property
    def count(self) -> int:
        return len(self.names)

    def name(self, number: int) -> str:
        return str(self.folder / self.names[number])

    def read(self, number: int) -> Portrait:
        path = Path(self.name(number))
        shown = image.to_bytes(image.read(path)).movedim(-1, 0).contiguous()
        landmarks, counts = self._points(path)
        whole = torch.full(shown.shape[1:], 255, dtype=torch.uint8)
        skin = self._skin(path, whole) if self.use_skin else whole
        return Portrait(image=shown, skin=skin, alpha=whole, landmarks=landmarks, counts=counts)

    def _points(self, path: Path) -> tuple[Float[Tensor, "68 2"], Float[Tensor, " 68"]]:
        found = fit_points.find_file(path, self.folder)
        if found is None:
            raise MediaError(f"{path} has no points beside it, such as {path.stem}.npz. See: phiz fit --help")
        try:
            points = fit_points.read(found, path)
        except PhizError as error:
            raise MediaError(str(error)) from error
        if points.xy.shape[1] != POINTS:
            raise MediaError(f"{found} holds {points.xy.shape[1]} points; a regressor learns from {POINTS}.")
        return points.xy[0], points.sigma[0].isfinite().float()

    def _skin(self, path: Path, like: UInt8[Tensor, "h w"]) -> UInt8[Tensor, "h w"]:
        places = (
            path.with_name(path.stem + SKIN_SUFFIX),
            self.folder / SKIN_FOLDER / path.parent.name / f"{path.stem}.png",
        )
        found = next((place for place in places if place.is_file()), None)
        if found is None:
            raise MediaError(
                f"{path} has no skin mask {places[0].name}. Make one, or learn without: --no-skin"
            )
        mask = _pixels(image.bytes_of(found), str(found), "L")
        if mask.shape == like.shape:
            return mask
        resized = functional.interpolate(mask[None, None].float(), size=like.shape, mode="bilinear")
        return resized[0, 0].round().to(torch.uint8)


def open_world(folder: Path) -> WorldPortraits:
    """Return the rendered people in a folder of shards."""
    if not folder.is_dir() or not is_shards(folder):
        raise DataError(
            f"{folder} holds no rendered people. Make some: phiz world shards -o {folder} --count 20000"
        )
    index = shard_samples.finished(folder)
    return WorldPortraits(folder=folder, index=index)


def open_photos(folder: Path, *, use_skin: bool = True) -> Photos:
    """Return the pictures in a folder and in those inside it."""
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}. Name one with pictures and their points.")
    names = [
        name
        for name in picture_sources.find_pictures(folder)
        if not name.endswith(SKIN_SUFFIX) and Path(name).parts[0] != SKIN_FOLDER
    ]
    if not names:
        raise DataError(f"{folder} has no pictures. Name a folder with some, and with their points.")
    return Photos(folder=folder, names=picture_sources.pack_names(names), use_skin=use_skin)


def picture_from_figure(face: FaceCoeffs, camera: Camera, height: int, width: int) -> Float[Tensor, "3 4"]:
    """Return where a camera shows points of a figure: pixels times depth, and depth. Takes batches of one."""
    world_from_figure = frames.rigid(rotation.from_euler(face.rotation), face.translation)[0].double()
    seen = camera.camera_from_world[0].double() @ world_from_figure
    intrinsics = camera.intrinsics[0].double() * seen.new_tensor([1.0, -1.0, -1.0])  # y up, depth along -z
    pixels = seen.new_tensor([[width / 2, 0, width / 2], [0, height / 2, height / 2], [0, 0, 1]])
    return pixels @ intrinsics @ seen[:3]


def _pixels(data: bytes, name: str, mode: str) -> UInt8[Tensor, "h w ..."]:
    """Return the pixels in a file as they are, grey (L) or in colours (RGB)."""
    with image.opened(data, name) as found:
        return torch.from_numpy(np.array(found.convert(mode), dtype=np.uint8))
