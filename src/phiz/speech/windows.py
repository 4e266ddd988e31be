"""From sound to what speech networks read: a mel spectrogram, and a window of it for each frame of film.

The recipe of Wav2Lip (Prajwal et al., 2020), which the published talking heads share: 25 frames a second,
80 looks at the sound a second, 80 bands, and 16 looks (a fifth of a second) for each frame, the first two
frames of them before it. All arithmetic is in doubles; the results are single.

Sound is looked at in blocks of one shape, whether it comes in one piece or in many. Transforms and products
of matrices give the same bits for the same row of the same shape, so both ways agree to the last bit.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

RATE, FPS = 16_000, 25
"""Samples and frames of film a second."""
FRAME = RATE // FPS
"""Samples of a frame."""
LENGTH, HOP = 800, 200
"""Samples of a look at the sound, and between two."""
BANDS, LOWEST, HIGHEST = 80, 55.0, 7600.0
"""Mel bands, and the frequencies between which they lie, in hertz."""
ROWS = 16
"""Looks in the window of a frame."""
EMPHASIS = 0.97
"""What share of a sample is taken away from the next, because voices are weak in what is high."""
QUIETEST, REFERENCE_DB, FLOOR_DB = 1e-5, 20.0, -100.0
"""The least magnitude, how many decibels count as none, and what counts as silence."""
RANGE = 4.0
"""Results lie between minus this, which is silence, and this."""
STRAIGHT, STEP, BEND = 200 / 3, 27 / math.log(6.4), 1000.0
"""The mel scale of Slaney: so many hertz a mel up to the bend, from there so many mels a factor of e."""
HALF = LENGTH // 2
BLOCK = 64
"""Looks that are made together; more do not make it faster."""
SPAN = (BLOCK - 1) * HOP + LENGTH
"""Samples of a block."""


def of_waveform(waveform: Float[Tensor, " n"]) -> Float[Tensor, "t 1 80 16"]:
    """Return one window for each whole frame that the sound lasts; what is left over is dropped."""
    frames = len(waveform) // FRAME
    return cut(log_mel(waveform[: frames * FRAME]), frames)


def log_mel(
    waveform: Float[Tensor, " n"], *, padding: Literal["zeros", "reflect"] = "zeros"
) -> Float[Tensor, "r 80"]:
    """Return how loud each band is in each look, from -4 (silence) to 4; there are ``1 + n // 200``.

    The first look is centred on the first sample. What lies beyond the ends is silence, or as published
    with old versions of librosa, the sound mirrored; that changes the two outermost looks of each end.
    """
    if not len(waveform):
        return waveform.new_zeros(0, BANDS, dtype=torch.float32)
    if padding == "reflect" and len(waveform) <= HALF:
        raise ValueError(f"{len(waveform)} samples cannot be mirrored over {HALF}; use padding='zeros'")
    rows = 1 + len(waveform) // HOP
    places = range(0, rows * HOP, BLOCK * HOP)
    if padding == "reflect":
        sharp = functional.pad(emphasised(waveform)[None], (HALF, HALF), mode="reflect")[0]
        blocks = [block(sharp[place:][:SPAN]) for place in places]
    else:
        blocks = [block(_piece(waveform, place - HALF)) for place in places]
    return torch.cat(blocks)[:rows]


def emphasised(
    waveform: Float[Tensor, " n"], *, before: Float[Tensor, ""] | None = None
) -> Float[Tensor, " n"]:
    """Return each sample less most of the one before it; `before` is the one before all, if there is one."""
    exact = waveform.double()
    # Two steps, each rounded: one that does both at once rounds otherwise in the last samples of a piece.
    less = exact[:-1] * EMPHASIS
    head = exact[:1] if before is None else exact[:1] - before.double() * EMPHASIS
    return torch.cat([head, exact[1:] - less])


def block(sharp: Float[Tensor, " n"]) -> Float[Tensor, "64 80"]:
    """Return the looks of a block of emphasised sound; what is missing at its end is silence."""
    whole = functional.pad(sharp, (0, SPAN - len(sharp)))
    looks = whole.unfold(0, LENGTH, HOP) * _bell()  # (64, 800)
    # Four times as fast as abs(), which guards against squares that are too large; here there are none.
    squares = torch.view_as_real(torch.fft.rfft(looks)).square()
    loudness = (squares[..., 0] + squares[..., 1]).sqrt_() @ mel_basis()
    decibels = loudness.clamp_(min=QUIETEST).log10_().mul_(20).sub_(REFERENCE_DB)
    scaled = decibels.sub_(FLOOR_DB).mul_(2 * RANGE / -FLOOR_DB).sub_(RANGE)
    return scaled.clamp_(-RANGE, RANGE).float()


@cache
def mel_basis() -> Float[Tensor, "401 80"]:
    """Return how much each frequency of a look counts in each band: triangles of equal area."""
    edges = _hertz(torch.linspace(_mels(LOWEST), _mels(HIGHEST), BANDS + 2, dtype=torch.float64))
    frequency = torch.arange(HALF + 1, dtype=torch.float64)[:, None] * (RATE / LENGTH)
    low, peak, high = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (frequency - low) / (peak - low), (high - frequency) / (high - peak)
    triangles: Tensor = torch.minimum(rising, falling).clamp(min=0) * (2 / (high - low))
    return triangles


def starts(frames: int, *, first: int = 0) -> Int[Tensor, " t"]:
    """Return the first look of the window of each frame; those of frames 0 and 1 lie before the sound."""
    # parity: rounded towards zero, so that frame 1 begins at -3, not at -4.
    return torch.div(16 * (torch.arange(first, first + frames) - 2), 5, rounding_mode="trunc")


def cut(mel: Float[Tensor, "r 80"], frames: int) -> Float[Tensor, "t 1 80 16"]:
    """Return the windows of the first frames; beyond the ends the outermost look is repeated."""
    if not frames:
        return mel.new_zeros(0, 1, BANDS, ROWS)
    return _gathered(mel, rows_of(frames, len(mel)))


def rows_of(frames: int, rows: int) -> Int[Tensor, "t 16"]:
    """Return which looks, of so many, are in the window of each frame."""
    return (starts(frames)[:, None] + torch.arange(ROWS)).clamp(0, rows - 1)


def idle(frames: int) -> Float[Tensor, "t 1 80 16"]:
    """Return what the published program gives its networks when nobody speaks.

    Zeros are no silence, which is -4 everywhere, but a noise of middling loudness in all bands.
    """
    return torch.zeros(frames, 1, BANDS, ROWS)


def silence(frames: int) -> Float[Tensor, "t 1 80 16"]:
    """Return windows in which nothing is heard."""
    return torch.full((frames, 1, BANDS, ROWS), -RANGE)


class WindowStream:
    """Windows of a sound that arrives in pieces: all together, bit by bit those of `of_waveform`.

    A window is there as soon as its last look is, 2120 samples (0.13 s) after its frame has begun, or up to
    a frame later. Memory does not grow. A class because it holds what later windows need.
    """

    def __init__(self) -> None:
        self.frames = 0
        """Windows given so far."""
        self._count = 0  # samples seen
        self._last: Tensor | None = None  # the last of them
        self._sharp = torch.zeros(HALF, dtype=torch.float64)  # emphasised, from the first look of a block on
        self._block = 0  # the look that this block begins with
        self._looks = torch.zeros(0, BANDS)  # those that are still needed
        self._first = 0  # the number of the first of them

    def push(self, samples: Float[Tensor, " n"]) -> Float[Tensor, "t 1 80 16"]:
        """Return the windows that these samples complete."""
        parts = [self._push(piece) for piece in torch.split(samples, 64 * FRAME)] if len(samples) else []
        return torch.cat(parts) if parts else self._cut(0)

    def finish(self) -> Float[Tensor, "t 1 80 16"]:
        """Return the windows that are left when no more sound comes; the stream is used up."""
        whole = self._count // FRAME * FRAME
        extra = self._count - whole
        sharp = self._sharp[: len(self._sharp) - extra]
        self._sharp = functional.pad(sharp, (0, HALF))
        self._look(1 + whole // HOP if whole else 0)
        missing = int(starts(1, first=max(whole // FRAME - 1, 0))) + ROWS - self._first - len(self._looks)
        if whole and missing > 0:
            self._looks = torch.cat([self._looks, self._looks[-1:].expand(missing, BANDS)])
        return self._cut(whole // FRAME - self.frames)

    def _push(self, samples: Tensor) -> Tensor:
        self._sharp = torch.cat([self._sharp, emphasised(samples, before=self._last)])
        self._last = samples[-1].clone()  # not all samples along with it
        self._count += len(samples)
        # A sound ends with its last whole frame; a look that reaches beyond may have to be made otherwise.
        whole = self._count // FRAME * FRAME
        self._look(max((whole - HALF) // HOP + 1, 0))
        frames = 0
        while int(starts(1, first=self.frames + frames)) + ROWS <= self._first + len(self._looks):
            frames += 1
        return self._cut(frames)

    def _look(self, rows: int) -> None:
        """Make all looks before number `rows` that are not made yet."""
        while (done := self._first + len(self._looks)) < rows:
            fresh = block(self._sharp[:SPAN])[done - self._block : rows - self._block]
            self._looks = torch.cat([self._looks, fresh])
            if self._block + BLOCK <= rows:
                self._sharp = self._sharp[BLOCK * HOP :].clone()
                self._block += BLOCK

    def _cut(self, frames: int) -> Tensor:
        if not frames:
            return torch.zeros(0, 1, BANDS, ROWS)
        wanted = starts(frames, first=self.frames)[:, None] + torch.arange(ROWS)
        found = _gathered(self._looks, wanted.clamp(min=0) - self._first)
        self.frames += frames
        needless = max(int(starts(1, first=self.frames)), 0) - self._first
        if needless > 0:
            needless = min(needless, len(self._looks))
            self._looks, self._first = self._looks[needless:].clone(), self._first + needless
        return found


def _piece(waveform: Tensor, place: int) -> Tensor:
    """Return the emphasised sound of a block that begins at a place; there is silence before the first."""
    first = max(place, 0)
    found = emphasised(waveform[first : place + SPAN], before=waveform[first - 1] if first else None)
    return functional.pad(found, (first - place, 0))


def _gathered(mel: Tensor, rows: Tensor) -> Tensor:
    return mel[rows].transpose(1, 2)[:, None].contiguous()


@cache
def _bell() -> Tensor:
    return torch.hann_window(LENGTH, dtype=torch.float64)


def _mels(hertz: float) -> float:
    return hertz / STRAIGHT if hertz < BEND else BEND / STRAIGHT + math.log(hertz / BEND) * STEP


def _hertz(mels: Tensor) -> Tensor:
    bend = BEND / STRAIGHT
    return torch.where(mels < bend, mels * STRAIGHT, BEND * torch.exp((mels - bend) / STEP))
