"""``phiz mimic``: somebody does what somebody else does in a video."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from phiz import pipelines, whom
from phiz.animate.animate import Look
from phiz.animate.finish import Finish
from phiz.console import Console
from phiz.errors import MediaError, UsageError
from phiz.media.provenance import ProvenanceConfig
from phiz.options import option, positional
from phiz.pipelines import Manner
from phiz.speech.dials import Dials
from phiz.studio import Studio
from phiz.whom import Method, Whom


@dataclass(frozen=True, kw_only=True)
class MimicConfig:
    """Who does the same as whom."""

    avatar: Path | None = positional(None)
    """The person: an avatar's file or a photo. With --seed this word is the video."""
    video: Path | None = positional(None)
    """What they do: a video or a folder of frames."""
    output: Path = option(Path("out.mp4"), "-o", "--output")
    """The film to write."""
    seed: int | None = None
    """Somebody who never lived, by number, instead of a file."""
    face: int | None = None
    """Which face of the photo, counted from the left and from 1; the largest without."""
    absolute: bool = False
    """Take the driver's poses as they are instead of from the driver's middle pose."""
    amount: float = 1.0
    """How far the face moves: 1 as the driver's, 0 not at all."""
    method: Method = "ours"
    """How they are made and drawn: our way, or step by step as published (needs --networks)."""
    look: Look = field(default=Look())
    finish: Finish = field(default=Finish())
    provenance: ProvenanceConfig = field(default=ProvenanceConfig())
    networks: Path | None = None
    """Folder of other networks than the built-in ones."""

    def __post_init__(self) -> None:
        if not 0 <= self.amount <= 3:
            raise ValueError("--amount goes from 0 to 3")


def mimic_verb(config: MimicConfig, console: Console) -> Mapping[str, object]:
    """Make a film of somebody who does what somebody does in a video.

    Only use faces of people who agreed to it, or of people who never lived.

    Examples:
        phiz mimic anna.avatar driver.mp4 -o mimic.mp4
        phiz mimic --seed 7 frames/ -o seven.mp4
    """
    is_driver = config.seed is not None and config.video is None
    driver = config.avatar if is_driver else config.video
    if driver is None:
        raise UsageError("say whom to mimic: phiz mimic AVATAR VIDEO -o out.mp4")
    if not driver.exists():
        raise MediaError(f"there is no video at {driver}. Check the name and the folder.")
    person = Whom(
        path=None if is_driver else config.avatar, seed=config.seed, face=config.face, method=config.method
    )
    studio = Studio.of(config.networks)
    someone = whom.meet(person, studio, console)
    manner = Manner(
        dials=Dials(lips=config.amount),
        is_absolute=config.absolute,
        method=config.method,
        look=config.look,
        finish=config.finish,
        provenance=config.provenance,
        made_of=person.files(),
    )
    film = pipelines.mimic_video(
        someone, driver, config.output, studio=studio, manner=manner, console=console
    )
    return pipelines.told(film, console)
