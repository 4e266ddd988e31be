"""How much there is to do, how long it will take and how much room: told before it begins."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

from phiz.console import Console, duration
from phiz.errors import MediaError
from phiz.media import image, video
from phiz.media.video import VideoInfo
from phiz.prepare import jobs, work
from phiz.prepare.eyes import Eyes
from phiz.prepare.gather import Found
from phiz.prepare.jobs import Plan
from phiz.prepare.store import Store
from phiz.prepare.work import Seen

SAMPLES = 4
"""Pictures that are looked at to see how long one takes."""
TYPICAL_BYTES_A_PIXEL = 0.35
"""Of crops as JPEG, where no sample was kept."""
RESULT_BYTES = 12_000
"""Of the result of one picture: points, coefficients and a small picture for the sheet."""
SOUND_BYTES = 2 * 2 * 16_000
"""A second of sound, in the store and in the data set."""


@dataclass
class Amount:
    """What there is in a folder; it grows with films, not with pictures."""

    people: int = 0
    pictures: int = 0
    frames: int = 0
    """Of films, at the wanted rate."""
    sounds: int = 0
    strays: int = 0
    jobs: int = 0
    seconds: float = 0.0
    """Of the films' sounds; other sounds are not measured beforehand."""
    films: dict[str, VideoInfo | None] = field(default_factory=dict)
    """None for those that cannot be read."""
    samples: list[str] = field(default_factory=list)
    """A few pictures, spread over the people."""

    @property
    def looks(self) -> int:
        """Return how many pictures have to be looked at."""
        return self.pictures + self.frames


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a run will take."""

    seconds_each: float
    measured_on: int
    """Pictures; 0: nothing could be measured."""
    done: int
    """Results that are there, at most."""
    seconds: float
    disk: float
    """Bytes."""
    free: float


def survey(found: Iterable[Found], root: Path, fps: float, workers: int) -> Amount:
    """Return how much there is, after opening each film."""
    amount = Amount()
    step = 1
    for one in found:
        amount.people += 1
        amount.pictures += len(one.pictures)
        amount.sounds += len(one.sounds)
        amount.strays += one.strays
        for film in one.films:
            info = _probed(root / film)
            amount.films[film] = info
            if info is not None:
                amount.frames += jobs.frames_of(info, fps)
                amount.seconds += info.seconds if info.has_audio else 0
        amount.jobs += jobs.count_jobs(one, amount.films, fps, workers)
        if amount.people % step == 0:
            if len(amount.samples) > 2 * SAMPLES:
                amount.samples, step = amount.samples[::2], 2 * step
            amount.samples += one.pictures[:: max(1, -(-len(one.pictures) // SAMPLES))][:SAMPLES]
    amount.samples = amount.samples[:: max(1, len(amount.samples) // SAMPLES)][:SAMPLES]
    return amount


def measure(
    amount: Amount,
    plan: Plan,
    eyes: Eyes,
    *,
    workers: int,
    clock: Callable[[], float] = time.perf_counter,
) -> Cost:
    """Return what the work will take, after doing a little of it; nothing is written."""
    done = min(_results(plan.store), amount.looks)
    left = amount.looks - done
    times: list[float] = []
    sizes: list[int] = []
    for look in _samples(amount, plan, eyes) if left else ():
        begun = clock()
        seen = look()
        times.append(clock() - begun)
        sizes += [sum(len(part) for part in seen.parts.values())] if not seen.reason else []
    if len(times) > 1:
        del times[0]  # it warmed everything up
    each = sum(times) / max(len(times), 1)
    typical = TYPICAL_BYTES_A_PIXEL * plan.settings.size**2
    room = sum(sizes) / len(sizes) if sizes else typical
    return Cost(
        seconds_each=each,
        measured_on=len(times),
        done=done,
        seconds=left * each / max(1, min(workers, amount.jobs)),
        disk=left * (room + RESULT_BYTES) + amount.seconds * SOUND_BYTES,
        free=float(shutil.disk_usage(_existing(plan.store.folder)).free),
    )


def tell(amount: Amount, cost: Cost, workers: int, console: Console) -> None:
    """Say what there is and what it will take."""
    films = f", {len(amount.films)} films with about {amount.frames} frames" if amount.films else ""
    console.say(
        f"found: {amount.people} people, {amount.pictures} pictures{films}, {amount.sounds} sounds"
        + (f"; {amount.strays} other files are passed over" if amount.strays else "")
    )
    if cost.done:
        console.say(f"about {cost.done} of them are done already")
    places = f"{workers} process{'es' * (workers != 1)}"
    took = f", {cost.seconds_each:.2g} s a picture measured on {cost.measured_on}" if cost.measured_on else ""
    console.say(
        f"this takes about {duration(cost.seconds)} on {places}{took}, and up to {size(cost.disk)} of disk "
        f"({size(cost.free)} are free)"
    )
    if cost.disk > cost.free:
        console.warn(
            f"the disk may run full: {size(cost.disk)} are needed at most, {size(cost.free)} are free. Stop "
            "here (Ctrl-C) and choose another disk with -o, or a smaller --size; what is finished is kept"
        )


def plain(amount: Amount, cost: Cost) -> Mapping[str, object]:
    """Return both as plain JSON."""
    return {
        "people": amount.people,
        "pictures": amount.pictures,
        "films": len(amount.films),
        "frames": amount.frames,
        "sounds": amount.sounds,
        "passed_over": amount.strays,
        "done": cost.done,
        "seconds": round(cost.seconds, 1),
        "seconds_a_picture": round(cost.seconds_each, 3),
        "disk_bytes": round(cost.disk),
        "free_bytes": round(cost.free),
    }


def size(count: float) -> str:
    """Return a number of bytes in words."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def _samples(amount: Amount, plan: Plan, eyes: Eyes) -> Iterator[Callable[[], Seen]]:
    """Yield looks at a few pictures; at a film's first frames where there are no pictures."""
    for file in amount.samples:
        try:
            data = image.bytes_of(plan.root / file)
        except MediaError:
            continue
        yield partial(work.look_at_file, data, eyes, plan.settings)
    film = next((name for name, info in amount.films.items() if info is not None), None)
    if amount.samples or film is None:
        return
    try:
        for picture in islice(video.read(plan.root / film, fps=plan.fps), SAMPLES):
            yield partial(work.look, picture, eyes, plan.settings)
    except MediaError:
        return  # told when its turn comes


def _probed(path: Path) -> VideoInfo | None:
    try:
        return video.probe(path)
    except MediaError:
        return None  # told as one that was dropped, when its turn comes


def _results(store: Store) -> int:
    return sum(1 for _ in store.folder.glob("??/*.json"))


def _existing(path: Path) -> Path:
    """Return the nearest folder on the way that exists."""
    return next(place for place in (path.resolve(), *path.resolve().parents) if place.exists())
