"""Sound: any file that FFmpeg knows -> one channel of float32 at the rate one asks for, and back.

A waveform is (n,), float32, in [-1, 1]. The channels of a file are averaged. Time zero is the start
of the file, also where the sound sets in later than the picture: such a lead-in is silence here.
The n samples of a file that plays at another rate become ``round(n * rate / its_rate)``, exactly.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from av.container import InputContainer
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from phiz import checkpoint
from phiz.errors import MediaError
from phiz.media.opening import explained, opened, refuse_undecodable

RATE = 16_000
"""Samples a second wherever nothing else is said; what speech networks eat."""

CODECS = {
    ".wav": ("wav", "pcm_s16le"),
    ".flac": ("flac", "flac"),
    ".m4a": ("ipod", "aac"),
    ".mp3": ("mp3", "libmp3lame"),
    ".opus": ("ogg", "libopus"),
    ".ogg": ("ogg", "libopus"),
}
"""Container and codec by suffix; wav and flac (both 16 bit) lose nothing of 16-bit sound."""

SHORT_S = 0.25
SILENT, QUIET = 0.001, 0.02
"""Loudest samples below which nobody hears anything, or hardly."""
OVER, CLIPPED = 0.999, 0.01
"""A sample from here on is cut off; up to such a share of them is nothing to speak of."""

_BLOCK = 16_384  # samples handed over at a time where the caller does not care


def read(path: Path | str, rate: int = RATE) -> Float[Tensor, " n"]:
    """Return the sound of a file (its first, if it has several) as one channel at `rate`."""
    return torch.cat(list(iterate(path, rate, block=16 * _BLOCK)))


def iterate(path: Path | str, rate: int = RATE, block: int = _BLOCK) -> Iterator[Float[Tensor, " n"]]:
    """Yield a file's sound in blocks of `block` samples (the last may be shorter).

    Memory does not grow with the length of the file; all blocks together are what `read` returns.
    """
    if rate < 1 or block < 1:
        raise ValueError(f"rate and block must be positive, not {rate} and {block}")
    empty = True
    for piece in _cut(_resampled(Path(path), rate), block):
        empty = False
        yield torch.from_numpy(piece)
    if empty:
        raise MediaError(f"{path} has a sound track with nothing in it. Record or export it again.")


def duration(path: Path | str) -> float:
    """Return the length of a file's sound in seconds: as the file states it, else by decoding it."""
    with opened(path, "sound") as container:
        stream = _first_sound(container, Path(path))
        if stream.duration is not None and stream.time_base is not None:
            return float(stream.duration * stream.time_base)
        if container.duration is not None:
            return container.duration / av.time_base
    return sum(len(block) for block in iterate(path)) / RATE


def doubts(path: Path | str) -> list[str]:
    """Return what is wrong with a recording of speech, in words for whoever made it; often nothing."""
    count, over, peak = 0, 0, 0.0
    for piece in iterate(path, block=60 * RATE):
        size = piece.abs()
        count, peak = count + len(piece), max(peak, float(size.max()))
        over += int((size >= OVER).sum())
    name, found = Path(path).name, []
    if count < SHORT_S * RATE:
        found.append(f"{name} is {count / RATE:.2f} s long, too short for a word.")
    if peak < SILENT:
        found.append(f"{name} is silent, so the mouth stays shut. Play it elsewhere to check.")
    elif peak < QUIET:
        decibels = 20 * np.log10(peak)
        found.append(f"{name} is very quiet ({decibels:.0f} dB at its loudest). Record it closer or louder.")
    if over > CLIPPED * count:
        found.append(
            f"{name} was recorded too loud: {over / count:.0%} of it is cut off, and lips are told less well."
        )
    return found


def write(path: Path | str, waveform: Float[Tensor, " n"], rate: int = RATE) -> None:
    """Write one channel of sound in the format that the suffix of `path` names (see `CODECS`)."""
    path = Path(path)
    kind = CODECS.get(path.suffix.lower())
    if kind is None:
        raise MediaError(
            f"Sound is written as {', '.join(CODECS)}, not as {path.suffix!r}. Rename the output."
        )
    if not len(waveform):
        raise MediaError(f"{path}: there is no sound to write, not one sample.")
    container_format, codec = kind
    with (
        explained(path, "sound"),
        checkpoint.atomic(path) as temporary,
        av.open(str(temporary), "w", format=container_format) as target,
    ):
        stream = target.add_stream(codec, rate=rate, layout="mono")
        for start in range(0, len(waveform), _BLOCK):
            target.mux(stream.encode(to_frame(waveform[start : start + _BLOCK], rate, start)))
        target.mux(stream.encode(None))


def to_frame(waveform: Float[Tensor, " n"], rate: int, start: int) -> av.AudioFrame:
    """Return 16-bit sound as FFmpeg wants it, beginning at sample number `start`.

    The factor is 32768, as in decoders, so that what comes from 16 bits goes back unchanged.
    """
    scaled = waveform.detach().cpu().float().mul(32768).round_().clamp_(-32768, 32767)
    frame = av.AudioFrame.from_ndarray(scaled.to(torch.int16).numpy()[None], format="s16", layout="mono")
    frame.sample_rate = rate
    frame.pts = start
    frame.time_base = Fraction(1, rate)
    return frame


def _first_sound(container: InputContainer, path: Path) -> av.AudioStream:
    if not container.streams.audio:
        raise MediaError(f"{path} has no sound in it. Give a file with sound, or a separate sound file.")
    stream = container.streams.audio[0]
    refuse_undecodable(stream, path, "sound")
    return stream


def _resampled(path: Path, rate: int) -> Iterator[NDArray[np.float32]]:
    """Yield pieces of any length, together exactly as long as the module's docstring promises."""
    with opened(path, "sound") as container:
        stream = _first_sound(container, path)
        yield np.zeros(round(_lead_in(container, stream) * rate), np.float32)
        left = _stated_length(container, stream, rate)
        for piece in _decoded(container, stream, rate):
            yield piece[:left]
            left -= min(len(piece), left)
            if not left:
                return


def _lead_in(container: InputContainer, stream: av.AudioStream) -> float:
    """Return by how many seconds the sound sets in after the start of the file."""
    if stream.start_time is None or stream.time_base is None:
        return 0.0
    start = max(container.start_time or 0, 0) / av.time_base  # below 0 lies what encoders throw away
    return max(float(stream.start_time * stream.time_base) - start, 0.0)


def _stated_length(container: InputContainer, stream: av.AudioStream, rate: int) -> int:
    """Return where an mp4 says its sound ends: its codec works in blocks and fills up the last one."""
    if "mp4" not in container.format.name or not stream.duration or stream.time_base is None:
        return sys.maxsize
    return round(stream.duration * stream.time_base * rate)


def _decoded(container: InputContainer, stream: av.AudioStream, rate: int) -> Iterator[NDArray[np.float32]]:
    resampler: av.AudioResampler | None = None
    taken = given = own_rate = 0
    for frame in container.decode(stream):
        if resampler is None:
            # Not to mono: FFmpeg's own mix of two equal channels is 3 dB too loud in floats.
            resampler = av.AudioResampler("fltp", frame.layout, rate)
            own_rate = frame.sample_rate
        taken += frame.samples
        for piece in resampler.resample(frame):
            given += piece.samples
            yield _mono(piece)
    if resampler is None:
        return
    missing = (2 * taken * rate + own_rate) // (2 * own_rate) - given
    tail = [_mono(piece) for piece in resampler.resample(None)]
    yield np.concatenate([*tail, np.zeros(max(missing, 0), np.float32)])[: max(missing, 0)]


def _mono(piece: av.AudioFrame) -> NDArray[np.float32]:
    channels: NDArray[np.float32] = np.asarray(piece.to_ndarray(), np.float32)
    mean: NDArray[np.float32] = channels.mean(axis=0, dtype=np.float32)
    return mean


def _cut(pieces: Iterator[NDArray[np.float32]], block: int) -> Iterator[NDArray[np.float32]]:
    """Yield the same samples in blocks of one length; only the last may be shorter."""
    waiting: list[NDArray[np.float32]] = []
    count = 0
    for piece in pieces:
        waiting.append(piece)
        count += len(piece)
        if count < block:
            continue
        joined = np.concatenate(waiting)
        whole = count - count % block
        for start in range(0, whole, block):
            yield joined[start : start + block].copy()
        waiting, count = [joined[whole:]], count - whole
    if count:
        yield np.concatenate(waiting)
