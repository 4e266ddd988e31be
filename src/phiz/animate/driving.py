"""Somebody's film moves somebody else: their head alone, or all that their face does.

A driver's face is measured with the driver's own shape, and still what is told of it at rest is not zero:
brows lie lower, lips stand further apart. What goes over to another person is how far the driver moves away
from their own rest, which is what their face does most of the time at its least.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.animate import acting
from phiz.animate.opening import Opening
from phiz.avatar.avatar import Avatar
from phiz.checkpoint import SUFFIX
from phiz.console import Console
from phiz.errors import MediaError
from phiz.face import follow, head, models, tracking
from phiz.face.coeffs import FaceCoeffs, Motion, neutral
from phiz.face.follow import BuiltInFollower
from phiz.graphics import rotation
from phiz.media import video

LEAST = 0.1
"""Share of the frames in which an expression is weaker than what counts as the driver's rest."""
STRONGEST = 1.2
"""No expression is told stronger than this, whatever a driver does."""


@dataclass(frozen=True, kw_only=True)
class Driver:
    """How somebody moves in a film."""

    motion: Motion
    bridged: int
    """Frames without a face, which were drawn through."""
    face: FaceCoeffs | None = None
    """The driver's own face, with what it mostly does, where it was seen."""


def motion_of(path: Path, console: Console | None = None) -> Driver:
    """Return how somebody moves: in a video, a folder of frames, or a motion that was written before."""
    console = console or Console(quiet=True)
    if not path.exists():
        raise MediaError(f"there is nothing at {path}. Check the name and the folder.")
    if path.suffix == SUFFIX:
        return Driver(motion=Motion.load(path), bridged=0)
    info = video.probe(path)
    frames = follow.followed(video.read(path), BuiltInFollower())
    seen = list(console.progress(frames, total=info.frames, label="following"))
    found = tracking.track(head.built_in(), seen, fps=float(info.fps))
    bridged = int((~found.known).sum())
    if bridged:
        console.warn(f"{bridged} of {len(seen)} frames showed no face; they were drawn through.")
    return Driver(motion=found.motion, bridged=bridged, face=_mostly(found.face))


def with_head(motion: Motion, driver: Motion, *, is_absolute: bool = False) -> Motion:
    """Return a motion whose head moves as the driver's; after the driver's end it goes back and forth.

    Poses count from the driver's middle one unless they are to be taken as they are.
    """
    turned, shifted = _counted(driver, is_absolute=is_absolute)
    places = _places(len(motion), motion.fps, len(driver), driver.fps)
    return replace(motion, rotation=_at(turned, places), translation=_at(shifted, places))


def mimicked(
    driver: Motion,
    someone: Avatar,
    *,
    face: FaceCoeffs | None = None,
    is_absolute: bool = False,
    amount: float = 1.0,
) -> Motion:
    """Return what a person does who does the same as the driver, from their own rest.

    Lips part as far as the driver's; whose `face` is not known counts as the mean one.
    """
    model = models.open_model(someone.head)
    told = acting.fitting(driver, model)
    least = torch.quantile(told.expression, LEAST, dim=0)
    moved = told.expression - least
    if model.expression_names:  # weights that are never negative
        moved = moved.clamp(min=0)
    turned, shifted = _counted(told, is_absolute=is_absolute)
    expression = (someone.rest.expression + amount * moved).clamp(max=STRONGEST)
    known = face if model.name == driver.basis else None
    opening = Opening.of(model, known or neutral(model.sizes), someone.rest)
    if opening.jaw >= 0:
        jaw, shut = told.expression[:, opening.jaw], 0.0 if known else float(least[opening.jaw])
        expression = opening.moved(expression, jaw, shut=shut, amount=amount)
    return replace(
        told,
        expression=expression,
        rotation=turned,
        translation=shifted,
    )


def _mostly(face: FaceCoeffs) -> FaceCoeffs:
    """Return the face that is made in most frames."""
    return replace(face[:1], expression=face.expression.median(dim=0, keepdim=True).values)


def has_sound(path: Path) -> bool:
    """Return whether a film has sound."""
    return path.is_file() and path.suffix != SUFFIX and video.probe(path).has_audio


def _counted(driver: Motion, *, is_absolute: bool) -> tuple[Float[Tensor, "t 3"], Float[Tensor, "t 3"]]:
    """Return turns and shifts, from the middle pose unless absolute ones are wanted."""
    if is_absolute:
        return driver.rotation, driver.translation
    turns = rotation.from_euler(driver.rotation)
    middle = rotation.from_euler(driver.rotation.median(dim=0).values)
    shifts = driver.translation - driver.translation.median(dim=0).values
    return rotation.to_euler(turns @ middle.mT), shifts


def _places(count: int, fps: float, length: int, own_fps: float) -> Float[Tensor, " t"]:
    """Return which frame of a driver belongs to each frame: forth, and back again when it is over."""
    places = torch.arange(count) * (own_fps / fps)
    last = max(length - 1, 1)
    round_trip = places % (2 * last)
    return torch.where(round_trip > last, 2 * last - round_trip, round_trip).clamp(max=length - 1)


def _at(values: Float[Tensor, "t c"], places: Float[Tensor, " n"]) -> Float[Tensor, "n c"]:
    first = places.floor().long()
    second = (first + 1).clamp(max=len(values) - 1)
    return torch.lerp(values[first], values[second], (places - first)[:, None])
