"""The command that finds faces in any picture and tells where they are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from phiz import checkpoint
from phiz.console import Console
from phiz.errors import MediaError, UsageError
from phiz.face import candidates, detectors, warp
from phiz.face.candidates import Detector, FoundFace, Search
from phiz.face.detect_draw import drawn
from phiz.media import image, photo
from phiz.media.photo import Photo
from phiz.options import option, positional

SUFFIX = "-faces.jpg"
"""What previews are called, behind the name of their picture."""
DIGITS = 2
"""Of pixels, in JSON."""
TURNED = ("", "lying, its top to the right", "upside down", "lying, its top to the left")
"""How a picture lay that was turned anticlockwise by so many quarters to look at it."""


@dataclass(frozen=True, kw_only=True)
class DetectFacesConfig:
    """Which pictures to look at, and how."""

    pictures: tuple[Path, ...] = positional()
    """Pictures of any kind."""
    output: Path | None = option(None, "-o", "--output")
    """File for what was found, as JSON."""
    face: int | None = None
    """Tell of this face alone, counted from the left and from 1."""
    detector: detectors.Name = "built-in"
    """Who looks: built-in, or mediapipe or opencv where they are installed."""
    background: str = "white"
    """What transparency is laid over: a colour's name, or #rrggbb."""
    preview: bool = False
    """Draw what was found over a copy of each picture, beside the output or in the current folder."""


@dataclass(frozen=True, kw_only=True)
class Looked:
    """A picture and the faces in it."""

    path: Path
    photo: Photo
    found: Search
    faces: tuple[tuple[int, FoundFace], ...]
    """Faces with their numbers, in pixels of the photo: all, or the one that was asked for."""


def detect_verb(config: DetectFacesConfig, console: Console) -> Mapping[str, object]:
    """Find faces and five points of each, in pictures of any kind.

    Faces are numbered from left to right. Places are pixels of the upright picture at its full size, x to
    the right and y down; the five points are the two eyes, the tip of the nose and the corners of the mouth,
    the picture's left ones first. With several pictures, the exit code is 3 if one has no face.

    Examples:
        phiz detect portrait.jpg
        phiz detect group.heic --face 2 --preview
        phiz detect *.jpg -o faces.json --detector mediapipe
        phiz detect logo.png --background black --json
    """
    if not config.pictures:
        raise UsageError("name at least one picture: phiz detect PICTURE")
    told: list[dict[str, object]] = []
    failed = 0
    with detectors.started(config.detector) as detector:
        for path in config.pictures:
            try:
                looked = look(path, detector, background=config.background, number=config.face)
            except MediaError as error:
                if len(config.pictures) == 1:
                    raise
                console.warn(str(error))
                told.append({"picture": str(path), "error": str(error), "faces": []})
                failed += 1
                continue
            for line in described(looked):
                console.say(line)
            told.append(as_json(looked))
            if config.preview:
                told[-1]["preview"] = str(_preview(looked, config.output))
    result: dict[str, object] = {"detector": config.detector, "pictures": told}
    if config.output is not None:
        write_json(config.output, result)
        console.say(f"written to {config.output}")
    return {**result, "exit_code": MediaError.exit_code} if failed else result


def look(path: Path, detector: Detector, *, background: str = "white", number: int | None = None) -> Looked:
    """Return the faces in a picture, or the one with a number; raise an error where there is none."""
    shown = photo.read(path, background=background)
    found = candidates.search(shown.picture, detector)
    chosen = candidates.choose(found, number, name=str(path))
    if number is None:
        faces = tuple(enumerate(found.faces, 1))
    else:
        faces = ((number, chosen),)
    return Looked(path=path, photo=shown, found=found, faces=faces)


def described(looked: Looked) -> list[str]:
    """Return what was done to a picture and what was found in it, a line each."""
    width, height = looked.photo.stored_size
    lines = [f"{looked.path}: {width} x {height}"]
    if looked.photo.done:
        lines[0] += f"; {'; '.join(looked.photo.done)}"
    if looked.found.quarters:
        lines.append(f"  the face is {TURNED[looked.found.quarters]}")
    for number, face in looked.faces:
        full = at_full_size(face, looked.photo)
        left, top, right, bottom = full.box.tolist()
        guessed = ", points guessed" if face.are_points_guessed else ""
        lines.append(
            f"  face {number}: {right - left:.0f} x {bottom - top:.0f} pixels at ({left:.0f}, {top:.0f}), "
            f"score {face.score:.2f}{guessed}"
        )
        lines.append(
            f"    eyes {_places(full.points[:2])}, nose {_places(full.points[2:3])}, "
            f"mouth {_places(full.points[3:])}"
        )
    return lines


def as_json(looked: Looked) -> dict[str, object]:
    """Return what is known about a picture as plain JSON."""
    return {
        "picture": str(looked.path),
        "size": list(looked.photo.stored_size),
        "done": list(looked.photo.done),
        "quarters": looked.found.quarters,
        "faces": [face_as_json(number, at_full_size(face, looked.photo)) for number, face in looked.faces],
    }


def face_as_json(number: int, face: FoundFace) -> dict[str, object]:
    """Return a face as plain JSON."""
    return {
        "number": number,
        "box": [round(v, DIGITS) for v in face.box.tolist()],
        "points": [[round(v, DIGITS) for v in place] for place in face.points.tolist()],
        "score": round(face.score, 4),
        "are_points_guessed": face.are_points_guessed,
    }


def at_full_size(face: FoundFace, shown: Photo) -> FoundFace:
    """Return a face of a photo in pixels of its file, upright."""
    across, down = shown.scale
    return face.moved(warp.scaling(1 / across, 1 / down))


def write_json(path: Path, values: Mapping[str, object]) -> None:
    """Write plain JSON, all of it or nothing."""
    with checkpoint.atomic(path) as temporary:
        temporary.write_text(json.dumps(values, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _preview(looked: Looked, output: Path | None) -> Path:
    folder = output.parent if output is not None else Path()
    path = folder / f"{looked.path.stem}{SUFFIX}"
    faces: Sequence[FoundFace] = [face for _, face in looked.faces]
    image.write(path, drawn(looked.photo.picture, faces))
    return path


def _places(points: Float[Tensor, "n 2"]) -> str:
    return " ".join(f"({x:.0f}, {y:.0f})" for x, y in torch.round(points).tolist())
