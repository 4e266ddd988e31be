"""From a picture to the points of the face in it: detection, two looks at a crop, one at eyes and mouth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.errors import MediaError
from phiz.face import candidates, closeup, detect, landmarks, network_files
from phiz.face.candidates import Detector, FoundFace
from phiz.face.closeup import CloseupNet
from phiz.face.fit_points import Landmarks
from phiz.face.landmarks import SPARSE, FacePoints, LandmarkNet
from phiz.face.network_files import CLOSEUP, LANDMARKS
from phiz.layers.folding import folded

LOOKS = 2
"""The second look is at a crop about what the first found."""
LEAST_SCORE = 0.3
"""Points of less sure faces are worth nothing."""


@dataclass(frozen=True, kw_only=True)
class BuiltInLandmarker:
    """The built-in networks, or those in files; they are read when the first picture comes."""

    detector: Detector = field(default_factory=detect.built_in)
    path: Path | None = None
    """Of the network that finds points; the built-in one without."""
    number: int | None = None
    """Of the face that is meant, counted from the left and from 1; the largest without."""

    def find(self, picture: Float[Tensor, "3 h w"]) -> Landmarks:
        """Return the 478 points of the face in a picture; raise an error if there is none."""
        found = self.points(picture)
        if float(found.score[0]) < LEAST_SCORE:
            raise MediaError(
                "a face was found, but not its points: too much of it is hidden, turned away or blurred. "
                "Use another picture, or name another face with --face."
            )
        return as_landmarks(found)

    def points(self, picture: Float[Tensor, "3 h w"]) -> FacePoints:
        """Return all points of the face in a picture, however sure."""
        face = candidates.choose(candidates.search(picture, self.detector), self.number)
        return self.points_of(picture, face)

    def points_of(self, picture: Float[Tensor, "3 h w"], face: FoundFace) -> FacePoints:
        """Return all points of a face that was found."""
        return self.points_within(picture, landmarks.frame_of(face)[None], looks=LOOKS)

    def points_within(
        self, picture: Float[Tensor, "3 h w"], frame: Float[Tensor, "1 2 3"], *, looks: int = 1
    ) -> FacePoints:
        """Return all points of a face about which a frame lies."""
        found = landmarks.locate(self.network, picture[None], frame, looks=looks)
        return closeup.refined(self.closer, picture[None], found)

    @cached_property
    def network(self) -> LandmarkNet:
        """Return the network, ready to be used."""
        return folded(network_files.load(LANDMARKS, self.path))

    @cached_property
    def closer(self) -> CloseupNet:
        """Return the networks that look closely, ready to be used."""
        return folded(network_files.load(CLOSEUP))

    def __getstate__(self) -> Mapping[str, object]:
        # Packed weights do not travel to other processes.
        return {"detector": self.detector, "path": self.path, "number": self.number}


def built_in() -> BuiltInLandmarker:
    """Return the landmarker that comes with phiz."""
    return BuiltInLandmarker()


def as_landmarks(found: FacePoints) -> Landmarks:
    """Return the dense points as what a fit starts from."""
    return Landmarks(xy=found.dense, sigma=found.sigma[:, SPARSE:].clamp_min(torch.finfo(torch.float32).tiny))
