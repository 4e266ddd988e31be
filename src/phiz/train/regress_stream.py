"""Crops of faces in an exact order, placed and changed anew each time: batches without end.

A crop lies where `phiz.face.align.regression_frame` puts it for points that are not quite right, and then a
little beside, as crops do that a network is given in use. Which picture comes when, and how it is changed,
follows from the seed and from how many pictures all processes together have seen, and from nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

from phiz.console import Console
from phiz.face import align, coeffs, points, warp
from phiz.face.align import REGRESSION_SIZE
from phiz.face.coeffs import FaceCoeffs
from phiz.train import photo_changes, photo_shapes
from phiz.train.ordered_stream import Damaged, Order, OrderedStream, Reader
from phiz.train.photo_changes import PhotoChanges
from phiz.train.regress_sources import Portrait, PortraitSource
from phiz.train.regress_truth import Mirror, mirrored


@dataclass(frozen=True, kw_only=True)
class CropChanges:
    """How crops are placed; the published trainer's are the defaults. Pixels are those of 224."""

    points: float = 0.0
    """How far the points are off by which a crop is placed: one deviation, in distances of the eyes."""
    shift: float = 10.0
    """By how many pixels a crop is shifted at most, either way."""
    scale: float = 0.1
    """By what share a face is larger or smaller at most."""
    turn_deg: float = 10.0
    """By how much it is turned at most, either way."""
    mirror: float = 0.5
    """How often it is mirrored."""

    def __post_init__(self) -> None:
        if min(self.points, self.shift, self.scale, self.turn_deg) < 0 or self.scale >= 1:
            raise ValueError("crops change by no less than nothing, and their scale by less than 1")
        if not 0 <= self.mirror <= 1:
            raise ValueError("how often a crop is mirrored lies between 0 and 1")


STILL = CropChanges(shift=0.0, scale=0.0, turn_deg=0.0, mirror=0.0)
IN_USE = CropChanges(points=0.04, shift=3.0, scale=0.03)
"""What crops are like whose points a network found: a mean over the whole crop hardly sees where a face is,
so that larger shifts cost a small network more than they teach it."""


@dataclass(frozen=True, kw_only=True)
class CropBatch:
    """Crops to learn from; pictures are bytes."""

    pictures: UInt8[Tensor, "b 3 s s"]
    skin: UInt8[Tensor, "b s s"]
    landmarks: Float[Tensor, "b 68 2"]
    """Pixels of a crop of 224."""
    counts: Float[Tensor, "b 68"]
    """0 for points that do not count."""
    face: FaceCoeffs | None = None
    seen: Float[Tensor, "b 3 4"] | None = None
    """Where crops of 224 show points of the figure; of rendered people, as `face`."""
    damaged: Damaged = ()


def cropped(
    portrait: Portrait,
    place: CropChanges,
    changes: PhotoChanges,
    size: int,
    mirror: Mirror | None,
    rng: np.random.Generator,
) -> CropBatch:
    """Return a batch of one: a crop of `size` pixels, changed, and what is known about it."""
    is_mirrored = bool(rng.random() < place.mirror)
    photo_from_crop = placed(portrait, place, rng, is_mirrored=is_mirrored)
    shown = _cut(portrait, photo_from_crop, size)
    picture, alpha, skin = shown[:3], shown[3:4], shown[4:]
    if rng.random() < changes.background:
        behind = photo_shapes.clutter(size, size, rng)
        picture = behind + alpha * (picture - behind)
    if rng.random() < changes.cover:
        picture, cover = photo_shapes.covered(picture, rng)
        skin = skin * (1 - cover)
    picture = photo_changes.photographed(picture, changes, rng)
    landmarks = warp.apply(warp.invert(photo_from_crop), portrait.landmarks)
    counts, face, seen = portrait.counts, portrait.face, portrait.seen
    if is_mirrored:
        order = list(points.MIRROR_68)
        landmarks, counts = landmarks[order], counts[order]
    if face is not None and seen is not None:
        seen = _homogeneous(warp.invert(photo_from_crop)) @ seen
        if is_mirrored:
            assert mirror is not None  # refused before anything is read
            face = mirrored(face, mirror)
            seen = seen * seen.new_tensor([-1.0, 1.0, 1.0, 1.0])
    return CropBatch(
        pictures=_bytes(picture)[None],
        skin=_bytes(skin),
        landmarks=landmarks[None],
        counts=counts[None],
        face=face,
        seen=None if seen is None else seen[None],
    )


def placed(
    portrait: Portrait, place: CropChanges, rng: np.random.Generator, *, is_mirrored: bool = False
) -> Float[Tensor, "2 3"]:
    """Return ``photo_from_crop`` of a crop of 224 that lies about where it should."""
    five = points.five_points(portrait.landmarks)
    apart = float((five[1] - five[0]).norm())
    off = torch.from_numpy(rng.standard_normal((5, 2)).astype(np.float32)) * (place.points * apart)
    frame = align.regression_frame(five + off, *portrait.image.shape[1:])
    angle = math.radians(place.turn_deg) * rng.uniform(-1, 1)
    factor = 1 + place.scale * rng.uniform(-1, 1)
    shift = place.shift * rng.uniform(-1, 1, 2)
    c, s = math.cos(angle) / factor, math.sin(angle) / factor
    linear = torch.tensor([[c, -s], [s, c]], dtype=torch.float64)
    if is_mirrored:
        linear = linear * linear.new_tensor([-1.0, 1.0])
    middle = torch.full((2,), REGRESSION_SIZE / 2, dtype=torch.float64)
    about = middle - linear @ (middle + torch.from_numpy(shift))
    return warp.join(frame.photo_from_crop, torch.cat([linear, about[:, None]], dim=1))


def _cut(portrait: Portrait, photo_from_crop: Float[Tensor, "2 3"], size: int) -> Float[Tensor, "5 s s"]:
    """Return picture, cover and skin in a crop, from 0 to 1; beyond the picture all is 0.

    A picture that is shown smaller becomes means of its pixels first, so that nothing aliases.
    """
    layers = torch.cat([portrait.image, portrait.alpha[None], portrait.skin[None]])[None].float() / 255
    zoom = REGRESSION_SIZE / size
    photo_from_pixels = warp.join(photo_from_crop, warp.scaling(zoom, zoom))
    height, width = layers.shape[2:]
    ratio = float(warp.size_of(photo_from_pixels))
    if ratio > 1:
        small = max(round(height / ratio), 1), max(round(width / ratio), 1)
        layers = functional.interpolate(layers, size=small, mode="bilinear", antialias=True)
        small_from_photo = warp.scaling(small[1] / width, small[0] / height)
        photo_from_pixels = warp.join(small_from_photo, photo_from_pixels)
    return warp.sample(layers, photo_from_pixels[None], (size, size), fill=0.0, is_smooth=False)[0]


def _homogeneous(matrix: Float[Tensor, "2 3"]) -> Float[Tensor, "3 3"]:
    return torch.cat([matrix, matrix.new_tensor([[0.0, 0.0, 1.0]])])


def _bytes(values: Tensor) -> Tensor:
    return (values.clamp(0, 1) * 255 + 0.5).to(torch.uint8)


@dataclass(frozen=True, kw_only=True)
class StreamConfig:
    """How crops are made of portraits."""

    place: CropChanges
    changes: PhotoChanges
    size: int
    mirror: Mirror | None
    workers: int
    seed: int


def crop_stream(
    config: StreamConfig,
    source: PortraitSource,
    *,
    batch: int,
    rank: int = 0,
    world: int = 1,
    seen: int = 0,
    console: Console | None = None,
) -> OrderedStream[CropBatch]:
    """Return batches; process `rank` has every `world`-th picture, after `seen` that all have had."""
    order = Order(
        count=source.count,
        batch=batch,
        seed=config.seed,
        workers=config.workers,
        rank=rank,
        world=world,
        seen=seen,
    )
    return OrderedStream(
        Reader(source.count, partial(_crop, config, source), joined, config.seed), order, console
    )


def _crop(config: StreamConfig, source: PortraitSource, number: int, rng: np.random.Generator) -> CropBatch:
    return cropped(source.read(number), config.place, config.changes, config.size, config.mirror, rng)


def joined(batches: Sequence[CropBatch], damaged: Damaged = ()) -> CropBatch:
    """Return several batches of one kind as one."""
    faces = [batch.face for batch in batches if batch.face is not None]
    seen = [batch.seen for batch in batches if batch.seen is not None]
    return CropBatch(
        pictures=torch.cat([batch.pictures for batch in batches]),
        skin=torch.cat([batch.skin for batch in batches]),
        landmarks=torch.cat([batch.landmarks for batch in batches]),
        counts=torch.cat([batch.counts for batch in batches]),
        face=coeffs.stack(faces) if faces else None,
        seen=torch.cat(seen) if seen else None,
        damaged=damaged,
    )
