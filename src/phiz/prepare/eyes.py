"""What a picture is looked at with: detector, points, head model, parser; opened once a process."""

from __future__ import annotations

import atexit
import hashlib
import json
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from phiz import checkpoint
from phiz.face import detectors, models, network_files
from phiz.face.candidates import Detector, FoundFace
from phiz.face.landmarker import BuiltInLandmarker
from phiz.face.landmarks import FacePoints
from phiz.face.morphable import MorphableModel
from phiz.face.parse import Parser
from phiz.layers.folding import folded


@runtime_checkable
class PointFinder(Protocol):
    """Something that finds the points of a face that a detector saw."""

    def points_of(self, picture: Float[Tensor, "3 h w"], face: FoundFace) -> FacePoints:
        """Return the points of one face, in pixels of the picture."""
        ...


@dataclass(frozen=True, kw_only=True)
class Eyes:
    """Everything that looks at a picture."""

    detector: Detector
    points: PointFinder
    head: MorphableModel
    parser: Parser | None = None
    """None where no masks are wanted."""


@runtime_checkable
class Opener(Protocol):
    """Something small that travels to other processes and opens eyes there."""

    def __call__(self) -> Eyes:
        """Return eyes, ready to look."""
        ...

    def fingerprint(self) -> str:
        """Return a text that is another one for eyes that may see something else."""
        ...

    def __hash__(self) -> int:
        """Return the same number for openers of the same eyes."""
        ...


@dataclass(frozen=True, kw_only=True)
class Networks:
    """The built-in networks, or a detector of another kind before them."""

    detector: detectors.Name = "built-in"
    model: str = models.BUILT_IN
    """What `phiz.face.models.open_model` knows the head by."""
    has_parser: bool = False

    def __call__(self) -> Eyes:
        """Return eyes; what is optional and not there is named with its remedy."""
        stack = ExitStack()
        detector = stack.enter_context(detectors.started(self.detector))
        atexit.register(stack.close)
        head = models.open_model(self.model)
        if isinstance(head, torch.nn.Module):
            head.requires_grad_(False)
        parser = folded(network_files.load(network_files.PARSER)) if self.has_parser else None
        return Eyes(detector=detector, points=BuiltInLandmarker(detector=detector), head=head, parser=parser)

    def fingerprint(self) -> str:
        """Return a text that is another one with other weights or another head."""
        files = [network_files.LANDMARKS.built_in]
        if self.detector == "built-in":
            files.append(network_files.DETECTOR.built_in)
        if self.has_parser:
            files.append(network_files.PARSER.built_in)
        head = Path(self.model).expanduser()
        if head.is_dir():
            head = head / "head.npz"
        files += [head] if head.is_file() else []
        digests = [checkpoint.digest(file) for file in files if file.is_file()]
        text = json.dumps([self.detector, self.model, digests])
        return hashlib.sha256(text.encode()).hexdigest()


@lru_cache(maxsize=2)
def opened(opener: Opener) -> Eyes:
    """Return the eyes of this process."""
    return opener()
