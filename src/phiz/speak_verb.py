"""``phiz speak``: a sound or a text becomes a motion, for our own heads and as a table for others'."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from phiz.console import Console
from phiz.errors import HeadError, MediaError, UsageError
from phiz.face import livelink
from phiz.face.coeffs import Motion
from phiz.face.morphable import ARKIT_NAMES
from phiz.media import audio
from phiz.options import option, positional
from phiz.speech import files
from phiz.speech.dials import Dials
from phiz.speech.sources import Source
from phiz.speech.speak import speak
from phiz.speech_text import SaidText, told_by, voice_named
from phiz.studio import Studio


@dataclass(frozen=True, kw_only=True)
class SpeakConfig:
    """What is said, and how."""

    audio: Path | None = positional(None)
    """Sound of somebody who speaks: any sound or video file."""
    output: Path = option(Path("motion.safetensors"), "-o", "--output")
    """The motion to write."""
    csv: Path | None = None
    """Write a table in the columns of Live Link Face as well, to drive other engines' avatars."""
    text: str = ""
    """Say this instead of a sound, with a voice that is installed here."""
    language: str = "en"
    """Language of the text."""
    voice: str = ""
    """Engine that reads the text: espeak, flite, festival or formant; otherwise the best that is here."""
    sound: Path | None = None
    """Write how the text sounds to this file."""
    lips: Literal["phones", "heard"] = "phones"
    """Whether a text's mouth comes from its phones or is heard, as that of any other sound."""
    networks: Path | None = None
    """Folder of other networks than the built-in ones: our own, or the published ones after an import."""
    dials: Dials = field(default=Dials())
    seed: int = 0
    """Which of the many ways to blink, to look about and to sway, and which voice."""
    style: str = ""
    """Which way to move the head, of those that the network has learned: a name, or a published number."""
    latency: float = 480.0
    """Milliseconds that a stream would be late; the network hears so far ahead."""

    def __post_init__(self) -> None:
        if (self.audio is None) == (not self.text):
            raise ValueError("give either a sound or a text: phiz speak AUDIO, or phiz speak --text 'Hello.'")
        if self.seed < 0:
            raise ValueError(f"--seed {self.seed} cannot be; choose 0 or more")
        if self.sound is not None and not self.text:
            raise ValueError("--sound is for what a text sounds like; there is a sound already")


def speak_verb(config: SpeakConfig, console: Console) -> Mapping[str, object]:
    """Make a motion of a sound or a text: lips, brows, blinks, gaze and head.

    Examples:
        phiz speak speech.wav -o motion.safetensors
        phiz speak speech.wav --csv arkit.csv --dials.head 0.5 --seed 3
        phiz speak --text "Hello there." --sound hello.wav
    """
    said = voice_named(config.voice).speak(config.text, config.language, config.seed) if config.text else None
    knows = said is not None and said.phones is not None and config.lips == "phones"
    studio = _studio(config, is_needed=not knows)
    names = ARKIT_NAMES if knows else studio.names
    if config.csv is not None and not names:
        raise HeadError(
            f"--csv needs ARKit's expressions, which {studio.basis!r} does not have. Write the motion alone, "
            "and make it one of another head: phiz head retarget"
        )
    motion = speak(
        _sound(config, said),
        None,
        studio,
        dials=config.dials,
        seed=config.seed,
        latency_ms=config.latency,
        style=config.style,
        source=_source(said) if knows and said is not None else None,
    )
    written = _write(config, motion, names, said)
    console.say(
        f"{' and '.join(written)}: {len(motion)} frames, {motion.seconds:.1f} s, of {motion.basis!r}."
    )
    return {"output": written[0], "csv": str(config.csv) if config.csv else None, "frames": len(motion),
            "fps": motion.fps, "basis": motion.basis}  # fmt: skip


def _studio(config: SpeakConfig, *, is_needed: bool) -> Studio:
    """Return the networks that were asked for; phones need none, but a head may be turned by one."""
    if config.networks is None:
        return Studio.built_in() if is_needed or files.MOUTH.built_in.exists() else Studio()
    if not config.networks.is_dir():
        raise UsageError(f"{config.networks} is no folder. Name one that holds networks of speech.")
    return Studio.open(config.networks)


def _sound(config: SpeakConfig, said: SaidText | None) -> Path | Float[Tensor, " n"]:
    if said is not None:
        return said.waveform
    assert config.audio is not None
    if not config.audio.exists():
        raise MediaError(f"There is no sound at {config.audio}. Check the name and the folder.")
    return config.audio


def _source(said: SaidText) -> Source:
    assert said.phones is not None
    return told_by(said.phones, said.waveform)


def _write(config: SpeakConfig, motion: Motion, names: tuple[str, ...], said: SaidText | None) -> list[str]:
    """Write all that was asked for; return the names of the files."""
    written = [config.output]
    motion.save(config.output)
    if config.csv is not None:
        livelink.write(config.csv, motion, names)
        written.append(config.csv)
    if config.sound is not None and said is not None:
        audio.write(config.sound, said.waveform)
        written.append(config.sound)
    return [str(path) for path in written]
