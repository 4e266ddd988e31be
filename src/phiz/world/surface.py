"""What can be drawn: triangles with a material, and what the picture's labels call them.

Everything lives in the figure frame: metres, x to the person's left, y up, z out of the face, with
the shoulders upright at the origin's foot. `phiz.world.paint` moves it in front of the camera.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import torch
from jaxtyping import Float, Int
from torch import Tensor


class Label(IntEnum):
    """The 19 classes of CelebAMask-HQ, in its order; left and right as that data set means them."""

    BACKGROUND = 0
    SKIN = 1
    LEFT_BROW = 2
    RIGHT_BROW = 3
    LEFT_EYE = 4
    RIGHT_EYE = 5
    GLASSES = 6
    LEFT_EAR = 7
    RIGHT_EAR = 8
    EARRING = 9
    NOSE = 10
    MOUTH = 11
    UPPER_LIP = 12
    LOWER_LIP = 13
    NECK = 14
    NECKLACE = 15
    CLOTH = 16
    HAIR = 17
    HAT = 18


class Material(IntEnum):
    """How light leaves a surface."""

    SKIN = 0
    EYE = 1
    TOOTH = 2
    TONGUE = 3
    MOUTH = 4
    HAIR = 5
    CLOTH = 6
    PLAIN = 7
    """Matt or glossy plastic, felt, metal: colour and gloss say which."""
    GLASS = 8
    """See-through lens: drawn over what lies behind it."""


@dataclass(frozen=True, kw_only=True)
class Surface:
    """Triangles of one material."""

    material: Material
    vertices: Float[Tensor, "v 3"]
    triangles: Int[Tensor, "f 3"]
    labels: Int[Tensor, " f"]
    """A `Label` for each triangle."""
    colour: Float[Tensor, "v 3"]
    """The surface's own colour, linear light in [0, 1]."""
    gloss: Float[Tensor, " v"]
    """0 is matt, 1 is a mirror."""
    along: Float[Tensor, "v 3"]
    """Direction of the hair or thread at each vertex; zero where there is none."""
    sides: int = 2
    """1 hides the backs of triangles."""


@dataclass(frozen=True, kw_only=True)
class Strands:
    """Hair as ribbons: a poly-line each, drawn as a thin strip that faces the camera."""

    points: Float[Tensor, "n k 3"]
    """From root to tip, figure frame with the head upright."""
    width: Float[Tensor, "n k"]
    """Full width of the strip at each point, in metres."""
    colour: Float[Tensor, "n k 3"]
    """Linear light in [0, 1]; roots may be darker than tips."""
    label: Label

    @property
    def count(self) -> int:
        return self.points.shape[0]


def join(surfaces: list[Surface]) -> Surface:
    """Return several surfaces of one material as one."""
    first = surfaces[0]
    if any((s.material, s.sides) != (first.material, first.sides) for s in surfaces):
        raise ValueError("only surfaces of one material and one number of sides can be joined")
    offsets = [0]
    for s in surfaces[:-1]:
        offsets.append(offsets[-1] + s.vertices.shape[0])
    return Surface(
        material=first.material,
        vertices=torch.cat([s.vertices for s in surfaces]),
        triangles=torch.cat([s.triangles + o for s, o in zip(surfaces, offsets, strict=True)]),
        labels=torch.cat([s.labels for s in surfaces]),
        colour=torch.cat([s.colour for s in surfaces]),
        gloss=torch.cat([s.gloss for s in surfaces]),
        along=torch.cat([s.along for s in surfaces]),
        sides=first.sides,
    )
