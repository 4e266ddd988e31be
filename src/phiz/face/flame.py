"""FLAME (Li et al., "Learning a model of facial shape and expression from 4D scans", 2017).

Reads a ``.npz`` or ``.safetensors`` file with FLAME's own arrays; docs/heads.md shows how to make one.
FLAME itself is distributed as a pickle, which could run any code when it is loaded, so phiz does not
read that. The model's frame is ours (x to the person's left, y up, z out of the face) and its unit is
the metre.

``vertices = sum_j w_j G_j (template + shape modes + expression modes + pose correctives)`` with one
rigid motion ``G_j`` for each joint: linear blend skinning with correctives as in SMPL (2015, eq. 2-9).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int
from safetensors import SafetensorError
from safetensors.numpy import load_file
from torch import Tensor, nn

from phiz.errors import HeadError
from phiz.face import archive
from phiz.face.coeffs import FaceCoeffs, Sizes
from phiz.face.correspond import nearest, similarity
from phiz.face.morphable import REGIONS, Part, plain_colours, vertex_normals
from phiz.face.outline import parts_from_regions, regions_from_landmarks
from phiz.graphics import frames, rotation

Array = npt.NDArray[np.generic]

SHAPE_MODES = 300
"""The first columns of ``shapedirs`` are identity, the rest is expression."""
ROOT, NECK, JAW, LEFT_EYE, RIGHT_EYE = range(5)
PARENTS = (-1, 0, 1, 1, 1)
CONTOUR = 17
"""The first 17 of the 68 landmarks run along the jaw; FLAME's static embedding leaves them out."""

WANTED = ("v_template", "f", "shapedirs", "posedirs", "J_regressor", "weights")
LANDMARK_ARRAYS = (("full_lmk_faces_idx", "full_lmk_bary_coords"), ("lmk_faces_idx", "lmk_bary_coords"))
"""68 points, or the inner 51 of them: a triangle and three weights each."""


class Flame(nn.Module):
    """FLAME as a `phiz.face.morphable.MorphableModel`."""

    mean: Tensor
    identity_modes: Tensor
    expression_modes: Tensor
    corrective_modes: Tensor
    joint_weights: Tensor
    skin_weights: Tensor
    triangles: Tensor
    parts: Tensor
    regions: Tensor
    skin_mask: Tensor
    lip_mask: Tensor
    landmark_corners: Tensor
    landmark_weights: Tensor

    name = "flame"
    metres_per_unit = 1.0
    expression_names: tuple[str, ...] = ()

    def __init__(self, arrays: dict[str, Array], contour: Float[Tensor, "68 3"] | None = None) -> None:
        super().__init__()
        mean = _floats(arrays["v_template"])
        modes = _floats(arrays["shapedirs"]).permute(2, 0, 1)
        self.sizes = Sizes(identity=SHAPE_MODES, expression=len(modes) - SHAPE_MODES, texture=0)
        self.register_buffer("mean", mean)
        self.register_buffer("identity_modes", modes[:SHAPE_MODES].contiguous())
        self.register_buffer("expression_modes", modes[SHAPE_MODES:].contiguous())
        self.register_buffer("corrective_modes", _floats(arrays["posedirs"]).permute(2, 0, 1).contiguous())
        self.register_buffer("joint_weights", _floats(arrays["J_regressor"]))
        self.register_buffer("skin_weights", _floats(arrays["weights"]))
        self.register_buffer("triangles", torch.from_numpy(np.asarray(arrays["f"]).astype(np.int64)))
        corners, weights = _landmarks(arrays, mean, self.triangles, contour)
        self.register_buffer("landmark_corners", corners)
        self.register_buffer("landmark_weights", weights)
        self._draw_regions()

    def vertices(self, face: FaceCoeffs) -> Float[Tensor, "b v 3"]:
        """Return the surface in metres; neck, jaw and eyes are turned about their joints."""
        shaped = self.mean + torch.einsum("bi,ivc->bvc", face.identity, self.identity_modes)
        # FLAME finds its joints on the shape alone, so that expressions do not move them.
        joints = torch.einsum("jv,bvc->bjc", self.joint_weights, shaped)
        shaped = shaped + torch.einsum("be,evc->bvc", face.expression, self.expression_modes)
        turns = _turns(face)
        bent = (turns[:, 1:] - torch.eye(3, dtype=turns.dtype, device=turns.device)).flatten(1)  # (b, 36)
        shaped = shaped + torch.einsum("bp,pvc->bvc", bent, self.corrective_modes)
        moves = _joint_moves(turns, joints)
        blend = torch.einsum("vj,bjrc->bvrc", self.skin_weights, moves[:, :, :3])  # (b, v, 3, 4)
        return (blend[..., :3] @ shaped[..., None])[..., 0] + blend[..., 3]

    def normals(self, vertices: Float[Tensor, "b v 3"]) -> Float[Tensor, "b v 3"]:
        """Return a unit normal for each vertex."""
        return vertex_normals(vertices, self.triangles)

    def colours(self, face: FaceCoeffs) -> Float[Tensor, "b v 3"]:
        """Return one plain skin colour: FLAME's texture is a file of its own."""
        return plain_colours(self.mean, face.batch)

    def landmarks(self, vertices: Float[Tensor, "b v 3"]) -> Float[Tensor, "b 68 3"]:
        """Return the 68 iBUG points; those of the cheeks are fixed to the surface."""
        return torch.einsum("bnkc,nk->bnc", vertices[:, self.landmark_corners], self.landmark_weights)

    def skull(self, face: FaceCoeffs) -> Float[Tensor, "b 4 4"]:
        """Return where the neck puts the head: the motion of the neck's joint."""
        shaped = self.mean + torch.einsum("bi,ivc->bvc", face.identity, self.identity_modes)
        joints = torch.einsum("jv,bvc->bjc", self.joint_weights, shaped)
        return _joint_moves(_turns(face), joints)[:, NECK]

    def _draw_regions(self) -> None:
        regions = regions_from_landmarks(self.mean, self.landmarks(self.mean[None])[0])
        eyes = self.skin_weights[:, [LEFT_EYE, RIGHT_EYE]] > 0.5
        regions = regions * ~eyes.any(dim=1, keepdim=True)
        parts = parts_from_regions(regions, self.triangles, self.mean)
        for column, part in enumerate((Part.LEFT_EYE, Part.RIGHT_EYE)):
            parts[eyes[self.triangles, column].all(dim=1)] = int(part)
        self.register_buffer("regions", regions)
        self.register_buffer("parts", parts)
        lips = regions[:, [REGIONS.index("upper_lip"), REGIONS.index("lower_lip")]].amax(dim=1)
        self.register_buffer("lip_mask", lips)
        self.register_buffer("skin_mask", _plain_skin(self.mean, regions, parts, self.triangles))


def read(path: Path, contour: Float[Tensor, "68 3"] | None = None) -> Flame:
    """Return the model in a file, or say what is wrong with the file.

    Where the file has only the inner 51 landmarks, `contour` has to bring 68 points of any other
    mean head: its jaw line is laid onto this one and the nearest vertices are taken.
    """
    arrays = read_arrays(path)
    if contour is None and not has_contour(arrays):
        raise HeadError(
            f"{path} has the inner 51 landmarks only. Add full_lmk_faces_idx and full_lmk_bary_coords "
            "from FLAME's landmark embedding."
        )
    return Flame(arrays, contour)


def read_arrays(path: Path) -> dict[str, Array]:
    """Return the arrays of a FLAME file, after making sure that they fit together."""
    arrays = _read_archive(path)
    if missing := [name for name in WANTED if name not in arrays]:
        raise HeadError(f"{path} lacks {', '.join(missing)}. docs/heads.md says how to make the file.")
    if not any(name in arrays for name, _ in LANDMARK_ARRAYS):
        raise HeadError(
            f"{path} has no landmarks. Add lmk_faces_idx and lmk_bary_coords from FLAME's landmark "
            "embedding; docs/heads.md says how."
        )
    _check_sizes(arrays, path)
    return arrays


def has_contour(arrays: dict[str, Array]) -> bool:
    """Return whether the landmarks of a file run along the jaw as well."""
    return LANDMARK_ARRAYS[0][0] in arrays


def _read_archive(path: Path) -> dict[str, Array]:
    if path.suffix not in (".npz", ".safetensors"):
        raise HeadError(
            f"{path} is no .npz or .safetensors file. FLAME's own pickle could run any code when it is "
            "loaded; docs/heads.md says how to turn it into a .npz file."
        )
    if path.suffix == ".npz":
        return archive.read(path)
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise HeadError(f"{path} cannot be read ({error}). Make it anew; see docs/heads.md.") from error


def _turns(face: FaceCoeffs) -> Float[Tensor, "b 5 3 3"]:
    """Return how each joint is turned; the root stands still, the whole figure turns elsewhere."""
    yaw, pitch = face.gaze.unbind(-1)
    eyes = torch.stack([pitch, yaw, torch.zeros_like(yaw)], dim=-1)  # (b, 2, 3)
    still = torch.zeros_like(face.neck)
    return rotation.from_euler(torch.cat([torch.stack([still, face.neck, face.jaw], dim=1), eyes], dim=1))


def _joint_moves(turns: Float[Tensor, "b 5 3 3"], joints: Float[Tensor, "b 5 3"]) -> Float[Tensor, "b 5 4 4"]:
    """Return the motion of each joint: a turn about its own place, after its parents' motions."""
    own = frames.rigid(turns, joints - (turns @ joints[..., None])[..., 0])
    moves: list[Tensor] = []
    for joint, parent in enumerate(PARENTS):
        moves.append(own[:, joint] if parent < 0 else moves[parent] @ own[:, joint])
    return torch.stack(moves, dim=1)


def _landmarks(
    arrays: dict[str, Array], mean: Tensor, triangles: Tensor, contour: Tensor | None
) -> tuple[Int[Tensor, "68 3"], Float[Tensor, "68 3"]]:
    """Return three vertices and their weights for each landmark."""
    faces, weights = next(names for names in LANDMARK_ARRAYS if names[0] in arrays)
    chosen = torch.from_numpy(np.asarray(arrays[faces]).astype(np.int64).reshape(-1))
    corners, shares = triangles[chosen], _floats(arrays[weights]).reshape(-1, 3)
    if len(corners) == 68:
        return corners, shares
    if contour is None:
        raise ValueError("51 landmarks need the contour of another head")
    inner = torch.einsum("nkc,nk->nc", mean[corners], shares)
    here = frames.transform(similarity(contour[CONTOUR:], inner), contour[:CONTOUR])
    jaw, _ = nearest(here, mean)
    alone = torch.tensor([1.0, 0.0, 0.0]).expand(CONTOUR, 3)
    return torch.cat([jaw[:, None].expand(-1, 3), corners]), torch.cat([alone, shares])


def _plain_skin(mean: Tensor, regions: Tensor, parts: Tensor, triangles: Tensor) -> Float[Tensor, " v"]:
    """Return 1 on the front of the face, without brows, lips and eyeballs."""
    allowed = torch.zeros_like(mean[:, 0])
    allowed[triangles[(parts == int(Part.SKIN)) | (parts == int(Part.NOSE))]] = 1.0
    other = [REGIONS.index(n) for n in ("left_brow", "right_brow", "upper_lip", "lower_lip", "neck", "ears")]
    is_front = mean[:, 2] > mean[:, 2].mean()
    return allowed * (1 - regions[:, other].amax(dim=1)) * is_front


def _check_sizes(arrays: dict[str, Array], path: Path) -> None:
    count, joints = len(arrays["v_template"]), len(PARENTS)
    modes = arrays["shapedirs"].shape[-1]
    expected = {
        "v_template": (count, 3),
        "shapedirs": (count, 3, modes),
        "posedirs": (count, 3, 9 * (joints - 1)),
        "J_regressor": (joints, count),
        "weights": (count, joints),
        "f": (len(arrays["f"]), 3),
    }
    bad = [f"{k} is {arrays[k].shape}, not {s}" for k, s in expected.items() if arrays[k].shape != s]
    if not bad and modes <= SHAPE_MODES:
        bad = [f"shapedirs has {modes} modes and no expressions; the whole of FLAME has 400"]
    if not bad and not 0 <= int(arrays["f"].min()) <= int(arrays["f"].max()) < count:
        bad = ["f names vertices that do not exist"]
    for (faces, weights), points in zip(LANDMARK_ARRAYS, (68, 68 - CONTOUR), strict=True):
        if faces not in arrays:
            continue
        if arrays[faces].size != points or weights not in arrays or arrays[weights].size != 3 * points:
            bad.append(f"{faces} and {weights} are not {points} landmarks")
        elif not 0 <= int(arrays[faces].min()) <= int(arrays[faces].max()) < len(arrays["f"]):
            bad.append(f"{faces} names triangles that do not exist")
    if bad:
        raise HeadError(f"{path} is no FLAME model: {'; '.join(bad)}. See docs/heads.md.")


def _floats(array: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, np.float32))
