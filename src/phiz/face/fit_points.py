"""Points of faces that fitting starts from: what they are, who finds them, how they are kept in files.

Points lie beside the picture ``a.jpg`` in ``a.npz``, ``a.json`` or ``a.points.json``, or for a whole data set
in ``metadata/landmarks.json`` as `docs/data.md` has it. In both kinds of file of one picture:

- ``landmarks68`` or ``landmarks478``: pairs of pixels, the centre of the first pixel being (0.5, 0.5).
  ``landmarks`` alone is taken for whichever its number of points fits.
- ``sigma`` (optional): one standard deviation a point, in pixels.
- ``landmarks_visible`` (optional): 0 for points that do not count.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from phiz.errors import DataError, HeadError
from phiz.face import archive
from phiz.face.fit_surface import Anchors, anchors68, anchors478
from phiz.face.morphable import MorphableModel

SIGMA_SHARE = 0.01
"""How uncertain points are that do not say so, as a share of the face's size."""
COUNTS = (68, 478)
"""How many points a layout has."""
FEWEST = 8
"""Points that a fit needs."""
IRISES = 468
"""The first of the 478 points that move with the gaze, which is not fitted."""
NAMES = ("landmarks", "landmarks68", "landmarks478")
SUFFIXES = (".npz", ".json", ".points.json")
SET_FILE = Path("metadata") / "landmarks.json"


@dataclass(frozen=True, kw_only=True)
class Landmarks:
    """Points of one face a picture, all of the same layout."""

    xy: Float[Tensor, "b n 2"]
    """Pixels; 68 or 478 of them, unless `anchors` says which they are."""
    sigma: Float[Tensor, "b n"]
    """One standard deviation in pixels; infinite for points that do not count."""
    anchors: Anchors | None = None
    """Where on the surface the points lie, for layouts of one's own."""

    @property
    def batch(self) -> int:
        return self.xy.shape[0]

    def __getitem__(self, index: slice) -> Landmarks:
        return Landmarks(xy=self.xy[index], sigma=self.sigma[index], anchors=self.anchors)

    def counted(self) -> Float[Tensor, "b n"]:
        """Return `sigma` with those points left out that tell nothing about pose and shape: irises."""
        if self.anchors is not None or self.xy.shape[1] != COUNTS[1]:
            return self.sigma
        irises = torch.arange(COUNTS[1], device=self.sigma.device) >= IRISES
        return torch.where(irises, torch.inf, self.sigma)

    def on(self, model: MorphableModel) -> Anchors:
        """Return where on a model's surface the points lie."""
        if self.anchors is not None:
            return self.anchors
        count = self.xy.shape[1]
        if count not in COUNTS:
            raise HeadError(f"{count} points are of no known layout. Give 68 or 478, or say where they lie.")
        return anchors68(model) if count == COUNTS[0] else anchors478(model)


@runtime_checkable
class Landmarker(Protocol):
    """Whoever finds points in a picture."""

    def find(self, picture: Float[Tensor, "3 h w"]) -> Landmarks:
        """Return the points of the largest face (a batch of one); raise a `PhizError` if there is none."""
        ...


def evenly(xy: Float[Tensor, "b n 2"]) -> Landmarks:
    """Return points of which nobody knows how uncertain they are."""
    size = (xy.amax(1) - xy.amin(1)).amax(1).clamp_min(1.0)
    return Landmarks(xy=xy, sigma=(size * SIGMA_SHARE)[:, None].expand(xy.shape[:2]).contiguous())


def join(some: list[Landmarks]) -> Landmarks:
    """Return several batches of points of one layout as one."""
    counts = {points.xy.shape[1] for points in some}
    if len(counts) != 1:
        raise ValueError(f"points of one batch are of one layout, not of {sorted(counts)} points")
    return Landmarks(
        xy=torch.cat([points.xy for points in some]),
        sigma=torch.cat([points.sigma for points in some]),
        anchors=some[0].anchors,
    )


def find_file(picture: Path, root: Path | None = None) -> Path | None:
    """Return the file with a picture's points: beside it, or that of the whole data set at `root`."""
    for suffix in SUFFIXES:
        path = picture.with_name(picture.stem + suffix)
        if path.is_file():
            return path
    if root is not None and (root / SET_FILE).is_file():
        return root / SET_FILE
    return None


def read(path: Path, picture: Path) -> Landmarks:
    """Return the points of a picture from the file that `find_file` found."""
    if path.parts[-2:] == SET_FILE.parts:
        return _from_set(path, picture)
    if path.suffix == ".npz":
        return _checked(archive.read(path), path)
    found = _json(path)
    if not isinstance(found, dict):
        raise DataError(f"{path} holds no points: it is no JSON object. See: phiz fit --help")
    return _checked(found, path)


def write(path: Path, points: Landmarks) -> None:
    """Write the points of one picture as ``.npz``."""
    if points.batch != 1:
        raise ValueError(f"a file holds the points of one picture, not of {points.batch}")
    np.savez(path, landmarks=points.xy[0].cpu().numpy(), sigma=points.sigma[0].cpu().numpy())


def _from_set(path: Path, picture: Path) -> Landmarks:
    """Return the points of one picture of a whole data set, whose key is ``<folder>/<stem>``."""
    key = f"{picture.parent.name}/{picture.stem}"
    points = _frames(path, path.stat().st_mtime_ns).get(key)
    if points is None:
        raise DataError(f"{path} has no entry {key!r}. Find the points of that picture first.")
    return _checked({"landmarks": points}, path)


@lru_cache(maxsize=2)
def _frames(path: Path, changed: int) -> Mapping[str, Any]:
    found = _json(path)
    frames = found.get("frames") if isinstance(found, dict) else None
    if not isinstance(frames, dict):
        raise DataError(f"{path} has no 'frames'. Make it anew, or see docs/data.md for its layout.")
    return frames


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}.") from error
    except ValueError as error:
        raise DataError(f"{path} is no valid JSON ({error}). Make it anew.") from error


def _checked(found: Mapping[str, Any], path: Path) -> Landmarks:
    """Return points after making sure that they are finite, and as many as a layout has."""
    names = [name for name in NAMES if name in found]
    if not names:
        raise DataError(f"{path} holds no 'landmarks' ({', '.join(NAMES)}). Add one of them.")
    points = _numbers(found[names[0]], path)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) not in COUNTS:
        raise DataError(f"{names[0]} in {path} is {tuple(points.shape)}, not (68, 2) or (478, 2).")
    known = points.isfinite().all(1)
    visible = found.get("landmarks_visible")
    if visible is not None and len(visible) == len(points):
        counts = _numbers(visible, path) > 0
    else:
        counts = torch.ones_like(known)
    if not bool((known | ~counts).all()):
        raise DataError(f"{names[0]} in {path} holds numbers that are not finite. Find the points anew.")
    if "sigma" in found:
        sigma = _numbers(found["sigma"], path)
    else:
        seen = points[counts] if bool(counts.any()) else torch.zeros(1, 2)
        sigma = evenly(seen[None]).sigma[0, :1].expand(len(points))
    if sigma.shape != counts.shape or not bool((sigma > 0).all()):
        raise DataError(f"sigma in {path} has to be {len(points)} positive numbers, in pixels.")
    return Landmarks(xy=points.nan_to_num()[None], sigma=torch.where(counts, sigma, torch.inf)[None])


def _numbers(values: Any, path: Path) -> Tensor:
    try:
        return torch.from_numpy(np.array(values, np.float32))
    except (TypeError, ValueError) as error:
        raise DataError(f"{path} holds something that is not numbers ({error}). Make it anew.") from error
