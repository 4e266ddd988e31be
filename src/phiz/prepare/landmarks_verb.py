"""The command that finds the points of faces, and writes them where `phiz fit` looks for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from phiz import checkpoint
from phiz.console import Console
from phiz.errors import MediaError, UsageError
from phiz.face import detectors
from phiz.face.landmarker import BuiltInLandmarker
from phiz.face.landmarks import SPARSE, FacePoints
from phiz.media import image, photo
from phiz.options import option, positional

PREVIEW = "-points.jpg"
"""What previews are called, behind the name of their picture."""
COLOURS = (-1.0, 1.0, -0.4), (1.0, -0.2, -0.8)
"""Of the dense points, and of the 68 landmarks."""


@dataclass(frozen=True, kw_only=True)
class LandmarksVerbConfig:
    """Which pictures to look at, and how."""

    pictures: tuple[Path, ...] = positional()
    """Pictures of any kind."""
    output: Path | None = option(None, "-o", "--output")
    """Folder for the points; without it each file lies beside its picture, as a.npz for a.jpg."""
    face: int | None = None
    """The points of this face, counted from the left and from 1; of the largest without."""
    detector: detectors.Name = "built-in"
    """Who finds faces: built-in, or mediapipe or opencv where they are installed."""
    background: str = "white"
    """What transparency is laid over: a colour's name, or #rrggbb."""
    preview: bool = False
    """Draw the points over a copy of each picture, beside their file."""


def landmarks_verb(config: LandmarksVerbConfig, console: Console) -> Mapping[str, object]:
    """Find the points of a face: 68 landmarks and the 478-point layout, each with its uncertainty.

    A file a.npz holds "landmarks" (478) and "landmarks68" in pixels of the upright picture at full size, x to
    the right and y down, "sigma" and "sigma68" (one standard deviation of each) and "score". With several
    pictures, the exit code is 3 if one has no face.

    Examples:
        phiz landmarks portrait.jpg --preview
        phiz landmarks frames/*.png -o points
    """
    if not config.pictures:
        raise UsageError("name at least one picture: phiz landmarks PICTURE")
    told: list[dict[str, object]] = []
    failed = 0
    with detectors.started(config.detector) as detector:
        landmarker = BuiltInLandmarker(detector=detector, number=config.face)
        for path in console.progress(config.pictures, total=len(config.pictures), label="pictures"):
            try:
                told.append(_find(path, landmarker, config))
            except MediaError as error:
                if len(config.pictures) == 1:
                    raise
                console.warn(f"{path}: {error}")
                told.append({"picture": str(path), "error": str(error)})
                failed += 1
    for one in told:
        if "output" in one:
            console.say(f"{one['picture']}: score {one['score']:.2f}, points in {one['output']}")
    result: dict[str, object] = {"pictures": told}
    return {**result, "exit_code": MediaError.exit_code} if failed else result


def _find(path: Path, landmarker: BuiltInLandmarker, config: LandmarksVerbConfig) -> dict[str, object]:
    shown = photo.read(path, background=config.background)
    found = landmarker.points(shown.picture)
    folder = path.parent if config.output is None else config.output
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{path.stem}.npz"
    write(target, found, shown.scale)
    told = {"picture": str(path), "output": str(target), "score": round(float(found.score[0]), 4)}
    if config.preview:
        preview = folder / f"{path.stem}{PREVIEW}"
        image.write(preview, drawn(shown.picture, found))
        told["preview"] = str(preview)
    return told


def write(path: Path, found: FacePoints, scale: tuple[float, float] = (1.0, 1.0)) -> None:
    """Write points in pixels of a picture that was `scale` times as large, across and down."""
    full = found.xy[0] / found.xy.new_tensor(scale)
    sigma = found.sigma[0] / (scale[0] * scale[1]) ** 0.5
    arrays = {
        "landmarks": full[SPARSE:],
        "sigma": sigma[SPARSE:],
        "landmarks68": full[:SPARSE],
        "sigma68": sigma[:SPARSE],
        "score": found.score[0],
    }
    with checkpoint.atomic(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **{name: value.cpu().numpy() for name, value in arrays.items()})


def drawn(picture: Float[Tensor, "3 h w"], found: FacePoints) -> Float[Tensor, "3 h w"]:
    """Return a picture with points over it."""
    shown = picture.clone()
    height, width = shown.shape[1:]
    reach = float((found.sparse[0].amax(0) - found.sparse[0].amin(0)).max())
    for points, colour, share in zip((found.dense, found.sparse), COLOURS, (300, 150), strict=True):
        size = max(0, round(reach / share))
        for x, y in points[0].floor().long().tolist():
            left, top = max(x - size, 0), max(y - size, 0)
            shown[:, top : max(min(y + size + 1, height), 0), left : max(min(x + size + 1, width), 0)] = (
                torch.tensor(colour)[:, None, None]
            )
    return shown
