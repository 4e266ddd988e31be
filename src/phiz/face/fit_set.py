"""Whole sets of pictures fitted, a few at a time: each fit in a file of its own, made once.

A file remembers a digest of everything that went into it: the picture's bytes, its points, the head and the
settings. As long as these are the same it is kept, so that a set can be gone on with after any interruption.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from phiz import checkpoint
from phiz.errors import CheckpointError, DataError, PhizError, UsageError
from phiz.face import fit_draw, fit_points, models
from phiz.face.fit import Fit, FitConfig, fit
from phiz.face.fit_points import Landmarker, Landmarks
from phiz.face.morphable import MorphableModel
from phiz.media import image

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
PREVIEW = ".jpg"
Fate = Literal["fitted", "kept", "failed"]


@dataclass(frozen=True, kw_only=True)
class Place:
    """A picture and where its fit goes."""

    picture: Path
    output: Path
    """The fit's file; previews lie beside it."""


@dataclass(frozen=True, kw_only=True)
class Some:
    """A few pictures to fit together; small enough to be sent to another process."""

    places: tuple[Place, ...]
    model: str
    """What `phiz.face.models.open_model` knows it by."""
    root: Path | None = None
    """Of the data set, where the points of all pictures may lie in one file."""
    config: FitConfig
    preview: bool = False
    """Draw each fit over its picture."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a picture."""

    picture: str
    fate: Fate
    why: str = ""
    """What went wrong."""
    point_error: float = 0.0
    """Pixels, as `Fit` has it."""
    agreeing: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A picture that was read."""

    place: Place
    picture: Float[Tensor, "3 h w"]
    points: Landmarks
    digest: str


def places(given: Sequence[Path], output: Path) -> tuple[Place, ...]:
    """Return the pictures that files and folders hold, and a place in `output` for the fit of each.

    A folder's pictures keep their way from the folder; two pictures that would share a place are refused.
    """
    found: dict[Path, Path] = {}
    for path in given:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in PICTURES and p.is_file())
            if not inside:
                raise DataError(f"{path} holds no pictures ({', '.join(PICTURES)}). Name another folder.")
            pairs = [(picture, picture.relative_to(path)) for picture in inside]
        else:
            pairs = [(path, Path(path.name))]
        for picture, name in pairs:
            target = (output / name).with_suffix(checkpoint.SUFFIX)
            if found.setdefault(target, picture) != picture:
                raise UsageError(
                    f"{found[target]} and {picture} would both be fitted into {target}. Rename one of them, "
                    "or fit them into different folders."
                )
    return tuple(Place(picture=picture, output=target) for target, picture in found.items())


def fit_some(task: Some, landmarker: Landmarker | None = None) -> tuple[Outcome, ...]:
    """Fit a few pictures and write the fits; return what became of each.

    A picture without a file of points is shown to the `landmarker`. What is wrong with one picture does not
    stop the others.
    """
    model = _model(task.model)
    outcomes: dict[Path, Outcome] = {}
    ready: list[Ready] = []
    for place in task.places:
        try:
            ready.append(_read(place, task, landmarker, model))
        except PhizError as error:
            outcomes[place.picture] = Outcome(picture=str(place.picture), fate="failed", why=str(error))
    for layout in sorted({one.points.xy.shape[1] for one in ready}):
        alike = [one for one in ready if one.points.xy.shape[1] == layout]
        outcomes |= _fit_alike(alike, task, model)
    return tuple(outcomes[place.picture] for place in task.places)


def _fit_alike(ready: Sequence[Ready], task: Some, model: MorphableModel) -> dict[Path, Outcome]:
    """Fit pictures with points of one layout, unless all are fitted already.

    Those that are take part once more, though nothing new is written of them: the last digits of a fit depend
    on its company, and an interruption should not show in them.
    """
    kept = {one.place.picture: _kept(one.place.output, one.digest) for one in ready}
    outcomes = {
        one.place.picture: _outcome(one, k, "kept") for one in ready if (k := kept[one.place.picture])
    }
    if len(outcomes) == len(ready):
        return outcomes
    for one, found in zip(ready, _fits(ready, task, model), strict=True):
        if one.place.picture not in outcomes:
            _write(one, found, task, model)
            outcomes[one.place.picture] = _outcome(one, found, "fitted")
    return outcomes


def _read(place: Place, task: Some, landmarker: Landmarker | None, model: MorphableModel) -> Ready:
    picture = image.read(place.picture)
    file = fit_points.find_file(place.picture, task.root)
    if file is not None:
        points = fit_points.read(file, place.picture)
    elif landmarker is not None:
        points = landmarker.find(picture)
    else:
        raise DataError(
            f"there are no points for {place.picture}. Put 68 of them beside it as "
            f"{place.picture.stem}.npz or .json; phiz fit --help says what is in such a file."
        )
    points.on(model)
    if int(points.counted().isfinite().sum()) < fit_points.FEWEST:
        raise DataError(f"fewer than {fit_points.FEWEST} points of {place.picture} count. Find them anew.")
    return Ready(place=place, picture=picture, points=points, digest=_digest(place.picture, points, task))


def _digest(picture: Path, points: Landmarks, task: Some) -> str:
    """Return a short text that is another one whenever anything that a fit depends on is."""
    whole = hashlib.sha256(checkpoint.digest(picture).encode())
    whole.update(json.dumps([task.model, asdict(task.config)], sort_keys=True).encode())
    for numbers in (points.xy, points.sigma):
        whole.update(numbers.float().contiguous().numpy().tobytes())
    return whole.hexdigest()


def _kept(path: Path, digest: str) -> Fit | None:
    """Return the fit in a file if it was made from the very same things."""
    if not path.is_file():
        return None
    try:
        about = checkpoint.read_about(path)
        return Fit.load(path) if about.config.get("digest") == digest else None
    except CheckpointError:
        return None  # damaged: made anew


def _fits(ready: Sequence[Ready], task: Some, model: MorphableModel) -> list[Fit]:
    sizes = [(one.picture.shape[1], one.picture.shape[2]) for one in ready]
    found = fit(
        model,
        fit_points.join([one.points for one in ready]),
        sizes,
        [one.picture for one in ready],
        config=task.config,
    )
    return [found[k : k + 1] for k in range(len(ready))]


def _write(one: Ready, found: Fit, task: Some, model: MorphableModel) -> None:
    size = tuple(one.picture.shape[1:])
    if task.preview:
        drawn, shown = fit_draw.draw(model, found.face, found.camera, *size)
        both = fit_draw.overlay(one.picture, drawn[0], shown[0], found.points[0])
        image.write(one.place.output.with_suffix(PREVIEW), both)
    found.save(one.place.output, {"picture": one.place.picture.name, "size": size, "digest": one.digest})


def _outcome(one: Ready, found: Fit, fate: Fate) -> Outcome:
    return Outcome(
        picture=str(one.place.picture),
        fate=fate,
        point_error=float(found.point_error[0]),
        agreeing=float(found.agreeing[0]),
    )


@lru_cache(maxsize=1)
def _model(name: str) -> MorphableModel:
    """Return the head, opened once a process."""
    model = models.open_model(name)
    if isinstance(model, torch.nn.Module):
        model.requires_grad_(False)
    return model
