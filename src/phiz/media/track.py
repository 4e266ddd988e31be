"""The sound of a film under construction: cut or filled with silence to the length of its pictures."""

from __future__ import annotations

from collections.abc import Iterable

import av
import torch
from av.container import OutputContainer
from jaxtyping import Float
from torch import Tensor

from phiz.media import audio

_SILENCE = 4096  # samples added at a time
_BITS = 128_000  # a second


class Track:
    """A film's sound; a class because it knows how much of it is written, and what waits."""

    def __init__(
        self,
        container: OutputContainer,
        sound: Float[Tensor, " n"] | Iterable[Float[Tensor, " n"]],
        rate: int,
    ) -> None:
        """Add the sound, in one piece or in blocks of any length, to a file that is still empty."""
        self._container = container
        self._rate = rate
        self._blocks = iter([sound] if isinstance(sound, Tensor) else sound)
        self._waiting = torch.zeros(0)
        self._samples = 0
        self._stream: av.AudioStream = container.add_stream("aac", rate=rate, layout="mono")
        self._stream.bit_rate = _BITS

    def write(self, until: int) -> None:
        """Bring the sound up to sample number `until`, so that it lies beside its pictures in the file."""
        while self._samples < until:
            block = self._next_block()[: until - self._samples]
            self._container.mux(self._stream.encode(audio.to_frame(block, self._rate, self._samples)))
            self._waiting = self._waiting[len(block) :]
            self._samples += len(block)

    def finish(self) -> None:
        """Write what the codec still holds back."""
        self._container.mux(self._stream.encode(None))

    def _next_block(self) -> Tensor:
        while not len(self._waiting):
            block = next(self._blocks, None)
            if block is None:
                return torch.zeros(_SILENCE)
            self._waiting = block
        return self._waiting
