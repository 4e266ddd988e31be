"""What a regressor should tell of rendered people.

A regressor speaks of one fixed camera, the published one: it stands a metre before the crop's middle and has
a focal length of 1015 pixels of 224. The camera that took the picture stood elsewhere and had another lens.
So the true turn and place cannot be told; what can is the pose in which the fixed camera shows the true face
most nearly where the crop shows it. `hold` finds it, by Gauss and Newton from a flat guess, from exact points
all over the face; identity, expression and gaze are those that were rendered, the neck is part of the head's
turn, and the jaw stays where the expression puts it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from phiz.errors import UsageError
from phiz.face import align, fit_surface, points, warp
from phiz.face.bfm import CAMERA_DISTANCE, DECIMETRE, FOCAL
from phiz.face.bfm import PICTURE as SIDE
from phiz.face.coeffs import FaceCoeffs, neutral
from phiz.face.morphable import MorphableModel
from phiz.graphics import rotation

EYE = CAMERA_DISTANCE * DECIMETRE
"""How far before the world's origin the published camera stands, in metres."""
STEPS = 6
"""Of Gauss and Newton: far more than exact points need."""
DAMPING = 1e-6
CLOSEST = 0.02
"""What a mirror image of a mode may be off, as a share, to be a mode."""


@dataclass(frozen=True, kw_only=True)
class Yardstick:
    """Points of a head model by which predictions are compared: 68 landmarks, then some of its face."""

    mean: Float[Tensor, "n 3"]
    """Metres."""
    modes: Float[Tensor, "n 3 k"]
    """How the points answer to identity, then expression."""
    colour: Float[Tensor, "m 3"]
    """sRGB of the points of the face, without the landmarks."""
    colour_modes: Float[Tensor, "m 3 t"]
    vertices: Int[Tensor, " m"]
    """Which vertices they are."""

    def to(self, device: torch.device) -> "Yardstick":
        return Yardstick(**{name: getattr(self, name).to(device) for name in self.__dataclass_fields__})

    def at(self, identity: Float[Tensor, "b i"], expression: Float[Tensor, "b e"]) -> Float[Tensor, "b n 3"]:
        """Return the points of some faces, before they are turned: what a sum of modes says of them."""
        return self.mean + torch.einsum("nck,bk->bnc", self.modes, torch.cat([identity, expression], dim=1))

    def colours(self, texture: Float[Tensor, "b t"]) -> Float[Tensor, "b m 3"]:
        """Return the skin's own colours at the points of some faces."""
        return self.colour + torch.einsum("mct,bt->bmc", self.colour_modes, texture)


def yardstick(model: MorphableModel, count: int) -> Yardstick:
    """Return about so many points of a model's face, evenly chosen among its vertices, and its landmarks."""
    chart = fit_surface.chart(model)
    face = torch.unique(chart.triangles[chart.is_face])
    chosen = face[torch.linspace(0, len(face) - 1, min(count, len(face))).long()]
    marks = fit_surface.anchors68(model)
    return Yardstick(
        mean=torch.cat([marks.on(chart.mean[None])[0], chart.mean[chosen]]),
        modes=torch.cat([marks.modes_of(chart.modes), chart.modes[chosen]]),
        colour=chart.colour[chosen],
        colour_modes=chart.colour_modes[chosen],
        vertices=chosen,
    )


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What is true of the faces in some crops."""

    face: FaceCoeffs
    """As the fixed camera has to see it; texture and light are not known."""
    surface: Float[Tensor, "b m 3"]
    """Points of the face in its own frame, in metres: of the model itself, not of a sum of modes."""
    normals: Float[Tensor, "b m 3"]
    """In the world of the fixed camera."""
    shown: Float[Tensor, "b m 2"]
    """Where the crop really shows the points, in pixels of 224."""
    nearness: Float[Tensor, "b m"]
    """Cosine of the angle at which the camera looks at each point; below zero it sees its back."""


@torch.no_grad()
def truth_of(
    model: MorphableModel, face: FaceCoeffs, seen: Float[Tensor, "b 3 4"], vertices: Int[Tensor, " m"]
) -> Truth:
    """Return what should be told of faces in crops that show a point of the figure at `seen`."""
    still = replace(face, neck=torch.zeros_like(face.neck))
    whole = model.vertices(still)
    normals = model.normals(whole)[:, vertices]
    surface = whole[:, vertices] * model.metres_per_unit
    crop_from_skull = seen @ _skull(model, face).to(seen)
    shown, _ = perspective(crop_from_skull, surface)
    turned, place = hold(surface, shown)
    told = replace(
        still,
        texture=torch.zeros_like(face.texture),
        rotation=rotation.to_euler(turned).float(),
        translation=place.float(),
    )
    # The eye, in the frame of the face: where all three rows of the projection vanish.
    eye = torch.linalg.solve(crop_from_skull[..., :3], -crop_from_skull[..., 3:])[..., 0]
    towards = torch.nn.functional.normalize(eye[:, None].to(surface) - surface, dim=-1)
    return Truth(
        face=told,
        surface=surface,
        normals=normals @ turned.mT.to(normals),
        shown=shown.float(),
        nearness=(towards * normals).sum(-1),
    )


def _skull(model: MorphableModel, face: FaceCoeffs) -> Float[Tensor, "b 4 4"]:
    """Return where the neck puts the head; models without a neck leave it where it is."""
    find = getattr(model, "skull", None)
    if find is None:
        return torch.eye(4, device=face.neck.device).expand(face.batch, 4, 4)
    found: Tensor = find(face)
    return found


def perspective(
    matrix: Float[Tensor, "b 3 4"], places: Float[Tensor, "b n 3"]
) -> tuple[Float[Tensor, "b n 2"], Float[Tensor, "b n"]]:
    """Return the pixels at which a projection shows points, and how far away they are."""
    found = places.to(matrix) @ matrix[..., :3].mT + matrix[..., None, :, 3]
    return found[..., :2] / found[..., 2:], found[..., 2]


def project(places: Float[Tensor, "b n 3"]) -> Float[Tensor, "b n 2"]:
    """Return the pixels of 224, y down, at which the fixed camera shows points of the world."""
    away = EYE - places[..., 2:]
    flat = FOCAL * places[..., :2] / away
    return torch.stack([SIDE / 2 + flat[..., 0], SIDE / 2 - flat[..., 1]], dim=-1)


def stand(places: Float[Tensor, "b n 3"], face: FaceCoeffs) -> Float[Tensor, "b n 3"]:
    """Return points of faces in the world: turned and shifted."""
    return places @ rotation.from_euler(face.rotation).mT + face.translation[:, None]


def hold(
    surface: Float[Tensor, "b n 3"], shown: Float[Tensor, "b n 2"]
) -> tuple[Float[Tensor, "b 3 3"], Float[Tensor, "b 3"]]:
    """Return the turn and the place at which the fixed camera shows points most nearly at given pixels.

    Least squares in pixels of 224. In double precision whatever comes in.
    """
    local, wanted = surface.double(), shown.double()
    turned, place = _flat(local, wanted)
    ridge = DAMPING * torch.eye(6, dtype=torch.float64, device=local.device)
    for _ in range(STEPS):
        spun = local @ turned.mT
        world = spun + place[:, None]
        slope = _slope(world)  # (b, n, 2, 3)
        rows = torch.cat([slope @ -rotation.skew(spun), slope], dim=-1).flatten(1, 2)
        apart = (project(world) - wanted).flatten(1)
        bend = rows.mT @ rows
        scale = bend.diagonal(dim1=1, dim2=2).clamp_min(1e-12)
        step = -torch.linalg.solve(bend + ridge * scale[:, None], (rows.mT @ apart[..., None]))[..., 0]
        turned = rotation.from_axis_angle(step[:, :3]) @ turned
        place = place + step[:, 3:]
    return rotation.nearest(turned), place


@torch.no_grad()
def middle(model: MorphableModel) -> Float[Tensor, " 3"]:
    """Return where the mean face stands that looks straight out of an aligned crop, in metres."""
    mean = neutral(model.sizes, 1, model.triangles.device)
    marks = model.landmarks(model.vertices(mean)) * model.metres_per_unit
    place = -marks[0].mean(0)
    for _ in range(STEPS):
        shown = project(marks + place)
        frame = align.regression_frame(shown[0], SIDE, SIDE)
        crop = warp.invert(frame.photo_from_crop)
        place = hold(marks, warp.apply(crop, shown.cpu()).to(marks))[1][0].to(place)
    return place


def _flat(local: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Return turn and place of a head seen from afar: the affine map of its points, made rigid."""
    middle, centre = local.mean(1), wanted.mean(1)
    affine = torch.linalg.lstsq(local - middle[:, None], wanted - centre[:, None]).solution.mT  # (b, 2, 3)
    rows = affine * affine.new_tensor([[1.0], [-1.0]])  # pictures count downwards
    scale = torch.linalg.svdvals(rows).mean(-1)
    third = torch.linalg.cross(rows[:, 0], rows[:, 1]) / scale[:, None]
    turned = rotation.nearest(torch.cat([rows, third[:, None]], dim=1))
    away = FOCAL / scale
    flat = (centre - SIDE / 2) * (away / FOCAL)[:, None] * centre.new_tensor([1.0, -1.0])
    at = torch.cat([flat, (EYE - away)[:, None]], dim=1)
    return turned, at - (turned @ middle[..., None])[..., 0]


def _slope(world: Float[Tensor, "b n 3"]) -> Float[Tensor, "b n 2 3"]:
    """Return how the pixels of points change with their places in the world."""
    x, y, z = world.unbind(-1)
    near = FOCAL / (EYE - z)
    zero = torch.zeros_like(x)
    across = torch.stack([near, zero, near * x / (EYE - z)], dim=-1)
    down = torch.stack([zero, -near, -near * y / (EYE - z)], dim=-1)
    return torch.stack([across, down], dim=-2)


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """What becomes of a face's numbers in a mirror."""

    identity: tuple[float, ...]
    """1 for modes that are alike on both sides, -1 for those that are opposite."""
    expression: tuple[int, ...]
    """Whose place each expression takes."""


def mirror_of(model: MorphableModel) -> Mirror:
    """Return what a mirror does to a model's numbers, if its modes are made for that."""
    partner = getattr(model, "mirror", None)
    names = list(model.expression_names)
    if partner is None or not names:
        raise UsageError(
            f"nothing is known about mirror images of the head model {model.name!r}. "
            "Learn without: --world-crop.mirror 0"
        )
    chart = fit_surface.chart(model)
    identity = chart.modes[..., : model.sizes.identity]
    flipped = identity[partner] * identity.new_tensor([-1.0, 1.0, 1.0])[:, None]
    signs = (flipped * identity).sum((0, 1)).sign()
    off = (flipped - identity * signs).norm(dim=(0, 1)) / identity.norm(dim=(0, 1)).clamp_min(1e-12)
    if float(off.max()) > CLOSEST:
        raise UsageError(
            f"the identities of the head model {model.name!r} have no mirror images. "
            "Learn without: --world-crop.mirror 0"
        )
    other = [names.index(_swapped(name)) if _swapped(name) in names else k for k, name in enumerate(names)]
    return Mirror(identity=tuple(signs.tolist()), expression=tuple(other))


def mirrored(face: FaceCoeffs, mirror: Mirror) -> FaceCoeffs:
    """Return the numbers of faces in a mirror; texture and light stay, as nobody learns from them."""
    turn = face.rotation.new_tensor([1.0, -1.0, -1.0])
    return replace(
        face,
        identity=face.identity * face.identity.new_tensor(mirror.identity),
        expression=face.expression[:, list(mirror.expression)],
        rotation=face.rotation * turn,
        neck=face.neck * turn,
        jaw=face.jaw * turn,
        translation=face.translation * face.translation.new_tensor([-1.0, 1.0, 1.0]),
        gaze=face.gaze.flip(1) * face.gaze.new_tensor([-1.0, 1.0]),
    )


def _swapped(name: str) -> str:
    """Return the name of the other side's expression."""
    left, right = "Left", "Right"
    if left in name:
        return name.replace(left, right)
    return name.replace(right, left)


def eye_distance(landmarks: Float[Tensor, "b 68 c"]) -> Float[Tensor, " b"]:
    """Return how far apart the middles of the eyes are."""
    five = points.five_points(landmarks)
    apart: Tensor = (five[:, 1] - five[:, 0]).norm(dim=-1)
    return apart


def sizes_of(model: MorphableModel) -> Mapping[str, int]:
    """Return a model's sizes as the settings of a regressor name them."""
    sizes = model.sizes
    return {"identity": sizes.identity, "expression": sizes.expression, "texture": sizes.texture}
