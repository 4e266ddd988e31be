"""A sheet to look at: kept pictures as they were cut out, and dropped ones with the reason below."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from phiz import checkpoint
from phiz.prepare import work
from phiz.prepare.judge import REASONS
from phiz.prepare.report import Cell, Few
from phiz.prepare.store import Store

NAME = "sheet.png"
COLUMNS = 12
SIDE = work.THUMBNAIL
FRAME = 3
"""Pixels of colour around a picture."""
LINE = 12
"""Pixels of a line of text."""
GAP = 6
PAPER, INK, FAINT = (24, 24, 26), (235, 235, 235), (150, 150, 150)
GREEN = (60, 190, 90)
COLOURS = (
    (150, 150, 150), (230, 70, 60), (240, 140, 50), (200, 110, 230), (90, 150, 250), (70, 200, 210),
    (110, 110, 200), (245, 225, 110), (180, 140, 100), (235, 90, 160), (200, 60, 120), (130, 170, 60),
)  # fmt: skip
"""Of the reasons, in their order."""


def colour_of(reason: str) -> tuple[int, int, int]:
    """Return the colour around a picture that was dropped for a reason, or kept."""
    if not reason:
        return GREEN
    return COLOURS[list(REASONS).index(reason) % len(COLOURS)]


def write(path: Path, kept: Few, dropped: Few, store: Store) -> None:
    """Write a sheet of what was kept, and of what was dropped, grouped by reason."""
    order = list(REASONS)
    away = sorted(dropped.cells, key=lambda cell: order.index(cell.reason))
    parts = [(_heading("kept", kept), kept.cells), (_heading("dropped", dropped), away)]
    height = sum(_height(cells) for _, cells in parts) + GAP
    sheet = Image.new("RGB", (COLUMNS * _across() + GAP, height), PAPER)
    top = GAP
    for heading, cells in parts:
        _draw(sheet, heading, cells, top, store)
        top += _height(cells)
    with checkpoint.atomic(path) as temporary:
        sheet.save(temporary, "PNG")


def _heading(what: str, few: Few) -> str:
    if not few.count:
        return f"{what}: none"
    return f"{what}: {few.count}" + (f", every {few.step}. shown" if few.step > 1 else "")


def _across() -> int:
    return SIDE + 2 * FRAME + GAP


def _down() -> int:
    return SIDE + 2 * FRAME + 2 * LINE + GAP


def _height(cells: Sequence[Cell]) -> int:
    return 2 * LINE + -(-len(cells) // COLUMNS) * _down() + GAP


def _draw(sheet: Image.Image, heading: str, cells: Sequence[Cell], top: int, store: Store) -> None:
    pen = ImageDraw.Draw(sheet)
    pen.text((GAP, top), heading, INK, font=_font(LINE + 2))
    for place, cell in enumerate(cells):
        row, column = divmod(place, COLUMNS)
        left, upper = GAP + column * _across(), top + 2 * LINE + row * _down()
        square = (left, upper, left + SIDE + 2 * FRAME - 1, upper + SIDE + 2 * FRAME - 1)
        pen.rectangle(square, (0, 0, 0), colour_of(cell.reason), FRAME)
        found = store.read(cell.key) or {}
        if found.get("thumb"):
            small = work.shown(found["thumb"])
            shift = (SIDE - small.width) // 2, (SIDE - small.height) // 2
            sheet.paste(small, (left + FRAME + shift[0], upper + FRAME + shift[1]))
        below = upper + SIDE + 2 * FRAME
        _line(pen, (left, below), cell.title, FAINT)
        _line(pen, (left, below + LINE), cell.reason, colour_of(cell.reason))


def _line(pen: ImageDraw.ImageDraw, place: tuple[int, int], text: str, colour: tuple[int, int, int]) -> None:
    """Write a line; of one that is too long the end is shown, where names differ."""
    font = _font(LINE - 2)
    most = SIDE + 2 * FRAME
    clean = "".join(c if c.isprintable() and c.isascii() else "?" for c in text)
    shown = clean
    while shown and pen.textlength(shown, font=font) > most:
        clean = clean[1:]
        shown = f"..{clean}"
    pen.text(place, shown, colour, font=font)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
