"""Films that survive: written in parts of a few seconds, and joined at the end without encoding anew.

    talk.mp4                          the film, once it is whole
    .talk.mp4.parts/job.json          what is being filmed
    .talk.mp4.parts/00000250.mp4      a part, named after its first frame

Each part appears whole or not at all. The same command, given again after a crash, goes on behind the last
part. A part begins with a key frame, as x264 sets one every ten seconds anyway, and nothing in it points into
another, so that the parts' packets one after the other are a film. The sound is encoded once, while joining.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

import av
from jaxtyping import Float
from torch import Tensor

from phiz import checkpoint
from phiz.errors import MediaError, UsageError
from phiz.media import audio as sound
from phiz.media import video
from phiz.media.opening import explained, opened
from phiz.media.track import Track

EVERY_S = 10.0
"""Seconds of film in a part: what a crash costs at most, and how often x264 sets a key frame by itself."""

FramesFrom = Callable[[int], Iterator[Float[Tensor, "3 h w"]]]
"""What the film shows, from a certain frame on."""

Sound = Float[Tensor, " n"] | Iterable[Float[Tensor, " n"]] | None
"""A film's sound from its beginning, in one piece or in blocks; it is cut or filled up with silence."""

_DESCRIPTION = "job.json"
_PART = re.compile(r"\d{8}\.mp4")
_CUT_OFF = re.compile(r"\.(?:\d{8}|job)-[0-9a-f]{8}\.part\.(?:mp4|json)")  # a crash leaves it of a write
_REORDERED = 2  # frames that x264 holds back at most before it gives the first one


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be filmed."""

    path: Path
    key: str
    """What the frames depend on, in any words: a job with another key is another film."""
    total: int
    """Frames."""
    fps: video.FrameRate
    size: tuple[int, int]
    """Height and width."""
    quality: int = 18
    """x264's crf."""
    preset: str = "veryfast"

    @property
    def folder(self) -> Path:
        """Return where the parts are while there is no film."""
        return self.path.with_name(f".{self.path.name}.parts")

    def described(self) -> dict[str, object]:
        """Return all that parts of one film have in common."""
        about = {name: value for name, value in asdict(self).items() if name != "path"}
        encoder = ".".join(map(str, av.library_versions["libavcodec"]))
        return {**about, "fps": str(video.as_fraction(self.fps)), "size": list(self.size), "encoder": encoder}

    def writer(self, path: Path, audio: Sound = None, rate: int = sound.RATE) -> video.Writer:
        """Return a writer of a part, or of the whole film."""
        return video.Writer(
            path,
            fps=self.fps,
            size=self.size,
            audio=audio,
            rate=rate,
            quality=self.quality,
            preset=self.preset,
        )


@dataclass(frozen=True, kw_only=True)
class Filmed:
    """What was made."""

    frames: int
    resumed: int
    """How many of the frames an earlier run had left."""


def write(
    job: Job,
    frames_from: FramesFrom,
    *,
    audio: Sound,
    rate: int = sound.RATE,
    every_s: float = EVERY_S,
    say: Callable[[str], None],
) -> Filmed:
    """Film a job, from where an earlier run was stopped; return what was made.

    Ctrl-C leaves a film of what there is so far, and the parts, so that the same command goes on. The only
    files that are ever removed are parts of this output: those of a finished film, and those of another job.
    """
    length = max(1, round(every_s * video.as_fraction(job.fps)))
    if job.total < 1:
        raise MediaError(f"{job.path}: no frames were asked for, so there is no video.")
    if job.total <= length and not job.folder.exists():
        with job.writer(job.path, audio, rate) as whole:
            _record(whole, frames_from(0), job.total)
        return Filmed(frames=job.total, resumed=0)
    start = _begun(job, say)
    try:
        _film(job, frames_from, start, length)
    except KeyboardInterrupt:
        if frames := sum(found := parts(job.folder)):
            _join(job, found, audio, rate)
            say(f"{job.path} shows the first {frames} of {job.total} frames. The same command goes on there.")
        raise
    found = parts(job.folder)
    if sum(found) != job.total:
        raise MediaError(
            f"a part behind frame {sum(found)} in {job.folder} was lost. Give the command again."
        )
    _join(job, found, audio, rate)
    _clear(job.folder)
    return Filmed(frames=job.total, resumed=start)


def parts(folder: Path) -> list[int]:
    """Return how many frames each finished part has, in order; what is behind a gap does not count."""
    counts: list[int] = []
    while (part := _part(folder, sum(counts))).is_file():
        try:
            counts.append(video.probe(part).frames)
        except MediaError:
            break  # damaged; it is made anew
    return counts


def _part(folder: Path, start: int) -> Path:
    return folder / f"{start:08}.mp4"


def _begun(job: Job, say: Callable[[str], None]) -> int:
    """Make the folder of parts, or look at what is there; return at which frame to go on."""
    folder, mine = job.folder, job.described()
    theirs = _description(folder)
    if theirs == mine:
        start = sum(parts(folder))
        if start:
            say(f"{start} of {job.total} frames of {job.path} are there from an earlier run; going on.")
        return start
    if theirs is not None:
        changed = ", ".join(name for name in mine if mine[name] != theirs.get(name))
        say(f"{folder} holds parts of another film (another {changed}); beginning anew.")
        _clear(folder)
    with checkpoint.atomic(folder / _DESCRIPTION) as temporary:
        temporary.write_text(json.dumps(mine), encoding="utf-8")
    return 0


def _description(folder: Path) -> dict[str, object] | None:
    """Return what the parts in a folder are of, or nothing where there are none; refuse a strange folder."""
    if not folder.exists():
        return None
    try:
        about = json.loads((folder / _DESCRIPTION).read_text(encoding="utf-8"))
        if isinstance(about, dict):
            return about
    except FileNotFoundError:
        if folder.is_dir() and all(_CUT_OFF.fullmatch(file.name) for file in folder.iterdir()):
            return None
    except (OSError, ValueError):
        pass
    raise UsageError(
        f"{folder} is in the way: it holds no parts of a film. Move it, or choose another output."
    )


def _film(job: Job, frames_from: FramesFrom, start: int, length: int) -> None:
    """Write the parts that are missing."""
    if start >= job.total:
        return
    frames = frames_from(start)
    try:
        for first in range(start, job.total, length):
            with job.writer(_part(job.folder, first)) as part:
                _record(part, frames, min(length, job.total - first))
    finally:
        if isinstance(frames, Generator):
            frames.close()  # its threads end before anything else happens


def _record(writer: video.Writer, frames: Iterator[Tensor], count: int) -> None:
    for frame in islice(frames, count):
        writer.write(frame)
    if writer.frames < count:
        raise ValueError(f"{count - writer.frames} frames less than were announced came for {writer.path}")


def _join(job: Job, counts: list[int], audio: Sound, rate: int) -> None:
    """Write the film that the parts are, with its sound."""
    fps = video.as_fraction(job.fps)
    with (
        explained(job.path, "video"),
        checkpoint.atomic(job.path) as temporary,
        av.open(str(temporary), "w", format="mp4", options={"movflags": "faststart"}) as target,
    ):
        with opened(_part(job.folder, 0), "video") as first:
            joined = target.add_stream_from_template(first.streams.video[0])
            header = first.streams.video[0].codec_context.extradata
        track = None if audio is None else Track(target, audio, rate)
        for number, packet in enumerate(_packets(job, counts, header)):
            packet.stream = joined
            packet.time_base, packet.duration = 1 / fps, 1
            packet.dts = number - _REORDERED  # a part of one or two frames counts its own differently
            target.mux(packet)
            if track is not None:
                track.write(until=round((number + 1) / fps * rate))
        if track is not None:
            track.finish()


def _packets(job: Job, counts: list[int], header: bytes | None) -> Iterator[Any]:
    """Yield what the parts hold, in the order of decoding; the times are numbers of frames."""
    fps = video.as_fraction(job.fps)
    for start in accumulate(counts[:-1], initial=0):
        path = _part(job.folder, start)
        with opened(path, "video") as source:
            stream = source.streams.video[0]
            if stream.codec_context.extradata != header:
                raise MediaError(
                    f"{path} does not fit what is before it. Remove {job.folder} and begin anew."
                )
            for packet in source.demux(stream):
                if packet.pts is not None and packet.time_base is not None:  # the last one is empty
                    packet.pts = start + round(packet.pts * packet.time_base * fps)
                    yield packet


def _clear(folder: Path) -> None:
    """Remove the files that we made in a folder, and the folder if there is nothing else in it."""
    for file in folder.iterdir():
        if _PART.fullmatch(file.name) or _CUT_OFF.fullmatch(file.name):
            file.unlink(missing_ok=True)
    (folder / _DESCRIPTION).unlink(missing_ok=True)  # last, for without it the rest would be nobody's
    with suppress(OSError):
        folder.rmdir()
