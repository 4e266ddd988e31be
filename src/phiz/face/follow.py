"""The points of one face through a film: each frame looks where the last one found them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.face import candidates, landmarks
from phiz.face.candidates import FoundFace
from phiz.face.landmarker import BuiltInLandmarker
from phiz.face.landmarks import COUNT, FacePoints

LEAST_SCORE = 0.5
"""A face that scores less is lost: it is looked for anew in the whole frame."""
SAME = 0.6
"""Of the last frame's face size: a face found anew that is nearer is the same one."""


@runtime_checkable
class Follower(Protocol):
    """Something that keeps its eyes on one face."""

    def follow(self, picture: Float[Tensor, "3 h w"], last: FacePoints | None) -> FacePoints | None:
        """Return the points of the face in the next frame, None where it is not to be seen."""
        ...


@dataclass(frozen=True, kw_only=True)
class BuiltInFollower:
    """The built-in networks: a look at where the face was, a search where it is lost."""

    landmarker: BuiltInLandmarker = field(default_factory=BuiltInLandmarker)
    """Who finds the face in the first frame; its `number` says which."""

    def follow(self, picture: Float[Tensor, "3 h w"], last: FacePoints | None) -> FacePoints | None:
        """Return the points of the face in the next frame, None where it is not to be seen."""
        if last is not None:
            frame = landmarks.frame_around(last.sparse)
            found = self.landmarker.points_within(picture, frame)
            if float(found.score[0]) >= LEAST_SCORE:
                return found
        faces = candidates.search(picture, self.landmarker.detector).faces
        face = self._chosen(faces, last)
        if face is None:
            return None
        found = self.landmarker.points_of(picture, face)
        return found if float(found.score[0]) >= LEAST_SCORE else None

    def _chosen(self, faces: tuple[FoundFace, ...], last: FacePoints | None) -> FoundFace | None:
        """Return the face that is meant: the one that was followed, or the one asked for, or the largest."""
        if not faces:
            return None
        if last is not None:
            middle = last.sparse[0].mean(0)
            near = min(faces, key=lambda face: float((face.points.mean(0) - middle).norm()))
            if float((near.points.mean(0) - middle).norm()) < SAME * near.size:
                return near
        number = self.landmarker.number
        if last is None and number is not None:
            return faces[number - 1] if number <= len(faces) else None
        return max(faces, key=lambda face: face.size)

    def __getstate__(self) -> Mapping[str, object]:
        return {"landmarker": self.landmarker}


class Frame(NamedTuple):
    """The points of one frame; all zero and the score 0 where there is no face."""

    xy: Float[Tensor, "n 2"]
    sigma: Float[Tensor, " n"]
    score: float
    size: tuple[int, int]
    """Height and width of the frame."""


def followed(
    frames: Iterable[Float[Tensor, "3 h w"]], follower: Follower, before: Sequence[Frame] = ()
) -> Iterator[Frame]:
    """Yield the points of each frame, after some whose points are known; of the frames nothing is kept."""
    last = next((_as_points(frame) for frame in reversed(before) if frame.score > 0), None)
    for picture in frames:
        found = follower.follow(picture, last)
        size = picture.shape[1], picture.shape[2]
        if found is None:
            yield Frame(torch.zeros(COUNT, 2), torch.ones(COUNT), 0.0, size)
            continue
        last = found
        yield Frame(found.xy[0], found.sigma[0], float(found.score[0]), size)


def _as_points(frame: Frame) -> FacePoints:
    return FacePoints(xy=frame.xy[None], sigma=frame.sigma[None], score=torch.tensor([frame.score]))
