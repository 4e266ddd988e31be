"""Whether one sound is fit to train on. Reads wav files itself, block by block.

This module knows neither torch nor FFmpeg, so that processes that use it start fast; and unlike
FFmpeg, which makes the best of what it gets, it notices when a file is shorter than it says.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from phiz.prepare.problems import Problem

RATES = (16_000, 22_050)
"""Samples a second that the guide wants."""
SILENT = 10 ** (-60 / 20)
"""The loudest sample of silence: 60 dB below full scale."""
CLIPPED = 0.01
"""Share of samples at full scale from which speech is damaged to the ear."""
BLOCK = 1 << 18

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE


class Format(NamedTuple):
    """What a wav file says about its samples."""

    code: int
    channels: int
    rate: int
    bits: int

    @property
    def frame(self) -> int:
        """Bytes of one sample in all channels."""
        return self.channels * self.bits // 8


class SoundTask(NamedTuple):
    """All sounds of one person to look at."""

    root: str
    person: str
    folder: str
    files: tuple[str, ...]
    quick: bool


class SoundFindings(NamedTuple):
    """What was found in them."""

    person: str
    sounds: int
    seconds: float | None
    """In all; None if one could not be read."""
    problems: list[Problem]


class BadSoundError(Exception):
    """A wav file is not what it should be; the message says why."""


def listen(task: SoundTask) -> SoundFindings:
    """Return what is wrong with the sounds of a person, and how long they are together."""
    problems: list[Problem] = []
    total: float | None = 0.0
    for name in task.files:
        where = f"{task.folder}/{name}"
        seconds = _listen_to_one(Path(task.root) / where, where, task.quick, problems)
        total = None if total is None or seconds is None else total + seconds
    return SoundFindings(task.person, len(task.files), total, problems)


def _listen_to_one(path: Path, where: str, quick: bool, problems: list[Problem]) -> float | None:
    try:
        with path.open("rb") as file:
            form, size = read_header(file)
            problems += _judge_format(form, where)
            samples = size // form.frame
            if samples == 0:
                problems.append(Problem("sound empty", where))
            elif not quick:
                problems += _judge_samples(file, form, size, where)
            return samples / form.rate
    except BadSoundError as error:
        problems.append(Problem("sound unreadable", where, str(error)))
    except OSError as error:
        problems.append(Problem("sound unreadable", where, error.strerror or str(error)))
    return None


def read_header(file: BinaryIO) -> tuple[Format, int]:
    """Return the format of a wav file and the bytes of its samples, and stop where they begin."""
    start = file.read(12)
    if not start:
        raise BadSoundError("it is empty (0 bytes)")
    if len(start) < 12 or start[:4] not in (b"RIFF", b"RF64") or start[8:] != b"WAVE":
        raise BadSoundError("it is no wav file, whatever its name says")
    end = file.seek(0, 2)
    file.seek(12)
    form: Format | None = None
    while len(head := file.read(8)) == 8:
        name, size = struct.unpack("<4sI", head)
        if name == b"fmt ":
            form = _read_format(file.read(size + size % 2))
        elif name == b"data":
            if form is None:
                raise BadSoundError("samples come before their format")
            left = end - file.tell()
            # Streams that did not know their length state the greatest one, or (RF64) elsewhere.
            if size > left and size < 0xFFFFF000:
                raise BadSoundError(f"it is cut short: {left} of {size} bytes are there")
            return form, min(size, left)
        else:
            file.seek(size + size % 2, 1)
    raise BadSoundError("it ends before its samples begin")


def _read_format(data: bytes) -> Format:
    if len(data) < 16:
        raise BadSoundError("its format is cut short")
    code, channels, rate, _, _, bits = struct.unpack("<HHIIHH", data[:16])
    if code == EXTENSIBLE and len(data) >= 26:
        code = struct.unpack("<H", data[24:26])[0]
    known = (code == PCM and bits in (8, 16, 24, 32)) or (code == FLOAT and bits in (32, 64))
    if not known:
        raise BadSoundError(f"its coding (number {code}, {bits} bits) is not plain samples")
    if channels == 0 or rate == 0:
        raise BadSoundError(f"it claims {channels} channels at {rate} samples a second")
    return Format(code, channels, rate, bits)


def _judge_format(form: Format, where: str) -> Iterator[Problem]:
    if form.rate not in RATES:
        yield Problem("sound rate", where, f"{form.rate} samples a second")
    if form.channels != 1:
        yield Problem("sound channels", where, f"{form.channels} channels")


def _judge_samples(file: BinaryIO, form: Format, size: int, where: str) -> Iterator[Problem]:
    peak, clipped, count, left = 0.0, 0, 0, size - size % form.frame
    step = BLOCK - BLOCK % form.frame
    while left > 0 and (data := file.read(min(step, left))):
        left -= len(data)
        loudness = np.abs(_samples(data[: len(data) - len(data) % (form.bits // 8)], form))
        if not np.isfinite(loudness).all():
            yield Problem("sound unreadable", where, "some of its samples are no numbers")
            return
        peak = max(peak, float(loudness.max(initial=0)))
        clipped += int((loudness >= 0.9999).sum())
        count += loudness.size
    if peak < SILENT:
        yield Problem("sound silent", where, f"its loudest sample is {peak:.1g} of full scale")
    elif clipped > CLIPPED * count:
        yield Problem("sound clipped", where, f"{100 * clipped / count:.0f} % of its samples")


def _samples(data: bytes, form: Format) -> NDArray[np.float64]:
    """Return samples of all channels, one after the other, from -1 to 1."""
    if form.code == FLOAT:
        return _numbers(data, f"<f{form.bits // 8}")
    if form.bits == 8:
        return _numbers(data, "u1") / 128 - 1
    if form.bits == 24:
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, dtype=np.uint8).reshape(-1, 3)
        return _numbers(wide.tobytes(), "<i4") / 2**31
    return _numbers(data, f"<i{form.bits // 8}") / 2.0 ** (form.bits - 1)


def _numbers(data: bytes, kind: str) -> NDArray[np.float64]:
    numbers: NDArray[np.float64] = np.frombuffer(data, dtype=kind).astype(np.float64)
    return numbers
