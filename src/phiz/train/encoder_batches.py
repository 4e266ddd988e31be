"""Batches for an encoder: drawn pictures and rendered portraits, moved a little and changed as photos are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn import functional

from phiz.avatar.encoder_network import angles_of, resized
from phiz.train import photo_changes, photo_shapes
from phiz.train.encoder_config import FrameChanges
from phiz.train.encoder_samples import Samples, Subjects, chance_of
from phiz.train.ordered_stream import CHANGES
from phiz.train.photo_changes import PhotoChanges
from phiz.train.sitters import Sitters


@dataclass(frozen=True, kw_only=True)
class EncoderBatch:
    """Pictures to learn from, and what should be told of them."""

    pictures: Float[Tensor, "b 3 s s"]
    """As they are seen, in [-1, 1]."""
    true: Float[Tensor, "b 3 s s"]
    """As they were before a camera and the web changed anything but their colours."""
    cover: Float[Tensor, "b 1 s s"]
    """How much of a pixel the head covers, in `true`."""
    who: Subjects
    is_plain: Bool[Tensor, " b"]
    """Whether the background is the one that was drawn."""

    def to(self, device: torch.device) -> EncoderBatch:
        who = Subjects(**{name: value.to(device) for name, value in self.who.__dict__.items()})
        values = {name: value.to(device) for name, value in self.__dict__.items() if name != "who"}
        return EncoderBatch(**values, who=who)


def sitting(
    sitters: Sitters, seed: int, step: int, count: int, size: int, *, rank: int, world: int
) -> Samples:
    """Return the rendered portraits that a process sees at a step; everybody once an epoch."""
    everybody = sitters.seating(seed, step, count * world)
    mine = everybody[rank * count : (rank + 1) * count]
    found = sitters.batch(mine, 1, turn=step)
    layers = torch.cat([resized(found.images, size) / 2 + 0.5, resized(found.alpha, size)], dim=1)
    return Samples(
        layers=(layers.clamp(0, 1) * 255 + 0.5).to(torch.uint8),
        who=Subjects(z=found.codes, background=found.backgrounds, angles=angles_of(found.camera)),
    )


def joined(parts: Sequence[Samples]) -> Samples:
    """Return samples as one."""
    names = ("z", "background", "angles")
    who = {name: torch.cat([getattr(one.who, name) for one in parts]) for name in names}
    return Samples(layers=torch.cat([one.layers for one in parts]), who=Subjects(**who))


def batch_of(
    samples: Samples, changes: PhotoChanges, frame: FrameChanges, *, seed: int, first: int
) -> EncoderBatch:
    """Return samples changed; `first` is the place of the first in the order of all pictures."""
    made = [
        changed(layers, changes, frame, chance_of(seed, CHANGES, first + place))
        for place, layers in enumerate(samples.layers)
    ]
    true = torch.stack([one.true for one in made])
    return EncoderBatch(
        pictures=torch.stack([one.picture for one in made]) * 2 - 1,
        true=true[:, :3] * 2 - 1,
        cover=true[:, 3:],
        who=samples.who,
        is_plain=torch.tensor([one.is_plain for one in made]),
    )


@dataclass(frozen=True, kw_only=True)
class Changed:
    """One picture, in [0, 1]."""

    picture: Float[Tensor, "3 s s"]
    true: Float[Tensor, "4 s s"]
    is_plain: bool


def changed(
    layers: UInt8[Tensor, "4 s s"], changes: PhotoChanges, frame: FrameChanges, rng: np.random.Generator
) -> Changed:
    """Return a picture with another background, moved, covered and photographed, all by chance."""
    known = layers.float() / 255
    size, is_plain = known.shape[-1], True
    if rng.random() < changes.background:
        behind = photo_shapes.clutter(size, size, rng)
        known = torch.cat([behind + known[3:] * (known[:3] - behind), known[3:]])
        is_plain = False
    colours, rest = parted(changes)
    coloured = photo_changes.photographed(known[:3], colours, rng).clamp(0, 1)
    known = torch.cat([coloured, known[3:]])
    picture = moved(coloured, frame, rng)
    if rng.random() < changes.cover:
        picture, _ = photo_shapes.covered(picture, rng)
    picture = photo_changes.photographed(picture, rest, rng).clamp(0, 1)
    return Changed(picture=picture, true=known, is_plain=is_plain)


def parted(changes: PhotoChanges) -> tuple[PhotoChanges, PhotoChanges]:
    """Return the changes of colours, which what is told should show as well, and all others."""
    others = {"blur": 0.0, "small": 0.0, "noise": 0.0, "jpeg": 0.0}
    plain = {"jitter": (0.0, 0.0, 0.0), "gamma": 0.0, "tint": 0.0, "grey": 0.0}
    return replace(changes, **others), replace(changes, **plain)  # type: ignore[arg-type]


def moved(
    picture: Float[Tensor, "3 s s"], frame: FrameChanges, rng: np.random.Generator
) -> Float[Tensor, "3 s s"]:
    """Return a picture shifted, turned and larger or smaller by chance; its edge is mirrored outwards."""
    numbers = rng.standard_normal(4)
    if not (frame.shift or frame.scale or frame.turn_deg):
        return picture
    angle = math.radians(frame.turn_deg) * numbers[0]
    zoom = math.exp(frame.scale * numbers[1])
    c, s = zoom * math.cos(angle), zoom * math.sin(angle)
    across, down = 2 * frame.shift * numbers[2:]
    matrix = torch.tensor([[[c, -s, across], [s, c, down]]], dtype=torch.float32)
    grid = functional.affine_grid(matrix, [1, *picture.shape], align_corners=False)
    return functional.grid_sample(
        picture[None], grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )[0]
