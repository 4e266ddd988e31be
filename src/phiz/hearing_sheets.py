"""Pictures of what is heard: which sounds are taken for which, and mouths under the sound they belong to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from phiz import checkpoint
from phiz.media import audio
from phiz.motion_show import (
    BOTTOM,
    COLOURS,
    FAINT,
    GAP,
    INK,
    LEFT,
    PAPER,
    RIGHT,
    ROW,
    TOP,
    TWICE,
    Board,
    Line,
    Row,
)
from phiz.world.voices.phones import VISEMES

CELL, NAMES_WIDE = 34, 86
"""Pixels of a field of the heat map, and of the names beside it."""
WIDTH = 1300
"""Of the axis of seconds."""
HOT = (190, 60, 40)


class Example(NamedTuple):
    """A clip, how far lips are apart in truth and as told, and where a sound shuts them."""

    name: str
    samples: Float[Tensor, " n"]
    true: Float[Tensor, " t"]
    told: Float[Tensor, " t"]
    closed: Bool[Tensor, " t"]


def write(folder: Path, label: str, confused: Int[Tensor, "v v"], examples: Sequence[Example]) -> None:
    """Write both pictures of a measurement into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub("[^A-Za-z0-9]+", "_", label).strip("_")
    pictures = {"examples": examples_sheet(examples, label)} if examples else {}
    if confused.any():
        pictures["visemes"] = heat_map(confused, label)
    for kind, picture in pictures.items():
        with checkpoint.atomic(folder / f"{name}_{kind}.png") as temporary:
            picture.save(temporary, "PNG")


def heat_map(confused: Int[Tensor, "v v"], title: str) -> Image.Image:
    """Return a picture of shares: each row is what was said, each column what it was taken for."""
    count = len(confused)
    shares = (confused / confused.sum(1, keepdim=True).clamp(min=1)).tolist()
    size = NAMES_WIDE + count * CELL + 90
    sheet = Image.new("RGB", (size, size - 90 + TOP + 24), PAPER)
    pen = ImageDraw.Draw(sheet)
    small, large = ImageFont.load_default(12), ImageFont.load_default(16)
    pen.text((NAMES_WIDE, 6), f"{title}: said (rows), told (columns), percent", INK, font=large)
    top = TOP + 24 + NAMES_WIDE - TOP
    for row in range(count):
        y = top + row * CELL
        pen.text((NAMES_WIDE - 6, y + CELL / 2), VISEMES[row], INK, font=small, anchor="rm")
        pen.text((NAMES_WIDE + count * CELL + 6, y + CELL / 2), f"{int(confused[row].sum())}", FAINT,
                 font=small, anchor="lm")  # fmt: skip
        _upright(sheet, VISEMES[row], (NAMES_WIDE + row * CELL + CELL // 2, top - 6))
        for column in range(count):
            share = shares[row][column]
            corner = NAMES_WIDE + column * CELL, y
            colour = COLOURS[0] if row == column else HOT
            mixed = tuple(round(255 + (c - 255) * share) for c in colour)
            pen.rectangle((*corner, corner[0] + CELL - 2, y + CELL - 2), mixed)
            if share >= 0.05:
                ink = PAPER if share > 0.5 else INK
                middle = corner[0] + CELL / 2 - 1, y + CELL / 2 - 1
                pen.text(middle, f"{100 * share:.0f}", ink, font=small, anchor="mm")
    return sheet


def examples_sheet(examples: Sequence[Example], title: str) -> Image.Image:
    """Return a picture of clips: the sound of each, and below it lips in truth and as told."""
    height = TOP + 2 * len(examples) * (ROW + GAP) + BOTTOM
    sheet = Image.new("RGB", ((LEFT + WIDTH + RIGHT) * TWICE, height * TWICE), PAPER)
    pen = ImageDraw.Draw(sheet)
    top = TOP
    Board(pen, WIDTH, 0.0, 1.0).write((LEFT, 14), f"{title}: how far lips are apart", INK, size=17)
    for example in examples:
        board = Board(pen, WIDTH, 0.0, len(example.samples) / audio.RATE)
        board.frame(top, Row(name="sound", lines=(), low=-1.0, high=1.0))
        board.wave(top, example.samples.double().numpy())
        board.write((LEFT + 6, top + 4), example.name, FAINT)
        top += ROW + GAP
        curves = {"true": example.true, "told": example.told, "/p b m/": 0.05 * example.closed}
        lines = [Line(name, np.asarray(values, np.float64)) for name, values in curves.items()]
        highest = max(0.4, float(example.true.max()), float(example.told.max()))
        row = Row(name="lips", lines=lines, low=0.0, high=round(highest, 1))
        board.frame(top, row)
        for number, (line, colour) in enumerate(zip(lines, COLOURS, strict=False)):
            board.curve(top, row, line.values, colour)
            board.legend(top, number, line.name, colour)
        top += ROW + GAP
    board.seconds(top - GAP)
    return sheet.resize((LEFT + WIDTH + RIGHT, height), Image.Resampling.LANCZOS)


def _upright(sheet: Image.Image, text: str, foot: tuple[int, int]) -> None:
    """Write a text that runs upwards from a place."""
    strip = Image.new("RGB", (NAMES_WIDE, 18), PAPER)
    ImageDraw.Draw(strip).text((2, 9), text, INK, font=ImageFont.load_default(12), anchor="lm")
    sheet.paste(strip.rotate(90, expand=True), (foot[0] - 9, foot[1] - NAMES_WIDE + 6))
