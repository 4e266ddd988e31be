"""Pictures of what is heard show what they are made from."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image

from phiz import hearing_sheets
from phiz.hearing_sheets import CELL, HOT, NAMES_WIDE, Example
from phiz.motion_show import BOTTOM, COLOURS, TOP
from phiz.world.voices.phones import VISEMES


def _example(seconds: float = 1.0) -> Example:
    frames = round(25 * seconds)
    return Example(
        name="somebody (formant)",
        samples=0.1 * torch.sin(torch.arange(round(16000 * seconds)) / 9),
        true=torch.linspace(0, 0.5, frames),
        told=torch.linspace(0.5, 0, frames),
        closed=torch.arange(frames) % 9 == 0,
    )


def _colour(picture: Image.Image, row: int, column: int) -> object:
    """Return the colour of a field's corner, which no number covers."""
    return picture.getpixel((NAMES_WIDE + column * CELL + 2, NAMES_WIDE + 24 + row * CELL + 2))


def test_what_is_right_is_blue_and_what_is_mistaken_is_red() -> None:
    confused = torch.zeros(len(VISEMES), len(VISEMES), dtype=torch.long)
    confused[1, 1], confused[2, 5] = 30, 7
    picture = hearing_sheets.heat_map(confused, "somebody")
    assert _colour(picture, 1, 1) == COLOURS[0]
    assert _colour(picture, 2, 5) == HOT
    assert _colour(picture, 5, 2) == (255, 255, 255)


def test_each_example_takes_its_room_and_shows_its_curves() -> None:
    one, two = (hearing_sheets.examples_sheet([_example()] * count, "somebody") for count in (1, 2))
    assert two.width == one.width
    assert two.height - one.height == one.height - TOP - BOTTOM
    for curve in COLOURS[:3]:
        colours = [colour for _, colour in one.getcolors(1 << 20) or [] if isinstance(colour, tuple)]
        assert min(sum(abs(a - b) for a, b in zip(curve, c, strict=True)) for c in colours) < 12


def test_pictures_are_named_for_what_was_measured(tmp_path: Path) -> None:
    confused = torch.eye(len(VISEMES), dtype=torch.long)
    hearing_sheets.write(tmp_path / "new", "a/b c, 120 ms", confused, [_example()])
    hearing_sheets.write(tmp_path / "new", "mute", confused * 0, [])
    names = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert names == ["a_b_c_120_ms_examples.png", "a_b_c_120_ms_visemes.png"]
