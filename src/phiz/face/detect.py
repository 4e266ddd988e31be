"""Our own detector: all faces of a picture in one pass, with their five points, and small ones in a second.

The network is `phiz.face.detect_network`, trained on rendered people alone (``phiz train detector``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from phiz.face import network_files
from phiz.face.candidates import FoundFace, without_doubles
from phiz.face.detect_network import COARSEST, FaceFinder
from phiz.face.network_files import DETECTOR
from phiz.layers.folding import folded

LEAST_SCORE = 0.5
"""Less sure ones are not told."""
TRUSTED = 0.8
"""Measured on strangers: lying or upside down they score up to 0.78, upright 99 of 100 from 0.84 on."""
SMALLEST = 21 / 256
"""The least width of a face as a share of the longer side, in the first look: of blurred, noisy and covered
strangers of 21 to 32 pixels 85 of 100 are found, of those of 16 to 21 pixels 75."""
SMALL = 0.2
"""Faces larger than this share of the longer side are for the first look alone."""
AGREEING = 0.5
"""Cells whose boxes overlap the surest one's by more tell of the same face, and their mean is taken."""
MOST_SHARED, MOST_WITHIN = 0.3, 0.7
"""A box that shares more of the joint area with a surer one's, or more of its own, is no face of its own."""
MOST_CANDIDATES = 400


@dataclass(frozen=True, kw_only=True)
class BuiltInDetector:
    """The built-in detector, or one from a file; the network is read when the first picture comes."""

    path: Path | None = None

    @property
    def looks_for(self) -> str:
        """Return who looks for what."""
        return "The built-in detector looks for faces from frontal to nearly profile"

    @property
    def trusted(self) -> float:
        """Return the score from which a face is surely there, and does not stand on its head."""
        return TRUSTED

    def smallest(self, height: int, width: int) -> float:
        """Return the least width in pixels that a face must have."""
        return SMALLEST * max(height, width) / self.network.config.closer

    def find(self, picture: Float[Tensor, "3 h w"]) -> Sequence[FoundFace]:
        """Return the faces in a picture; smaller ones are looked for where no face can be trusted."""
        return find(self.network, picture)

    @cached_property
    def network(self) -> FaceFinder:
        """Return the network, ready to be used."""
        return folded(network_files.load(DETECTOR, self.path))

    def __getstate__(self) -> Mapping[str, object]:
        return {"path": self.path}  # packed weights do not travel to other processes


def built_in() -> BuiltInDetector:
    """Return the detector that comes with phiz."""
    return BuiltInDetector()


def find(
    network: FaceFinder, picture: Float[Tensor, "3 h w"], *, least: float = LEAST_SCORE
) -> list[FoundFace]:
    """Return the faces in a picture, the surest first: large ones, and if none is trusted, small ones too."""
    config = network.config
    found = look(network, picture, config.side, least=least)
    if config.closer == 1 or (found and found[0].score >= TRUSTED):
        return found
    most = SMALL * max(picture.shape[1:])
    closer = look(network, picture, config.side * config.closer, least=least)
    return without_doubles([*found, *(face for face in closer if face.size <= most)])


@torch.inference_mode()
def look(
    network: FaceFinder, picture: Float[Tensor, "3 h w"], side: int, *, least: float = LEAST_SCORE
) -> list[FoundFace]:
    """Return the faces that a network sees in a picture whose longer side is made `side` pixels."""
    shown, scale = fitted(picture, side)
    device = next(iter(network.state_dict().values())).device
    told = network(shown[None].to(device))
    scores = told.logits[0].sigmoid()
    chosen = scores.topk(min(MOST_CANDIDATES, len(scores))).indices
    chosen = chosen[scores[chosen] >= least]
    boxes, points = told.boxes[0, chosen].cpu(), told.points[0, chosen].cpu()
    return [
        FoundFace(box=box / scale.repeat(2), points=five / scale, score=score)
        for box, five, score in blended(boxes, points, scores[chosen].cpu())
    ]


def fitted(picture: Float[Tensor, "3 h w"], side: int) -> tuple[Float[Tensor, "3 h2 w2"], Float[Tensor, "2"]]:
    """Return a picture whose longer side has `side` pixels, with grey to the right and below to fill cells.

    Beside it stands how many of its pixels one of the picture's is, across and down.
    """
    height, width = picture.shape[1:]
    factor = side / max(height, width)
    small = max(1, round(height * factor)), max(1, round(width * factor))
    shown = picture[None]
    if small != (height, width):
        shown = functional.interpolate(shown, size=small, mode="bilinear", antialias=factor < 1)
    down, across = (math.ceil(n / COARSEST) * COARSEST - n for n in small)
    scale = torch.tensor([small[1] / width, small[0] / height])
    return functional.pad(shown[0], (0, across, 0, down)), scale


def blended(
    boxes: Float[Tensor, "n 4"], points: Float[Tensor, "n 5 2"], scores: Float[Tensor, " n"]
) -> list[tuple[Float[Tensor, "4"], Float[Tensor, "5 2"], float]]:
    """Return one box, five points and a score a face: means of the cells that agree, weighed by score."""
    found = []
    left = torch.ones(len(scores), dtype=torch.bool)
    for first in scores.argsort(descending=True).tolist():
        if not left[first]:
            continue
        joint, within = shared(boxes[first], boxes)
        agree = left & (joint >= AGREEING)
        agree[first] = True  # a box without an area agrees with nothing
        weights = scores[agree] / scores[agree].sum()
        five = (weights[:, None, None] * points[agree]).sum(dim=0)
        found.append((weights @ boxes[agree], five, float(scores[first])))
        left &= ~(agree | (joint > MOST_SHARED) | (within > MOST_WITHIN))
    return found


def shared(
    box: Float[Tensor, "4"], others: Float[Tensor, "n 4"]
) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    """Return what other boxes share with one, as a part of the area of both and of their own."""
    low, high = torch.maximum(box[:2], others[:, :2]), torch.minimum(box[2:], others[:, 2:])
    both = (high - low).clamp(min=0).prod(dim=1)
    own = (others[:, 2:] - others[:, :2]).clamp(min=0).prod(dim=1)
    either = (box[2:] - box[:2]).clamp(min=0).prod() + own - both
    return both / either.clamp(min=1e-9), both / own.clamp(min=1e-9)
