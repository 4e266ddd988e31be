"""Wave files as synthesisers write them: read whole, from memory or from a file, without FFmpeg."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from phiz.errors import MediaError
from phiz.world.voices.engines import Samples, to_float


def read(path: Path) -> tuple[Samples, int]:
    """Return the samples and the rate of a 16-bit wave file; several channels become one."""
    try:
        with wave.open(str(path), "rb") as file:
            if file.getsampwidth() != 2:
                raise MediaError(f"{path} has {8 * file.getsampwidth()}-bit samples; 16 are wanted.")
            channels, rate = file.getnchannels(), file.getframerate()
            sound = np.frombuffer(file.readframes(file.getnframes()), np.dtype("<i2"))
    except (OSError, EOFError, wave.Error) as error:
        raise MediaError(f"{path} is no wave file ({error}). Let the synthesiser speak again.") from error
    return to_float(sound).reshape(-1, channels).mean(axis=1), rate
