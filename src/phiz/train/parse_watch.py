"""What is looked at while a parser trains: sheets of pictures with their labels, and how much overlaps."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from phiz.errors import DataError, MediaError
from phiz.face.parse import Parser, Table, parse
from phiz.layers.folding import folded
from phiz.media import image
from phiz.train import photo_changes, state
from phiz.train.labelled_sources import Labelled, LabelledSource, check_classes, open_source
from phiz.train.parse_config import TrainParseConfig
from phiz.train.parse_losses import confusion, overlaps
from phiz.train.ranks import Ranks
from phiz.train.run import Run

SHOWN = 8
"""Pictures of a sheet."""
SATURATION, BRIGHTNESS = 0.7, 0.95
"""Of the colours of labels."""


def watch(config: TrainParseConfig, run: Run, parser: Parser, here: Ranks) -> None:
    """Keep a sheet and take a measurement where it is time for them."""
    folder = config.check or config.data
    assert folder is not None
    if run.due(config.picture_every) and here.is_first:
        run.picture("labels", sheet(config, parser, open_source(folder), here.device))
    if config.check is not None and run.due(config.measure_every):
        check = open_source(config.check)
        found = state.from_first(here, lambda: measure(parser, check, config.measure_count, here.device))
        run.log(found, always=True)


def measure(parser: Parser, source: LabelledSource, count: int, device: torch.device) -> dict[str, float]:
    """Return how far the classes found in pictures overlap with the true ones; 1 is all of it."""
    ready = folded(parser)
    classes = parser.config.classes
    total = torch.zeros(classes, classes, dtype=torch.int64)
    for found in evenly(source, count):
        check_classes(found, classes, "a picture to measure by")
        labels = parse(ready, image.from_bytes(found.image.movedim(0, -1))[None].to(device))
        total += confusion(labels[0].cpu(), found.labels, classes)
    return numbers(total, parser.config.table)


def numbers(counts: Int[Tensor, "k k"], table: Table) -> dict[str, float]:
    """Return the overlap of each class that there is, their mean, and the share of pixels that are right."""
    each = overlaps(counts)
    there = counts.sum(1) > 0
    named = {
        f"overlap/{table.names.get(label, f'class {label}')}": float(each[label])
        for label in range(table.count)
        if bool(there[label])
    }
    return {
        "mean overlap": float(each[there].mean()),
        "right pixels": float(counts.diagonal().sum() / counts.sum().clamp(min=1)),
        **named,
    }


def evenly(source: LabelledSource, count: int) -> Iterator[Labelled]:
    """Yield so many pictures of a source, spread over all of it; those that cannot be read are left out."""
    is_there = False
    for number in np.linspace(0, source.count - 1, min(count, source.count)).round().astype(int):
        with contextlib.suppress(MediaError):
            yield source.read(int(number))
            is_there = True
    if not is_there:
        raise DataError(f"none of the pictures near {source.name(0)} can be read. Copy or make them again.")


@torch.no_grad()
def sheet(
    config: TrainParseConfig, parser: Parser, source: LabelledSource, device: torch.device
) -> Float[Tensor, "3 h w"]:
    """Return changed pictures, with what was found below them, and the truth at the bottom."""
    swap = photo_changes.swapped(config.parser.table.mirrored)
    rows = []
    for number, found in enumerate(evenly(source, SHOWN)):
        rng = np.random.default_rng((config.seed, number))
        shown, labels = photo_changes.changed(
            found, config.changes, size=config.parser.size, crop=config.crop, swap=swap, rng=rng
        )
        picture = image.from_bytes(shown.movedim(0, -1))
        guessed = parse(parser, picture[None].to(device))[0].cpu()
        classes = config.parser.classes
        rows.append(torch.cat([picture, coloured(guessed, classes), coloured(labels, classes)], dim=-2))
    return torch.cat(rows, dim=-1)


def coloured(labels: UInt8[Tensor, "h w"], classes: int) -> Float[Tensor, "3 h w"]:
    """Return labels as a picture, each class in a colour of its own; the background is black."""
    hue = 6 * (torch.arange(classes) * 0.618034 % 1.0)  # neighbours differ most
    waves = torch.stack([(hue - 3).abs() - 1, 2 - (hue - 2).abs(), 2 - (hue - 4).abs()], dim=-1).clamp(0, 1)
    colours = BRIGHTNESS * (1 - SATURATION + SATURATION * waves)
    colours[0] = 0
    return colours[labels.int()].movedim(-1, 0) * 2 - 1
