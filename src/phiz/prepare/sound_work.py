"""One sound: one channel at 16 kHz as a wav of 16 bits, with what is worth knowing about it.

Features for networks (log-mel windows) are computed from these copies by whoever trains; kept features have
their place beside the sounds, in ``features/<person>/<00001>.safetensors``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.errors import MediaError
from phiz.media import audio
from phiz.prepare import sounds
from phiz.prepare.store import Store

WAV = ".wav"
"""What belongs to the result of a kept sound."""


def listen(path: Path, key: str, store: Store) -> dict[str, Any]:
    """Bring a sound (or a film's) to one channel at 16 kHz, put it into the store, return its facts."""
    target = store.path(key, WAV)
    try:
        waveform = audio.read(path)
        facts: dict[str, Any] = {"reason": "", "detail": "", **measured(waveform)}
        if facts["peak"] < sounds.SILENT:
            facts |= {"reason": "sound silent", "detail": f"its loudest sample is {facts['peak']:.1g}"}
            store.write(key, facts)
            return facts
        audio.write(target, waveform)
    except MediaError as error:
        facts = {"reason": "sound unreadable", "detail": _without(path, str(error))}
        store.write(key, facts)
        return facts
    store.seal(key, facts, (WAV,))
    return facts


def measured(waveform: Float[Tensor, " n"]) -> dict[str, float]:
    """Return how long a sound is, how loud at most and on the whole, and the share at the limit."""
    loud = waveform.abs()
    count = max(len(waveform), 1)
    return {
        "seconds": round(len(waveform) / audio.RATE, 6),
        "peak": round(float(loud.max()) if len(waveform) else 0.0, 6),
        "rms": round(float(waveform.double().square().sum().div(count).sqrt()), 6),
        "clipped": round(float((loud >= 0.9999).double().sum() / count), 6),
    }


def without_gaps(
    waveform: Float[Tensor, " n"], kept: list[int], fps: float, *, rate: int = audio.RATE
) -> Float[Tensor, " m"]:
    """Return the sound of those frames alone, end to end; where it ends too early it is silent.

    The sound of dropped frames goes with them, so that lips and sound stay together.
    """
    pieces = []
    for first, last in _runs(kept):
        start, end = round(first * rate / fps), round((last + 1) * rate / fps)
        piece = waveform[start:end]
        pieces.append(torch.cat([piece, waveform.new_zeros(end - start - len(piece))]))
    return torch.cat(pieces) if pieces else waveform[:0]


def _runs(kept: list[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and last of each run of consecutive numbers."""
    for place, number in enumerate(kept):
        if place == 0 or kept[place - 1] != number - 1:
            first = number
        if place + 1 == len(kept) or kept[place + 1] != number + 1:
            yield first, number


def _without(path: Path, text: str) -> str:
    """Return a message without where the file lies: the same file elsewhere has the same result."""
    return text.replace(str(path), "the file")
