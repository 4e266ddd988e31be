"""The command that cuts faces out as networks expect them, each with the way back into its photo."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.console import Console
from phiz.errors import DataError, MediaError, UsageError
from phiz.face import align, candidates, detectors, landmarker
from phiz.face.align import Crop
from phiz.face.candidates import FoundFace
from phiz.face.landmarker import BuiltInLandmarker
from phiz.face.points import five_points
from phiz.media import image, photo
from phiz.media.photo import Photo
from phiz.options import option, positional
from phiz.prepare.detect_verb import write_json

Kind = Literal["ffhq", "112", "224"]


@dataclass(frozen=True, kw_only=True)
class AlignConfig:
    """Which faces to cut out, and how."""

    pictures: tuple[Path, ...] = positional()
    """Pictures of any kind."""
    output: Path = option(Path("crops"), "-o", "--output")
    """Folder for the crops (PNG), and for a JSON file beside each, which says where it was cut."""
    crop: Kind = "ffhq"
    """ffhq: the whole head, for generators; 112: the face, for recognition; 224: for reconstruction."""
    size: int | None = None
    """Height and width of ffhq crops; 1024 where nothing is said. The others have sizes of their own."""
    face: int | None = None
    """Number of the face, counted from the left and from 1; without it, the largest."""
    all_faces: bool = False
    """Cut out every face, not only the largest."""
    detector: detectors.Name = "built-in"
    """Who looks for faces: built-in, or mediapipe or opencv where they are installed."""
    points: Literal["landmarks", "detector"] = "landmarks"
    """Whose points count: those of the network for landmarks, or the rougher ones of the detector."""
    background: str = "white"
    """What transparency is laid over: a colour's name, or #rrggbb."""

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense."""
        if self.size is not None and (self.crop != "ffhq" or not 16 <= self.size <= 4096):
            raise ValueError("--size is for ffhq crops, and lies between 16 and 4096")
        if self.face is not None and self.all_faces:
            raise ValueError("give either --face or --all-faces")


def align_verb(config: AlignConfig, console: Console) -> Mapping[str, object]:
    """Cut faces out as networks expect them, upright and at one size.

    Beside each crop is a JSON file with "photo_from_crop", the 2 x 3 matrix from pixels of the crop to those
    of the photo. With several pictures, the exit code is 3 if one has no face.

    Examples:
        phiz align portrait.jpg -o crops
        phiz align *.jpg -o crops --crop 112 --all-faces
        phiz align group.png -o crops --face 2 --size 512
    """
    if not config.pictures:
        raise UsageError("name at least one picture: phiz align PICTURE -o DIR")
    told: list[dict[str, object]] = []
    used: set[str] = set()
    failed = 0
    with detectors.started(config.detector) as detector:
        finder = BuiltInLandmarker(detector=detector)
        for path in config.pictures:
            try:
                told += _cut_out(path, config, finder, used, console)
            except MediaError as error:
                if len(config.pictures) == 1:
                    raise
                console.warn(str(error))
                failed += 1
    result: dict[str, object] = {"output": str(config.output), "crops": told, "failed": failed}
    return {**result, "exit_code": MediaError.exit_code} if failed else result


def cut(shown: Float[Tensor, "3 h w"], points: Float[Tensor, "n 2"], kind: str, size: int) -> Crop:
    """Return one of the three crops of a face."""
    if kind == "ffhq":
        return align.ffhq(shown, points, size)
    if kind == "112":
        return align.recognition(shown, points)
    return align.regression(shown, points)


def finer(picture: Float[Tensor, "3 h w"], face: FoundFace, finder: BuiltInLandmarker) -> FoundFace:
    """Return a face with the five points that the network for landmarks finds, where it is sure of them."""
    if face.landmarks is not None:  # of a detector that knows better
        return face
    found = finder.points_of(picture, face)
    if float(found.score[0]) < landmarker.LEAST_SCORE:
        return face
    return replace(face, points=five_points(found.sparse[0]), are_points_guessed=False)


def cut_again(path: Path) -> tuple[Photo, Crop]:
    """Return the photo and the crop that a JSON file of this command is about, to paste an edit back.

    The photo has to be where it was; `phiz.face.paste.paste` does the rest.
    """
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        shown = photo.read(Path(facts["photo"]), background=facts["background"])
        points = torch.tensor(facts["points"], dtype=torch.float64).float()
        height, width = shown.picture.shape[1:]
        if [width, height] != facts["photo_size"]:
            raise DataError(f"{facts['photo']} is not the photo that {path} was cut from. Cut it again.")
        return shown, cut(shown.picture, points, facts["crop"], facts["size"])
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}. Cut the crop again.") from error
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} does not say where a crop was cut ({error}). Cut it again.") from error


def _cut_out(
    path: Path, config: AlignConfig, finder: BuiltInLandmarker, used: set[str], console: Console
) -> list[dict[str, object]]:
    """Write the crops of one picture; return what is said about each."""
    shown = photo.read(path, background=config.background)
    found = candidates.search(shown.picture, finder.detector)
    chosen = candidates.choose(found, config.face, name=str(path))
    faces = found.faces if config.all_faces else (chosen,)
    told = []
    for face in faces:
        number = next(k for k, one in enumerate(found.faces, 1) if one is face)
        name = _unused(f"{path.stem}-{number}" if config.all_faces else path.stem, used)
        sure = finer(shown.picture, face, finder) if config.points == "landmarks" else face
        told.append(_write(path, shown, sure, name, config))
        told[-1]["face"] = number
    noted = f"; {'; '.join(shown.done)}" if shown.done else ""
    names = ", ".join(f"{one['file']}" for one in told)
    console.say(f"{path}: {len(found.faces)} face{'s' * (len(found.faces) != 1)}{noted}; written to {names}")
    return told


def _write(path: Path, shown: Photo, face: FoundFace, name: str, config: AlignConfig) -> dict[str, object]:
    size = config.size or align.FFHQ_SIZE
    crop = cut(shown.picture, face.points, config.crop, size)
    file = config.output / f"{name}.png"
    height, width = shown.picture.shape[1:]
    facts: dict[str, object] = {
        "photo": str(path.resolve()),
        "photo_size": [width, height],
        "stored_size": list(shown.stored_size),
        "background": config.background,
        "crop": config.crop,
        "size": crop.picture.shape[-1],
        "photo_from_crop": crop.photo_from_crop.tolist(),
        "points": face.points.double().tolist(),
        "score": round(face.score, 4),
        "are_points_guessed": face.are_points_guessed,
    }
    image.write(file, crop.picture)
    write_json(file.with_suffix(".json"), facts)
    seen = float(crop.seen.mean())
    return {"picture": str(path), "file": str(file), "seen": round(seen, 3), "score": facts["score"]}


def _unused(name: str, used: set[str]) -> str:
    """Return a name that no other picture of this call has, and remember it."""
    found, number = name, 1
    while found in used:
        number += 1
        found = f"{name}_{number}"
    used.add(found)
    return found
