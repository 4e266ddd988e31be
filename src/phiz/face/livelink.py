"""Motions as tables: CSV with the columns of Epic's Live Link Face, which drives other engines' avatars.

A row is a frame: a timecode, how many numbers follow (61), the 52 expressions of ARKit, and yaw, pitch and
roll of the head and of both eyes in radians, with our signs (see docs/conventions.md). Blinks stand in
``EyeBlink*``; where eyes look stands in ``EyeLook*``, and once more in the eyes' angles. What a motion says
about a head's place has no column.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from phiz import checkpoint
from phiz.errors import DataError, HeadError
from phiz.face.coeffs import Motion
from phiz.face.head import LOOKS
from phiz.face.morphable import ARKIT_NAMES

SWAPPED = {"jawLeft": "jawRight", "mouthLeft": "mouthRight"}
"""Where the program's order differs from ARKit's own: these two pairs begin with the right."""
ORDER = tuple({**SWAPPED, **{b: a for a, b in SWAPPED.items()}}.get(name, name) for name in ARKIT_NAMES)
ANGLES = tuple(f"{who}{how}" for who in ("Head", "LeftEye", "RightEye") for how in ("Yaw", "Pitch", "Roll"))
COLUMNS = ("Timecode", "BlendShapeCount", *(name[0].upper() + name[1:] for name in ORDER), *ANGLES)
LIDS = ("eyeBlinkLeft", "eyeBlinkRight")
RATES = (24, 25, 30, 48, 50, 60)
"""Frames a second that a table may have; the last frame of a second tells which."""
USUAL = 25


def write(path: Path, motion: Motion, names: Sequence[str]) -> None:
    """Write a motion as a table; `names` are what its head calls its expressions."""
    lines = [",".join(COLUMNS)]
    base = max(1, round(motion.fps))
    for number, row in enumerate(_numbers(motion, names).tolist()):
        values = ",".join(f"{value:.6f}" for value in row)
        lines.append(f"{timecode(number, base)},{len(COLUMNS) - 2},{values}")
    with checkpoint.atomic(path) as temporary:
        temporary.write_text("\n".join([*lines, ""]), encoding="ascii")


def read(path: Path, *, basis: str = "phiz", fps: float | None = None) -> Motion:
    """Return the motion in a table, in ARKit's expressions in the order of `ARKIT_NAMES`.

    `basis` is the head that has these expressions; `fps` is found out from the timecodes unless it is given.
    Columns may stand in any order, and all but the timecode may be missing.
    """
    times, table = _table(path)
    weights = torch.stack([_column(table, name, len(times)) for name in ARKIT_NAMES], dim=1)
    gaze = torch.zeros(len(times), 2, 2)
    for name, (eye, axis, angle) in LOOKS.items():
        gaze[:, eye, axis] += angle * weights[:, ARKIT_NAMES.index(name)]
    moved = [ARKIT_NAMES.index(name) for name in (*LIDS, *LOOKS)]
    head = [_column(table, f"head{how}", len(times)) for how in ("pitch", "yaw", "roll")]
    return Motion(
        expression=weights.index_fill(1, torch.tensor(moved), 0.0),
        basis=basis,
        rotation=torch.stack(head, dim=1),
        translation=torch.zeros(len(times), 3),
        gaze=gaze,
        blink=weights[:, [ARKIT_NAMES.index(name) for name in LIDS]],
        fps=fps or _rate(times),
    )


def timecode(frame: int, base: int) -> str:
    """Return hours, minutes, seconds and the number of the frame in its second."""
    seconds, rest = divmod(frame, base)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}:{rest:02}.000"


def weights(motion: Motion, names: Sequence[str]) -> Float[Tensor, "t 52"]:
    """Return ARKit's weights, blinks and gaze among them; refuse a head without such names."""
    if not set(names) & set(ARKIT_NAMES):
        raise HeadError(
            f"the expressions of {motion.basis!r} have no ARKit names, so that no column fits them. "
            "Make it a motion of a head that has such names first: phiz head retarget"
        )
    whole = torch.zeros(len(motion), len(ARKIT_NAMES))
    for column, name in enumerate(names):
        if name in ARKIT_NAMES:
            whole[:, ARKIT_NAMES.index(name)] = motion.expression[:, column]
    for side, name in enumerate(LIDS):
        place = ARKIT_NAMES.index(name)
        whole[:, place] = torch.maximum(whole[:, place], motion.blink[:, side])
    for name, (eye, axis, angle) in LOOKS.items():
        whole[:, ARKIT_NAMES.index(name)] += (motion.gaze[:, eye, axis] / angle).clamp(min=0)
    return whole.clamp(0, 1)


def _numbers(motion: Motion, names: Sequence[str]) -> Tensor:
    """Return all columns but the first two."""
    order = [ARKIT_NAMES.index(name) for name in ORDER]
    none = torch.zeros(len(motion), 1)
    eyes = [torch.cat([motion.gaze[:, eye], none], dim=1) for eye in (0, 1)]
    return torch.cat([weights(motion, names)[:, order], motion.rotation[:, [1, 0, 2]], *eyes], dim=1)


def _table(path: Path) -> tuple[list[str], Mapping[str, list[float]]]:
    """Return the timecodes, and the numbers under each heading in small letters."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error}). Name a CSV file of Live Link Face.") from error
    rows = [row for row in csv.reader(text.splitlines()) if row]
    heads = [head.strip().lower() for head in rows[0]] if rows else []
    if "timecode" not in heads or not set(heads) & {name.lower() for name in ARKIT_NAMES}:
        raise DataError(f"{path} has no columns of Live Link Face: Timecode, EyeBlinkLeft and so on.")
    first = heads.index("timecode")
    times: list[str] = []
    table: dict[str, list[float]] = {
        head: [] for head in heads if head not in ("timecode", "blendshapecount")
    }
    for number, row in enumerate(rows[1:], start=2):
        times.append(row[first])
        for head, column in table.items():
            place = heads.index(head)
            # A frame in which no face was seen has no numbers: the face stays as it was.
            value = row[place] if place < len(row) and row[place].strip() else None
            try:
                column.append(float(value) if value is not None else (column[-1] if column else 0.0))
            except ValueError as error:
                raise DataError(f"{path}, line {number}: {value!r} under {head} is no number.") from error
    return times, table


def _column(table: Mapping[str, list[float]], name: str, count: int) -> Tensor:
    return torch.tensor(table.get(name.lower(), [0.0] * count), dtype=torch.float32)


def _rate(times: Sequence[str]) -> float:
    """Return how many frames a second has, from their numbers within it."""
    try:
        parts = [[float(part) for part in time.split(":")] for time in times]
    except ValueError as error:
        raise DataError(f"a timecode is no time ({error}). It reads HH:MM:SS:FF.fff.") from error
    if len({tuple(part[:3]) for part in parts}) < 2 or any(len(part) != 4 for part in parts):
        return float(USUAL)
    last = max(part[3] for part in parts)
    return float(min(RATES, key=lambda rate: abs(rate - 1 - int(last))))
