"""What any head model can do, whoever made it.

A model turns coefficients into a surface. All of them speak of the same parts, regions and 68
landmarks, so that everything above (fitting, drawing, rigging) works with any of them.

Face frame: x to the person's left, y up, z out of the face; the length of a unit is the model's
own and stands in ``metres_per_unit``.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from phiz.face.coeffs import FaceCoeffs, Sizes

ARKIT_NAMES: tuple[str, ...] = (
    "eyeBlinkLeft",
    "eyeLookDownLeft",
    "eyeLookInLeft",
    "eyeLookOutLeft",
    "eyeLookUpLeft",
    "eyeSquintLeft",
    "eyeWideLeft",
    "eyeBlinkRight",
    "eyeLookDownRight",
    "eyeLookInRight",
    "eyeLookOutRight",
    "eyeLookUpRight",
    "eyeSquintRight",
    "eyeWideRight",
    "jawForward",
    "jawLeft",
    "jawRight",
    "jawOpen",
    "mouthClose",
    "mouthFunnel",
    "mouthPucker",
    "mouthLeft",
    "mouthRight",
    "mouthSmileLeft",
    "mouthSmileRight",
    "mouthFrownLeft",
    "mouthFrownRight",
    "mouthDimpleLeft",
    "mouthDimpleRight",
    "mouthStretchLeft",
    "mouthStretchRight",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugLower",
    "mouthShrugUpper",
    "mouthPressLeft",
    "mouthPressRight",
    "mouthLowerDownLeft",
    "mouthLowerDownRight",
    "mouthUpperUpLeft",
    "mouthUpperUpRight",
    "browDownLeft",
    "browDownRight",
    "browInnerUp",
    "browOuterUpLeft",
    "browOuterUpRight",
    "cheekPuff",
    "cheekSquintLeft",
    "cheekSquintRight",
    "noseSneerLeft",
    "noseSneerRight",
    "tongueOut",
)
"""The 52 expression names of Apple's ARKit in the order that its recordings use."""


class Part(IntEnum):
    """What a triangle belongs to. Left and right are the person's."""

    SKIN = 0
    NOSE = 1
    UPPER_LIP = 2
    LOWER_LIP = 3
    LEFT_EAR = 4
    RIGHT_EAR = 5
    SCALP = 6
    NECK = 7
    SHOULDERS = 8
    MOUTH = 9
    """The inside of the mouth: cheeks, palate and gums."""
    UPPER_TEETH = 10
    LOWER_TEETH = 11
    TONGUE = 12
    LEFT_EYE = 13
    RIGHT_EYE = 14
    EYE_RIM = 15
    """Wet inner edge of the lids, and the socket behind it."""


REGIONS = (
    "scalp",  # where head hair grows
    "left_brow",
    "right_brow",
    "beard",  # where a full beard grows, moustache included
    "moustache",
    "upper_lip",  # vermilion
    "lower_lip",
    "nose",
    "cheeks",
    "eyelids",
    "under_eyes",
    "ears",
    "forehead",
    "neck",
)
"""Soft areas of the skin, one weight in [0, 1] a vertex; they steer colour, hair and masks."""


@runtime_checkable
class MorphableModel(Protocol):
    """Coefficients in, surface out; batched and differentiable."""

    name: str
    metres_per_unit: float
    sizes: Sizes
    expression_names: tuple[str, ...]
    """One name an expression mode; empty where the modes have none."""
    triangles: Int[Tensor, "f 3"]
    """Vertex numbers, anticlockwise seen from outside."""
    parts: Int[Tensor, " f"]
    """A `Part` for each triangle."""
    regions: Float[Tensor, "v n"]
    """A weight for each vertex and each name in `REGIONS`."""
    skin_mask: Float[Tensor, " v"]
    """1 on plain facial skin, where colour tells about light."""
    lip_mask: Float[Tensor, " v"]

    def vertices(self, face: FaceCoeffs) -> Float[Tensor, "b v 3"]:
        """Return the surface in the face frame, before rotation and translation."""
        ...

    def normals(self, vertices: Float[Tensor, "b v 3"]) -> Float[Tensor, "b v 3"]:
        """Return a unit normal for each vertex."""
        ...

    def colours(self, face: FaceCoeffs) -> Float[Tensor, "b v 3"]:
        """Return the skin's own colour, sRGB in [0, 1], without light."""
        ...

    def landmarks(self, vertices: Float[Tensor, "b v 3"]) -> Float[Tensor, "b 68 3"]:
        """Return the 68 iBUG points of surfaces that `vertices` made."""
        ...


def region(model: MorphableModel, name: str) -> Float[Tensor, " v"]:
    """Return one soft area of the skin by its name in `REGIONS`."""
    if name not in REGIONS:
        raise ValueError(f"no region {name!r}; there are {', '.join(REGIONS)}")
    return model.regions[:, REGIONS.index(name)]


PLAIN_SKIN = (0.78, 0.60, 0.52)
"""The colour of heads that have no colours of their own, sRGB."""


def plain_colours(mean: Float[Tensor, "v 3"], batch: int) -> Float[Tensor, "b v 3"]:
    """Return the same skin colour for every vertex of some faces."""
    return torch.tensor(PLAIN_SKIN, device=mean.device).expand(batch, mean.shape[0], 3)


def add_at(
    points: Float[Tensor, "b v 3"], members: Int[Tensor, " n"], values: Float[Tensor, "b n 3"]
) -> Float[Tensor, "b v 3"]:
    """Return the points with values added to some of them; a member may stand in the list more than once.

    One flat list of rows: adding along the second axis takes torch ten times as long.
    """
    batch, count = points.shape[:2]
    rows = members
    if batch > 1:
        first = torch.arange(batch, device=members.device, dtype=members.dtype) * count
        rows = (members + first[:, None]).flatten()
    return points.flatten(0, 1).index_add(0, rows, values.flatten(0, 1)).reshape(batch, count, 3)


def vertex_normals(vertices: Float[Tensor, "b v 3"], triangles: Int[Tensor, "f 3"]) -> Float[Tensor, "b v 3"]:
    """Return unit normals, each the mean of its triangles' normals weighted by their areas."""
    first, second, third = (vertices.index_select(1, triangles[:, k]) for k in range(3))
    across = torch.linalg.cross(second - first, third - first)
    total = add_at(torch.zeros_like(vertices), triangles.T.flatten(), across.repeat(1, 3, 1))
    return torch.nn.functional.normalize(total, dim=-1, eps=1e-20)
