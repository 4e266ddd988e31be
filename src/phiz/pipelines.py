"""The recipes, and the place to start reading: sound -> motion -> frames -> film.

    film = talk(sound, output, speak=..., paint=...)

Whoever speaks and whoever paints are functions, so that a rendered person and a trained network,
a guess from the spectrum and a trained one, fit into the same few lines.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from phiz.console import Console
from phiz.face.coeffs import Motion
from phiz.media import audio, video

Speaker = Callable[[Float[Tensor, " n"], int], Motion]
"""What somebody does who says this waveform, sampled at this rate."""

Painter = Callable[[Motion], Iterator[Float[Tensor, "3 h w"]]]
"""What one sees when somebody moves like this, frame by frame."""

FILM_RATE = 48_000
"""Samples a second of a film's sound, whatever the networks listen to."""


@dataclass(frozen=True, kw_only=True)
class Film:
    """What was made, and how long each stage of it took."""

    path: Path
    frames: int
    fps: float
    listening_s: float
    speaking_s: float
    painting_s: float
    encoding_s: float

    @property
    def seconds(self) -> float:
        return self.frames / self.fps


def talk(sound: Path, output: Path, *, speak: Speaker, paint: Painter, console: Console) -> Film:
    """Write a film of somebody who says what `sound` says; return what was made.

    Frames go to the encoder one by one, so a lecture takes no more memory than a sentence.
    """
    start = time.perf_counter()
    waveform = audio.read(sound)
    heard = time.perf_counter()
    motion = speak(waveform, audio.RATE)
    spoken = time.perf_counter()
    painting = Stopwatch()
    frames = console.progress(painting.timed(paint(motion)), total=len(motion), label="painting")
    track = audio.iterate(sound, FILM_RATE)
    count = video.write(output, frames, fps=motion.fps, audio=track, rate=FILM_RATE)
    return Film(
        path=output,
        frames=count,
        fps=motion.fps,
        listening_s=heard - start,
        speaking_s=spoken - heard,
        painting_s=painting.seconds,
        encoding_s=time.perf_counter() - spoken - painting.seconds,
    )


class Stopwatch:
    """Counts the time that an iterator takes to come up with its items."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timed(self, frames: Iterator[Tensor]) -> Iterator[Tensor]:
        """Yield the same items; the clock runs while the next one is being made."""
        while True:
            start = time.perf_counter()
            frame = next(frames, None)
            self.seconds += time.perf_counter() - start
            if frame is None:
                return
            yield frame
