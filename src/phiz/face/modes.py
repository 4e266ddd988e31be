"""What each expression of a head does by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.face.coeffs import FaceCoeffs
from phiz.face.morphable import MorphableModel

AT_ONCE = 16
"""Expressions worked out together; bounds the memory."""

NEEDS = {"mouthClose": "jawOpen"}
"""Expressions that do nothing alone: ARKit's mouthClose brings the lips of an open jaw together."""


def surfaces(
    model: MorphableModel, rest: FaceCoeffs
) -> Iterator[tuple[Float[Tensor, "n v 3"], Float[Tensor, "n v 3"]]]:
    """Yield the surface of one face with and without each expression at 1, a few modes at a time."""
    count = model.sizes.expression
    without = torch.zeros(count, count, device=rest.expression.device)
    for name, other in NEEDS.items():
        if {name, other} <= set(model.expression_names):
            without[model.expression_names.index(name), model.expression_names.index(other)] = 1
    alone = torch.eye(count, device=rest.expression.device)
    still = model.vertices(repeat(rest, without[:1] * 0))
    for start in range(0, count, AT_ONCE):
        chosen = slice(start, start + AT_ONCE)
        moved = model.vertices(repeat(rest, (alone + without)[chosen]))
        if without[chosen].any():
            yield moved, model.vertices(repeat(rest, without[chosen]))
        else:
            yield moved, still.expand_as(moved)


def repeat(face: FaceCoeffs, expression: Float[Tensor, "n e"]) -> FaceCoeffs:
    """Return one face with many expressions."""
    if face.batch != 1:
        raise ValueError(f"one face is wanted, not {face.batch}")
    many = {
        name: getattr(face, name).expand(len(expression), *getattr(face, name).shape[1:])
        for name in face.__dataclass_fields__
    }
    return replace(FaceCoeffs(**many), expression=expression)
