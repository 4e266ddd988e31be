"""Modelled hair from the folder of ``--heads``: further styles, worn by any head.

Such hair is a textured surface, not strands: its luminance and opacity are pictures. It follows
the head by a few bound vertices; for another head than the one it was modelled on, each bound
vertex is replaced by the nearest one of that head.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int
from torch import Tensor

from phiz.errors import HeadError
from phiz.face.supplied import CENTIMETRE, picture
from phiz.world.surface import Label, Material, Surface

Arrays = dict[str, npt.NDArray[np.generic]]
GLOSS = 0.5
CHUNK = 512


@dataclass(frozen=True, kw_only=True)
class HairMesh:
    """One modelled hair style; its vertices are already split where the texture has seams."""

    name: str
    vertices: Float[Tensor, "n 3"]
    """On the head at rest, metres."""
    triangles: Int[Tensor, "f 3"]
    uv: Float[Tensor, "n 2"]
    """Where in the pictures each vertex lies: u right, v down, in [0, 1]."""
    luminance: Float[Tensor, "h w"]
    """Light and dark of the hair, 1 on average where it is opaque."""
    alpha: Float[Tensor, "h w"]
    along: Float[Tensor, "n 3"]
    """Direction of the hair: the way the texture's rows run over the surface."""
    bound: Int[Tensor, "n 4"]
    """Vertices of the head that each hair vertex follows."""
    weights: Float[Tensor, "n 4"]
    rest: Float[Tensor, "n 4 3"]
    """Where those vertices are on the head at rest."""


def read_hair_meshes(arrays: Arrays, rest: Float[Tensor, "v 3"] | None = None) -> tuple[HairMesh, ...]:
    """Return the modelled hair in a head folder's arrays, bound to the head with `rest` vertices.

    Without `rest` it is bound to the head it came with. `rest` has to be in the same place as that
    head: origin near the middle of the head, metres.
    """
    if "hair_names" not in arrays:
        return ()
    own = torch.from_numpy(np.asarray(arrays["v"], np.float32)) * CENTIMETRE
    target = own if rest is None else rest.detach().float()
    return tuple(_read(arrays, k, str(name), own, target) for k, name in enumerate(arrays["hair_names"]))


def dress(mesh: HairMesh, vertices: Float[Tensor, "v 3"], colour: tuple[float, float, float]) -> Surface:
    """Return the hair on a head with these vertices; multiply its colour by `sample`'s luminance."""
    count = len(mesh.vertices)
    return Surface(
        material=Material.HAIR,
        vertices=displaced(mesh, vertices),
        triangles=mesh.triangles,
        labels=torch.full((len(mesh.triangles),), int(Label.HAIR)),
        colour=torch.tensor(colour).expand(count, 3),
        gloss=torch.full((count,), GLOSS),
        along=mesh.along,
    )


def displaced(mesh: HairMesh, vertices: Float[Tensor, "v 3"]) -> Float[Tensor, "n 3"]:
    """Return the hair's vertices on a head with these vertices."""
    moved = ((vertices[mesh.bound] - mesh.rest) * mesh.weights[..., None]).sum(dim=1)
    return mesh.vertices + moved


def sample(mesh: HairMesh, uv: Float[Tensor, "p 2"]) -> tuple[Float[Tensor, " p"], Float[Tensor, " p"]]:
    """Return luminance (about 1 on average) and opacity (0 to 1) at places of the texture."""
    grid = (uv * 2 - 1)[None, None]
    pictures = torch.stack([mesh.luminance, mesh.alpha])[None]
    found = torch.nn.functional.grid_sample(
        pictures, grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    return found[0, 0, 0], found[0, 1, 0]


def _read(
    arrays: Arrays, number: int, name: str, own: Float[Tensor, "s 3"], target: Float[Tensor, "v 3"]
) -> HairMesh:
    def array(suffix: str) -> npt.NDArray[np.generic]:
        key = f"hair{number}_{suffix}"
        if key not in arrays:
            raise HeadError(f"the head folder names the hair {name!r} but lacks {key}. Copy it anew.")
        return arrays[key]

    corners, points = np.asarray(array("tri"), np.int64), np.asarray(array("uvtri"), np.int64)
    pairs, split = np.unique(np.stack([corners.ravel(), points.ravel()], axis=1), axis=0, return_inverse=True)
    triangles = torch.from_numpy(np.asarray(split, np.int64).reshape(-1, 3))
    uv = np.asarray(array("uv"), np.float32)[pairs[:, 1]] / 65535
    uv[:, 1] = 1 - uv[:, 1]
    vertices = torch.from_numpy(np.asarray(array("v"), np.float32)[pairs[:, 0]]) * CENTIMETRE
    source = torch.from_numpy(np.asarray(array("bi"), np.int64)[pairs[:, 0]])
    weights = torch.from_numpy(np.asarray(array("bw"), np.float32)[pairs[:, 0]])
    bound = source if target is own else _nearest(own, target, source)
    luminance = _grey(picture(arrays, f"hair{number}_lum"))
    alpha = _grey(picture(arrays, f"hair{number}_alpha"))
    return HairMesh(
        name=name,
        vertices=vertices,
        triangles=triangles,
        uv=torch.from_numpy(uv),
        luminance=luminance / luminance[alpha > 0.5].mean(),
        alpha=alpha,
        along=_along(vertices, triangles, torch.from_numpy(uv)),
        bound=bound,
        weights=weights / weights.sum(dim=1, keepdim=True).clamp_min(1e-6),
        rest=target[bound],
    )


def _grey(values: npt.NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values if values.ndim == 2 else values.mean(axis=2)))


def _nearest(own: Tensor, target: Tensor, wanted: Tensor) -> Tensor:
    """Return `wanted` vertices of one head as the nearest vertices of another."""
    used, back = torch.unique(wanted, return_inverse=True)
    found = [torch.cdist(part, target).argmin(dim=1) for part in torch.split(own[used], CHUNK)]
    return torch.cat(found)[back]


def _along(vertices: Tensor, triangles: Tensor, uv: Tensor) -> Tensor:
    """Return for each vertex the direction on the surface in which v grows."""
    corner, place = vertices[triangles], uv[triangles]
    a, b = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    p, q = place[:, 1] - place[:, 0], place[:, 2] - place[:, 0]
    area = p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]
    down = (b * p[:, :1] - a * q[:, :1]) * torch.where(area < 0, -1.0, 1.0)[:, None]
    total = torch.zeros_like(vertices)
    for k in range(3):
        total.index_add_(0, triangles[:, k], down)
    return torch.nn.functional.normalize(total, dim=-1)
