"""``phiz demo``: a person who never lived says a sentence, on any machine, without a download."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from phiz import whom
from phiz.animate.finish import Finish
from phiz.avatar import avatar
from phiz.console import Console
from phiz.errors import MediaError, UsageError
from phiz.face import models, retarget
from phiz.face.coeffs import Motion
from phiz.face.morphable import MorphableModel
from phiz.media import audio
from phiz.media.provenance import ProvenanceConfig
from phiz.options import option
from phiz.pipelines import Film, Manner, Speaker, key_of, painter, speaker, talk
from phiz.speech import files, spectrum
from phiz.speech.speak import speak
from phiz.studio import Studio
from phiz.whom import Whom
from phiz.world import paint
from phiz.world.grown.hair_styles import STYLES
from phiz.world.people import sample_person
from phiz.world.scene import portrait_scene

HELLO = Path(__file__).parent / "weights" / "hello.flac"
SENTENCE = "Hello. I am made of numbers, and every part of me can be trained."
"""What the built-in sound says; see docs/cards/hello.md."""
SOMEBODY = Path(__file__).parent / "weights" / "demo.avatar"
SEED = 5
"""Whom the built-in avatar shows, made by ``phiz avatar --seed 5``; also suits the built-in voice."""

SMALLEST, LARGEST = 32, 2048
LOOK_ABOUT, SLOWLY_S = 0.2, 5.0
"""Radians to each side that the head turns beside what speech does, and how long there and back takes."""


@dataclass(frozen=True, kw_only=True)
class DemoConfig:
    """Who says what, and where the film goes."""

    output: Path = option(Path("demo.mp4"), "-o", "--output")
    """The film to write."""
    seed: int = SEED
    """Which person, and which of the many ways to move while speaking. Others than 5 are made first."""
    audio: Path | None = None
    """Sound to say instead of the built-in sentence: any sound or video file."""
    size: int = 256
    """Height and width of the film in pixels."""
    drawn: Literal["avatar", "world"] = "avatar"
    """By an avatar's generator, or by the renderer that made the pictures which that has learned from."""
    head: str = models.BUILT_IN
    """Head model: the built-in one, or a folder or file of another, which only the world draws."""
    provenance: ProvenanceConfig = field(default=ProvenanceConfig())


def demo(config: DemoConfig, console: Console) -> Mapping[str, object]:
    """Make a short film of a talking head from nothing but a seed.

    Examples:
        phiz demo
        phiz demo --seed 7 --size 512 -o seven.mp4
        phiz demo --audio speech.wav --drawn world
    """
    if not SMALLEST <= config.size <= LARGEST:
        raise UsageError(f"--size {config.size} cannot be; choose {SMALLEST} to {LARGEST} pixels.")
    if config.seed < 0:
        raise UsageError(f"--seed {config.seed} cannot be; choose 0 or more.")
    sound = config.audio or HELLO
    if not sound.exists():
        raise MediaError(f"There is no sound at {sound}. Check the name and the folder.")
    is_world = config.drawn == "world" or config.head != models.BUILT_IN or not files.MOUTH.built_in.exists()
    console.say(f"Person {config.seed} says: {SENTENCE if sound is HELLO else sound.name}")
    film = of_world(config, sound, console) if is_world else of_avatar(config, sound, console)
    return report(film, config, console)


def of_avatar(config: DemoConfig, sound: Path, console: Console) -> Film:
    """Write the film of an avatar that turns its head while it speaks."""
    studio = Studio.built_in()
    if config.seed == SEED and SOMEBODY.exists():
        someone = avatar.load(SOMEBODY)
    else:
        someone = whom.meet(Whom(path=None, seed=config.seed), studio, console)
    manner = Manner(finish=Finish(size=config.size), seed=config.seed, provenance=config.provenance)

    said = speaker(someone, studio, manner)

    def speak_and_turn(file: Path) -> Motion:
        motion = said(file)
        phase = torch.arange(len(motion)) * (2 * math.pi / (SLOWLY_S * motion.fps))
        turned = motion.rotation.clone()
        turned[:, 1] += LOOK_ABOUT * phase.sin()
        return replace(motion, rotation=turned)

    return talk(
        sound,
        config.output,
        speak=speak_and_turn,
        paint=painter(someone, studio, manner),
        console=console,
        key=key_of(someone, manner),
        provenance=config.provenance,
    )


def of_world(config: DemoConfig, sound: Path, console: Console) -> Film:
    """Write the film of a person whom the world draws."""
    head = models.open_model(config.head)
    person = sample_person(config.seed, head, tuple(STYLES))
    scene = portrait_scene(config.seed, person, head)

    def paint_motion(motion: Motion) -> Iterator[Float[Tensor, "3 h w"]]:
        return paint.animate_person(person, scene, motion, head, config.size)

    return talk(
        sound,
        config.output,
        speak=speaker_of(head, config.seed),
        paint=paint_motion,
        console=console,
        key=f"world {config.seed} {config.size} {config.head}",
        provenance=config.provenance,
    )


def speaker_of(head: MorphableModel, seed: int) -> Speaker:
    """Return what lets a head say a sound: the built-in networks, or in a copy without them the spectrum."""
    if not files.MOUTH.built_in.exists():
        generator = torch.Generator().manual_seed(seed)
        return lambda sound: spectrum.speak(
            audio.read(sound), audio.RATE, head.expression_names, generator, basis=head.name
        )
    studio = Studio.built_in()
    is_other = studio.basis != head.name
    way = retarget.between(models.open_model(models.BUILT_IN), head) if is_other else None

    def heard(sound: Path) -> Motion:
        motion = speak(sound, None, studio, seed=seed)
        return motion if way is None else retarget.apply(way, motion)

    return heard


def report(film: Film, config: DemoConfig, console: Console) -> Mapping[str, object]:
    """Tell how long each stage took, and return the same for scripts."""
    stages = {
        "speaking": film.speaking_s,
        "painting": film.painting_s,
        "encoding": film.encoding_s,
    }
    rows = [(name, f"{s:.2f}", f"{1000 * s / film.frames:.1f}") for name, s in stages.items()]
    console.table(("stage", "seconds", "ms a frame"), rows)
    console.say(f"{film.path}: {film.seconds:.1f} s, {film.frames} frames of {config.size} x {config.size}.")
    return {
        "output": str(film.path),
        "seed": config.seed,
        "size": config.size,
        "frames": film.frames,
        "fps": film.fps,
        "seconds": film.seconds,
        "stages": stages,
    }
