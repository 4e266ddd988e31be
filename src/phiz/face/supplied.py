"""A head that the user supplies as a folder with ``head.npz``.

The folder's README says what the arrays mean: a scanned mean head with identity and expression
modes in centimetres, texture maps for labels, beard and brows. Nothing of it is built in; our own
head (`phiz.face.head`) learns its shape from it (``phiz train head --from DIR``).
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn

from phiz.errors import HeadError
from phiz.face import archive
from phiz.face.coeffs import FaceCoeffs, Sizes
from phiz.face.morphable import ARKIT_NAMES, REGIONS, Part, plain_colours, vertex_normals

FloatArray = npt.NDArray[np.float32]
Array = npt.NDArray[np.generic]

CENTIMETRE = 0.01
SOURCE_FACE, SOURCE_BACK, SOURCE_SOCKET, SOURCE_GUMS, SOURCE_TEETH = 0, 1, 2, 5, 6
"""What the file's own ``part`` numbers mean; 3 and 4 are eye sockets, 7 and 8 eyeballs."""
UNSEEN_PARTS = (9, 10, 11, 12)
"""Occlusion sheets and lashes: made for another renderer, left out here."""

WANTED = frozenset(
    [
        *("v", "tri", "part", "uv", "uvtri", "landmarks68_art", "ao", "ao_open"),
        *("id_q", "id_scale", "expr_q", "expr_scale", "expr_names"),
        *("label_uv", "beard_uv", "brow_box", "brow00"),
    ]
)
"""Arrays that the head itself is made of; those of hair and eyes may be missing."""

HAIRLINE = (
    (0.0, 9.6),
    (25.0, 9.4),
    (42.0, 8.2),
    (55.0, 7.0),
    (64.0, 4.0),
    (70.0, 2.2),
    (78.0, 2.2),
    (84.0, 5.0),
    (100.0, 5.4),
    (118.0, 0.5),
    (135.0, -3.0),
    (180.0, -3.6),
)
"""Height in cm above which hair grows, by the angle in degrees from straight ahead."""


class SuppliedHead(nn.Module):
    """The head of ``head.npz``, as a `phiz.face.morphable.MorphableModel`."""

    triangles: Tensor
    parts: Tensor
    regions: Tensor
    skin_mask: Tensor
    lip_mask: Tensor
    mean: Tensor
    identity_modes: Tensor
    expression_modes: Tensor
    landmark_vertices: Tensor
    occlusion: Tensor
    """How open each vertex lies to the light, mouth closed and mouth open, 0 to 1."""
    eye_local: Tensor
    """For eyeballs, the direction from the eye's centre (z looks out of the eye); else zero."""

    name = "supplied"
    metres_per_unit = 1.0

    def __init__(self, arrays: dict[str, npt.NDArray[np.generic]]) -> None:
        super().__init__()
        mean = np.asarray(arrays["v"], np.float32)
        keep = ~np.isin(arrays["part"], UNSEEN_PARTS)
        triangles = np.asarray(arrays["tri"], np.int64)[keep]
        regions = _regions(arrays, mean)
        parts = _parts(np.asarray(arrays["part"])[keep], triangles, mean, regions)
        names, modes = _arkit_modes(arrays)
        scale = np.asarray(arrays["id_scale"], np.float32)
        identity = arrays["id_q"].astype(np.float32) * scale[:, None, :]
        self.expression_names = names
        self.hair_arrays = hair_of(arrays)
        self.sizes = Sizes(identity=len(identity), expression=len(names), texture=0)
        self.register_buffer("mean", torch.from_numpy(mean * CENTIMETRE))
        self.register_buffer("identity_modes", torch.from_numpy(identity * CENTIMETRE))
        self.register_buffer("expression_modes", torch.from_numpy(modes * CENTIMETRE))
        self.register_buffer("triangles", torch.from_numpy(triangles))
        self.register_buffer("parts", torch.from_numpy(parts))
        self.register_buffer("regions", torch.from_numpy(regions))
        lips = regions[:, [REGIONS.index("upper_lip"), REGIONS.index("lower_lip")]].max(axis=1)
        self.register_buffer("lip_mask", torch.from_numpy(lips))
        self.register_buffer("skin_mask", torch.from_numpy(_plain_skin(regions, triangles, parts)))
        points = np.asarray(arrays["landmarks68_art"], np.int64)
        self.register_buffer("landmark_vertices", torch.from_numpy(points))
        shade = np.stack([arrays["ao"], arrays["ao_open"]], axis=1).astype(np.float32) / 255
        self.register_buffer("occlusion", torch.from_numpy(shade))
        self.register_buffer("eye_local", torch.from_numpy(_eye_local(mean, triangles, parts)))

    def vertices(self, face: FaceCoeffs) -> Float[Tensor, "b v 3"]:
        """Return the surface in metres; jaw, neck and gaze are not part of this model."""
        moved = torch.einsum("bi,ivc->bvc", face.identity, self.identity_modes)
        moved = moved + torch.einsum("be,evc->bvc", face.expression, self.expression_modes)
        return self.mean + moved

    def normals(self, vertices: Float[Tensor, "b v 3"]) -> Float[Tensor, "b v 3"]:
        """Return a unit normal for each vertex."""
        return vertex_normals(vertices, self.triangles)

    def colours(self, face: FaceCoeffs) -> Float[Tensor, "b v 3"]:
        """Return one plain skin colour: the file has no texture modes."""
        return plain_colours(self.mean, face.batch)

    def landmarks(self, vertices: Float[Tensor, "b v 3"]) -> Float[Tensor, "b 68 3"]:
        """Return the 68 iBUG points."""
        return vertices[:, self.landmark_vertices]

    def skull(self, face: FaceCoeffs) -> Float[Tensor, "b 4 4"]:
        """Return where the neck puts the head: this model's neck does not move."""
        return torch.eye(4, device=self.mean.device).expand(face.batch, 4, 4)


def read(folder: Path) -> SuppliedHead:
    """Return the head model in a folder, or say what is wrong with the folder."""
    return SuppliedHead(read_arrays(folder))


def read_arrays(folder: Path) -> dict[str, npt.NDArray[np.generic]]:
    """Return all arrays of a head folder; hair, brows and eyes included."""
    path = folder / "head.npz"
    if not path.is_file():
        raise HeadError(f"{folder} has no head.npz. Give the folder that holds that file.")
    arrays = archive.read(path)
    if missing := WANTED - set(arrays):
        raise HeadError(f"{path} lacks {', '.join(sorted(missing))}; is it another kind of file?")
    return arrays


def hair_of(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return the modelled hair among the arrays, with the mean head that it is bound to."""
    found = {key: value for key, value in arrays.items() if key.startswith("hair")}
    return found | {"v": np.asarray(arrays["v"], np.float32)} if found else {}


def picture(arrays: dict[str, npt.NDArray[np.generic]], key: str) -> FloatArray:
    """Return one of the pictures inside the file: bytes of PNG or JPEG to values in [0, 1]."""
    with Image.open(io.BytesIO(arrays[key].tobytes())) as opened:
        values = np.asarray(opened, np.float32)
    return np.asarray(values / 255, np.float32)


def vertex_uv(
    arrays: dict[str, npt.NDArray[np.generic]], part: int
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Return (u right, v down) in [0, 1] for the vertices of one source part, and which those are."""
    count = len(arrays["v"])
    chosen = np.asarray(arrays["part"]) == part
    corners = np.asarray(arrays["tri"], np.int64)[chosen].ravel()
    points = np.asarray(arrays["uvtri"], np.int64)[chosen].ravel()
    uv = np.zeros((count, 2), np.float32)
    uv[corners] = np.asarray(arrays["uv"], np.float32)[points] / 65535
    uv[:, 1] = 1 - uv[:, 1]
    inside = np.zeros(count, bool)
    inside[corners] = True
    return uv, inside


def _sample(image: FloatArray, uv: FloatArray) -> FloatArray:
    """Return the nearest pixel's value at each (u, v)."""
    height, width = image.shape[:2]
    row = np.clip((uv[:, 1] * height).astype(int), 0, height - 1)
    column = np.clip((uv[:, 0] * width).astype(int), 0, width - 1)
    return np.asarray(image[row, column], np.float32)


def _regions(arrays: dict[str, npt.NDArray[np.generic]], mean: FloatArray) -> FloatArray:
    uv, face = vertex_uv(arrays, SOURCE_FACE)
    label = np.rint(picture(arrays, "label_uv") * 255)
    here = np.where(face, _sample(label, uv), 0)
    beard = np.where(face, _sample(picture(arrays, "beard_uv"), uv), 0)
    skin = np.isin(np.arange(len(mean)), np.asarray(arrays["tri"])[np.asarray(arrays["part"]) <= SOURCE_BACK])
    x, y, z = mean.T
    brow = np.where(face, _brow_density(arrays, uv), 0)
    eye_distance = np.hypot((np.abs(x) - 3.1) / 1.7, (y - 3.5) / 1.0)
    found = {
        "scalp": _scalp(mean) * skin * (here == 0),
        "left_brow": brow * (x > 0),
        "right_brow": brow * (x < 0),
        "beard": beard,
        "moustache": beard * (y > -3.4) * (np.abs(x) < 3.2) * (z > 8.5),
        "upper_lip": here == 2,
        "lower_lip": here == 3,
        "nose": here == 1,
        "cheeks": np.exp(-(((np.abs(x) - 4.2) / 1.6) ** 2) - ((y + 0.2) / 1.7) ** 2) * face * (z > 5),
        "eyelids": np.clip(1.6 - eye_distance, 0, 1) * face * (z > 7),
        "under_eyes": np.exp(-(((np.abs(x) - 3.0) / 1.3) ** 2) - ((y - 2.3) / 0.55) ** 2) * face * (z > 7),
        "ears": np.isin(here, (4, 5)),
        "forehead": np.clip((y - 6.2) / 0.8, 0, 1) * np.clip((z - 4) / 2, 0, 1) * skin,
        "neck": np.clip(-(y + 6.5 - 0.45 * np.clip(6 - z, 0, 8)) / 1.5, 0, 1) * (z < 8.2) * skin,
    }
    return np.stack([np.asarray(found[name], np.float32) for name in REGIONS], axis=1)


def _brow_density(arrays: dict[str, npt.NDArray[np.generic]], uv: FloatArray) -> FloatArray:
    """Return how often the file's brow maps put hair at each vertex."""
    top, bottom, left, right = np.asarray(arrays["brow_box"], np.float64)
    maps = [picture(arrays, key) for key in sorted(arrays) if key.startswith("brow") and key != "brow_box"]
    inside = np.stack([(uv[:, 0] - left) / (right - left), (uv[:, 1] - top) / (bottom - top)], axis=1)
    density = np.mean([_sample(m, inside.astype(np.float32)) for m in maps], axis=0)
    here = ((inside >= 0) & (inside <= 1)).all(axis=1)
    return np.asarray(np.where(here, np.clip(density * 2, 0, 1), 0), np.float32)


def _scalp(mean: FloatArray) -> FloatArray:
    angle = np.degrees(np.arctan2(np.abs(mean[:, 0]), mean[:, 2] + 0.5))
    turn, height = np.asarray(HAIRLINE).T
    line = np.interp(angle, turn, height)
    return np.asarray(1 / (1 + np.exp(-(mean[:, 1] - line) / 0.25)), np.float32)


def _parts(
    source: npt.NDArray[np.generic], triangles: npt.NDArray[np.int64], mean: FloatArray, regions: FloatArray
) -> npt.NDArray[np.int64]:
    centre = mean[triangles].mean(axis=1)
    soft = regions[triangles].mean(axis=1)

    def is_in(name: str) -> npt.NDArray[np.bool_]:
        return np.asarray(soft[:, REGIONS.index(name)] > 0.5)

    parts = np.full(len(triangles), int(Part.SKIN), np.int64)
    parts[is_in("neck")] = Part.NECK
    parts[centre[:, 1] < -13.5] = Part.SHOULDERS
    parts[is_in("scalp")] = Part.SCALP
    parts[is_in("nose")] = Part.NOSE
    parts[is_in("upper_lip")] = Part.UPPER_LIP
    parts[is_in("lower_lip")] = Part.LOWER_LIP
    parts[is_in("ears") & (centre[:, 0] > 0)] = Part.LEFT_EAR
    parts[is_in("ears") & (centre[:, 0] < 0)] = Part.RIGHT_EAR
    parts[(source == SOURCE_SOCKET) | (source == SOURCE_GUMS)] = Part.MOUTH
    tongue = (source == SOURCE_GUMS) & (np.abs(centre[:, 0]) < 2.0) & (np.abs(centre[:, 1] + 3.6) < 0.7)
    parts[tongue & (centre[:, 2] < 9.6)] = Part.TONGUE
    parts[source == SOURCE_TEETH] = np.where(
        centre[source == SOURCE_TEETH, 1] > -3.2, Part.UPPER_TEETH, Part.LOWER_TEETH
    )
    parts[(source == 3) | (source == 4)] = Part.EYE_RIM
    parts[source == 7] = Part.LEFT_EYE
    parts[source == 8] = Part.RIGHT_EYE
    return parts


def _plain_skin(
    regions: FloatArray, triangles: npt.NDArray[np.int64], parts: npt.NDArray[np.int64]
) -> FloatArray:
    allowed = np.zeros(len(regions), np.float32)
    allowed[triangles[np.isin(parts, (Part.SKIN, Part.NOSE))]] = 1
    other = [REGIONS.index(n) for n in ("scalp", "left_brow", "right_brow", "upper_lip", "lower_lip")]
    return np.asarray(allowed * (1 - regions[:, other].max(axis=1)), np.float32)


def _eye_local(
    mean: FloatArray, triangles: npt.NDArray[np.int64], parts: npt.NDArray[np.int64]
) -> FloatArray:
    local = np.zeros_like(mean)
    for part in (Part.LEFT_EYE, Part.RIGHT_EYE):
        own = np.unique(triangles[parts == part])
        away = mean[own] - (mean[own].min(axis=0) + mean[own].max(axis=0)) / 2
        local[own] = away / np.linalg.norm(away, axis=1, keepdims=True)
    return local


def _arkit_modes(arrays: dict[str, npt.NDArray[np.generic]]) -> tuple[tuple[str, ...], FloatArray]:
    """Return the file's modes under ARKit's names; where the file splits a name in two, their sum."""
    scale = np.asarray(arrays["expr_scale"], np.float32)
    modes = arrays["expr_q"].astype(np.float32) * scale[:, None, None]
    theirs = [str(name).replace("_L", "Left").replace("_R", "Right") for name in arrays["expr_names"]]
    halves = {
        name: [i for i, t in enumerate(theirs) if t in (name, f"{name}Left", f"{name}Right")]
        for name in ARKIT_NAMES
    }
    names = tuple(name for name in ARKIT_NAMES if halves[name])
    return names, np.stack([modes[halves[name]].sum(axis=0) for name in names])
