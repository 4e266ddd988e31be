"""Soft regions and parts of a face from its 68 landmarks alone.

For head models whose files say nothing about lips, brows or lids. Everything is measured on the mean
face, seen from the front, in units of the distance between the eyes; it is a drawing by rule, good
enough for masks and colour, not a segmentation.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int
from torch import Tensor

from phiz.face.morphable import REGIONS, Part

Points = npt.NDArray[np.float64]
Weights = npt.NDArray[np.float64]

# The landmarks count from the picture's left, which is the person's right.
RIGHT_BROW, LEFT_BROW = tuple(range(17, 22)), tuple(range(22, 27))
RIGHT_EYE, LEFT_EYE = tuple(range(36, 42)), tuple(range(42, 48))
UPPER_LIP = (48, 49, 50, 51, 52, 53, 54, 64, 63, 62, 61, 60)
LOWER_LIP = (54, 55, 56, 57, 58, 59, 48, 60, 67, 66, 65, 64)
NOSE = (27, 31, 32, 33, 34, 35)
MOUSTACHE = (31, 33, 35, 54, 53, 52, 51, 50, 49, 48)
JAW = tuple(range(2, 15))

BROW_WIDTH = 0.09
LID_WIDTH = 0.13
NOSE_MARGIN = 0.07
SOFT = 0.02
"""How wide the edges of regions are; all these in distances between the eyes."""
FRONT_DEPTH = 1.2
"""How far behind the eyes' corners the surface still counts as the face's front."""
CAVITY_DEPTH = 0.15
"""What lies this far behind the nearest landmarks is the inside of the mouth or of a socket."""


def regions_from_landmarks(
    mean: Float[Tensor, "v 3"], landmarks: Float[Tensor, "68 3"]
) -> Float[Tensor, "v n"]:
    """Return a weight for each vertex and each name in `phiz.face.morphable.REGIONS`."""
    vertices, points = _in_eye_distances(mean, landmarks)
    front = (vertices[:, 2] > points[36:48, 2].mean() - FRONT_DEPTH) & ~_is_hollow(vertices, points)
    found = {**_lines(vertices, points), **_lips(vertices, points), **_areas(vertices, points)}
    nothing = np.zeros(len(vertices))
    columns = [found.get(name, nothing) * (front | (name in ("ears", "neck"))) for name in REGIONS]
    return torch.from_numpy(np.clip(np.stack(columns, axis=1), 0, 1)).to(mean)


def parts_from_regions(
    regions: Float[Tensor, "v n"], triangles: Int[Tensor, "f 3"], mean: Float[Tensor, "v 3"]
) -> Int[Tensor, " f"]:
    """Return a `Part` for each triangle: the region that covers it, or skin."""
    soft = regions[triangles].mean(dim=1)
    left = mean[triangles].mean(dim=1)[:, 0] > 0
    parts = torch.full((len(triangles),), int(Part.SKIN), dtype=torch.int64, device=triangles.device)

    def paint(name: str, part: Part, where: Tensor | None = None) -> None:
        inside = soft[:, REGIONS.index(name)] > 0.5
        parts[inside if where is None else inside & where] = int(part)

    paint("neck", Part.NECK)
    paint("scalp", Part.SCALP)
    paint("nose", Part.NOSE)
    paint("upper_lip", Part.UPPER_LIP)
    paint("lower_lip", Part.LOWER_LIP)
    paint("ears", Part.LEFT_EAR, left)
    paint("ears", Part.RIGHT_EAR, ~left)
    return parts


def _in_eye_distances(mean: Tensor, landmarks: Tensor) -> tuple[Points, Points]:
    """Return vertices and landmarks about the point between the eyes, which stand 1 apart."""
    points = landmarks.detach().double().cpu().numpy()
    right, left = points[36:42].mean(axis=0), points[42:48].mean(axis=0)
    size = max(float(np.linalg.norm(left - right)), 1e-9)
    middle = (left + right) / 2
    return (mean.detach().double().cpu().numpy() - middle) / size, (points - middle) / size


def _is_hollow(vertices: Points, points: Points) -> npt.NDArray[np.bool_]:
    """Return what lies close to the eyes or the mouth as seen from the front, but behind them."""
    features = points[36:68]
    apart = np.linalg.norm(vertices[:, None, :2] - features[:, :2], axis=2)
    depth = features[apart.argmin(axis=1), 2]
    return np.asarray((apart.min(axis=1) < 0.3) & (vertices[:, 2] < depth - CAVITY_DEPTH))


def _lines(vertices: Points, points: Points) -> dict[str, Weights]:
    """Return what lies along curves: brows and lids."""
    flat = vertices[:, :2]

    def near(chain: tuple[int, ...], width: float, is_closed: bool) -> Weights:
        return np.asarray(_ramp(width - _distance(flat, points[list(chain), :2], is_closed)))

    lids = np.maximum(near(RIGHT_EYE, LID_WIDTH, True), near(LEFT_EYE, LID_WIDTH, True))
    under = [points[[40, 41], :2].mean(axis=0), points[[46, 47], :2].mean(axis=0)]
    bags = [_bell(flat, at - [0, 0.16], (0.28, 0.1)) for at in under]
    return {
        "left_brow": near(LEFT_BROW, BROW_WIDTH, False),
        "right_brow": near(RIGHT_BROW, BROW_WIDTH, False),
        "eyelids": lids,
        "under_eyes": np.maximum(*bags),
    }


def _lips(vertices: Points, points: Points) -> dict[str, Weights]:
    flat = vertices[:, :2]

    def inside(chain: tuple[int, ...], margin: float = 0.0) -> Weights:
        outline = points[list(chain), :2]
        sign = np.where(_is_inside(flat, outline), 1, -1)
        return np.asarray(_ramp(sign * _distance(flat, outline, True) + margin))

    beard = inside((*JAW, 54, 35, 33, 31, 48), SOFT)
    upper, lower = inside(UPPER_LIP, SOFT / 2), inside(LOWER_LIP, SOFT / 2)
    bare = 1 - np.maximum(upper, lower)
    return {
        "upper_lip": upper,
        "lower_lip": lower * (1 - upper),
        "nose": inside(NOSE, NOSE_MARGIN),
        "beard": np.maximum(beard, inside(MOUSTACHE)) * bare * (flat[:, 1] < points[33, 1]),
        "moustache": inside(MOUSTACHE) * bare,
    }


def _areas(vertices: Points, points: Points) -> dict[str, Weights]:
    """Return what has no outline among the landmarks: cheeks, forehead, neck and ears."""
    flat, (x, y, z) = vertices[:, :2], vertices.T
    cheeks = [(points[a, :2] + points[b, :2]) / 2 for a, b in ((36, 48), (45, 54))]
    brow_line = np.interp(x, *_rising(points[17:27, 0], points[17:27, 1]))
    jaw_line = np.interp(x, *_rising(points[3:14, 0], points[3:14, 1]))
    wide = np.interp(x, [points[0, 0], 0.0, points[16, 0]], [0.0, 1.0, 0.0], left=0, right=0)
    ear_height = points[[0, 16], 1].mean() - y
    outside = np.maximum(points[0, 0] - x, x - points[16, 0])
    return {
        "cheeks": np.maximum(*[_bell(flat, at, (0.3, 0.32)) for at in cheeks]),
        "forehead": _ramp(y - brow_line - 0.22) * (wide > 0),
        "neck": _ramp(jaw_line - 0.1 - y) * (z < points[8, 2] - 0.05),
        "ears": _ramp(outside - 0.02) * (np.abs(ear_height) < 0.6) * (z < points[[0, 16], 2].mean() + 0.1),
    }


def _ramp(signed: Weights) -> Weights:
    """Return 0 outside, 1 inside and a straight slope between, `SOFT` wide to both sides."""
    return np.clip(0.5 + signed / (2 * SOFT), 0, 1)


def _bell(points: Points, middle: Points, widths: tuple[float, float]) -> Weights:
    away = (points - middle) / np.asarray(widths)
    return np.asarray(np.exp(-np.square(away).sum(axis=1)))


def _rising(x: Points, y: Points) -> tuple[Points, Points]:
    order = np.argsort(x, kind="stable")
    return x[order], y[order]


def _distance(points: Points, chain: Points, is_closed: bool) -> Weights:
    """Return how far points are from a chain of straight pieces."""
    start = chain if is_closed else chain[:-1]
    along = (np.roll(chain, -1, axis=0) - chain)[: len(start)]
    away = points[:, None] - start
    length = np.maximum(np.square(along).sum(axis=1), 1e-12)
    share = np.clip((away * along).sum(axis=2) / length, 0, 1)
    return np.asarray(np.linalg.norm(away - share[..., None] * along, axis=2).min(axis=1))


def _is_inside(points: Points, outline: Points) -> npt.NDArray[np.bool_]:
    """Return which points an outline goes round: a ray to the right crosses it an odd number of times."""
    (x, y), (x0, y0), (x1, y1) = points.T[..., None], outline.T, np.roll(outline, -1, axis=0).T
    spans = (y0 > y) != (y1 > y)
    rise = np.where(y1 == y0, 1.0, y1 - y0)
    crosses = spans & (x < x0 + (y - y0) * (x1 - x0) / rise)
    return np.asarray(crosses.sum(axis=1) % 2 == 1)
