"""Whom a film is about: an avatar's file, a photo, or the number of somebody who never lived."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from phiz import published_recipes
from phiz.avatar import avatar, invert, seeds, sittings
from phiz.avatar.avatar import Avatar
from phiz.avatar.descent import Keep, Progress
from phiz.avatar.invert import INVERT
from phiz.avatar.tune import TUNE
from phiz.console import Console
from phiz.errors import MediaError, UsageError
from phiz.face.landmarker import BuiltInLandmarker
from phiz.media import photo
from phiz.media.provenance import Ingredient
from phiz.studio import Studio

Method = Literal["ours", "published"]

EVERY_S = 5.0
"""Between two words about how far things are."""


@dataclass(frozen=True, kw_only=True)
class Whom:
    """A person, as somebody names them."""

    path: Path | None
    """An avatar or a photo."""
    seed: int | None = None
    face: int | None = None
    """Which face of the photo, counted from the left and from 1."""
    seconds: float | None = None
    """How long somebody may be worked at who is no avatar yet; 0 draws a seed as the generator does."""
    method: Method = "ours"
    """How they are made: our way, or step by step as published."""

    def __post_init__(self) -> None:
        if (self.path is None) == (self.seed is None):
            raise UsageError("say whom: an avatar's file, a photo, or --seed N; one of them.")
        if self.seed is not None and self.seed < 0:
            raise UsageError(f"--seed {self.seed} cannot be; choose 0 or more.")
        if self.face is not None and self.face < 1:
            raise UsageError("faces are counted from 1")
        if self.seconds is not None and not 0 <= self.seconds <= 86_400:
            raise UsageError(f"--seconds {self.seconds:g} cannot be; choose 0 to 86400.")

    def files(self) -> tuple[Ingredient, ...]:
        """Return what a film of them is made of, for its manifest."""
        return () if self.path is None else (Ingredient.of(self.path),)


class Telling:
    """Tells now and then how far an inversion is."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told = time.monotonic()

    def __call__(self, progress: Progress) -> bool:
        """Tell it if the last time was long ago; nothing is ever stopped."""
        now = time.monotonic()
        if now - self._told >= EVERY_S:
            self._console.say(str(progress))
            self._told = now
        return False


def meet(whom: Whom, studio: Studio, console: Console, keep: Keep | None = None) -> Avatar:
    """Return the person; from a photo or a seed they are made first."""
    if whom.seed is not None and whom.method == "published":
        return published_recipes.of_seed(studio, whom.seed)
    if whom.seed is not None:
        return _of_seed(whom, whom.seed, studio, console, keep)
    assert whom.path is not None
    if not whom.path.exists():
        raise MediaError(f"there is nothing at {whom.path}. Check the name and the folder.")
    if avatar.is_avatar(whom.path):
        return avatar.load(whom.path)
    return _of_photo(whom, whom.path, studio, console, keep)


def _of_seed(whom: Whom, seed: int, studio: Studio, console: Console, keep: Keep | None) -> Avatar:
    if whom.seconds == 0:
        return seeds.from_seed(studio.drawing(), seed)
    console.say(f"Painting person {seed} from all sides, then tuning a generator to them.")
    config = TUNE if whom.seconds is None else replace(TUNE, seconds=whom.seconds)
    return sittings.of_seed(studio.drawing(), seed, config=config, watch=Telling(console), keep=keep)


def _of_photo(whom: Whom, path: Path, studio: Studio, console: Console, keep: Keep | None) -> Avatar:
    picture = photo.read(path)
    for done in picture.done:
        console.say(f"{path}: {done}.")
    if whom.method == "published":
        return published_recipes.of_photo(studio, picture.picture, watch=Telling(console))
    config = INVERT if whom.seconds is None else replace(INVERT, seconds=max(whom.seconds, 1.0))
    someone = invert.of_photo(
        picture.picture,
        studio.drawing(),
        config,
        encoder=studio.encoder,
        finder=BuiltInLandmarker(number=whom.face),
        parser=studio.parser,
        watch=Telling(console),
        keep=keep,
    )
    for warning in someone.about.get("warnings", ()):
        console.warn(str(warning))
    return someone
