"""The same opening of the mouth on another face.

A weight of `jawOpen` parts the lips of one face and not yet those of another: full lips stay shut for the
first tenth, a face that was photographed with an open mouth never closes. What one sees is the distance of
the lips. So a motion's jaw is read on the face that it was meant for, and set on the face that makes it where
lips are as far apart.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.face import modes
from phiz.face.coeffs import FaceCoeffs, Motion, neutral
from phiz.face.morphable import MorphableModel
from phiz.face.points import lips_open

JAW, CLOSING = "jawOpen", "mouthClose"
WEIGHTS = (0.0, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 0.4, 0.55, 0.75, 1.0)
"""Of an open jaw: where the distance of the lips is looked up."""
RISE = 1e-4
"""By so much at least a distance grows from each weight to the next, in distances of the eyes."""


@dataclass(frozen=True, kw_only=True)
class Opening:
    """How far lips are apart, by how far the jaw is open: on the face meant and on the one that makes it."""

    meant: Float[Tensor, " n"]
    made: Float[Tensor, " n"]
    jaw: int
    """The number of the expression, negative for heads that have none."""

    @staticmethod
    def of(head: MorphableModel, meant: FaceCoeffs, made: FaceCoeffs) -> Opening:
        """Return what two faces, at rest, have to do with each other; each is one face."""
        names = list(head.expression_names)
        if JAW not in names:
            return Opening(meant=torch.zeros(1), made=torch.zeros(1), jaw=-1)
        return Opening(meant=distances(head, meant), made=distances(head, made), jaw=names.index(JAW))

    def moved(
        self,
        expression: Float[Tensor, "t e"],
        jaw: Float[Tensor, " t"],
        *,
        shut: float = 0.0,
        amount: float = 1.0,
    ) -> Float[Tensor, "t e"]:
        """Return expressions with the jaw so open that lips part as they do on the other face at `jaw`.

        There they are shut at `shut`; distances are multiplied by `amount`.
        """
        if self.jaw < 0:
            return expression
        weights = expression.new_tensor(WEIGHTS)
        least = _read(weights, self.meant, weights.new_tensor([shut]))
        apart = amount * (_read(weights, self.meant, jaw) - least).clamp(min=0)
        found = _read(self.made, weights, self.made[0] + apart)
        return expression.index_copy(1, torch.tensor([self.jaw]), found[:, None])


def spoken(motion: Motion, rest: FaceCoeffs, head: MorphableModel) -> Motion:
    """Return what a person says, who opens the mouth as the mean face does of which speech is learned."""
    if motion.basis != head.name:
        return motion
    opening = Opening.of(head, neutral(head.sizes), rest)
    if opening.jaw < 0:
        return motion
    jaw = (motion.expression - rest.expression)[:, opening.jaw].clamp(min=0)
    return replace(motion, expression=opening.moved(motion.expression, jaw))


@torch.no_grad()
def distances(head: MorphableModel, face: FaceCoeffs) -> Float[Tensor, " n"]:
    """Return how far the lips of a face at rest are apart with the jaw at each weight, in eye distances."""
    names = list(head.expression_names)
    expression = face.expression.repeat(len(WEIGHTS), 1)
    expression[:, names.index(JAW)] = expression.new_tensor(WEIGHTS)
    if CLOSING in names:
        expression[:, names.index(CLOSING)] = 0
    apart = lips_open(head.landmarks(head.vertices(modes.repeat(face, expression))))
    rising: Tensor = apart.cummax(0).values
    return rising + RISE * torch.arange(len(rising)).to(rising)


def _read(x: Float[Tensor, " n"], y: Float[Tensor, " n"], at: Float[Tensor, " t"]) -> Float[Tensor, " t"]:
    """Return what a curve of straight pieces through (x, y) has at places; beyond its ends, the ends."""
    at = at.clamp(x[0], x[-1])
    right = torch.searchsorted(x.contiguous(), at.contiguous()).clamp(1, len(x) - 1)
    left = right - 1
    share = (at - x[left]) / (x[right] - x[left])
    found: Tensor = torch.lerp(y[left], y[right], share)
    return found
