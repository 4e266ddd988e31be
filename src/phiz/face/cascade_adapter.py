"""OpenCV's cascade of simple features (Viola and Jones, 2001) as a detector: old, frontal faces only.

It finds boxes, and eyes in most of them. The other points follow from the eyes, or all five from the box,
as they lie on an average face.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from phiz.errors import MissingError
from phiz.face.candidates import FoundFace
from phiz.media import image

INSTALL = 'pip install "opencv-python-headless<5"'
"""Version 5 has no cascades."""

WORKING_SIDE = 640
"""The longer side to which larger pictures are shrunk."""
SMALLEST_FACE = 24
STEP, NEIGHBOURS = 1.1, 5
"""How much the searched size grows a step, and how many boxes must agree."""
SURE = 5.0
"""The cascade's own weight at which it is as likely right as wrong; it makes a score of one half."""

PLACES = ((0.325, 0.414), (0.675, 0.414), (0.5, 0.6), (0.365, 0.79), (0.635, 0.79))
"""Where the five points lie in a box on average, as shares of its sides; measured with MediaPipe."""
EYES_REGION = (0.18, 0.6)
"""Top and bottom of the part of a box in which eyes are looked for."""
EYE_SPAN = (0.25, 0.5)
"""The distance between eyes that is believed, as a share of the box."""
STEEPEST = math.radians(25)
"""The slope of the line through the eyes that is believed."""


@dataclass(frozen=True, kw_only=True)
class Cascade:
    """The cascade, loaded; see `loaded`."""

    opencv: Any
    faces: Any
    eyes: Any

    @property
    def looks_for(self) -> str:
        """Return who looks for what."""
        return "OpenCV's cascade looks for frontal faces"

    @property
    def trusted(self) -> float:
        """Return the score from which a face is surely there and upright: any, it knows no others."""
        return 0.0

    def smallest(self, height: int, width: int) -> float:
        """Return the least width in pixels that a face must have."""
        return SMALLEST_FACE / _shrinking(height, width)

    def find(self, picture: Float[Tensor, "3 h w"]) -> Sequence[FoundFace]:
        """Return the faces in a picture."""
        factor = _shrinking(*picture.shape[1:])
        grey = self.opencv.cvtColor(
            np.ascontiguousarray(image.to_bytes(picture.detach().cpu()).numpy()), self.opencv.COLOR_RGB2GRAY
        )
        if factor < 1:
            grey = self.opencv.resize(grey, None, fx=factor, fy=factor, interpolation=self.opencv.INTER_AREA)
        boxes, _, weights = self.faces.detectMultiScale3(
            grey, STEP, NEIGHBOURS, minSize=(SMALLEST_FACE, SMALLEST_FACE), outputRejectLevels=True
        )
        return [
            self._face(grey, [float(side) for side in box], float(weight), factor)
            for box, weight in zip(boxes, np.ravel(weights), strict=True)
        ]

    def _face(self, grey: Any, box: list[float], weight: float, factor: float) -> FoundFace:
        left, top, width, height = box
        guessed = torch.tensor(PLACES) * torch.tensor([width, height]) + torch.tensor([left, top])
        eyes = self._eyes(grey, box)
        return FoundFace(
            box=torch.tensor([left, top, left + width, top + height]) / factor,
            points=(guessed if eyes is None else through_eyes(guessed, eyes)) / factor,
            score=1 / (1 + math.exp(SURE - weight)),
            are_points_guessed=True,
        )

    def _eyes(self, grey: Any, box: list[float]) -> Float[Tensor, "2 2"] | None:
        """Return the middles of both eyes in a box, the left one first; None if they are not believed."""
        left, top, width, height = box
        above, below = int(top + EYES_REGION[0] * height), int(top + EYES_REGION[1] * height)
        found = []
        for start in (left, left + width / 2):
            part = grey[above:below, int(start) : int(start + width / 2)]
            eyes, _, weights = self.eyes.detectMultiScale3(
                part, STEP, 3, minSize=(int(width / 8), int(width / 8)), outputRejectLevels=True
            )
            if not len(eyes):
                return None
            x, y, across, down = eyes[int(np.argmax(np.ravel(weights)))].tolist()
            found.append([int(start) + x + across / 2, above + y + down / 2])
        across, down = found[1][0] - found[0][0], found[1][1] - found[0][1]
        span = math.hypot(across, down) / width
        is_believed = EYE_SPAN[0] < span < EYE_SPAN[1] and abs(math.atan2(down, across)) < STEEPEST
        return torch.tensor(found, dtype=torch.float32) if is_believed else None


def loaded() -> Cascade:
    """Return the cascade that comes with OpenCV."""
    try:
        opencv = importlib.import_module("cv2")
        folder = Path(opencv.data.haarcascades)
        faces = opencv.CascadeClassifier(str(folder / "haarcascade_frontalface_default.xml"))
        eyes = opencv.CascadeClassifier(str(folder / "haarcascade_eye.xml"))
    except (ImportError, AttributeError) as error:
        raise MissingError(
            f"this needs OpenCV with its cascades, which version 5 has no more ({error}). "
            f"Install it with: {INSTALL}"
        ) from error
    if faces.empty() or eyes.empty():
        raise MissingError(f"the OpenCV that is installed has no cascades. Install it with: {INSTALL}")
    return Cascade(opencv=opencv, faces=faces, eyes=eyes)


def through_eyes(guessed: Float[Tensor, "5 2"], eyes: Float[Tensor, "2 2"]) -> Float[Tensor, "5 2"]:
    """Return five points turned, scaled and shifted so that the first two lie on these eyes."""
    flat = torch.view_as_complex(guessed.contiguous())
    first, second = torch.view_as_complex(eyes.contiguous())
    turn = (second - first) / (flat[1] - flat[0])
    return torch.view_as_real(first + turn * (flat - flat[0]))


def _shrinking(height: int, width: int) -> float:
    return min(1.0, WORKING_SIDE / max(height, width))
