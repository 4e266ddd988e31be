"""``phiz demo``: a person who never lived says a sentence, on any machine, without a download."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.console import Console
from phiz.errors import MediaError, UsageError
from phiz.face import models, retarget
from phiz.face.coeffs import Motion
from phiz.face.morphable import MorphableModel
from phiz.options import option
from phiz.pipelines import Film, Speaker, talk
from phiz.speech import files, spectrum
from phiz.speech.speak import speak
from phiz.studio import Studio
from phiz.world import paint
from phiz.world.grown.hair_styles import STYLES
from phiz.world.people import sample_person
from phiz.world.scene import portrait_scene

HELLO = Path(__file__).parent / "weights" / "hello.flac"
SENTENCE = "Hello. I am made of numbers, and every part of me can be trained."
"""What the built-in sound says; see docs/cards/hello.md."""

SMALLEST, LARGEST = 32, 2048


@dataclass(frozen=True, kw_only=True)
class DemoConfig:
    """Who says what, and where the film goes."""

    output: Path = option(Path("demo.mp4"), "-o", "--output")
    """The film to write."""
    seed: int = 5
    """Which person, and which of the many ways to move while speaking; 5 suits the built-in voice."""
    audio: Path | None = None
    """Sound to say instead of the built-in sentence: any sound or video file."""
    size: int = 256
    """Height and width of the film in pixels."""
    head: str = models.BUILT_IN
    """Head model: the built-in one, or a folder or file of another."""


def demo(config: DemoConfig, console: Console) -> Mapping[str, object]:
    """Make a short film of a talking head from nothing but a seed.

    Examples:
        phiz demo
        phiz demo --seed 7 --size 512 -o seven.mp4
        phiz demo --audio speech.wav
    """
    if not SMALLEST <= config.size <= LARGEST:
        raise UsageError(f"--size {config.size} cannot be; choose {SMALLEST} to {LARGEST} pixels.")
    if config.seed < 0:
        raise UsageError(f"--seed {config.seed} cannot be; choose 0 or more.")
    sound = config.audio or HELLO
    if not sound.exists():
        raise MediaError(f"There is no sound at {sound}. Check the name and the folder.")
    head = models.open_model(config.head)
    person = sample_person(config.seed, head, tuple(STYLES))
    scene = portrait_scene(config.seed, person, head)
    speaker = speaker_of(head, config.seed)

    def paint_motion(motion: Motion) -> Iterator[Float[Tensor, "3 h w"]]:
        return paint.animate_person(person, scene, motion, head, config.size)

    console.say(f"Person {config.seed} says: {SENTENCE if sound is HELLO else sound.name}")
    film = talk(sound, config.output, speak=speaker, paint=paint_motion, console=console)
    return report(film, config, console)


def speaker_of(head: MorphableModel, seed: int) -> Speaker:
    """Return what lets a head say a sound: the built-in networks, or in a copy without them the spectrum."""
    if not files.MOUTH.built_in.exists():
        generator = torch.Generator().manual_seed(seed)
        return lambda waveform, rate: spectrum.speak(
            waveform, rate, head.expression_names, generator, basis=head.name
        )
    studio = Studio.built_in()
    is_other = studio.basis != head.name
    way = retarget.between(models.open_model(models.BUILT_IN), head) if is_other else None

    def heard(waveform: Float[Tensor, " n"], rate: int) -> Motion:
        motion = speak(waveform, None, studio, seed=seed)
        return motion if way is None else retarget.apply(way, motion)

    return heard


def report(film: Film, config: DemoConfig, console: Console) -> Mapping[str, object]:
    """Tell how long each stage took, and return the same for scripts."""
    stages = {
        "listening": film.listening_s,
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
