"""A person's head at rest, found once for all who ask: the camera, the hair, the clothes."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from functools import lru_cache
from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from phiz.face.coeffs import neutral
from phiz.face.morphable import MorphableModel, Part


def vertices(head: MorphableModel, identity: Float[Tensor, " i"]) -> Float[Tensor, "v 3"]:
    """Return the head's surface at rest, in the model's own unit; the last few people's are kept."""
    numbers = identity.detach().cpu().float().contiguous().numpy().tobytes()
    return _vertices(cast(Hashable, head), numbers)


@lru_cache(maxsize=4)
def _vertices(model: Hashable, numbers: bytes) -> Float[Tensor, "v 3"]:
    head = cast(MorphableModel, model)
    identity = torch.from_numpy(np.frombuffer(numbers, np.float32).copy())
    with torch.no_grad():
        return head.vertices(replace(neutral(head.sizes), identity=identity[None]))[0]


def eye_radius(head: MorphableModel) -> float:
    """Return the radius of the mean head's eyeball in metres, from its width."""
    return _eye_radius(cast(Hashable, head))


@lru_cache(maxsize=4)
def _eye_radius(model: Hashable) -> float:
    head = cast(MorphableModel, model)
    own = head.triangles[head.parts == Part.LEFT_EYE]
    if own.numel() == 0:
        return 0.012
    with torch.no_grad():
        points = head.vertices(neutral(head.sizes))[0][own.reshape(-1)]
    return float(points[:, 0].max() - points[:, 0].min()) / 2 * head.metres_per_unit
