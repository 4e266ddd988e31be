"""Where the 478 points of a well-known face layout lie on our head.

Nobody hands out that layout's own surface, but a detector shows where its points appear. So we paint
people whose every vertex we know, let the detector mark them, and look for the spots of our surface
that appear where the marks are, in all pictures at once: each spot is the geometric median of its
marks, measured in the pictures. That holds at the rims of lids and lips too, where the pixel under a
mark may show an eyeball or a tooth.
"""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from phiz.checkpoint import atomic
from phiz.errors import DataError, MissingError
from phiz.face.head import Head
from phiz.face.morphable import Part
from phiz.graphics import camera as cameras
from phiz.graphics.camera import Camera
from phiz.media import image
from phiz.train.template.chart import Floats, Ints, nearest_on

LAYOUT = Path(__file__).parent / "template" / "layout478.json"
COUNT, FACE = 478, 468
"""The first 468 points lie on the skin, the others on the irises."""
SKIN = (
    Part.SKIN,
    Part.NOSE,
    Part.LEFT_EAR,
    Part.RIGHT_EAR,
    Part.SCALP,
    Part.NECK,
)
SURFACES = {
    "skin": SKIN,
    "upper_lip": (Part.UPPER_LIP,),
    "lower_lip": (Part.LOWER_LIP,),
    "left_eye": (Part.LEFT_EYE,),
    "right_eye": (Part.RIGHT_EYE,),
}
"""What a point can lie on. Closed lips touch, so that a position alone does not say which one is meant."""
FRONT = -0.02
"""Vertices further back than this, in metres, are no candidates."""
ZOOM = ((4, 0.006), (16, 0.0015), (64, 0.0004))
"""Refinement: into how many steps a triangle's edge is cut, and how far around to look, in metres."""
OTHER_LIP = 0.001
"""Mirror partners on different lips are this much worse, in metres."""
LOPSIDED = 0.01
"""Further than this, in metres, no point may be from the mirror image of its partner."""
LOW_FACING = 0.05
"""Weight of a picture that shows a point from behind."""
SEEN = 0.2
"""Least cosine between a normal and the way to the camera at which a point counts as seen."""
OUTER_CORNERS = (36, 45)
"""Outer corners of the eyes among the 68 landmarks."""
GROUPS: Mapping[str, tuple[int, ...]] = {
    "all": tuple(range(COUNT)),
    "eyes": (33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173),
    "brows": (46, 53, 52, 65, 55, 70, 63, 105, 66, 107),
    "outer_lips": (61, 146, 91, 181, 84, 17, 185, 40, 39, 37, 0),
    "inner_lips": (78, 95, 88, 178, 87, 14, 191, 80, 81, 82, 13),
    "oval": (10, 109, 67, 103, 54, 21, 162, 127, 234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152),
    "irises": tuple(range(FACE, COUNT)),
}
"""Points that belong together, to be measured together with their mirror images."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The points on the mean head."""

    positions: Floats
    """(478, 3) metres."""
    partners: Ints
    """(478,) the mirror image of each point; those of the middle are their own."""
    surfaces: tuple[str, ...]
    """For each point one of `SURFACES`."""


@dataclass(frozen=True, kw_only=True)
class Sightings:
    """Pictures of known surfaces and what a detector marked in them."""

    points: Float[Tensor, "p 478 2"]
    """Pixels; the centre of the first is (0.5, 0.5)."""
    vertices: Float[Tensor, "p v 3"]
    """The head's vertices in the world."""
    camera: Camera
    """One a picture."""
    size: int
    """Pictures are square."""


def learn_layout(seen: Sightings, head: Head, iris: float) -> Layout:
    """Return where the layout's points lie on the mean head, the same on both sides.

    `iris` is the angle between the pupil and the edge of the iris, seen from the eyeball's centre.
    """
    places, surfaces = find_spots(seen, head, np.arange(FACE))
    partners = mirror_partners(places, surfaces)
    even = (places + places[partners] * (-1.0, 1.0, 1.0)) / 2
    surfaces = [max(surfaces[j], surfaces[k], key=list(SURFACES).index) for j, k in enumerate(partners)]
    eyes, eye_partners, eye_surfaces = iris_points(seen, head, iris)
    loose = Layout(
        positions=np.concatenate([even, eyes]),
        partners=np.concatenate([partners, eye_partners + FACE]),
        surfaces=(*surfaces, *eye_surfaces),
    )
    mean, mirror = head.mean.double().numpy(), head.mirror.numpy()
    corners, weights = place_layout(loose, mean, head.triangles.numpy(), head.parts.numpy(), mirror)
    return replace(loose, positions=np.einsum("nk,nkc->nc", weights, mean[corners]))


def find_spots(seen: Sightings, head: Head, numbers: Ints) -> tuple[Floats, list[str]]:
    """Return where on the mean head's skin some points lie (n, 3), and on which of `SURFACES`."""
    mean, triangles, parts = head.mean.double().numpy(), head.triangles.numpy(), head.parts.numpy()
    is_skin = np.isin(parts, [*SKIN, Part.UPPER_LIP, Part.LOWER_LIP])
    skin, labels = triangles[is_skin], parts[is_skin]
    views = _views(seen, head)
    spots = [_find(views, int(j), mean, skin) for j in numbers]
    names = {int(part): name for name, group in SURFACES.items() for part in group}
    places = np.stack([weights @ mean[skin[number]] for number, weights in spots])
    return places, [names[int(labels[number])] for number, _ in spots]


def mirror_partners(places: Floats, surfaces: list[str]) -> Ints:
    """Return the mirror image of each point, found by laying the mirrored cloud over the cloud."""
    apart = np.linalg.norm(places[:, None] * (-1.0, 1.0, 1.0) - places[None], axis=2)
    lip = np.array([{"upper_lip": 1, "lower_lip": -1}.get(name, 0) for name in surfaces])
    apart = apart + OTHER_LIP * (lip[:, None] * lip[None] < 0)
    partners = np.asarray(linear_sum_assignment(apart)[1], np.int64)
    everyone = np.arange(len(partners))
    if (partners[partners] != everyone).any() or apart[everyone, partners].max() > LOPSIDED:
        raise DataError("the marks are not the same on both sides of the face. Take more pictures.")
    return partners


def iris_points(seen: Sightings, head: Head, iris: float) -> tuple[Floats, Ints, list[str]]:
    """Return the ten last points: pupils, and four points on the edge of each iris.

    The eyeball says where they are; the marks only say which is which. Also returned: the mirror
    image of each among the ten, and their surfaces.
    """
    mean, triangles, parts = head.mean.double().numpy(), head.triangles.numpy(), head.parts.numpy()
    local = head.eye_local.double().numpy()
    turns = np.arange(4) * math.pi / 2
    edge = np.stack([np.cos(turns), np.sin(turns), np.full(4, 1 / math.tan(iris))], axis=1) * math.sin(iris)
    directions = np.concatenate([[[0.0, 0.0, 1.0]], edge])
    corners, weights = [], []
    for part in (Part.LEFT_EYE, Part.RIGHT_EYE):
        own = triangles[parts == part]
        spots, _ = nearest_on(directions, local, own)
        corners.append(own[spots.triangle])
        weights.append(spots.weight)
    corner, weight = np.concatenate(corners), np.concatenate(weights)
    views = _views(seen, head)
    away = np.stack([np.median(views.away(j, corner, weight), axis=0) for j in range(FACE, COUNT)])
    order = linear_sum_assignment(away)[1]
    places = np.einsum("nk,nkc->nc", weight, mean[corner])
    mirrored = np.array([5, 8, 7, 6, 9, 0, 3, 2, 1, 4])  # left and right edge swap names as well
    places = (places + places[mirrored] * (-1.0, 1.0, 1.0)) / 2
    back = np.argsort(order)
    names = ["left_eye" if k < 5 else "right_eye" for k in order]
    return places[order], np.asarray(back[mirrored[order]], np.int64), names


def disagreement(seen: Sightings, head: Head, layout: Layout) -> dict[str, float]:
    """Return how far marks lie from our points: median and 95th percentile in percent.

    100 % is the distance between the outer corners of the eyes, turned to the camera. Points on
    the far side of the face do not count.
    """
    mean, parts = head.mean.double().numpy(), head.parts.numpy()
    corners, weights = place_layout(layout, mean, head.triangles.numpy(), parts, head.mirror.numpy())
    views = _views(seen, head)
    shown = np.einsum("nk,pnkx->pnx", weights, views.screen[:, corners])
    facing = np.einsum("nk,pnk->pn", weights, views.facing[:, corners])
    away = np.linalg.norm(shown - views.points, axis=2) * views.scale[:, None]
    right, left = (head.landmarks(seen.vertices)[:, k].double() for k in OUTER_CORNERS)
    share = 100 * away / (right - left).norm(dim=-1).numpy()[:, None]
    scores = {}
    for name, group in GROUPS.items():
        both = np.union1d(group, layout.partners[list(group)])
        chosen = share[:, both][facing[:, both] > SEEN]
        scores[f"{name}_median_percent"] = round(float(np.median(chosen)), 2)
        scores[f"{name}_95th_percent"] = round(float(np.percentile(chosen, 95)), 2)
    return scores


def place_layout(
    layout: Layout, mean: Floats, triangles: Ints, parts: Ints, mirror: Ints
) -> tuple[Ints, Floats]:
    """Return three vertices (478, 3) and their weights (478, 3) for each point of the layout.

    Left points are placed on triangles of their own surface, those of the middle on its edges that
    are their own mirror image; right points are the mirror images of left ones. So a mirrored face
    has exactly mirrored points.
    """
    corners, weights = np.zeros((COUNT, 3), np.int64), np.zeros((COUNT, 3))
    surfaces, is_middle = np.array(layout.surfaces), layout.partners == np.arange(COUNT)
    for name, group in SURFACES.items():
        surface = triangles[np.isin(parts, group)]
        for middle in (False, True):
            chosen = np.flatnonzero((surfaces == name) & (is_middle == middle))
            if len(chosen):
                own = _middle_edges(surface, mirror) if middle else surface
                spots, _ = nearest_on(layout.positions[chosen], mean, own)
                corners[chosen], weights[chosen] = own[spots.triangle], spots.weight
    right = np.flatnonzero(~is_middle & (layout.positions[:, 0] < 0))
    partner = layout.partners[right]
    corners[right], weights[right] = mirror[corners[partner]], weights[partner]
    return corners, weights


def _middle_edges(triangles: Ints, mirror: Ints) -> Ints:
    """Return the edges that run down the middle, as flat triangles."""
    edges = np.concatenate([triangles[:, [k, (k + 1) % 3, (k + 1) % 3]] for k in range(3)])
    return np.asarray(edges[(mirror[edges] == edges).all(axis=1)], np.int64)


def read_layout(path: Path = LAYOUT) -> Layout:
    """Return the layout in a file that `write_layout` wrote; by default the one that comes with phiz."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        layout = Layout(
            positions=np.array(found["positions"], np.float64),
            partners=np.array(found["partners"], np.int64),
            surfaces=tuple(found["surfaces"]),
        )
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path} holds no layout ({error}). Install phiz anew.") from error
    is_whole = layout.positions.shape == (COUNT, 3) and len(layout.partners) == len(layout.surfaces) == COUNT
    if not is_whole or not set(layout.surfaces) <= set(SURFACES):
        raise DataError(f"{path} does not hold {COUNT} points on known surfaces. Install phiz anew.")
    return layout


def write_layout(layout: Layout, path: Path) -> None:
    """Write a layout as text, in micrometres; one line a point."""
    rows = [json.dumps([round(float(x), 6) + 0.0 for x in row]) for row in layout.positions]
    lines = [
        '{"positions": [',
        ",\n".join(rows),
        '],\n"partners": ' + json.dumps(layout.partners.tolist()) + ",",
        '"surfaces": ' + json.dumps(layout.surfaces) + "}\n",
    ]
    with atomic(path) as temporary:
        temporary.write_text("\n".join(lines), encoding="utf-8")


def detect_points(picture: Float[Tensor, "3 h w"]) -> Float[Tensor, "478 2"] | None:
    """Return the pixels at which MediaPipe's face mesh marks its points, or None where it sees no face."""
    try:
        mediapipe = importlib.import_module("mediapipe")
        mesh = mediapipe.solutions.face_mesh.FaceMesh
    except (ImportError, AttributeError) as error:
        raise MissingError(
            f"learning the {COUNT}-point layout needs MediaPipe's face mesh ({error}). "
            "Install it with: pip install mediapipe==0.10.21"
        ) from error
    pixels = image.to_bytes(picture)
    with mesh(static_image_mode=True, max_num_faces=1, refine_landmarks=True) as detector:
        found = detector.process(np.ascontiguousarray(pixels.numpy())).multi_face_landmarks
    if not found:
        return None
    height, width = picture.shape[1:]
    return torch.tensor([[mark.x * width, mark.y * height] for mark in found[0].landmark])


@dataclass(frozen=True, kw_only=True)
class _Views:
    """What is needed of the pictures, in numpy."""

    points: Floats
    """(p, 478, 2) pixels."""
    screen: Floats
    """(p, v, 2) pixels."""
    facing: Floats
    """(p, v) cosine between a vertex' normal and the way to the camera."""
    scale: Floats
    """(p,) metres a pixel."""

    def away(self, number: int, corners: Ints, weights: Floats) -> Floats:
        """Return how far (p, c), in metres, candidates appear from a point's marks."""
        shown = np.einsum("ck,pckx->pcx", weights, self.screen[:, corners])
        return np.asarray(np.linalg.norm(shown - self.points[:, number, None], axis=2) * self.scale[:, None])


def _views(seen: Sightings, head: Head) -> _Views:
    screen = cameras.to_screen(seen.camera, seen.vertices, seen.size, seen.size).double()
    to_camera = torch.nn.functional.normalize(seen.camera.position[:, None] - seen.vertices, dim=-1)
    facing = (head.normals(seen.vertices) * to_camera).sum(dim=-1)
    focal = seen.camera.intrinsics[:, 0, 0].double() * seen.size / 2
    return _Views(
        points=seen.points.double().numpy(),
        screen=screen[..., :2].numpy(),
        facing=facing.double().numpy(),
        scale=(screen[..., 2].median(dim=1).values / focal).numpy(),
    )


def _find(views: _Views, number: int, mean: Floats, triangles: Ints) -> tuple[int, Floats]:
    """Return the triangle and the weights of the spot that appears nearest to a point's marks.

    The first guess is a vertex and takes all pictures alike; then those count that show the spot well.
    """
    ids = np.unique(triangles)
    ids = ids[mean[ids, 2] > FRONT]
    trust = np.ones(len(views.scale))
    for _ in range(2):
        shown = np.linalg.norm(views.screen[:, ids] - views.points[:, number, None], axis=2)
        best = ids[((trust * views.scale) @ shown).argmin()]
        trust = np.clip(views.facing[:, best], LOW_FACING, None)
    place = mean[best]
    centres = mean[triangles].mean(axis=1)
    for steps, reach in ZOOM:
        near = np.flatnonzero(np.linalg.norm(centres - place, axis=1) < reach + 0.006)
        grid = _grid(steps)
        which, weights = np.repeat(near, len(grid)), np.tile(grid, (len(near), 1))
        places = np.einsum("ck,ckx->cx", weights, mean[triangles[which]])
        kept = np.linalg.norm(places - place, axis=1) < reach
        which, weights, places = which[kept], weights[kept], places[kept]
        winner = (trust @ views.away(number, triangles[which], weights)).argmin()
        place = places[winner]
    return int(which[winner]), weights[winner]


def _grid(steps: int) -> Floats:
    """Return barycentric weights strewn evenly over a triangle, corners included."""
    rows = [(i, j, steps - i - j) for i in range(steps + 1) for j in range(steps + 1 - i)]
    return np.array(rows, np.float64) / steps
