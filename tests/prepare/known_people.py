"""Rendered people as footage, and eyes that know where their faces are, from JSON beside each picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from phiz.face import head as heads
from phiz.face import points
from phiz.face.candidates import FoundFace
from phiz.face.landmarks import COUNT, FacePoints
from phiz.media import image
from phiz.prepare.eyes import Eyes
from phiz.world.data.produce import PaintedPeople

SIDE = 128
SEED = 5
FACE_ON = (0, 5, 7, 8, 9, 12)
"""Samples whose heads look towards the camera and lie well inside the picture."""


@dataclass(frozen=True, kw_only=True)
class Shot:
    """A rendered picture, and the 68 and 478 points of its faces as shares of its width and height."""

    picture: Tensor
    faces: tuple[Tensor, ...]

    def scaled(self, factor: float) -> Shot:
        """Return the same at another size."""
        smaller = functional.interpolate(self.picture[None], scale_factor=factor, mode="area")[0]
        return Shot(picture=smaller, faces=self.faces)

    def changed(self, picture: Tensor) -> Shot:
        """Return the same with other colours."""
        return Shot(picture=picture.clamp(-1, 1), faces=self.faces)

    def beside(self, other: Shot) -> Shot:
        """Return both in one picture."""
        half = torch.tensor([0.5, 1.0])
        shift = torch.tensor([0.5, 0.0])
        faces = tuple(f * half for f in self.faces) + tuple(f * half + shift for f in other.faces)
        return Shot(picture=torch.cat([self.picture, other.picture], dim=2), faces=faces)

    def cut(self) -> Shot:
        """Return the left part of it, to the middle of the face."""
        middle = float(self.faces[0][:, 0].mean())
        width = round(middle * self.picture.shape[2])
        stretch = torch.tensor([self.picture.shape[2] / width, 1.0])
        return Shot(picture=self.picture[:, :, :width], faces=(self.faces[0] * stretch,))


@lru_cache
def painted(number: int) -> Shot:
    """Return a rendered person; skip the test where there is no head."""
    if not heads.BUILT_IN.is_file():
        pytest.skip("no head model to paint")
    files = _people()(number)
    facts = json.loads(files["json"])
    both = torch.tensor([*facts["landmarks68"], *facts["landmarks478"]])
    return Shot(picture=image.decode(files["jpg"]), faces=(both / SIDE,))


def blurred(shot: Shot) -> Shot:
    """Return a picture out of focus."""
    return shot.changed(functional.avg_pool2d(shot.picture[None], 9, stride=1, padding=4)[0])


def dark(shot: Shot) -> Shot:
    """Return a picture without light."""
    return shot.changed(0.12 * (shot.picture + 1) - 1)


def nobody() -> Shot:
    """Return a picture without a face."""
    return Shot(picture=torch.linspace(-1, 1, SIDE).expand(3, SIDE, SIDE).clone(), faces=())


def write(path: Path, shot: Shot, *, quality: int = 95) -> Path:
    """Write a picture, and beside it what is to be known."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.write(path, shot.picture, quality=quality)
    know(path.with_suffix(".json"), image.read(path), shot.faces)
    return path


def know(path: Path, picture: Tensor, faces: Sequence[Tensor]) -> None:
    """Write what eyes have to know about a picture."""
    facts = {"looks": _looks(picture).tolist(), "faces": [face.tolist() for face in faces]}
    path.write_text(json.dumps(facts), encoding="utf-8")


@dataclass(frozen=True, kw_only=True)
class Truth:
    """Finds in a picture what the file about the most similar one says."""

    folder: Path
    patience: list[int] = field(default_factory=list, compare=False)
    """Pictures that may still be looked at, if it is limited: then Ctrl-C is pressed."""

    looks_for = "a test looks for faces that it knows"
    trusted = 0.8

    def smallest(self, height: int, width: int) -> float:
        return 1.0

    def find(self, picture: Tensor) -> list[FoundFace]:
        if self.patience:
            self.patience[0] -= 1
            if self.patience[0] < 0:
                raise KeyboardInterrupt
        return [
            FoundFace(box=torch.cat([xy.amin(0), xy.amax(0)]), points=points.five_points(xy[:68]), score=0.95)
            for xy in self._known(picture)
        ]

    def points_of(self, picture: Tensor, face: FoundFace) -> FacePoints:
        xy = next(xy for xy in self._known(picture) if torch.equal(xy.amin(0), face.box[:2]))
        size = float((xy.amax(0) - xy.amin(0)).max())
        return FacePoints(xy=xy[None], sigma=torch.full((1, COUNT), 0.01 * size), score=torch.tensor([0.99]))

    def _known(self, picture: Tensor) -> list[Tensor]:
        looks = _looks(picture)
        files: list[dict[str, Any]] = [
            json.loads(path.read_text(encoding="utf-8")) for path in sorted(self.folder.rglob("*.json"))
        ]
        apart = [float((torch.tensor(one["looks"]) - looks).abs().mean()) for one in files]
        best = min(range(len(files)), key=apart.__getitem__)
        if apart[best] > 0.04:
            return []
        size = torch.tensor([picture.shape[2], picture.shape[1]], dtype=torch.float32)
        return [torch.tensor(face) * size for face in files[best]["faces"]]


@dataclass(frozen=True, kw_only=True)
class Knowing:
    """Opens eyes that know the pictures in a folder."""

    folder: Path
    patience: int = -1
    """Pictures until somebody presses Ctrl-C; -1: nobody does."""
    name: str = "truth"

    def __call__(self) -> Eyes:
        truth = Truth(folder=self.folder, patience=[self.patience] if self.patience >= 0 else [])
        return Eyes(detector=truth, points=truth, head=heads.built_in())

    def fingerprint(self) -> str:
        return self.name


@lru_cache
def _people() -> PaintedPeople:
    return PaintedPeople(head="built-in", size=SIDE, seed=SEED, per_person=4)


def _looks(picture: Tensor) -> Tensor:
    return functional.interpolate(picture[None], (8, 8), mode="area")[0]
