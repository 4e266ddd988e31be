"""``phiz spin``: somebody seen from all sides, by a camera that goes where one asks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from phiz import whom
from phiz.animate import paths
from phiz.animate.animate import Look, Stage
from phiz.console import Console
from phiz.face.coeffs import still
from phiz.graphics import camera as cameras
from phiz.graphics.camera import Camera
from phiz.media import video
from phiz.options import option, positional
from phiz.studio import Studio
from phiz.whom import Whom
from phiz.world import portrait

FPS = 25


@dataclass(frozen=True, kw_only=True)
class SpinConfig:
    """Who is seen, and from where."""

    avatar: Path | None = positional(None)
    """The person: an avatar's file or a photo."""
    output: Path = option(Path("turn.mp4"), "-o", "--output")
    """The film to write."""
    seed: int | None = None
    """Somebody who never lived, by number, instead of a file."""
    face: int | None = None
    """Which face of the photo, counted from the left and from 1; the largest without."""
    path: Literal["circle", "sway", "nod"] = "circle"
    """How the camera goes."""
    camera: Path | None = None
    """A way of your own: a JSON file of stops with yaw, pitch (degrees) and closer."""
    seconds: float = 4.0
    """Length of the film."""
    yaw: float = 30.0
    """How far to the sides, in degrees; beyond 45 nothing was learned."""
    pitch: float = 10.0
    """How far up and down, in degrees."""
    look: Look = field(default=Look())
    networks: Path | None = None
    """Folder of other networks than the built-in ones."""

    def __post_init__(self) -> None:
        if not 0.1 <= self.seconds <= 3600:
            raise ValueError("--seconds goes from 0.1 to 3600")
        if not (0 <= self.yaw <= 90 and 0 <= self.pitch <= 60):
            raise ValueError("--yaw goes from 0 to 90 degrees, --pitch from 0 to 60")


def spin_verb(config: SpinConfig, console: Console) -> Mapping[str, object]:
    """Film a person from all sides, sitting still.

    Only use faces of people who agreed to it, or of people who never lived.

    Examples:
        phiz spin anna.avatar -o turn.mp4
        phiz spin --seed 7 --path sway --yaw 40 -o seven.mp4
        phiz spin anna.avatar --camera way.json -o way.mp4
    """
    frames = max(round(config.seconds * FPS), 1)
    if config.camera is None:
        way = paths.path(config.path, frames, yaw=math.radians(config.yaw), pitch=math.radians(config.pitch))
    else:
        way = paths.read(config.camera, frames)
    studio = Studio.of(config.networks)
    person = Whom(path=config.avatar, seed=config.seed, face=config.face)
    stage = Stage.of(whom.meet(person, studio, console), config.look, studio)
    shown = console.progress(turning(stage, way), total=frames, label="painting")
    video.write(config.output, shown, fps=FPS)
    console.say(f"{config.output}: {frames / FPS:.1f} s, {frames} frames.")
    return {"output": str(config.output), "frames": frames, "fps": FPS}


def turning(stage: Stage, way: Float[Tensor, "t 3"]) -> Iterator[Float[Tensor, "3 h w"]]:
    """Yield what a camera sees on its way: yaw, pitch and closeness a frame."""
    rest, head = stage.avatar.rest, stage.head
    quiet = still(head.name, head.sizes.expression, 1)
    quiet = replace(quiet, expression=rest.expression, gaze=rest.gaze)
    for yaw, pitch, closer in way:
        yield stage.draw(quiet, _seen_from(yaw, pitch, float(closer)))[0]


def _seen_from(yaw: Tensor, pitch: Tensor, closer: float) -> Camera:
    return cameras.zoom(portrait.view_camera(yaw[None], pitch[None]), closer)
