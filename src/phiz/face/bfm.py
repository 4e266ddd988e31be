"""The Basel Face Model of 2009, from a file that the user brings.

Reads ``BFM_model_front.mat`` or ``BFM09_model_info.mat`` (the same arrays under two names), as the
published face reconstruction (Deng et al., "Accurate 3D Face Reconstruction with Weakly-Supervised
Learning", 2019) made them: 80 identity, 64 expression and 80 texture modes. A face is also one vector
of 257 numbers there: identity 80, expression 64, texture 80, angles 3, light 27, translation 3.

The model's unit is the decimetre. Its frame is ours: x to the person's left, y up, z out of the face.
Its triangles run anticlockwise seen from outside, so they are used as they stand.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import normalize

from phiz.errors import HeadError
from phiz.face import matfile
from phiz.face.coeffs import FaceCoeffs, Sizes
from phiz.face.morphable import REGIONS
from phiz.face.outline import parts_from_regions, regions_from_landmarks
from phiz.graphics import rotation, shade

DECIMETRE = 0.1
SPLIT = (80, 64, 80, 3, 27, 3)
"""Identity, expression, texture, angles, light, translation: the published vector of 257."""

CAMERA_DISTANCE = 10.0
"""Of the published camera, in decimetres; it stands on +z and looks at the origin."""
FOCAL = 1015.0
"""Of the published camera, in pixels."""
PICTURE = 224
"""Width and height of the published camera's picture in pixels."""


class Bfm(nn.Module):
    """The Basel Face Model as a `phiz.face.morphable.MorphableModel`, with its published camera."""

    mean: Tensor
    identity_modes: Tensor
    expression_modes: Tensor
    mean_colour: Tensor
    texture_modes: Tensor
    triangles: Tensor
    parts: Tensor
    regions: Tensor
    skin_mask: Tensor
    lip_mask: Tensor
    landmark_vertices: Tensor
    front_triangles: Tensor
    """Rows of `triangles` that the published photo loss looks at, by their corners."""

    name = "bfm2009"
    metres_per_unit = DECIMETRE
    expression_names: tuple[str, ...] = ()

    def __init__(self, arrays: dict[str, matfile.Array]) -> None:
        super().__init__()
        mean = _floats(arrays["meanshape"]).reshape(-1, 3)
        mean = mean - mean.mean(dim=0)
        self.register_buffer("mean", mean)
        self.register_buffer("identity_modes", _modes(arrays["idBase"]))
        self.register_buffer("expression_modes", _modes(arrays["exBase"]))
        self.register_buffer("mean_colour", _floats(arrays["meantex"]).reshape(-1, 3))
        self.register_buffer("texture_modes", _modes(arrays["texBase"]))
        self.register_buffer("triangles", _indices(arrays["tri"]))
        self.register_buffer("landmark_vertices", _indices(arrays["keypoints"]).reshape(-1))
        self.register_buffer("skin_mask", _floats(arrays["skinmask"]).reshape(-1))
        # parity: the published renderer applies tri_mask2 to all vertices, although it counts within
        # the vertices of frontmask2_idx; here it goes through them, as its authors must have meant.
        front = _indices(arrays["frontmask2_idx"]).reshape(-1)
        self.register_buffer("front_triangles", front[_indices(arrays["tri_mask2"])])
        self.sizes = Sizes(
            identity=len(self.identity_modes),
            expression=len(self.expression_modes),
            texture=len(self.texture_modes),
        )
        regions = regions_from_landmarks(mean, mean[self.landmark_vertices])
        self.register_buffer("regions", regions)
        self.register_buffer("parts", parts_from_regions(regions, self.triangles, mean))
        lips = [REGIONS.index("upper_lip"), REGIONS.index("lower_lip")]
        self.register_buffer("lip_mask", regions[:, lips].amax(dim=1))

    def vertices(self, face: FaceCoeffs) -> Float[Tensor, "b v 3"]:
        """Return the surface in decimetres; jaw, neck and gaze are not part of this model."""
        moved = torch.einsum("bi,ivc->bvc", face.identity, self.identity_modes)
        moved = moved + torch.einsum("be,evc->bvc", face.expression, self.expression_modes)
        return moved + self.mean

    def normals(self, vertices: Float[Tensor, "b v 3"]) -> Float[Tensor, "b v 3"]:
        """Return a unit normal for each vertex, the mean of its triangles' without regard to size."""
        corner = vertices[:, self.triangles]  # (b, f, 3, 3)
        across = torch.linalg.cross(corner[:, :, 1] - corner[:, :, 0], corner[:, :, 2] - corner[:, :, 1])
        across = normalize(across, dim=-1)
        total = torch.zeros_like(vertices)
        for k in range(3):
            total = total.index_add(1, self.triangles[:, k], across)
        return normalize(total, dim=-1)

    def colours(self, face: FaceCoeffs) -> Float[Tensor, "b v 3"]:
        """Return the skin's own colour, sRGB; as published it is not clamped to [0, 1]."""
        moved = torch.einsum("bt,tvc->bvc", face.texture, self.texture_modes)
        return (moved + self.mean_colour) / 255

    def landmarks(self, vertices: Float[Tensor, "b v 3"]) -> Float[Tensor, "b 68 3"]:
        """Return the 68 iBUG points; those of the cheeks are fixed to the surface."""
        return vertices[:, self.landmark_vertices]

    def skull(self, face: FaceCoeffs) -> Float[Tensor, "b 4 4"]:
        """Return where the neck puts the head: this model has no neck."""
        return torch.eye(4, device=self.mean.device).expand(face.batch, 4, 4)

    def lit_colours(self, face: FaceCoeffs) -> Float[Tensor, "b v 3"]:
        """Return the colours as the published renderer shades them, head turned, light standing."""
        normals = self.normals(self.vertices(face)) @ rotation.invert(rotation.from_euler(face.rotation))
        return self.colours(face) * shade.irradiance(normals, face.light)


def read(path: Path) -> Bfm:
    """Return the model in a ``.mat`` file, or say what is wrong with the file."""
    arrays = matfile.read(path)
    wanted = ("meanshape", "idBase", "exBase", "meantex", "texBase", "tri", "keypoints", "skinmask")
    missing = [name for name in (*wanted, "frontmask2_idx", "tri_mask2") if name not in arrays]
    if missing:
        raise HeadError(
            f"{path} lacks {', '.join(missing)}. Give BFM_model_front.mat or BFM09_model_info.mat; "
            "docs/heads.md says how they are made."
        )
    count = arrays["meanshape"].size // 3
    _check_sizes(arrays, count, path)
    return Bfm(arrays)


def from_vector(vector: Float[Tensor, "b 257"]) -> FaceCoeffs:
    """Return a face from the published vector: decimetres become metres, the light complete."""
    identity, expression, texture, angles, gamma, shift = torch.split(vector, list(SPLIT), dim=-1)
    return FaceCoeffs(
        identity=identity,
        expression=expression,
        texture=texture,
        rotation=angles,
        translation=shift * DECIMETRE,
        light=shade.with_ambient(gamma.reshape(-1, 3, 9).transpose(1, 2)),
        jaw=torch.zeros_like(angles),
        neck=torch.zeros_like(angles),
        gaze=angles.new_zeros(len(vector), 2, 2),
    )


def to_vector(face: FaceCoeffs) -> Float[Tensor, "b 257"]:
    """Return the published vector of a face; it has no place for jaw, neck and gaze."""
    if any(bool(extra.any()) for extra in (face.jaw, face.neck, face.gaze)):
        raise ValueError("the vector of 257 holds no jaw, neck or gaze; set them to zero first")
    sizes = (face.identity.shape[1], face.expression.shape[1], face.texture.shape[1])
    if sizes != SPLIT[:3]:
        raise ValueError(f"the vector of 257 holds {SPLIT[:3]} modes; this face has {sizes}")
    gamma = face.light - shade.with_ambient(torch.zeros_like(face.light))
    parts = (face.identity, face.expression, face.texture, face.rotation)
    return torch.cat([*parts, gamma.transpose(1, 2).flatten(1), face.translation / DECIMETRE], dim=-1)


def to_camera(vertices: Float[Tensor, "b v 3"], face: FaceCoeffs) -> Float[Tensor, "b v 3"]:
    """Return points of the face frame, turned and shifted, as (x, y, depth) before the camera."""
    turned = vertices @ rotation.invert(rotation.from_euler(face.rotation))
    x, y, z = (turned + face.translation[:, None] / DECIMETRE).unbind(-1)
    return torch.stack([x, y, CAMERA_DISTANCE - z], dim=-1)


def project(camera_points: Float[Tensor, "b v 3"]) -> Float[Tensor, "b v 2"]:
    """Return pixel positions in the published picture of 224: x to the right, y UP."""
    return FOCAL * camera_points[..., :2] / camera_points[..., 2:] + PICTURE / 2


def _floats(array: matfile.Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, np.float32))


def _indices(array: matfile.Array) -> Int[Tensor, "n ..."]:
    """Return whole numbers that count from zero; the files hold floats that count from one."""
    return torch.from_numpy(np.ascontiguousarray(array, np.int64) - 1)


def _modes(array: matfile.Array) -> Float[Tensor, "k v 3"]:
    return _floats(array.T).reshape(array.shape[1], -1, 3)


def _check_sizes(arrays: dict[str, matfile.Array], count: int, path: Path) -> None:
    rows = {name: arrays[name].shape[0] for name in ("idBase", "exBase", "texBase")}
    bad = [name for name, length in rows.items() if length != 3 * count]
    bad += [name for name in ("tri", "keypoints", "frontmask2_idx") if not _counts_to(arrays[name], count)]
    bad += [] if _counts_to(arrays["tri_mask2"], arrays["frontmask2_idx"].size) else ["tri_mask2"]
    bad += [name for name in ("tri", "tri_mask2") if arrays[name].ndim != 2 or arrays[name].shape[1] != 3]
    bad += [] if arrays["keypoints"].size == 68 else ["keypoints"]
    bad += [name for name in ("meantex", "skinmask") if arrays[name].size != count * (3, 1)[name[0] == "s"]]
    if bad:
        raise HeadError(
            f"in {path} {', '.join(sorted(set(bad)))} does not fit {count} vertices. Copy it anew."
        )


def _counts_to(array: matfile.Array, highest: int) -> bool:
    whole = array.astype(np.int64)
    return array.size > 0 and bool((whole == array).all() and whole.min() >= 1 and whole.max() <= highest)
