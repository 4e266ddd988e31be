"""The work cut into jobs for processes and machines; each gives the items of one person, in order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import phiz
from phiz import checkpoint
from phiz.errors import CheckpointError, DataError, MediaError
from phiz.media import audio, image, video
from phiz.media.video import VideoInfo
from phiz.prepare import eyes, sound_work, work
from phiz.prepare.eyes import Opener
from phiz.prepare.gather import Found
from phiz.prepare.store import Store, key_of
from phiz.prepare.work import Settings

AT_ONCE = 8
"""Pictures a job."""
FRAMES = 200
"""Frames of a film a job, at least: a job reads its film from the start."""
JOBS_A_WORKER = 4
"""Into so many jobs for each worker a long film is cut at most."""
TOKEN = "token"
"""A file in the store that every machine has to see."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What all jobs share."""

    opener: Opener
    fingerprint: str
    settings: Settings
    root: Path
    store: Store
    fps: float


@dataclass(frozen=True, kw_only=True)
class Job:
    """Some pictures, a part of a film, or some sounds of one person."""

    plan: Plan
    person: str
    pictures: tuple[str, ...] = ()
    film: str = ""
    first: int = 0
    """Frame of the film, at the wanted rate."""
    count: int | None = None
    """Frames; all that are left without."""
    sounds: tuple[str, ...] = ()


class Item(NamedTuple):
    """What became of a picture, a frame of a film, or a sound."""

    person: str
    kind: str
    """"picture", "frame" or "sound"."""
    source: str
    """The file, as its way from the source folder."""
    number: int
    """Of the frame, from 0; -1 for what is no frame."""
    key: str
    """Of the result in the store."""
    reason: str
    """Why it is dropped; nothing if it is kept so far."""


def cut(plan: Plan, found: Found, films: Mapping[str, VideoInfo | None], workers: int) -> Iterator[Job]:
    """Yield the jobs of one person: pictures, then each film and its sound, then sounds."""
    for start in range(0, len(found.pictures), AT_ONCE):
        yield Job(plan=plan, person=found.person, pictures=found.pictures[start : start + AT_ONCE])
    for film in found.films:
        info = films.get(film)
        frames = 0 if info is None else frames_of(info, plan.fps)
        step = max(FRAMES, -(-frames // (JOBS_A_WORKER * workers)))
        starts = range(0, max(frames, 1), step)
        for start in starts:
            count = step if start != starts[-1] else None
            yield Job(plan=plan, person=found.person, film=film, first=start, count=count)
        if info is not None and info.has_audio:
            yield Job(plan=plan, person=found.person, sounds=(film,))
    for sound in found.sounds:
        yield Job(plan=plan, person=found.person, sounds=(sound,))


def count_jobs(found: Found, films: Mapping[str, VideoInfo | None], fps: float, workers: int) -> int:
    """Return how many jobs `cut` makes of a person."""
    count = -(-len(found.pictures) // AT_ONCE) + len(found.sounds)
    for film in found.films:
        info = films.get(film)
        frames = 0 if info is None else frames_of(info, fps)
        count += max(1, -(-frames // max(FRAMES, -(-frames // (JOBS_A_WORKER * workers)))))
        count += info is not None and info.has_audio
    return count


def frames_of(info: VideoInfo, fps: float) -> int:
    """Return how many frames a film has at a rate, nearly."""
    return round(info.seconds * fps)


def do(job: Job) -> tuple[Item, ...]:
    """Do a job, or find that it is done; return its items."""
    if not job.plan.store.folder.joinpath(TOKEN).is_file():
        raise DataError(
            f"a worker does not see {job.plan.store.folder}. Source and data set have to lie in folders that "
            "all machines have under the same name."
        )
    if job.film:
        return tuple(_film(job))
    if job.sounds:
        return tuple(_sound(job, file) for file in job.sounds)
    return tuple(_picture(job, file) for file in job.pictures)


def _picture(job: Job, file: str) -> Item:
    plan = job.plan
    try:
        data = image.bytes_of(plan.root / file)
    except MediaError as error:
        key = _failed(plan, file, "unreadable", error)
        return Item(job.person, "picture", file, -1, key, "unreadable")
    key = _key(plan, hashlib.sha256(data).hexdigest())
    known = plan.store.read(key)
    if known is not None:
        return Item(job.person, "picture", file, -1, key, known["reason"])
    seen = work.look_at_file(data, eyes.opened(plan.opener), plan.settings)
    plan.store.write(key, seen.values, seen.parts)
    return Item(job.person, "picture", file, -1, key, seen.reason)


def _film(job: Job) -> Iterator[Item]:
    """Yield a part's frames; if all of them are known, the film is not even opened."""
    plan = job.plan
    path = plan.root / job.film
    number = job.first
    try:
        digest = _digest(path)
        mark = key_of("frames", digest, plan.fps, job.first, job.count)
        known = plan.store.read(mark)
        if known is not None:
            items = [_known(job, digest, job.first + k) for k in range(known["count"])]
            whole = [item for item in items if item is not None]
            if len(whole) == len(items):
                yield from whole
                return
        stop = None if job.count is None else job.first + job.count
        for picture in islice(video.read(path, fps=plan.fps), job.first, stop):
            item = _known(job, digest, number)
            if item is None:
                seen = work.look(picture, eyes.opened(plan.opener), plan.settings)
                key = _key(plan, digest, number)
                plan.store.write(key, seen.values, seen.parts)
                item = Item(job.person, "frame", job.film, number, key, seen.reason)
            yield item
            number += 1
        plan.store.write(mark, {"count": number - job.first})
    except (MediaError, CheckpointError) as error:
        key = _failed(plan, job.film, "film unreadable", error)
        yield Item(job.person, "frame", job.film, number, key, "film unreadable")


def _known(job: Job, digest: str, number: int) -> Item | None:
    key = _key(job.plan, digest, number)
    known = job.plan.store.read(key)
    return None if known is None else Item(job.person, "frame", job.film, number, key, known["reason"])


def _sound(job: Job, file: str) -> Item:
    plan = job.plan
    try:
        digest = _digest(plan.root / file)
    except CheckpointError as error:
        key = _failed(plan, file, "sound unreadable", error)
        return Item(job.person, "sound", file, -1, key, "sound unreadable")
    key = key_of("sound", digest, audio.RATE)
    known = plan.store.read(key)
    if known is None:
        known = sound_work.listen(plan.root / file, key, plan.store)
    return Item(job.person, "sound", file, -1, key, known["reason"])


def _key(plan: Plan, digest: str, number: int = -1) -> str:
    """Return the name of a picture's result: another one whenever anything it depends on is."""
    frame = [number, plan.fps] if number >= 0 else []
    return key_of("picture", digest, frame, plan.settings.known(), plan.fingerprint, phiz.__version__)


def _failed(plan: Plan, file: str, reason: str, error: Exception) -> str:
    """Write down why a file could not be read, and return the name of that; it is tried again next time."""
    key = key_of("failed", file, reason)
    text = str(error).replace(str(plan.root / file), "it")
    plan.store.write(key, {"reason": reason, "detail": text, "measures": {}, "thumb": ""})
    return key


def _digest(path: Path) -> str:
    try:
        about = path.stat()
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}.") from error
    return _digest_of(path, about.st_size, about.st_mtime_ns)


@lru_cache(maxsize=8)
def _digest_of(path: Path, size: int, changed: int) -> str:
    """Return the digest of a large file, read once a process as long as it does not change."""
    return checkpoint.digest(path)
