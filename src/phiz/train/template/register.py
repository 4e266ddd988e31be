"""Carrying a template along with a scan: every vertex follows its spot, whoever the scan becomes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from phiz.errors import HeadError
from phiz.face.morphable import ARKIT_NAMES
from phiz.face.supplied import SOURCE_BACK, SOURCE_GUMS, SOURCE_SOCKET, SOURCE_TEETH, SuppliedHead
from phiz.train.template.build import Scan, Template
from phiz.train.template.chart import Floats, Ints, nearest_on
from phiz.train.template.mouth import split

LEFT_SOCKET, RIGHT_SOCKET, LEFT_EYE, RIGHT_EYE = 3, 4, 7, 8


@dataclass(frozen=True, kw_only=True)
class Carrier:
    """For each template vertex, three scan vertices and their weights."""

    corners: Ints
    weights: Floats

    def carry(self, values: npt.NDArray[np.floating]) -> Floats:
        """Return values (v, c) of the scan's vertices at the template's vertices."""
        return np.asarray(np.einsum("nk,nkc->nc", self.weights, values[self.corners], dtype=np.float64))


def to_scan(head: SuppliedHead, source_part: npt.NDArray[np.generic], triangles: Ints) -> Scan:
    """Return the mean head of a supplied model, taken apart for meshing."""
    part = np.asarray(source_part)
    wanted = {
        "face and back": part <= SOURCE_BACK,
        "mouth": part == SOURCE_SOCKET,
        "teeth": part == SOURCE_TEETH,
    }
    for name, chosen in wanted.items():
        if not chosen.any():
            raise HeadError(f"the supplied head has no triangles for its {name}; it cannot be registered")
    return Scan(
        vertices=head.mean.numpy().astype(np.float64),
        skin=triangles[part <= SOURCE_BACK],
        mouth=triangles[part == SOURCE_SOCKET],
        left_socket=triangles[part == LEFT_SOCKET],
        gums=triangles[part == SOURCE_GUMS],
        teeth=triangles[part == SOURCE_TEETH],
        left_eye=triangles[part == LEFT_EYE],
        regions=head.regions.numpy().astype(np.float64),
    )


def attach(template: Template, scan: Scan, source_part: npt.NDArray[np.generic], triangles: Ints) -> Carrier:
    """Return which spot of the scan each vertex of the template follows, each piece its own kind."""
    part = np.asarray(source_part)
    groups = split(scan.vertices, scan.teeth)
    height = [
        float(np.ptp(scan.vertices[np.unique(g), 1]) / 2 + scan.vertices[np.unique(g), 1].min())
        for g in groups
    ]
    middle = float(np.mean(height))
    upper = np.concatenate([g for g, y in zip(groups, height, strict=True) if y > middle])
    lower = np.concatenate([g for g, y in zip(groups, height, strict=True) if y <= middle])
    sources = {
        "skin": scan.skin,
        "mouth": scan.mouth,
        "socket": triangles[(part == LEFT_SOCKET) | (part == RIGHT_SOCKET)],
        "left_eye": triangles[part == LEFT_EYE],
        "right_eye": triangles[part == RIGHT_EYE],
        "upper_teeth": upper,
        "upper_gums": upper,
        "lower_teeth": lower,
        "lower_gums": lower,
        "tongue": lower,
    }
    count = len(template.points)
    corners, weights = np.zeros((count, 3), np.int64), np.zeros((count, 3))
    seen = np.zeros(count, bool)
    for name, source in sources.items():
        own = np.unique(template.triangles[template.piece == name])
        own = own[~seen[own]]
        spots, _ = nearest_on(template.points[own], scan.vertices, source)
        corners[own], weights[own] = source[spots.triangle], spots.weight
        seen[own] = True
    return Carrier(corners=corners, weights=weights)


def mirrored(values: Floats, mirror: Ints) -> Floats:
    """Return displacements or points (..., v, 3) with left and right exchanged."""
    return np.asarray(values[..., mirror, :] * np.array([-1.0, 1.0, 1.0]))


def other_side(name: str) -> str:
    """Return the expression name of the other half of the face."""
    if name.endswith("Left"):
        return name[:-4] + "Right"
    return name[:-5] + "Left" if name.endswith("Right") else name


def expressions(head: SuppliedHead, carrier: Carrier, mirror: Ints) -> dict[str, Floats]:
    """Return the scan's expressions on the template; left and right are exact mirror images."""
    carried = {
        name: carrier.carry(mode.numpy())
        for name, mode in zip(head.expression_names, head.expression_modes, strict=True)
    }
    even = {}
    for name, mode in carried.items():
        partner = carried.get(other_side(name), mode)
        even[name] = (mode + mirrored(partner, mirror)) / 2
    return {name: even[name] for name in ARKIT_NAMES if name in even}


def sample_people(
    head: SuppliedHead, carrier: Carrier, count: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return coefficients and registered vertices of people drawn from the scan's own distribution."""
    drawn = np.clip(0.8 * rng.standard_normal((count, head.sizes.identity)), -2.2, 2.2)
    modes = np.stack([carrier.carry(mode.numpy()) for mode in head.identity_modes])
    mean = carrier.carry(head.mean.numpy())
    return drawn, mean + np.einsum("ni,ivc->nvc", drawn, modes)


def principal_modes(people: Floats, mirror: Ints, count: int) -> tuple[Floats, Floats]:
    """Return the mean and the modes of a crowd and its mirror images, each scaled to unit variance."""
    crowd = np.concatenate([people, mirrored(people, mirror)])
    mean = crowd.mean(axis=0)
    flat = (crowd - mean).reshape(len(crowd), -1)
    covariance = flat @ flat.T / len(crowd)
    value, vector = np.linalg.eigh(covariance)
    order = np.argsort(value)[::-1][:count]
    modes = (vector[:, order].T @ flat) / np.sqrt(len(crowd))
    return mean, modes.reshape(count, -1, 3)
