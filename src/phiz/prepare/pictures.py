"""Whether one picture is fit to train on, and what light it was taken in.

This module knows no torch, so that processes that use it start fast.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from phiz.prepare.problems import Problem

THUMBNAIL = 16
"""Pixels of the picture that light is measured on."""
BLANK = 1.0
"""A picture whose thumbnail's bytes deviate less than this from their mean shows nothing."""
LARGEST_SIDE = 10_000
"""Larger pictures are not unpacked; they are wrong anyhow."""
ORIENTATION = 0x0112
# What Pillow's decoders raise on damaged files; it has no exception of its own for them.
DAMAGED = (OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, struct.error, zlib.error)


class Light(NamedTuple):
    """How a picture is lit, measured on its brightness from 0 to 1."""

    brightness: float
    """Mean."""
    sideways: float
    """Mean of the right half minus mean of the left."""


class PictureTask(NamedTuple):
    """Some pictures of one person to look at."""

    root: str
    folder: str
    files: tuple[str, ...]
    side: int
    quick: bool
    """Read headers only."""


class PictureFindings(NamedTuple):
    """What was found in them."""

    problems: list[Problem]
    lights: list[Light]


def look(task: PictureTask) -> PictureFindings:
    """Return what is wrong with some pictures, and the light of those that could be measured."""
    problems: list[Problem] = []
    lights: list[Light] = []
    for name in task.files:
        where = f"{task.folder}/{name}"
        light = _look_at_one(Path(task.root) / where, where, task, problems)
        if light is not None:
            lights.append(light)
    return PictureFindings(problems, lights)


def _look_at_one(path: Path, where: str, task: PictureTask, problems: list[Problem]) -> Light | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a strange EXIF tag, a huge picture: seen below, or no matter
            with Image.open(path) as opened:
                problems += _judge_header(opened, where, task.side)
                if task.quick or max(opened.size) > LARGEST_SIDE:
                    return None
                thumbnail = _unpack(opened)
    except UnidentifiedImageError:
        problems.append(Problem("picture unreadable", where, _why_unknown(path)))
        return None
    except Image.DecompressionBombError:
        problems.append(Problem("picture size", where, "far too large to open"))
        return None
    except PermissionError:
        problems.append(Problem("picture unreadable", where, "it may not be read; change its permissions"))
        return None
    except DAMAGED as error:
        problems.append(Problem("picture unreadable", where, str(error)))
        return None
    if thumbnail.std() < BLANK:
        problems.append(Problem("picture blank", where))
    half = THUMBNAIL // 2
    bright = thumbnail / 255
    return Light(float(bright.mean()), float(bright[:, half:].mean() - bright[:, :half].mean()))


def _judge_header(opened: Image.Image, where: str, side: int) -> list[Problem]:
    problems = []
    if opened.size != (side, side):
        width, height = opened.size
        problems.append(Problem("picture size", where, f"{width} x {height}, not {side} x {side}"))
    if opened.mode != "RGB":
        problems.append(Problem("picture colours", where, f"its mode is {opened.mode}"))
    if opened.getexif().get(ORIENTATION, 1) != 1:
        problems.append(Problem("picture turned", where))
    return problems


def _unpack(opened: Image.Image) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return a tiny grey version, after reading every byte of the file.

    A JPEG is unpacked at a fraction of its size, which reads all of its data and computes little.
    """
    opened.draft("RGB", (4 * THUMBNAIL, 4 * THUMBNAIL))
    grey = opened.convert("L").resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    return np.asarray(grey, dtype=np.float64)


def _why_unknown(path: Path) -> str:
    return "it is empty" if path.stat().st_size == 0 else "it is no picture"
