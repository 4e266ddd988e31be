"""From a sound to what a face does while it says it: ``speak(audio, rest, studio) -> Motion``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.errors import MediaError
from phiz.face.coeffs import FaceCoeffs, Motion, concatenate
from phiz.media import audio as sounds
from phiz.speech import heads
from phiz.speech.dials import Dials
from phiz.speech.pose_network import PoseNet
from phiz.speech.sources import Source
from phiz.speech.stream import Networks, SpeechStream, checked
from phiz.speech.windows import FRAME, RATE

PIECE_S = 60
"""Seconds that are heard at once; more do not make it faster."""


def speak(
    audio: Path | str | Float[Tensor, " n"],
    rest: FaceCoeffs | None,
    studio: Networks,
    *,
    dials: Dials | None = None,
    seed: int = 0,
    latency_ms: float = 480,
    style: str = "",
    source: Source | None = None,
) -> Motion:
    """Return the motion of a face that says what is heard: a file, or a waveform at 16 kHz.

    It is what a `SpeechStream` of the same latency tells. `rest` is the person's own face; without one
    speech is told for the mean face. `style` is whose way to move the head, of those that a network has
    learned. A sound that is shorter than a frame gives a frame of rest.
    """
    dials, head = dials or Dials(), None
    if isinstance(studio.pose, PoseNet):
        audio = audio if isinstance(audio, Tensor) else sounds.read(audio, RATE)
        sound = checked(audio)
        head = heads.published(studio.pose, sound, style=style, seed=seed, amount=dials.head)
    stream = SpeechStream(
        studio,
        latency_ms=latency_ms,
        rest=rest,
        dials=dials,
        seed=seed,
        style=style,
        source=source,
        head=head,
    )
    count, motions = 0, []
    for piece in _pieces(audio):
        count += len(piece)
        motions.append(stream.push(piece))
    if not count:
        raise MediaError("there is no sound: not one sample. Record or export it again.")
    if count < FRAME:
        motions.append(stream.push(torch.zeros(FRAME - count)))
    return concatenate([*motions, stream.finish()])


def _pieces(audio: Path | str | Float[Tensor, " n"]) -> Iterable[Float[Tensor, " m"]]:
    if isinstance(audio, Tensor):
        return torch.split(audio, PIECE_S * RATE)
    return sounds.iterate(audio, RATE, block=PIECE_S * RATE)
