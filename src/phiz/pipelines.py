"""The recipes, and the place to start reading: a person, a motion, a film.

    talk_from_seed(7, Path("speech.wav"), Path("seven.mp4"))
    talk_from_photo(Path("anna.jpg"), Path("speech.wav"), Path("anna.mp4"))
    talk_with_poses(someone, Path("speech.wav"), Path("nodding.mp4"), Path("film.mp4"))
    mimic_video(someone, Path("driver.mp4"), Path("film.mp4"))

Two ways to a person (a seed, a photo) and three to a motion (speech; speech and somebody's head; somebody's
film) meet in `film`: frames are drawn while earlier ones are being written, so that a lecture takes no more
memory than a sentence.
"""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from phiz import published_recipes, whom
from phiz.animate import driving, opening
from phiz.animate.animate import Look, Stage, played
from phiz.animate.driving import Driver
from phiz.animate.finish import Finish, finished, resized
from phiz.avatar.avatar import Avatar
from phiz.checkpoint import SUFFIX
from phiz.console import Console
from phiz.face import models
from phiz.face.coeffs import Motion
from phiz.media import audio, chunks, stages
from phiz.media.provenance import Ingredient, ProvenanceConfig, finish, marked
from phiz.speech.dials import Dials
from phiz.speech.speak import speak
from phiz.studio import Studio
from phiz.whom import Method, Whom

Speaker = Callable[[Path], Motion]
"""What somebody does who says what is in a file."""

Painter = Callable[[Motion], Iterator[Float[Tensor, "3 h w"]]]
"""What one sees when somebody moves like this, frame by frame."""

FILM_RATE = 48_000
"""Samples a second of a film's sound, whatever the networks listen to."""
AHEAD = 8
"""Frames that are drawn before the encoder has taken the last one."""


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How somebody speaks, and how they are drawn."""

    dials: Dials = field(default=Dials())
    seed: int = 0
    """Which of the many ways to blink, to look about and to sway."""
    style: str = ""
    """Which way to move the head, of those that the network has learned."""
    latency_ms: float = 480
    """How far ahead the sound is heard."""
    is_absolute: bool = False
    """Whether given poses are those of the driver's camera; else they count from the driver's middle pose."""
    method: Method = "ours"
    """How somebody is made, speaks and is drawn: our way, or step by step as published."""
    look: Look = field(default=Look())
    finish: Finish = field(default=Finish())
    provenance: ProvenanceConfig = field(default=ProvenanceConfig())
    made_of: tuple[Ingredient, ...] = ()
    """Files that the film's manifest names beside the sound: the photo, the avatar."""


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
    bridged: int = 0
    """Frames of a driving video in which no face was found."""

    @property
    def seconds(self) -> float:
        return self.frames / self.fps


def talk_from_seed(
    seed: int,
    sound: Path,
    output: Path,
    *,
    studio: Studio | None = None,
    manner: Manner | None = None,
    console: Console | None = None,
) -> Film:
    """Write a film of somebody who never lived; return what was made."""
    studio, manner, console = _set(studio, manner, console)
    someone = whom.meet(Whom(path=None, seed=seed, method=manner.method), studio, console)
    return talk_as(someone, sound, output, studio=studio, manner=manner, console=console)


def talk_from_photo(
    picture: Path,
    sound: Path,
    output: Path,
    *,
    studio: Studio | None = None,
    manner: Manner | None = None,
    console: Console | None = None,
) -> Film:
    """Write a film of the person in a photo; return what was made."""
    studio, manner, console = _set(studio, manner, console)
    someone = whom.meet(Whom(path=picture, method=manner.method), studio, console)
    return talk_as(someone, sound, output, studio=studio, manner=manner, console=console)


def talk_as(
    someone: Avatar,
    sound: Path,
    output: Path,
    *,
    studio: Studio | None = None,
    manner: Manner | None = None,
    console: Console | None = None,
) -> Film:
    """Write a film of a person who says what is heard; return what was made."""
    studio, manner, console = _set(studio, manner, console)
    return talk(
        sound,
        output,
        speak=speaker(someone, studio, manner),
        paint=painter(someone, studio, manner),
        console=console,
        key=key_of(someone, manner),
        provenance=manner.provenance,
        made_of=_made_of(manner, studio),
    )


def talk_with_poses(
    someone: Avatar,
    sound: Path,
    poses: Path,
    output: Path,
    *,
    studio: Studio | None = None,
    manner: Manner | None = None,
    console: Console | None = None,
) -> Film:
    """Write a film of a person who speaks, and moves their head as in a video, a folder or a motion."""
    studio, manner, console = _set(studio, manner, console)
    driver = _driver(poses, studio, manner, console)
    still = replace(manner, dials=replace(manner.dials, head=0.0))
    said = speaker(someone, studio, still)

    def speak_with_head(file: Path) -> Motion:
        is_absolute = manner.is_absolute or manner.method == "published"
        return driving.with_head(said(file), driver.motion, is_absolute=is_absolute)

    film = talk(
        sound,
        output,
        speak=speak_with_head,
        paint=painter(someone, studio, manner, follows_poses=True),
        console=console,
        key=key_of(someone, manner),
        provenance=manner.provenance,
        made_of=(*_made_of(manner, studio), *_files(poses)),
    )
    return replace(film, bridged=driver.bridged)


def mimic_video(
    someone: Avatar,
    driver: Path,
    output: Path,
    *,
    studio: Studio | None = None,
    manner: Manner | None = None,
    console: Console | None = None,
) -> Film:
    """Write a film of a person who does what somebody does in a video, with its sound if it has one."""
    studio, manner, console = _set(studio, manner, console)
    start = time.perf_counter()
    found = _driver(driver, studio, manner, console)
    motion = found.motion
    if manner.method == "ours":
        motion = driving.mimicked(
            motion,
            someone,
            face=found.face,
            is_absolute=manner.is_absolute,
            amount=manner.dials.lips,
        )
    seen = time.perf_counter()
    sound = driver if driving.has_sound(driver) else None
    made_of = (*_made_of(manner, studio), *_files(driver))
    paint, key = painter(someone, studio, manner, follows_poses=True), key_of(someone, manner)
    film = _filmed(motion, sound, output, paint, console, key, manner.provenance, made_of)
    return replace(film, listening_s=seen - start, bridged=found.bridged)


def talk(
    sound: Path,
    output: Path,
    *,
    speak: Speaker,
    paint: Painter,
    console: Console,
    key: str = "",
    provenance: ProvenanceConfig | None = None,
    made_of: Sequence[Ingredient] = (),
) -> Film:
    """Write a film of somebody who says what `sound` says; whoever speaks and paints is given.

    `key` says in any words who is painted and how, so that a film that was interrupted goes on.
    """
    start = time.perf_counter()
    motion = speak(sound)
    for doubt in audio.doubts(sound):
        console.warn(doubt)
    spoken = time.perf_counter()
    of_all = [*made_of, Ingredient.of(sound)]
    film = _filmed(motion, sound, output, paint, console, key, provenance or ProvenanceConfig(), of_all)
    return replace(film, speaking_s=spoken - start)


def speaker(someone: Avatar, studio: Studio, manner: Manner) -> Speaker:
    """Return what a person does who says something."""
    if manner.method == "published":
        return lambda sound: published_recipes.said(studio, someone, sound)

    def said(sound: Path) -> Motion:
        motion = speak(
            sound,
            someone.rest,
            studio,
            dials=manner.dials,
            seed=manner.seed,
            latency_ms=manner.latency_ms,
            style=manner.style,
        )
        return opening.spoken(motion, someone.rest, models.open_model(someone.head))

    return said


def painter(someone: Avatar, studio: Studio, manner: Manner, *, follows_poses: bool = False) -> Painter:
    """Return what one sees of a person who moves.

    As published, the camera stands still unless it follows the poses of a motion.
    """
    if manner.method == "published":
        return lambda motion: (
            resized(frame, manner.finish.size) if manner.finish.size else frame
            for frame in published_recipes.painted(studio, someone, motion, follows_poses=follows_poses)
        )
    stage = Stage.of(someone, manner.look, studio)
    return lambda motion: finished(played(stage, motion), manner.finish, stage)


def key_of(someone: Avatar, manner: Manner) -> str:
    """Return a text that is another one for another person, or another way to draw them."""
    return f"{fingerprint(someone)} {manner.method} {manner.look} {manner.finish}"


def fingerprint(*parts: Motion | Avatar) -> str:
    """Return a text that is another one for another motion or another person."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, Avatar):
            tensors = [
                part.w,
                part.rest.identity,
                part.rest.expression,
                *part.generator.state_dict().values(),
            ]
            tensors += [] if part.planes is None else [part.planes]
        else:
            tensors = [part.expression, part.rotation, part.translation, part.gaze, part.blink]
        for tensor in tensors:
            total.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()[:16]


def _set(
    studio: Studio | None, manner: Manner | None, console: Console | None
) -> tuple[Studio, Manner, Console]:
    """Return what a recipe works with: what was given, or the built-in networks, our manner and silence."""
    return studio or Studio.built_in(), manner or Manner(), console or Console(quiet=True)


def _driver(path: Path, studio: Studio, manner: Manner, console: Console) -> Driver:
    if manner.method == "published" and path.suffix != SUFFIX:
        return Driver(motion=published_recipes.driven(studio, path), bridged=0)
    return driving.motion_of(path, console)


def _made_of(manner: Manner, studio: Studio) -> tuple[Ingredient, ...]:
    """Return what a film's manifest names: the person's file, and the networks that move them."""
    return (*manner.made_of, *(Ingredient.of(path, is_network=True) for path in studio.sources))


def _files(path: Path) -> list[Ingredient]:
    return [Ingredient.of(path)] if path.is_file() else []


def _filmed(
    motion: Motion,
    sound: Path | None,
    output: Path,
    paint: Painter,
    console: Console,
    key: str,
    provenance: ProvenanceConfig,
    made_of: Sequence[Ingredient],
) -> Film:
    """Write a film of a motion: drawing runs ahead of writing, and what an earlier run wrote stays."""
    start = time.perf_counter()
    painting = Stopwatch()
    from_start = painting.timed(paint(motion))
    first = next(from_start)

    def frames_from(number: int) -> Iterator[Float[Tensor, "3 h w"]]:
        rest = painting.timed(paint(motion[number:])) if number else itertools.chain([first], from_start)
        drawn = stages.ahead(rest, AHEAD)
        shown = console.progress(drawn, total=len(motion) - number, label="painting")
        return marked(shown, provenance)

    job = chunks.Job(
        path=output,
        key=f"{key} {fingerprint(motion)} {provenance}",
        total=len(motion),
        fps=motion.fps,
        size=(first.shape[1], first.shape[2]),
    )
    track = None if sound is None else audio.iterate(sound, FILM_RATE)
    try:
        made = chunks.write(job, frames_from, audio=track, rate=FILM_RATE, say=console.say)
    except KeyboardInterrupt:
        if output.exists():  # a shorter film, which says where it comes from as any other
            finish(output, provenance, made_of)
        raise
    finish(output, provenance, made_of)
    total = time.perf_counter() - start
    return Film(
        path=output,
        frames=made.frames,
        fps=motion.fps,
        listening_s=0.0,
        speaking_s=0.0,
        painting_s=painting.seconds,
        encoding_s=max(total - painting.seconds, 0.0),
    )


def told(film: Film, console: Console) -> Mapping[str, object]:
    """Tell how long each stage of a film took, and return the same for scripts."""
    stages = {
        "listening": film.listening_s,
        "speaking": film.speaking_s,
        "painting": film.painting_s,
        "encoding": film.encoding_s,
    }
    rows = [(name, f"{s:.2f}", f"{1000 * s / film.frames:.1f}") for name, s in stages.items() if s > 0]
    console.table(("stage", "seconds", "ms a frame"), rows)
    console.say(f"{film.path}: {film.seconds:.1f} s, {film.frames} frames.")
    return {
        "output": str(film.path),
        "frames": film.frames,
        "fps": film.fps,
        "seconds": film.seconds,
        "stages": stages,
        "bridged": film.bridged,
    }


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
