"""Moving pictures: frames -> mp4 with sound, and any video or folder of pictures -> frames.

What is written plays in browsers and phones: H.264 (yuv420p, BT.709, tagged as such) and AAC, with
the index in front. Both directions work frame by frame; memory does not grow with the length.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
import torch
from av.container import InputContainer
from jaxtyping import Float, UInt8
from torch import Tensor

from phiz import checkpoint
from phiz.errors import MediaError
from phiz.media import audio as sound
from phiz.media import image, planes
from phiz.media.opening import explained, opened, refuse_undecodable
from phiz.media.track import Track

FrameRate = int | float | Fraction

FPS = Fraction(25)
"""Frames a second wherever nothing else is said, as for a folder of pictures."""

_BT709 = 1  # FFmpeg's number for this standard's matrix, primaries and transfer curve alike
_STUDIO_RANGE = 1  # black and white at 16 and 235, as in video
_THREADS = 2  # of the encoder; a number of its own, for each makes a slightly different file
_SLACK = Fraction(1, 1000)  # seconds; some containers round the time of a frame to milliseconds


@dataclass(frozen=True, kw_only=True)
class VideoInfo:
    """What is in a video."""

    fps: Fraction
    frames: int
    width: int
    """Pixels, as one sees the video: after the camera's rotation tag."""
    height: int
    seconds: float
    has_audio: bool


class Writer:
    """A video under construction: give it frames, one after the other, inside a ``with`` block.

    The sound is cut or filled with silence to the length of the frames. A size that is odd is made
    even by repeating the last row or column, for the codec halves the colours' resolution.
    The file appears when the block ends. If an error ends it, nothing appears; Ctrl-C keeps what
    there is so far, as a video that plays.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        fps: FrameRate,
        size: tuple[int, int],
        audio: Float[Tensor, " n"] | Iterable[Float[Tensor, " n"]] | None = None,
        rate: int = sound.RATE,
        quality: int = 18,
        preset: str = "veryfast",
    ) -> None:
        """`size` is (height, width); `quality` and `preset` are x264's crf and preset."""
        self.path = Path(path)
        self.fps = as_fraction(fps)
        self.height, self.width = size
        self.frames = 0
        self._rate = rate
        self._audio = audio
        self._options = {"crf": str(quality), "preset": preset, "x264-params": "stitchable=1"}
        if self.path.suffix.lower() not in (".mp4", ".m4v", ".mov"):
            raise MediaError(f"Videos are written as .mp4, not as {self.path.suffix!r}. Rename {self.path}.")
        if min(size) < 1:
            raise ValueError(f"a video of {self.height} x {self.width} pixels cannot be")

    def __enter__(self) -> Writer:
        self._finish = ExitStack()
        with ExitStack() as stack:
            stack.enter_context(explained(self.path, "video"))
            temporary = stack.enter_context(checkpoint.atomic(self.path))
            self._container = av.open(str(temporary), "w", format="mp4", options={"movflags": "faststart"})
            stack.callback(self._container.close)
            self._add_streams()
            self._finish = stack.pop_all()
        return self

    def _add_streams(self) -> None:
        self._video = self._container.add_stream("libx264", rate=self.fps, options=self._options)
        self._video.width = self.width + self.width % 2
        self._video.height = self.height + self.height % 2
        self._video.pix_fmt = "yuv420p"
        self._video.time_base = 1 / self.fps
        context = self._video.codec_context
        context.colorspace = _BT709
        context.color_range = _STUDIO_RANGE
        context.color_primaries = _BT709
        context.color_trc = _BT709
        context.thread_count = _THREADS
        self._sound = None if self._audio is None else Track(self._container, self._audio, self._rate)

    def write(self, frame: Float[Tensor, "3 h w"] | UInt8[Tensor, "h w 3"]) -> None:
        """Add one frame: a picture in [-1, 1], or bytes with the channels last."""
        shape = tuple(frame.movedim(-1, 0).shape if frame.dtype == torch.uint8 else frame.shape)
        if shape != (3, self.height, self.width):
            raise ValueError(
                f"frame {self.frames} has the shape {tuple(frame.shape)}; this video has "
                f"{self.height} x {self.width} pixels and three colours"
            )
        picture = planes.to_frame(frame)
        picture.pts, picture.time_base = self.frames, 1 / self.fps
        self._container.mux(self._video.encode(picture))
        self.frames += 1
        if self._sound is not None:
            self._sound.write(until=round(self.frames / self.fps * self._rate))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Ctrl-C is not an error: whoever stops a long film wants what there is of it.
        keep = self.frames > 0 and (kind is None or issubclass(kind, KeyboardInterrupt))
        if not keep:
            failure = error or MediaError(f"{self.path}: no frames were given, so there is no video.")
            self._finish.__exit__(type(failure), failure, failure.__traceback__)
            if error is None:
                raise failure
            return
        with self._finish:
            self._container.mux(self._video.encode(None))
            if self._sound is not None:
                self._sound.finish()


def write(
    path: Path | str,
    frames: Iterable[Float[Tensor, "3 h w"]],
    *,
    fps: FrameRate,
    audio: Float[Tensor, " n"] | Iterable[Float[Tensor, " n"]] | None = None,
    rate: int = sound.RATE,
) -> int:
    """Write frames, as they come, to a video with sound; return how many there were."""
    pending = iter(frames)
    first = next(pending, None)
    if first is None:
        raise MediaError(f"{path}: no frames were given, so there is no video.")
    with Writer(path, fps=fps, size=(first.shape[-2], first.shape[-1]), audio=audio, rate=rate) as writer:
        try:
            writer.write(first)
            for frame in pending:
                writer.write(frame)
        finally:
            if isinstance(pending, Generator):
                pending.close()  # whoever draws ahead in a thread stops before the film is finished
    return writer.frames


def as_fraction(fps: FrameRate) -> Fraction:
    """Return a frame rate as the fraction that was meant: 29.97003 is 30000/1001."""
    if not 0 < fps <= 1000:
        raise ValueError(f"a video of {fps} frames a second cannot be")
    return Fraction(fps).limit_denominator(1001)


def read(path: Path | str, *, fps: FrameRate | None = None) -> Iterator[Float[Tensor, "3 h w"]]:
    """Yield the frames of a video, upright, or the pictures of a folder in natural order.

    With `fps`, frames are repeated or left out so that frame i is what one sees at second i / fps;
    this also evens out the footage of phones, whose frames are not equally far apart.
    """
    path = Path(path)
    if path.is_dir():
        timed = ((i / FPS, image.read(file)) for i, file in enumerate(pictures(path)))
        yield from _at_rate(timed, FPS, fps)
        return
    with opened(path, "video") as container:
        stream = _first_video(container, path)
        yield from _at_rate(_decoded(container, stream), _rate_of(stream), fps)


def probe(path: Path | str) -> VideoInfo:
    """Return what is in a video (or a folder of pictures) without decoding all of it."""
    path = Path(path)
    if path.is_dir():
        files = pictures(path)
        height, width = image.read(files[0]).shape[1:]
        return _info(FPS, len(files), width, height, has_audio=False)
    with opened(path, "video") as container:
        stream = _first_video(container, path)
        first = next(container.decode(stream), None)
        if first is None:
            raise MediaError(f"{path} has a video track without frames. Record or export it again.")
        turned = first.rotation % 180 != 0
        width, height = (first.height, first.width) if turned else (first.width, first.height)
        fps, frames, has_audio = _rate_of(stream), stream.frames, bool(container.streams.audio)
    return _info(fps, frames or _count(path), width, height, has_audio=has_audio)


def pictures(folder: Path) -> list[Path]:
    """Return the picture files of a folder in natural order: 2.png stands before 10.png."""
    suffixes = {*image.FORMATS, ".bmp", ".tif", ".tiff"}
    files = [f for f in folder.iterdir() if f.suffix.lower() in suffixes and not f.name.startswith(".")]
    if not files:
        raise MediaError(f"There are no pictures in {folder}. Put PNG or JPEG files there, one a frame.")
    return sorted(files, key=_natural)


def _natural(file: Path) -> tuple[list[tuple[int, str]], str]:
    parts = re.findall(r"(\d+)|(\D+)", file.name.lower())
    return [(int(digits or -1), text) for digits, text in parts], file.name


def _info(fps: Fraction, frames: int, width: int, height: int, *, has_audio: bool) -> VideoInfo:
    seconds = float(frames / fps)
    return VideoInfo(fps=fps, frames=frames, width=width, height=height, seconds=seconds, has_audio=has_audio)


def _first_video(container: InputContainer, path: Path) -> av.VideoStream:
    if not container.streams.video:
        raise MediaError(f"{path} has no moving picture in it, only sound. Give a video.")
    stream = container.streams.video[0]
    refuse_undecodable(stream, path, "video")
    stream.thread_type = "AUTO"
    return stream


def _rate_of(stream: av.VideoStream) -> Fraction:
    return stream.average_rate or stream.guessed_rate or FPS


def _count(path: Path) -> int:
    """Return how many packets, one a frame, a file holds that does not say so itself."""
    with opened(path, "video") as container:
        return sum(packet.size > 0 for packet in container.demux(_first_video(container, path)))


def _decoded(container: InputContainer, stream: av.VideoStream) -> Iterator[tuple[Fraction, Tensor]]:
    """Yield each frame with the second at which it appears."""
    start: Fraction | None = None
    for number, frame in enumerate(container.decode(stream)):
        when = number / _rate_of(stream)
        if frame.pts is not None and frame.time_base is not None:
            when = frame.pts * frame.time_base
        start = when if start is None else start
        yield when - start, _upright(frame)


def _upright(frame: av.VideoFrame) -> Tensor:
    pixels = torch.from_numpy(np.asarray(frame.to_ndarray(format="rgb24")))
    turns = round(frame.rotation / 90) % 4  # the tag counts anticlockwise, as torch does
    return image.from_bytes(torch.rot90(pixels, turns))


def _at_rate(
    timed: Iterator[tuple[Fraction, Tensor]], own: Fraction, fps: FrameRate | None
) -> Iterator[Tensor]:
    if fps is None:
        yield from (picture for _, picture in timed)
        return
    step = 1 / as_fraction(fps)
    number = 0
    shown: Tensor | None = None
    when = Fraction(0)
    for when, picture in timed:
        while shown is not None and number * step < when - _SLACK:
            yield shown
            number += 1
        shown = picture
    end = when + 1 / own - _SLACK  # the last frame lasts as long as any
    while shown is not None and number * step < end:
        yield shown
        number += 1
