"""Hair that goes where the skin goes: each strand remembers the spot of the face it grows from."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from phiz.world.drawn import loops
from phiz.world.grown import root_loops
from phiz.world.surface import Strands


@dataclass(frozen=True, kw_only=True)
class Rooted:
    """Strands, and where on which triangle each of them grows."""

    strands: Strands
    """As grown, on the face at rest."""
    corners: Int[Tensor, "n 3"]
    """Vertex numbers of the triangle under each root."""
    weights: Float[Tensor, "n 3"]
    """Barycentric place of the root in that triangle."""
    rest: Float[Tensor, "n 3"]
    """Where that place was when the strand was grown; the strand may start a little above it."""
    frame: Float[Tensor, "n 3 3"]
    """Axes of the skin at the root when the strand was grown, one a column."""


def root(
    strands: Strands,
    corners: Int[Tensor, "n 3"],
    weights: Float[Tensor, "n 3"],
    vertices: Float[Tensor, "v 3"],
    normals: Float[Tensor, "v 3"],
) -> Rooted:
    """Return the strands bound to the skin they were grown on."""
    rest, frame = _stand(corners, weights, vertices, normals)
    return Rooted(strands=strands, corners=corners, weights=weights, rest=rest, frame=frame)


def follow(rooted: Rooted, vertices: Float[Tensor, "v 3"], normals: Float[Tensor, "v 3"]) -> Strands:
    """Return the strands where they stand once the skin has moved: shifted and turned, not bent."""
    now, frame = _stand(rooted.corners, rooted.weights, vertices, normals)
    turn = frame @ rooted.frame.transpose(-1, -2)  # (n, 3, 3)
    moved = (rooted.strands.points - rooted.rest[:, None]) @ turn.transpose(-1, -2) + now[:, None]
    return replace(rooted.strands, points=moved)


def _stand(
    corners: Int[Tensor, "n 3"],
    weights: Float[Tensor, "n 3"],
    vertices: Float[Tensor, "v 3"],
    normals: Float[Tensor, "v 3"],
) -> tuple[Float[Tensor, "n 3"], Float[Tensor, "n 3 3"]]:
    """Return where roots stand, and the axes of the skin there."""
    if not loops.ready(vertices):
        return _at(vertices, corners, weights), _frames(corners, weights, vertices, normals)
    rest, frame = np.empty((len(corners), 3), np.float32), np.empty((len(corners), 3, 3), np.float32)
    given = (loops.array(t) for t in (vertices, normals, corners, weights))
    root_loops.frames(*given, rest, frame)
    return torch.from_numpy(rest), torch.from_numpy(frame)


def _at(values: Float[Tensor, "v 3"], corners: Int[Tensor, "n 3"], weights: Float[Tensor, "n 3"]) -> Tensor:
    return (values[corners] * weights[..., None]).sum(dim=1)


def _frames(
    corners: Int[Tensor, "n 3"],
    weights: Float[Tensor, "n 3"],
    vertices: Float[Tensor, "v 3"],
    normals: Float[Tensor, "v 3"],
) -> Float[Tensor, "n 3 3"]:
    normal = torch.nn.functional.normalize(_at(normals, corners, weights), dim=-1)
    edge = vertices[corners[:, 1]] - vertices[corners[:, 0]]
    side = torch.nn.functional.normalize(torch.linalg.cross(normal, edge), dim=-1)
    return torch.stack([torch.linalg.cross(side, normal), side, normal], dim=-1)
