"""MediaPipe 0.10.21 as a detector: it brings its networks along and gives 478 points a face.

It is optional, and a judge rather than a part: nothing here depends on it. Later versions bring no networks.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from phiz.errors import MediaError, MissingError
from phiz.face import align, points, warp
from phiz.face.candidates import FoundFace, overlap, without_doubles
from phiz.media import image

INSTALL = (
    "pip install --no-deps mediapipe==0.10.21, and beside it: pip install absl-py attrs flatbuffers "
    '"protobuf>=6.31,<7" matplotlib "opencv-python-headless<5"'
)
"""It wants numpy below 2 but does not need it; with protobuf 5 or 7 it does not start."""

COUNT = 478
MOST_FACES = 16
LEAST_SCORE = 0.5
SAME = 0.1
"""The overlap from which a box and points are of one face."""
TRUSTED = 0.85
"""Measured: faces taken for upright that stand on their heads score up to 0.78, others from 0.89 on."""
SMALLEST = 0.06
"""The least width of a face as a share of the picture's longer side; measured on shrunk portraits."""
CLOSE_UP, CLOSE_UP_SIZE = 2.0, 256
"""A face that only the far-sighted network saw is looked at again in a square of so many times its width."""

FROM_478: tuple[tuple[int, ...], ...] = (
    *((i,) for i in (127, 234, 93, 132, 172, 136, 149, 148, 152)),
    *((i,) for i in (377, 378, 365, 397, 361, 323, 454, 356)),
    *((46, 70), (53, 63), (52, 105), (65, 66), (55, 107)),
    *((285, 336), (295, 296), (282, 334), (283, 293), (276, 300)),
    *((168,), (197,), (5, 195), (4,), (98,), (97,), (2,), (326,), (327,)),
    *((i,) for i in (33, 160, 158, 133, 153, 144)),
    *((i,) for i in (362, 385, 387, 263, 373, 380)),
    *((61,), (39, 40), (37,), (0,), (267,), (269, 270), (291,), (321,), (314, 405), (17,), (84, 181), (91,)),
    *((i,) for i in (78, 81, 13, 311, 308, 402, 14, 178)),
)
"""Which of the 478 points, or the mean of which two, lies nearest to each of the 68 landmarks on our head.

The first eight and last eight run along the outline of the face and sit at other places of it than the 68 do.
"""


@dataclass(frozen=True, kw_only=True)
class MediaPipe:
    """MediaPipe, started; see `started`."""

    near: Any
    far: Any
    mesh: Any
    close_up: Any

    @property
    def looks_for(self) -> str:
        """Return who looks for what."""
        return "MediaPipe looks for faces from frontal to three quarters"

    @property
    def trusted(self) -> float:
        """Return the score from which a face is surely there, and does not stand on its head."""
        return TRUSTED

    def smallest(self, height: int, width: int) -> float:
        """Return the least width in pixels that a face must have."""
        return SMALLEST * max(height, width)

    def find(self, picture: Float[Tensor, "3 h w"]) -> Sequence[FoundFace]:
        """Return the faces in a picture, each with its 478 points as `landmarks`."""
        height, width = picture.shape[1:]
        pixels = _pixels(picture)
        boxes = [
            _box_of(detection, height, width)
            for network in (self.near, self.far)
            for detection in network.process(pixels).detections or ()
        ]
        marks = self.mesh.process(pixels).multi_face_landmarks or ()
        faces = [face_of(_placed(found.landmark, height, width), 0.0) for found in marks]
        for box in without_doubles(boxes):
            if all(overlap(box, face) < SAME for face in faces):
                faces += self._closer(picture, box)
        return without_doubles(
            replace(face, score=self._upright_score(picture, face.points)) for face in faces
        )

    def _upright_score(self, picture: Tensor, five: Tensor) -> float:
        """Return how sure MediaPipe is of a face put upright and at one size by its points.

        Its scores of faces as they are say more about their size, and it marks faces that stand on their
        heads as if they did not, which shows here.
        """
        try:
            frame = align.ffhq_frame(five, CLOSE_UP_SIZE)
        except MediaError:  # all points on one spot
            return 0.0
        part = warp.sample(picture[None], frame[None], (CLOSE_UP_SIZE, CLOSE_UP_SIZE))[0]
        found = self.near.process(_pixels(part)).detections or ()
        return max((float(detection.score[0]) for detection in found), default=LEAST_SCORE)

    def _closer(self, picture: Tensor, box: FoundFace) -> list[FoundFace]:
        """Return the face in a box with its points, found in an enlarged part of the picture."""
        scale = CLOSE_UP * box.size / CLOSE_UP_SIZE
        x, y = ((box.box[:2] + box.box[2:]) / 2 - CLOSE_UP * box.size / 2).tolist()
        frame = warp.scaling(scale, scale, x, y)
        part = warp.sample(picture[None], frame[None], (CLOSE_UP_SIZE, CLOSE_UP_SIZE))[0]
        marks = self.close_up.process(_pixels(part)).multi_face_landmarks or ()
        found = [
            face_of(_placed(one.landmark, CLOSE_UP_SIZE, CLOSE_UP_SIZE), box.score).moved(frame)
            for one in marks
        ]
        return [face for face in found if overlap(face, box) > SAME]


@contextmanager
def started() -> Iterator[MediaPipe]:
    """Yield MediaPipe, ready to find faces, and stop it afterwards."""
    solutions = _solutions()
    detection, mesh = solutions.face_detection.FaceDetection, solutions.face_mesh.FaceMesh
    options = {"static_image_mode": True, "refine_landmarks": True, "min_detection_confidence": LEAST_SCORE}
    try:
        found = MediaPipe(
            near=detection(model_selection=0, min_detection_confidence=LEAST_SCORE),
            far=detection(model_selection=1, min_detection_confidence=LEAST_SCORE),
            mesh=mesh(max_num_faces=MOST_FACES, **options),
            close_up=mesh(max_num_faces=1, **options),
        )
    except (AttributeError, TypeError, ValueError, RuntimeError, OSError) as error:
        raise MissingError(
            f"MediaPipe is here but does not start ({error}), most often because of another version of "
            f"protobuf. Install it with: {INSTALL}"
        ) from error
    try:
        yield found
    finally:
        for part in (found.near, found.far, found.mesh, found.close_up):
            part.close()


def to_68(landmarks: Float[Tensor, "*b 478 c"]) -> Float[Tensor, "*b 68 c"]:
    """Return the 68 landmarks that 478 points stand for; outlines fit to a few hundredths of the face."""
    return torch.stack([landmarks[..., list(group), :].mean(dim=-2) for group in FROM_478], dim=-2)


def face_of(landmarks: Float[Tensor, "478 2"], score: float) -> FoundFace:
    """Return the face that 478 points outline."""
    return FoundFace(
        box=torch.cat([landmarks.amin(dim=0), landmarks.amax(dim=0)]),
        points=points.five_points(to_68(landmarks)),
        score=score,
        landmarks=landmarks,
    )


def _solutions() -> Any:
    try:
        return importlib.import_module("mediapipe").solutions
    except (ImportError, AttributeError, TypeError) as error:
        raise MissingError(
            f"this needs MediaPipe 0.10.21, which is not installed or is another version ({error}). "
            f"Install it with: {INSTALL}"
        ) from error


def _pixels(picture: Tensor) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.ascontiguousarray(image.to_bytes(picture.detach().cpu()).numpy())


def _placed(marks: Any, height: int, width: int) -> Tensor:
    return torch.tensor([[mark.x * width, mark.y * height] for mark in marks])


def _box_of(detection: Any, height: int, width: int) -> FoundFace:
    """Return a detection, whose points are not the five and are left out."""
    part = detection.location_data.relative_bounding_box
    left, top = part.xmin * width, part.ymin * height
    return FoundFace(
        box=torch.tensor([left, top, left + part.width * width, top + part.height * height]),
        points=torch.zeros(5, 2),
        score=float(detection.score[0]),
    )
