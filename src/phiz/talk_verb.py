"""``phiz talk``: somebody says something, and moves their own head or another's."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from phiz import pipelines, speech_text, whom
from phiz.animate.animate import Look
from phiz.animate.finish import Finish
from phiz.console import Console
from phiz.errors import MediaError, UsageError
from phiz.media import audio
from phiz.media.provenance import ProvenanceConfig
from phiz.options import option, positional
from phiz.pipelines import Manner
from phiz.speech.dials import Dials
from phiz.studio import Studio
from phiz.whom import Method, Whom


@dataclass(frozen=True, kw_only=True)
class TalkConfig:
    """Who says what, and how."""

    avatar: Path | None = positional(None)
    """The person: an avatar's file or a photo. With --seed this word is the sound."""
    audio: Path | None = positional(None)
    """What they say: any sound or video file."""
    output: Path = option(Path("out.mp4"), "-o", "--output")
    """The film to write."""
    seed: int | None = None
    """Somebody who never lived, by number, instead of a file."""
    face: int | None = None
    """Which face of the photo, counted from the left and from 1; the largest without."""
    text: str = ""
    """Say this instead of a sound, with a voice that is installed here."""
    language: str = "en"
    """Language of the text."""
    voice: str = ""
    """Engine that reads the text; otherwise the best that is here."""
    poses: Path | None = None
    """Move the head as in this video, folder of frames or motion."""
    absolute: bool = False
    """Take given poses as they are instead of from the driver's middle pose."""
    dials: Dials = field(default=Dials())
    chance: int = 0
    """Which of the many ways to blink, to look about and to sway."""
    style: str = ""
    """Which way to move the head, of those that the network has learned."""
    method: Method = "ours"
    """How they are made and drawn: our way, or step by step as published (needs --networks)."""
    look: Look = field(default=Look())
    finish: Finish = field(default=Finish())
    provenance: ProvenanceConfig = field(default=ProvenanceConfig())
    networks: Path | None = None
    """Folder of other networks than the built-in ones."""

    def sound(self) -> Path | None:
        """Return the sound's file, wherever it stands on the command line."""
        if self.seed is not None and self.audio is None:
            return self.avatar
        return self.audio

    def whom(self) -> Whom:
        """Return whom the command is about."""
        is_sound = self.seed is not None and self.audio is None
        return Whom(
            path=None if is_sound else self.avatar, seed=self.seed, face=self.face, method=self.method
        )


def talk_verb(config: TalkConfig, console: Console) -> Mapping[str, object]:
    """Make a film of somebody who says a sound or a text.

    Only use faces and voices of people who agreed to it, or of people who never lived.

    Examples:
        phiz talk anna.avatar speech.wav -o anna.mp4
        phiz talk portrait.jpg speech.wav -o talk.mp4
        phiz talk --seed 7 speech.wav --dials.head 0.5 -o seven.mp4
        phiz talk anna.avatar --text "Good morning." --poses nodding.mp4 -o hello.mp4
    """
    sound, person = config.sound(), config.whom()
    if (sound is None) == (not config.text):
        raise UsageError("give either a sound or --text: phiz talk AVATAR AUDIO -o out.mp4")
    if sound is not None and not sound.exists():
        raise MediaError(f"there is no sound at {sound}. Check the name and the folder.")
    studio = Studio.of(config.networks)
    someone = whom.meet(person, studio, console)
    manner = Manner(
        dials=config.dials,
        seed=config.chance,
        style=config.style,
        is_absolute=config.absolute,
        method=config.method,
        look=config.look,
        finish=config.finish,
        provenance=config.provenance,
        made_of=person.files(),
    )
    with tempfile.TemporaryDirectory(prefix="phiz-") as folder:
        if sound is None:
            sound = Path(folder) / "said.wav"
            said = speech_text.voice_named(config.voice).speak(config.text, config.language, config.chance)
            audio.write(sound, said.waveform)
        if config.poses is None:
            film = pipelines.talk_as(
                someone, sound, config.output, studio=studio, manner=manner, console=console
            )
        else:
            film = pipelines.talk_with_poses(
                someone, sound, config.poses, config.output, studio=studio, manner=manner, console=console
            )
    return pipelines.told(film, console)
