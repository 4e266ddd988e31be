"""The command that makes a motion of a video: points frame by frame, then the track, then what is written."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from phiz import checkpoint
from phiz.console import Console
from phiz.errors import DataError, PhizError, UsageError
from phiz.face import archive, detectors, fit_draw, follow, head
from phiz.face.follow import BuiltInFollower, Frame
from phiz.face.landmarker import BuiltInLandmarker
from phiz.face.landmarks import SPARSE
from phiz.face.tracking import Track, track
from phiz.media import video
from phiz.options import option, positional

SUFFIX = ".points.npz"
"""What the points of an unfinished track are called, beside the motion."""
SAVE_EVERY_S = 20.0
SHOWN = 5
"""Gaps that are told; the result has all."""


@dataclass(frozen=True, kw_only=True)
class TrackConfig:
    """Which video to follow a face through, and what to write."""

    video: Path = positional()
    """A video, or a folder of frames."""
    output: Path = option(Path("motion.safetensors"), "-o", "--output")
    """The motion: expression, rotation, translation, gaze and blinks of each frame."""
    preview: Path | None = None
    """A video of the found head over the input, to be looked at."""
    landmarks: Path | None = None
    """File for the points of each frame (.npz): landmarks, sigma, score and fps."""
    points: Literal["68", "478", "all"] = "68"
    """Which points go into that file."""
    face: int | None = None
    """Follow this face of the first frame, counted from the left and from 1; the largest without."""
    detector: detectors.Name = "built-in"
    """Who finds faces: built-in, or mediapipe or opencv where they are installed."""
    fps: float | None = None
    """Frames a second of the motion; those of the video without."""

    def __post_init__(self) -> None:
        if self.fps is not None and not 1 <= self.fps <= 240:
            raise ValueError("--fps lies between 1 and 240")
        if self.face is not None and self.face < 1:
            raise ValueError("faces are counted from 1")


def track_verb(config: TrackConfig, console: Console) -> Mapping[str, object]:
    """Follow a face through a video and write how it moves.

    Shape and focal length are the same in all frames; pose, expression, gaze and blinks are smoothed without
    lag. Frames without a face are drawn through and told. Interrupted, the same command goes on with the
    points that were found.

    Examples:
        phiz track talk.mp4 -o motion.safetensors --preview overlay.mp4
        phiz track frames/ --landmarks points.npz --points 478
    """
    info = video.probe(config.video)
    fps = float(config.fps or info.fps)
    begun = time.perf_counter()
    frames = found_points(config, fps, info.frames, console)
    if not frames:
        raise DataError(f"{config.video} has no frames. Record or export it again.")
    if config.landmarks is not None:
        write_points(config.landmarks, frames, config.points, fps)
    found = track(head.built_in(), frames, fps=fps)
    found.motion.save(config.output)
    taken = time.perf_counter() - begun
    if config.preview is not None:
        video.write(config.preview, overlay(config, found, fps, console), fps=fps)
    _cache(config).unlink(missing_ok=True)
    return _told(config, found, taken, console)


def found_points(config: TrackConfig, fps: float, expected: int, console: Console) -> list[Frame]:
    """Return the points of all frames; those of an interrupted call are taken over."""
    key = _key(config, fps)
    frames = _remembered(config, key)
    if frames:
        console.say(f"Going on from frame {len(frames)}.")
    shown = islice(video.read(config.video, fps=config.fps), len(frames), None)
    with detectors.started(config.detector) as detector:
        follower = BuiltInFollower(landmarker=BuiltInLandmarker(detector=detector, number=config.face))
        saved = time.monotonic()
        new = follow.followed(shown, follower, list(frames))
        for frame in console.progress(new, total=max(expected - len(frames), 0), label="frames"):
            frames.append(frame)
            if time.monotonic() - saved > SAVE_EVERY_S:
                _remember(config, key, frames)
                saved = time.monotonic()
    _remember(config, key, frames)
    return frames


def write_points(path: Path, frames: list[Frame], which: str, fps: float) -> None:
    """Write the points of each frame, in pixels; frames without a face have a score of 0."""
    part = {"68": slice(0, SPARSE), "478": slice(SPARSE, None), "all": slice(None)}[which]
    arrays = {
        "landmarks": np.stack([frame.xy[part].numpy() for frame in frames]),
        "sigma": np.stack([frame.sigma[part].numpy() for frame in frames]),
        "score": np.array([frame.score for frame in frames], np.float32),
        "fps": np.array(fps, np.float32),
    }
    _save(path, arrays)


def overlay(
    config: TrackConfig, found: Track, fps: float, console: Console
) -> Iterator[Float[Tensor, "3 h w"]]:
    """Yield the frames of the video with the found head over them, half see-through."""
    model = head.built_in()
    shown: Iterable[Float[Tensor, "3 h w"]] = video.read(config.video, fps=config.fps)
    count = len(found.motion)
    for k, picture in enumerate(console.progress(shown, total=count, label="preview")):
        if k >= count:
            return
        drawn, face = fit_draw.draw(
            model, found.face[k : k + 1], found.camera, picture.shape[1], picture.shape[2]
        )
        share = 0.55 if bool(found.known[k]) else 0.2
        yield torch.where(face[0], share * drawn[0] + (1 - share) * picture, picture)


def _told(config: TrackConfig, found: Track, taken: float, console: Console) -> Mapping[str, object]:
    count = len(found.motion)
    known = int(found.known.sum())
    error = float(found.point_error.nanmean())
    console.say(
        f"{config.output}: {count} frames at {found.motion.fps:g} a second, {count / taken:.0f} frames/s; "
        f"points off by {100 * error:.1f} % of the eyes' distance"
    )
    for gap in found.gaps[:SHOWN]:
        console.warn(f"frames {gap.first} to {gap.last} were drawn through: {gap.why}")
    if len(found.gaps) > SHOWN:
        console.warn(f"and {len(found.gaps) - SHOWN} more such parts")
    return {
        "output": str(config.output),
        "frames": count,
        "fps": found.motion.fps,
        "found": known,
        "bridged": count - known,
        "gaps": [asdict(gap) for gap in found.gaps],
        "point_error": error,
        "seconds": round(taken, 2),
        **({"preview": str(config.preview)} if config.preview is not None else {}),
        **({"landmarks": str(config.landmarks)} if config.landmarks is not None else {}),
    }


def _cache(config: TrackConfig) -> Path:
    return config.output.with_name(config.output.name + SUFFIX)


def _key(config: TrackConfig, fps: float) -> str:
    """Return a text that is another one for another video or other ways to look at it."""
    path = config.video
    files = video.pictures(path) if path.is_dir() else [path]
    known = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return repr((known, config.face, config.detector, fps))


def _remember(config: TrackConfig, key: str, frames: list[Frame]) -> None:
    if not frames:
        return
    arrays = {
        "key": np.array(key),
        "xy": np.stack([frame.xy.numpy() for frame in frames]),
        "sigma": np.stack([frame.sigma.numpy() for frame in frames]),
        "score": np.array([frame.score for frame in frames], np.float64),
        "size": np.array([frame.size for frame in frames], np.int64),
    }
    _save(_cache(config), arrays)


def _remembered(config: TrackConfig, key: str) -> list[Frame]:
    """Return the points that an interrupted call found; none if they are of something else."""
    path = _cache(config)
    if not path.is_file():
        return []
    try:
        found = archive.read(path)
        if str(found["key"]) != key:
            return []
        parts = zip(found["xy"], found["sigma"], found["score"], found["size"], strict=True)
        return [
            Frame(torch.from_numpy(xy), torch.from_numpy(sigma), float(score), (int(size[0]), int(size[1])))
            for xy, sigma, score, size in parts
        ]
    except (PhizError, KeyError, ValueError):
        return []  # damaged: found anew


def _save(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    if path.suffix != ".npz":
        raise UsageError(f"points are written as .npz; {path} has another ending. Rename it.")
    with checkpoint.atomic(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
