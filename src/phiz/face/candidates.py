"""Faces found in a picture: what a detector gives, looking again with the picture turned, and which is meant.

All numbers are pixel coordinates of the picture, y down, the centre of the first pixel at (0.5, 0.5).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.errors import MediaError, UsageError
from phiz.face import warp

MOST_OVERLAP = 0.3
"""Two boxes that share more of their joint area than this hold one face."""
QUARTERS = (1, 3, 2)
"""Quarter turns of the picture, anticlockwise, that are tried where it shows no face as it is."""


@dataclass(frozen=True, kw_only=True)
class FoundFace:
    """A face in a picture."""

    box: Float[Tensor, "4"]
    """Left, top, right, bottom, around the face from brows to chin; it may reach beyond the picture."""
    points: Float[Tensor, "5 2"]
    """The five alignment points, see `phiz.face.points`."""
    score: float
    """How sure the detector is, from 0 to 1; only comparable within one detector."""
    landmarks: Float[Tensor, "n 2"] | None = None
    """More points, in the order of the detector that found them."""
    are_points_guessed: bool = False
    """Whether some points follow from an average face alone; crops made with them are rough."""

    @property
    def size(self) -> float:
        """Return the side of the square as large as the box."""
        left, top, right, bottom = self.box.tolist()
        return math.sqrt(max(right - left, 0.0) * max(bottom - top, 0.0))

    def moved(self, matrix: Float[Tensor, "2 3"]) -> FoundFace:
        """Return the face in another picture, into which `matrix` leads from this one."""
        left, top, right, bottom = self.box.tolist()
        corners = self.box.new_tensor([[left, top], [right, top], [right, bottom], [left, bottom]])
        outer = warp.apply(matrix, corners)
        return replace(
            self,
            box=torch.cat([outer.amin(dim=0), outer.amax(dim=0)]),
            points=warp.apply(matrix, self.points),
            landmarks=None if self.landmarks is None else warp.apply(matrix, self.landmarks),
        )


@runtime_checkable
class Detector(Protocol):
    """Something that finds faces."""

    @property
    def looks_for(self) -> str:
        """Return who looks for what, such as "MediaPipe looks for frontal faces"."""
        ...

    @property
    def trusted(self) -> float:
        """Return the score from which a face is surely there, and does not stand on its head."""
        ...

    def smallest(self, height: int, width: int) -> float:
        """Return the least width in pixels that a face must have in a picture of this size."""
        ...

    def find(self, picture: Float[Tensor, "3 h w"]) -> Sequence[FoundFace]:
        """Return the faces in a picture, in any order; none where there are none."""
        ...


@dataclass(frozen=True, kw_only=True)
class Search:
    """What was found in a picture, and how it was looked for."""

    faces: tuple[FoundFace, ...]
    """From left to right: face 1 is the first."""
    quarters: int
    """Quarter turns, anticlockwise, that put the picture upright for the detector."""
    looked_for: str
    """Who looked for what, at which sizes, in which picture."""


def search(picture: Float[Tensor, "3 h w"], detector: Detector) -> Search:
    """Return the faces in a picture, found with it as it is, lying or upside down, whichever is surest.

    Where no face can be trusted, all turns are tried. Detectors place points best on upright faces, so one
    that was found lying is looked at again with the picture turned by as much.
    """
    height, width = picture.shape[1:]
    turn, best = 0, _found(picture, detector, 0)
    if not best or best[0].score < detector.trusted:
        for quarters in QUARTERS:
            others = _found(picture, detector, quarters)
            if others and (not best or others[0].score > best[0].score):
                turn, best = quarters, others
    if best and (lying := _lying(best[0])) != turn:
        others = _found(picture, detector, lying)
        if others and others[0].score >= min(detector.trusted, best[0].score):
            turn, best = lying, others
    least_width = math.ceil(detector.smallest(height, width))
    return Search(
        faces=tuple(sorted(best, key=lambda face: float(face.box[0] + face.box[2]))),
        quarters=turn,
        looked_for=f"{detector.looks_for}, at least {least_width} pixels wide, in a picture of "
        f"{width} x {height}, as it is, lying on either side and upside down",
    )


def turned_back(height: int, width: int, quarters: int) -> Float[Tensor, "2 3"]:
    """Return where points of a picture turned anticlockwise lie in the unturned one of this size."""
    matrices = (
        ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
        ((0.0, -1.0, float(width)), (1.0, 0.0, 0.0)),
        ((-1.0, 0.0, float(width)), (0.0, -1.0, float(height))),
        ((0.0, 1.0, 0.0), (-1.0, 0.0, float(height))),
    )
    return torch.tensor(matrices[quarters % 4], dtype=torch.float64)


def choose(found: Search, number: int | None = None, *, name: str = "the picture") -> FoundFace:
    """Return the face of a number, counted from the left and from 1; without a number, the largest."""
    faces = found.faces
    if not faces:
        raise MediaError(
            f"no face found in {name}. {found.looked_for}. Cut the picture closer around the face, use one "
            "that is larger, brighter or more frontal, or try another detector. Drawn faces and those of "
            "animals are often not found."
        )
    if number is None:
        return max(faces, key=lambda face: face.size)
    if not 1 <= number <= len(faces):
        raise UsageError(f"there is no face {number} in {name}. From the left: {described(faces)}.")
    return faces[number - 1]


def described(faces: Iterable[FoundFace]) -> str:
    """Return faces in words, numbered, with the place and size of each."""
    words = []
    for number, face in enumerate(faces, 1):
        x, y = ((face.box[:2] + face.box[2:]) / 2).tolist()
        words.append(f"face {number} is {face.size:.0f} pixels wide around ({x:.0f}, {y:.0f})")
    return "; ".join(words)


def without_doubles(faces: Iterable[FoundFace], most: float = MOST_OVERLAP) -> list[FoundFace]:
    """Return faces, the surest first, without those whose box overlaps a surer one's."""
    kept: list[FoundFace] = []
    for face in sorted(faces, key=lambda face: -face.score):
        if all(overlap(face, other) <= most for other in kept):
            kept.append(face)
    return kept


def overlap(one: FoundFace, other: FoundFace) -> float:
    """Return the area that two boxes share as a part of the area they cover together."""
    low, high = torch.maximum(one.box[:2], other.box[:2]), torch.minimum(one.box[2:], other.box[2:])
    shared = float((high - low).clamp(min=0).prod())
    together = one.size**2 + other.size**2 - shared
    return shared / together if together > 0 else 0.0


def _found(picture: Tensor, detector: Detector, quarters: int) -> list[FoundFace]:
    """Return the faces that a detector sees in a turned picture, the surest first, where they really lie."""
    if not quarters:
        return sorted(detector.find(picture), key=lambda face: -face.score)
    back = turned_back(picture.shape[1], picture.shape[2], quarters)
    found = detector.find(picture.rot90(quarters, (1, 2)))
    return sorted((face.moved(back) for face in found), key=lambda face: -face.score)


def _lying(face: FoundFace) -> int:
    """Return the quarter turns, anticlockwise, that bring a face's eyes nearest to level."""
    across, down = (face.points[1] - face.points[0]).tolist()
    return round(math.atan2(down, across) / (math.pi / 2)) % 4
