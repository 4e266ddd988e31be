"""Rendered people with the points of their heads, and crops of them that look like photos."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from phiz.errors import DataError
from phiz.face import fit_surface, head, landmarks, warp
from phiz.face.coeffs import FaceCoeffs
from phiz.face.fit_surface import Anchors
from phiz.face.head import Head
from phiz.face.landmarks import SPARSE
from phiz.train import photo_changes, photo_shapes
from phiz.train.photo_changes import PhotoChanges
from phiz.train.regress_sources import WorldPortraits, open_world
from phiz.train.regress_truth import perspective

TRUE, MIRRORED = 0, 1
"""Which of a person's points are meant: those in the picture, or those in its mirror image."""


class Marked(NamedTuple):
    """A picture of somebody, and where the points of their head are."""

    picture: UInt8[Tensor, "4 h w"]
    """Red, green, blue, and how much of a pixel the person covers."""
    points: Float[Tensor, "2 n 2"]
    """Pixels of the picture; then those of its mirror image, where left and right have changed places."""


@dataclass(frozen=True, kw_only=True)
class CropPlaces:
    """Where crops lie about a face, and how often about none; sizes are shares of the right crop."""

    mirror: float = 0.5
    """How often a crop is mirrored."""
    turn_deg: float = 18.0
    """By how much crops are turned: one deviation."""
    scale: float = 0.13
    """By how much they are larger or smaller: one deviation of the logarithm."""
    shift: float = 0.06
    """By how much they lie beside the face: one deviation, along each axis."""
    nothing: float = 0.1
    """How often there is no face, or one that is far off."""

    def __post_init__(self) -> None:
        if min(self.turn_deg, self.scale, self.shift) < 0 or not 0 <= self.mirror <= 1:
            raise ValueError("crops lie off by no less than nothing, and mirror is a share from 0 to 1")
        if not 0 <= self.nothing < 1:
            raise ValueError("how often there is no face is a share from 0 to less than 1")


class Example(NamedTuple):
    """A crop to learn from, as bytes, and the truth in half sides from its middle."""

    picture: UInt8[Tensor, "3 s s"]
    points: Float[Tensor, "n 2"]
    is_face: bool


@dataclass(frozen=True, kw_only=True)
class MarkedPeople:
    """People in shards, by number; those once read stay in memory."""

    portraits: WorldPortraits
    remembered: int
    """How many stay; a picture of 256 x 256 pixels takes a quarter of a megabyte."""

    @property
    def count(self) -> int:
        return self.portraits.count

    def read(self, number: int) -> Marked:
        """Return somebody; raise a `MediaError` where this one cannot be read, though others may."""
        if number in self._known:
            return self._known[number]
        found = self.portraits.read(number)
        assert found.face is not None
        assert found.seen is not None
        shown = torch.cat([found.image, found.alpha[None]])
        person = Marked(shown, points_of(found.face, found.seen, shown.shape[2]))
        if len(self._known) < self.remembered:
            self._known[number] = person
        return person

    def __getstate__(self) -> Mapping[str, object]:
        return {"portraits": self.portraits, "remembered": self.remembered}

    @cached_property
    def _known(self) -> dict[int, Marked]:
        return {}


def open_marked(folder: Path, *, remembered: int = 0) -> MarkedPeople:
    """Return the rendered people in a folder of shards; they have to wear the built-in head."""
    portraits = open_world(folder)
    basis = str(portraits.index.recipe.get("head", ""))
    name = known()[0].name
    if basis.split(" ")[0] != name:
        raise DataError(f"people in {folder} wear the head {basis!r}; points are known of {name!r} alone.")
    return MarkedPeople(portraits=portraits, remembered=remembered)


@lru_cache(maxsize=1)
def known() -> tuple[Head, Anchors]:
    """Return the built-in head, read once a process, and where on it the points lie."""
    model = head.built_in()
    return model, fit_surface.anchors68(model).joined(fit_surface.anchors478(model))


@torch.no_grad()
def points_of(face: FaceCoeffs, seen: Float[Tensor, "3 4"], width: int) -> Float[Tensor, "2 n 2"]:
    """Return where a picture of some width shows a head's points, and where its mirror image does."""
    model, anchors = known()
    surface = model.vertices(face)
    both = torch.cat([surface, surface[:, model.mirror]])
    pixels, _ = perspective(seen[None].expand(2, -1, -1), anchors.on(both))
    flipped = torch.stack([width - pixels[MIRRORED, :, 0], pixels[MIRRORED, :, 1]], dim=1)
    return torch.stack([pixels[TRUE], flipped]).float()


def mean_points() -> Float[Tensor, "n 2"]:
    """Return the points of the mean head from the front, in half sides from the middle of its crop."""
    model, anchors = known()
    flat = anchors.on(model.mean[None])[..., :2] * model.mean.new_tensor([1000.0, -1000.0])
    frame = landmarks.frame_around(flat[:, :SPARSE])
    return warp.apply(warp.invert(frame), flat)[0]


def example(
    person: Marked, places: CropPlaces, changes: PhotoChanges, size: int, rng: np.random.Generator
) -> Example:
    """Return a crop of `size` pixels about somebody's face, or of something else, changed as photos are."""
    is_mirrored = bool(rng.random() < places.mirror)
    shown = person.picture.flip(-1) if is_mirrored else person.picture
    points = person.points[MIRRORED if is_mirrored else TRUE]
    is_face = bool(rng.random() >= places.nothing)
    right = landmarks.frame_around(points[None, :SPARSE])[0]
    frame = placed(right, places, rng) if is_face else beside(right, rng)
    picture = seen(shown, frame, size, changes, rng, is_face=is_face)
    return Example(picture, warp.apply(warp.invert(frame), points), is_face)


def seen(
    shown: UInt8[Tensor, "4 h w"],
    frame: Float[Tensor, "2 3"],
    size: int,
    changes: PhotoChanges,
    rng: np.random.Generator,
    *,
    is_face: bool = True,
) -> UInt8[Tensor, "3 {size} {size}"]:
    """Return what a frame shows of a picture and its cover, changed as photos are."""
    cropped = landmarks.cut(shown[None].float() / 127.5 - 1, frame[None], size)[0]
    picture, alpha = (cropped[:3] + 1) / 2, (cropped[3:] + 1) / 2
    if rng.random() < changes.background:
        behind = photo_shapes.clutter(size, size, rng)
        picture = behind + alpha * (picture - behind)
    if not is_face and rng.random() < 0.3:
        picture = photo_shapes.clutter(size, size, rng)
    if rng.random() < changes.cover:
        picture, _ = photo_shapes.covered(picture, rng)
    picture = photo_changes.photographed(picture, changes, rng)
    return (picture.clamp(0, 1) * 255 + 0.5).to(torch.uint8)


def placed(right: Float[Tensor, "2 3"], places: CropPlaces, rng: np.random.Generator) -> Float[Tensor, "2 3"]:
    """Return a frame that lies about where the right one does."""
    angle = math.radians(places.turn_deg) * float(np.clip(rng.standard_normal(), -2.5, 2.5))
    factor = math.exp(places.scale * float(np.clip(rng.standard_normal(), -2.5, 2.5)))
    across, down = 2 * places.shift * np.clip(rng.standard_normal(2), -2.5, 2.5)
    c, s = factor * math.cos(angle), factor * math.sin(angle)
    return warp.join(right, right.new_tensor([[c, -s, across], [s, c, down]]))


def beside(right: Float[Tensor, "2 3"], rng: np.random.Generator) -> Float[Tensor, "2 3"]:
    """Return a frame that misses the face, or shows it much too small or too large."""
    angle, factor = rng.uniform(0, 2 * math.pi), math.exp(0.3 * rng.standard_normal())
    away, far = rng.uniform(0, 2 * math.pi), rng.uniform(1.1, 2.5)
    kind = rng.random()
    if kind > 0.7:
        angle, far = 0.5 * (rng.random() - 0.5), 0.2
        factor = rng.uniform(2.2, 4.0) if kind > 0.85 else rng.uniform(0.15, 0.45)
    c, s = factor * math.cos(angle), factor * math.sin(angle)
    return warp.join(right, right.new_tensor([[c, -s, far * math.cos(away)], [s, c, far * math.sin(away)]]))
