"""``phiz motion show``: a motion as a picture, curve below curve, under the sound that it belongs to."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from phiz import checkpoint
from phiz.console import Console
from phiz.errors import MediaError, UsageError
from phiz.face import models
from phiz.face.coeffs import Motion
from phiz.face.morphable import ARKIT_NAMES
from phiz.media import audio
from phiz.options import option, positional

LEFT, RIGHT, TOP, BOTTOM = 126, 150, 46, 34
ROW, GAP = 92, 14
"""Height of the curves of a row, and between two rows."""
SHORTEST, LONGEST, A_SECOND = 700, 6000, 110
"""Pixels of the time axis: at least, at most, and of a second where there is room."""
TWICE = 2
"""Everything is drawn so many times as large and then made smaller: Pillow's lines have steps."""
PAPER, BOX, GRID, INK, FAINT = (
    (250, 250, 248),
    (255, 255, 255),
    (228, 228, 226),
    (40, 40, 44),
    (130, 130, 132),
)
COLOURS = ((38, 102, 188), (206, 78, 52), (52, 140, 82), (134, 88, 170))
SOUND = (120, 136, 160)
LEAST_DEG = 4.0
"""Angles are drawn on an axis that reaches at least so far."""

Numbers = Float[NDArray[np.float64], " t"]


class Line(NamedTuple):
    """One curve and what it is called."""

    name: str
    values: Numbers


class Row(NamedTuple):
    """Curves on one axis."""

    name: str
    lines: Sequence[Line]
    low: float
    high: float
    unit: str = ""


@dataclass(frozen=True, kw_only=True)
class ShowConfig:
    """Which motion is drawn, and where to."""

    motion: Path = positional()
    """The motion, a file that phiz wrote."""
    audio: Path | None = None
    """Sound that it belongs to, drawn above."""
    output: Path = option(Path("motion.png"), "-o", "--output")
    """The picture to write."""
    head: str = models.BUILT_IN
    """The head that the motion was made for, which knows what its expressions are called."""
    start: float = 0.0
    """Seconds from which on it is drawn."""
    seconds: float = 30.0
    """How much is drawn."""


def show(config: ShowConfig, console: Console) -> Mapping[str, object]:
    """Draw the curves of a motion against the waveform, as a PNG.

    Examples:
        phiz motion show motion.safetensors --audio speech.wav
        phiz motion show motion.safetensors --start 60 --seconds 10 -o minute.png
    """
    motion = Motion.load(config.motion)
    first, last = (round(moment * motion.fps) for moment in (config.start, config.start + config.seconds))
    part = motion[max(first, 0) : last]
    if not len(part) or config.start < 0:
        raise UsageError(
            f"{config.motion} lasts {motion.seconds:.1f} s; nothing can be drawn from {config.start:g} s on "
            f"for {config.seconds:g} s. Choose other --start and --seconds."
        )
    sound = None
    if config.audio is not None:
        if not config.audio.exists():
            raise MediaError(f"There is no sound at {config.audio}. Check the name and the folder.")
        whole = audio.read(config.audio)
        sound = whole[round(config.start * audio.RATE) :][: round(part.seconds * audio.RATE)]
    picture = draw(part, _names(part, config.head), sound=sound, start=config.start, title=config.motion.name)
    with checkpoint.atomic(config.output) as temporary:
        picture.save(temporary, "PNG")
    console.say(f"{config.output}: {len(part)} frames, {part.seconds:.1f} s.")
    return {
        "output": str(config.output),
        "frames": len(part),
        "width": picture.width,
        "height": picture.height,
    }


def draw(
    motion: Motion,
    names: Sequence[str],
    *,
    sound: Float[Tensor, " n"] | None = None,
    start: float = 0.0,
    title: str = "",
) -> Image.Image:
    """Return a picture of a motion: sound, mouth, lids and brows, head, gaze, on one axis of seconds."""
    rows = rows_of(motion, names)
    count = len(rows) + (sound is not None)
    width = int(min(max(motion.seconds * A_SECOND, SHORTEST), LONGEST))
    size = LEFT + width + RIGHT, TOP + count * (ROW + GAP) + BOTTOM
    sheet = Image.new("RGB", (size[0] * TWICE, size[1] * TWICE), PAPER)
    board = Board(ImageDraw.Draw(sheet), width, start, motion.seconds)
    board.write((LEFT, 14), title, INK, size=16)
    board.write(
        (LEFT + width, 18),
        f"{motion.basis}, {len(motion)} frames, {motion.fps:g} a second",
        FAINT,
        anchor="ra",
    )
    top = TOP
    if sound is not None:
        board.frame(top, Row("sound", (), -1.0, 1.0))
        board.wave(top, sound.numpy().astype(np.float64))
        top += ROW + GAP
    for row in rows:
        board.frame(top, row)
        for number, line in enumerate(row.lines):
            board.curve(top, row, line.values, COLOURS[number % len(COLOURS)])
            board.legend(top, number, line.name, COLOURS[number % len(COLOURS)])
        top += ROW + GAP
    board.seconds(top - GAP)
    return sheet.resize(size, Image.Resampling.LANCZOS)


def rows_of(motion: Motion, names: Sequence[str]) -> list[Row]:
    """Return what is drawn of a motion; without names, the strongest modes instead of the mouth."""
    rows = _mouth(motion, names) if names else [_strongest(motion)]
    lids = [Line(f"{side} lid", _array(motion.blink[:, k])) for k, side in enumerate(("left", "right"))]
    both = [Line("both lids", lids[0].values)]
    rows.append(Row("blink", both if _are_alike(lids) else lids, 0.0, 1.0))
    head = [
        Line(n, np.rad2deg(_array(motion.rotation[:, k]))) for k, n in enumerate(("pitch", "yaw", "roll"))
    ]
    rows.append(_angles("head", head))
    looks = [
        Line("yaw", np.rad2deg(_array(motion.gaze[:, :, 0].mean(1)))),
        Line("pitch", np.rad2deg(_array(motion.gaze[:, :, 1].mean(1)))),
    ]
    rows.append(_angles("gaze", looks))
    return rows


class Board:
    """A pen that knows where seconds lie; a class because every line needs it."""

    def __init__(self, pen: ImageDraw.ImageDraw, width: int, start: float, seconds: float) -> None:
        self._pen, self._width, self._start, self._seconds = pen, width, start, seconds

    def frame(self, top: int, row: Row) -> None:
        """Draw an empty row: its box, its name, its axis."""
        self._box((LEFT, top, LEFT + self._width, top + ROW), BOX)
        for moment in ticks(self._start, self._seconds, self._width):
            self._line([(self._x(moment), top), (self._x(moment), top + ROW)], GRID)
        if row.low < 0 < row.high:
            middle = top + ROW * row.high / (row.high - row.low)
            self._line([(LEFT, middle), (LEFT + self._width, middle)], GRID)
        self.write((LEFT - 46, top + ROW / 2), row.name, INK, size=15, anchor="rm")
        if row.lines:
            self.write((LEFT - 6, top + 2), f"{row.high:g}{row.unit}", FAINT, anchor="ra")
            self.write((LEFT - 6, top + ROW - 2), f"{row.low:g}{row.unit}", FAINT, anchor="rd")

    def curve(self, top: int, row: Row, values: Numbers, colour: tuple[int, int, int]) -> None:
        """Draw values, each in the middle of its frame."""
        step = self._width / max(len(values), 1)
        share = np.clip((values - row.low) / (row.high - row.low), 0, 1)
        points = [
            (LEFT + (k + 0.5) * step, top + ROW - 3 - s * (ROW - 6)) for k, s in enumerate(share.tolist())
        ]
        self._line(points if len(points) > 1 else points * 2, colour, thick=1.6)

    def wave(self, top: int, samples: Numbers) -> None:
        """Draw the lowest and the highest sample behind each pixel; the loudest fills the row."""
        loudest = max(float(np.abs(samples).max(initial=0.0)), 1e-3)
        width = self._width * TWICE
        edges = np.linspace(0, round(self._seconds * audio.RATE), width + 1).astype(int)
        for column, (a, b) in enumerate(itertools.pairwise(edges)):
            some = samples[a:b]
            if len(some):
                high, low = (top + ROW / 2 - v / loudest * (ROW / 2 - 3) for v in (some.max(), some.min()))
                self._line([(LEFT + column / TWICE, high), (LEFT + column / TWICE, low + 0.5)], SOUND)

    def legend(self, top: int, number: int, name: str, colour: tuple[int, int, int]) -> None:
        """Write what a curve is called, in its colour."""
        left, upper = LEFT + self._width + 10, top + 8 + 20 * number
        self._box((left, upper + 2, left + 12, upper + 6), colour)
        self.write((left + 18, upper + 4), name, INK, anchor="lm")

    def seconds(self, top: int) -> None:
        """Write the seconds below the last row."""
        for moment in ticks(self._start, self._seconds, self._width):
            self.write((self._x(moment), top + 6), f"{moment:g}", FAINT, anchor="ma")
        self.write((LEFT + self._width + 10, top + 6), "seconds", FAINT)

    def write(
        self, place: tuple[float, float], text: str, colour: tuple[int, int, int], *, size: int = 13,
        anchor: str = "la",
    ) -> None:  # fmt: skip
        """Write a text."""
        clean = "".join(c if c.isprintable() and ord(c) < 256 else "?" for c in text)
        scaled = (place[0] * TWICE, place[1] * TWICE)
        self._pen.text(scaled, clean, colour, font=ImageFont.load_default(size * TWICE), anchor=anchor)

    def _x(self, moment: float) -> float:
        return LEFT + (moment - self._start) / self._seconds * self._width

    def _box(self, corners: tuple[float, float, float, float], colour: tuple[int, int, int]) -> None:
        self._pen.rectangle([value * TWICE for value in corners], colour)

    def _line(
        self, points: Sequence[tuple[float, float]], colour: tuple[int, int, int], thick: float = 1.0
    ) -> None:
        scaled = [(x * TWICE, y * TWICE) for x, y in points]
        self._pen.line(scaled, colour, width=max(1, round(thick * TWICE)), joint="curve")


def ticks(start: float, seconds: float, width: float) -> list[float]:
    """Return the moments that are written below: round ones, none too near to another."""
    fitting = [
        step for step in (0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 600) if step / seconds * width >= 45
    ]
    step = fitting[0] if fitting else 3600.0
    first = math.ceil(start / step - 1e-6)
    return [round(k * step, 3) for k in range(first, math.floor((start + seconds) / step + 1e-6) + 1)]


def _mouth(motion: Motion, names: Sequence[str]) -> list[Row]:
    weights = {name: _array(motion.expression[:, k]) for k, name in enumerate(names)}
    none = np.zeros(len(motion))

    def of(*wanted: str) -> Numbers:
        found = [weights[name] for name in wanted if name in weights]
        curve: Numbers = np.mean(found, axis=0) if found else none
        return curve

    jaw, closing = of("jawOpen"), of("mouthClose")
    return [
        Row("jaw", (Line("open", jaw), Line("lips apart", np.maximum(jaw - closing, 0))), 0.0, _top(jaw)),
        Row(
            "lips",
            (
                Line("close", closing),
                Line("press", of("mouthPressLeft", "mouthPressRight")),
                Line("lower down", of("mouthLowerDownLeft", "mouthLowerDownRight")),
            ),
            0.0,
            _top(closing, of("mouthLowerDownLeft", "mouthLowerDownRight")),
        ),
        Row(
            "rounding",
            (
                Line("pucker", of("mouthPucker")),
                Line("funnel", of("mouthFunnel")),
                Line("stretch", of("mouthStretchLeft", "mouthStretchRight")),
            ),
            0.0,
            _top(of("mouthPucker"), of("mouthFunnel"), of("mouthStretchLeft", "mouthStretchRight")),
        ),
        Row(
            "brows",
            (
                Line("inner up", of("browInnerUp")),
                Line("outer up", of("browOuterUpLeft", "browOuterUpRight")),
                Line("down", of("browDownLeft", "browDownRight")),
            ),
            0.0,
            _top(of("browInnerUp")),
        ),
    ]


def _strongest(motion: Motion) -> Row:
    """Return the modes that move most, for heads whose modes have no names."""
    moved = motion.expression.std(dim=0, correction=0)
    best = moved.argsort(descending=True)[:4].tolist()
    lines = [Line(f"mode {k}", _array(motion.expression[:, k])) for k in best]
    reach = max(1e-3, *(float(np.abs(line.values).max(initial=0.0)) for line in lines))
    reach = float(f"{1.05 * reach:.2g}")
    return Row("expression", lines, -reach, reach)


def _top(*curves: Numbers) -> float:
    """Return the end of an axis from 0: a quarter, a half or all."""
    most = max(float(curve.max(initial=0.0)) for curve in curves)
    return next((end for end in (0.25, 0.5) if most <= end), 1.0)


def _angles(name: str, lines: Sequence[Line]) -> Row:
    most = max(float(np.abs(line.values).max(initial=0.0)) for line in lines)
    reach = max(LEAST_DEG, math.ceil(1.1 * most / 2) * 2)
    return Row(name, lines, -reach, reach, "\u00b0")


def _are_alike(lines: Sequence[Line]) -> bool:
    return all(np.array_equal(line.values, lines[0].values) for line in lines)


def _array(curve: Tensor) -> Numbers:
    return curve.double().numpy()


def _names(motion: Motion, head: str) -> tuple[str, ...]:
    """Return what a motion's expressions are called, nothing where that is not known."""
    model = models.open_model(head)
    if model.name == motion.basis:
        return model.expression_names
    return ARKIT_NAMES if motion.expression.shape[1] == len(ARKIT_NAMES) else ()
