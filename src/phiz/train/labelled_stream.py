"""Labelled pictures in an exact order, changed anew each time: batches without end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from phiz.console import Console
from phiz.train import photo_changes
from phiz.train.labelled_sources import LabelledSource, check_classes, open_source
from phiz.train.ordered_stream import Damaged, Order, OrderedStream, Reader
from phiz.train.photo_changes import PhotoChanges

Changed = tuple[UInt8[Tensor, "3 h w"], UInt8[Tensor, "h w"]]


@dataclass(frozen=True, kw_only=True)
class LabelledBatch:
    """Pictures to learn from, as bytes."""

    images: UInt8[Tensor, "b 3 h w"]
    labels: UInt8[Tensor, "b h w"]
    damaged: Damaged = ()


@dataclass(frozen=True, kw_only=True)
class StreamConfig:
    """Which labelled pictures are read, and how they are changed."""

    data: Path
    size: int
    """What the longer side of a picture would have, in pixels."""
    crop: int
    """Height and width of the window that is learned from."""
    changes: PhotoChanges
    classes: int
    """How many there are; a picture with labels beyond is refused."""
    mirrored: tuple[tuple[int, int], ...]
    """Labels that change places in a mirrored picture."""
    workers: int
    seed: int


def labelled_stream(
    config: StreamConfig,
    *,
    batch: int,
    rank: int = 0,
    world: int = 1,
    seen: int = 0,
    console: Console | None = None,
) -> OrderedStream[LabelledBatch]:
    """Return batches; process `rank` has every `world`-th picture, after `seen` that all have had."""
    source = open_source(config.data)
    order = Order(
        count=source.count,
        batch=batch,
        seed=config.seed,
        workers=config.workers,
        rank=rank,
        world=world,
        seen=seen,
    )
    reader = Reader(source.count, partial(_changed, config, source), joined, config.seed)
    return OrderedStream(reader, order, console)


def joined(pictures: Sequence[Changed], damaged: Damaged = ()) -> LabelledBatch:
    """Return changed pictures as a batch."""
    images, labels = (torch.stack(list(parts)) for parts in zip(*pictures, strict=True))
    return LabelledBatch(images=images, labels=labels, damaged=damaged)


def _changed(config: StreamConfig, source: LabelledSource, number: int, rng: np.random.Generator) -> Changed:
    found = source.read(number)
    check_classes(found, config.classes, source.name(number))
    swap = photo_changes.swapped(config.mirrored)
    return photo_changes.changed(
        found, config.changes, size=config.size, crop=config.crop, swap=swap, rng=rng
    )
