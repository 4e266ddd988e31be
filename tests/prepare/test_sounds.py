from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from phiz.prepare import sounds


def wav(code: int, bits: int, data: bytes, *, before: bytes = b"", size: int | None = None) -> bytes:
    form = struct.pack("<HHIIHH", code, 1, 16_000, 16_000 * bits // 8, bits // 8, bits)
    chunks = b"fmt " + struct.pack("<I", 16) + form + before
    chunks += b"data" + struct.pack("<I", len(data) if size is None else size) + data
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WAVE" + chunks


def heard(path: Path, data: bytes) -> tuple[float | None, list[str]]:
    path.write_bytes(data)
    found = sounds.listen(sounds.SoundTask(str(path.parent), "one", ".", (path.name,), quick=False))
    return found.seconds, [problem.kind for problem in found.problems]


SPEECH = 0.25 * np.sin(np.arange(16_000) * 0.05)
INT24 = b"".join(int(x * 2**23).to_bytes(3, "little", signed=True) for x in SPEECH)


@pytest.mark.parametrize(
    ("code", "bits", "data"),
    [
        (1, 8, (SPEECH * 127 + 128).astype("u1").tobytes()),
        (1, 16, (SPEECH * 32767).astype("<i2").tobytes()),
        (1, 24, INT24),
        (1, 32, (SPEECH * 2**31).astype("<i4").tobytes()),
        (3, 32, SPEECH.astype("<f4").tobytes()),
        (3, 64, SPEECH.astype("<f8").tobytes()),
    ],
)
def test_plain_samples_of_all_widths_are_fine(code: int, bits: int, data: bytes, tmp_path: Path) -> None:
    assert heard(tmp_path / "a.wav", wav(code, bits, data)) == (1.0, [])
    odd = b"LIST" + struct.pack("<I", 3) + b"abc\0"  # chunks of odd size are padded
    assert heard(tmp_path / "a.wav", wav(code, bits, data, before=odd)) == (1.0, [])
    assert heard(tmp_path / "a.wav", wav(code, bits, data, size=0xFFFFFFFF)) == (1.0, [])


@pytest.mark.parametrize(
    "data",
    [
        wav(2, 4, b"adpcm"),
        wav(1, 12, b"no"),
        wav(3, 32, np.array([0.1, np.nan], "<f4").tobytes()),
        wav(1, 16, bytes(10), size=12),
        b"RIFF\0\0\0\0WAVE",
        b"RIFF\0\0\0\0WAVEdata\0\0\0\0",
        b"RIFF\0\0\0\0WAVEfmt \x02\0\0\0ab",
    ],
)
def test_what_is_no_plain_wav_is_unreadable(data: bytes, tmp_path: Path) -> None:
    assert heard(tmp_path / "a.wav", data)[1] == ["sound unreadable"]
