"""``phiz avatar``: a photo or a seed becomes a person who can act, as one file."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from phiz import whom
from phiz.avatar import avatar, invert
from phiz.avatar.descent import Keep, beside
from phiz.console import Console
from phiz.errors import UsageError
from phiz.media import image
from phiz.options import option, positional
from phiz.studio import Studio
from phiz.whom import Method, Whom


@dataclass(frozen=True, kw_only=True)
class AvatarConfig:
    """Whom to make."""

    photo: Path | None = positional(None)
    """A picture with a face: any size, any kind of file."""
    output: Path = option(Path("a.avatar"), "-o", "--output")
    """The avatar to write."""
    seed: int | None = None
    """Somebody who never lived, by number, instead of a photo."""
    face: int | None = None
    """Which face of the photo, counted from the left and from 1; the largest without."""
    seconds: float | None = None
    """How long to tune; 0 leaves a seed as the generator draws it."""
    method: Method = "ours"
    """Our way, or projection and pivotal tuning as published (needs --networks, and hours without a GPU)."""
    preview: Path | None = None
    """Write a picture of the person from several sides, to be looked at."""
    networks: Path | None = None
    """Folder of other networks than the built-in ones."""


def avatar_verb(config: AvatarConfig, console: Console) -> Mapping[str, object]:
    """Make an avatar of the face in a photo, or of somebody who never lived.

    Only use faces of people who agreed to it. Interrupted, the same command goes on where it was.

    Examples:
        phiz avatar portrait.jpg -o anna.avatar --preview anna.png
        phiz avatar group.jpg --face 2 -o second.avatar
        phiz avatar --seed 7 -o seven.avatar
    """
    if config.output.suffix != avatar.SUFFIX:
        raise UsageError(f"avatars are written as {avatar.SUFFIX}. Rename {config.output}.")
    begun = time.perf_counter()
    studio = Studio.of(config.networks)
    person = Whom(
        path=config.photo,
        seed=config.seed,
        face=config.face,
        seconds=config.seconds,
        method=config.method,
    )
    keep = Keep(path=beside(config.output, "tuning"), every=100)
    someone = whom.meet(person, studio, console, keep)
    someone.save(config.output)
    keep.discard()
    if config.preview is not None:
        image.write(config.preview, invert.preview(someone))
    taken = time.perf_counter() - begun
    size = config.output.stat().st_size
    console.say(f"{config.output}: {size / 1e6:.1f} MB, made in {taken:.0f} s.")
    return {
        "output": str(config.output),
        "bytes": size,
        "made_in_s": round(taken, 2),
        **{str(name): value for name, value in someone.about.items()},
        **({"preview": str(config.preview)} if config.preview is not None else {}),
    }
