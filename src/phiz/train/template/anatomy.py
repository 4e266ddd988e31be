"""What the head model needs to know beyond shape: joints, contacts, labels, landmarks."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.spatial import cKDTree

from phiz.face.morphable import REGIONS, Part, vertex_normals
from phiz.train.template.build import Template
from phiz.train.template.chart import Floats, Ints, nearest_on
from phiz.train.template.globe import sphere_centre

NECK_FADE = (-0.138, -0.080)
"""Heights between which the neck's skin goes from still to fully turned."""
NECK_PIVOT = (0.0, -0.075, -0.015)
LIP_ZONE = 0.022
PIECE_PARTS = {
    "mouth": Part.MOUTH,
    "socket": Part.EYE_RIM,
    "upper_teeth": Part.UPPER_TEETH,
    "lower_teeth": Part.LOWER_TEETH,
    "upper_gums": Part.MOUTH,
    "lower_gums": Part.MOUTH,
    "tongue": Part.TONGUE,
    "left_eye": Part.LEFT_EYE,
    "right_eye": Part.RIGHT_EYE,
}


def own(template: Template, *pieces: str) -> Ints:
    """Return the vertices of some pieces."""
    return np.unique(template.triangles[np.isin(template.piece, pieces)])


def even_regions(regions: Floats, mirror: Ints) -> Floats:
    """Return soft areas that are the same on both sides of the face."""
    swap = [REGIONS.index({"left_brow": "right_brow", "right_brow": "left_brow"}.get(n, n)) for n in REGIONS]
    return (regions + regions[mirror][:, swap]) / 2


def label_triangles(template: Template, mean: Floats, regions: Floats) -> Ints:
    """Return a `Part` for each triangle."""
    centre = mean[template.triangles].mean(axis=1)
    soft = regions[template.triangles].mean(axis=1)
    parts = np.full(len(template.triangles), int(Part.SKIN), np.int64)

    def inside(name: str) -> Any:
        return (soft[:, REGIONS.index(name)] > 0.5) & (template.piece == "skin")

    parts[inside("neck")] = Part.NECK
    parts[(centre[:, 1] < -0.135) & (template.piece == "skin")] = Part.SHOULDERS
    for name, part in (("scalp", Part.SCALP), ("nose", Part.NOSE)):
        parts[inside(name)] = part
    parts[inside("upper_lip")], parts[inside("lower_lip")] = Part.UPPER_LIP, Part.LOWER_LIP
    parts[inside("ears") & (centre[:, 0] > 0)] = Part.LEFT_EAR
    parts[inside("ears") & (centre[:, 0] < 0)] = Part.RIGHT_EAR
    for piece, part in PIECE_PARTS.items():
        parts[template.piece == piece] = part
    return parts


def jaw_joint(opening: Floats, mean: Floats, template: Template) -> tuple[Floats, Floats]:
    """Return the jaw's hinge and how much each vertex turns with it, from the opening expression."""
    teeth = own(template, "lower_teeth")
    rest, moved = mean[teeth], mean[teeth] + opening[teeth]
    middle, centre = rest.mean(axis=0), moved.mean(axis=0)
    left, _, right = np.linalg.svd((rest - middle).T @ (moved - centre))
    turn = (left @ right).T
    hinge = np.linalg.lstsq(np.eye(3) - turn, centre - turn @ middle, rcond=None)[0]
    swung = (mean - hinge) @ (turn - np.eye(3)).T
    weight = (opening * swung).sum(axis=1) / np.maximum((swung**2).sum(axis=1), 1e-10)
    weight = np.clip(weight, 0, 1) * (np.linalg.norm(opening, axis=1) > 2e-5)
    weight[own(template, "lower_teeth", "lower_gums", "tongue")] = 1
    return hinge * np.array([0, 1, 1]), weight


def neck_weight(mean: Floats) -> Floats:
    """Return how much each vertex turns with the head: 0 on the shoulders, 1 on the skull."""
    # The chin hangs low in front; the nape turns with the skull from further up.
    height = mean[:, 1] + 0.25 * np.clip(mean[:, 2], -0.04, 0.1)
    share = np.clip((height - NECK_FADE[0]) / (NECK_FADE[1] - NECK_FADE[0]), 0, 1)
    return np.asarray(share * share * (3 - 2 * share))


def eyes(template: Template, mean: Floats) -> dict[str, Floats | Ints]:
    """Return the eyeballs' vertices, weights that give their centres, and directions inside them."""
    vertices, weights = [], []
    local = np.zeros_like(mean)
    for piece in ("left_eye", "right_eye"):
        ids = own(template, piece)
        points = mean[ids]
        back = points[points[:, 2] < np.quantile(points[:, 2], 0.5)]
        centre = sphere_centre(back)
        # Least-norm weights that add up to one and hit the centre; they follow any identity.
        matrix = np.concatenate([(points - centre).T, np.ones((1, len(points)))])
        weights.append(np.linalg.lstsq(matrix, np.array([0, 0, 0, 1.0]), rcond=None)[0])
        vertices.append(ids)
        away = points - centre
        local[ids] = away / np.linalg.norm(away, axis=1, keepdims=True)
    return {"eye_vertices": np.stack(vertices), "eye_weights": np.stack(weights), "eye_local": local}


def cornea(template: Template, mean: Floats) -> float:
    """Return how far the cornea stands out of the eyeball's sphere, in metres."""
    points = mean[own(template, "left_eye")]
    centre = sphere_centre(points[points[:, 2] < np.quantile(points[:, 2], 0.5)])
    distance = np.linalg.norm(points - centre, axis=1)
    return float(max(distance.max() - np.median(distance), 0.0))


def lid_zones(template: Template, mean: Floats) -> dict[str, Floats | Ints]:
    """Return the lids' vertices and how strictly each must stay outside the eyeball."""
    skin = own(template, "skin")
    rim = template.left_lid_rim
    distance, _ = cKDTree(mean[rim]).query(mean[skin])
    near = skin[distance < 0.014]
    weight = np.clip((0.014 - distance[distance < 0.014]) / 0.006, 0, 1)
    return {
        "left_lids": near,
        "left_lid_weight": weight,
        "right_lids": template.mirror[near],
        "right_lid_weight": weight,
    }


def facing_pairs(points: Floats, normals: Floats, upper: Ints, lower: Ints, tallest: float) -> Ints:
    """Return pairs of vertices that look at each other across a slit no higher than ``tallest``."""
    down, up = upper[normals[upper, 1] < -0.25], lower[normals[lower, 1] > 0.25]
    distance, partner = cKDTree(points[up][:, [0, 2]]).query(points[down][:, [0, 2]])
    gap = points[down, 1] - points[up[partner], 1]
    keep = (distance < 0.0016) & (gap > -0.0004) & (gap < tallest)
    return np.stack([down[keep], up[partner[keep]]], axis=1)


def lip_zones(template: Template, mean: Floats, normals: Floats, regions: Floats) -> dict[str, Ints]:
    """Return facing points of the closed lips, and all vertices that move with either lip."""
    skin, bag = own(template, "skin"), own(template, "mouth")
    upper = skin[regions[skin, REGIONS.index("upper_lip")] > 0.5]
    lower = skin[regions[skin, REGIONS.index("lower_lip")] > 0.5]
    pairs = facing_pairs(mean, normals, upper, lower, 0.0045)
    line = mean[pairs].mean(axis=1)
    both = np.union1d(skin, bag)
    near, which = cKDTree(line).query(mean[both])
    both, which = both[near < LIP_ZONE], which[near < LIP_ZONE]
    above = mean[both, 1] > line[which, 1]
    above = (above | np.isin(both, pairs[:, 0])) & ~np.isin(both, pairs[:, 1])
    return {"lip_pairs": pairs, "lip_upper": both[above], "lip_lower": both[~above]}


def blink_zones(template: Template, mean: Floats, blink: Floats) -> dict[str, Ints]:
    """Return facing points of nearly closed lids, and what moves with either; right mirrors left."""
    rim = template.left_lid_rim
    corners = mean[rim[[mean[rim, 0].argmin(), mean[rim, 0].argmax()]]]
    skin = own(template, "skin")
    distance, nearest = cKDTree(mean[rim]).query(mean[skin])
    zone, nearest = skin[distance < 0.008], nearest[distance < 0.008]
    at = mean[rim[nearest]]
    share = (at[:, 0] - corners[0, 0]) / (corners[1, 0] - corners[0, 0])
    above = at[:, 1] > corners[0, 1] + share * (corners[1, 1] - corners[0, 1])
    closed = mean + blink
    pairs = facing_pairs(
        closed, vertex_normals_of(closed, template.triangles), zone[above], zone[~above], 0.006
    )
    left = {"pairs": pairs, "upper": zone[above], "lower": zone[~above]}
    found = {f"left_blink_{name}": value for name, value in left.items()}
    return found | {f"right_blink_{name}": template.mirror[value] for name, value in left.items()}


def vertex_normals_of(points: Floats, triangles: Ints) -> Floats:
    """Return unit normals, each the mean of its triangles' weighted by their areas."""
    found = vertex_normals(torch.from_numpy(points)[None], torch.from_numpy(triangles))
    return np.asarray(found[0].numpy())


def arch_shape(template: Template, mean: Floats, piece: str) -> dict[str, float]:
    """Return the parabola that a dental arch's outer face follows, with its height and width."""
    points = mean[own(template, piece)]
    side = np.round(np.abs(points[:, 0]) / 0.003)
    outer = np.array([points[side == s][points[side == s, 2].argmax()] for s in np.unique(side)])
    outer = outer[np.abs(outer[:, 0]) < 0.024]
    slope = np.linalg.lstsq(
        np.stack([np.ones(len(outer)), -(outer[:, 0] ** 2)], axis=1), outer[:, 2], rcond=None
    )[0]
    return {
        "front": float(slope[0]),
        "curve": float(slope[1]),
        "half_width": 0.026,
        "bottom": float(points[:, 1].min()),
        "top": float(points[:, 1].max()),
        "thick": 0.006,
    }


def landmark_spots(points: Floats, mean: Floats, template: Template) -> tuple[Ints, Floats]:
    """Return the triangle corners and weights on the skin that lie nearest to points."""
    skin = template.triangles[template.piece == "skin"]
    spots, _ = nearest_on(points, mean, skin)
    return skin[spots.triangle], spots.weight
