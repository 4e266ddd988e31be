"""From a photo to what the generator's camera would have seen: who is where in it, and the crop to draw.

The head is fitted twice. First in the photo, whatever lens took it; then in the crop that follows, through
the generator's own narrow lens, so that the surface lies where the generator will have to draw it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from phiz.face import landmarker, models, warp
from phiz.face.coeffs import FaceCoeffs
from phiz.face.fit import Fit, FitConfig, fit
from phiz.face.fit_points import Landmarker, Landmarks
from phiz.face.morphable import MorphableModel
from phiz.generator.config import GeneratorConfig
from phiz.graphics import camera as cameras
from phiz.graphics import frames, rotation, shade
from phiz.graphics.camera import Camera
from phiz.world.portrait import generator_from_head

LARGEST = 1024
"""Pixels of the longer side of the photo that is kept."""
BLUR = 0.02
"""Of the crop's side: how blurred the mirrored photo is beyond its edges."""
BORDER = 0.1
"""Of the crop's side: how far beyond it the photo is looked at."""
DOUBTFUL = 0.5
"""Share of agreeing points below which a fit is not trusted."""
FAR_TURNED_DEG = 50.0
SMALL = 0.5
"""Photo pixels a pixel of the generator's picture, below which a face is small."""
PLAIN = "phiz avatar is best with one face, seen from the front, in even light"


@dataclass(frozen=True, kw_only=True)
class Framed:
    """A face in a photo as the generator's camera sees it."""

    crop: Float[Tensor, "3 s s"]
    """What the generator is to draw."""
    seen: Float[Tensor, "1 s s"]
    """1 where the photo shows it, 0 where it had to be continued beyond its edges."""
    photo: Float[Tensor, "3 h w"]
    """The whole photo, no larger than `LARGEST`."""
    photo_from_crop: Float[Tensor, "2 3"]
    """To pixels of that photo."""
    camera: Camera
    rest: FaceCoeffs
    """The face without its turn; the light has turned with it."""
    generator_from_head: Float[Tensor, "4 4"]
    agreeing: float
    """Share of the points that agree with the fit."""
    warnings: tuple[str, ...]


def of_photo(
    photo: Float[Tensor, "3 h w"],
    config: GeneratorConfig,
    *,
    finder: Landmarker | None = None,
    head: MorphableModel | None = None,
) -> Framed:
    """Return the largest face in a photo in the generator's framing; raise an error if there is none."""
    model = models.open_model(models.BUILT_IN) if head is None else head
    points = (landmarker.built_in() if finder is None else finder).find(photo)
    size = config.resolution
    shape = photo.shape[1], photo.shape[2]
    first = fit(model, points, [shape], [photo])
    rough = placed(model, first, shape, config)
    crop, _ = cut(photo, rough.picture_from_crop, size)
    inside = Landmarks(
        xy=warp.apply(warp.invert(rough.picture_from_crop), points.xy),
        sigma=points.sigma / float(warp.size_of(rough.picture_from_crop)),
    )
    narrow = FitConfig(field_of_view_deg=config.fov_deg)
    second = fit(model, inside, [(size, size)], [crop], config=narrow)
    fine = placed(model, second, (size, size), config)
    photo_from_crop = warp.join(rough.picture_from_crop, fine.picture_from_crop)
    crop, seen = cut(photo, photo_from_crop, size)
    kept, scale = smaller(photo)
    return Framed(
        crop=crop,
        seen=seen,
        photo=kept,
        photo_from_crop=(photo_from_crop * scale).float(),
        camera=fine.camera,
        rest=at_rest(second.face, fine.turn),
        generator_from_head=fine.generator_from_head,
        agreeing=float(second.agreeing[0]),
        warnings=doubts(second, fine.turn, seen, photo_from_crop),
    )


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A fitted face in front of the generator's camera."""

    camera: Camera
    turn: Float[Tensor, "3 3"]
    """Of the head, as that camera sees it."""
    generator_from_head: Float[Tensor, "4 4"]
    picture_from_crop: Float[Tensor, "2 3"]
    """From pixels of the generator's picture to those of the picture that was fitted."""


@torch.no_grad()
def placed(
    model: MorphableModel, found: Fit, picture_size: tuple[int, int], config: GeneratorConfig
) -> Placed:
    """Return a generator's camera that sees a fitted face as its picture does, and the best crop."""
    face = found.face
    seen = found.camera.camera_from_world[0]
    turned = rotation.from_euler(face.rotation)[0] @ rotation.from_euler(face.neck)[0]
    matrix = generator_from_head(face.identity[0], model)
    middle = frames.transform(frames.invert(matrix), torch.zeros(1, 3))[0]  # of the generator, in the head
    place = seen[:3, :3] @ (turned @ middle + face.translation[0]) + seen[:3, 3]
    turn = rotation.nearest(straightened(place) @ seen[:3, :3] @ turned)
    camera = cameras.generator_camera(turn[None], math.radians(config.fov_deg))
    surface = model.vertices(replace(face, neck=torch.zeros_like(face.neck)))
    metres = surface * model.metres_per_unit
    in_picture = cameras.to_screen(
        found.camera, metres @ turned.T + face.translation[0], picture_size[0], picture_size[1]
    )[0, :, :2]
    in_generator = frames.transform(matrix, metres)
    in_crop = cameras.to_screen(camera, in_generator, config.resolution, config.resolution)[0, :, :2]
    shows = facing(model, in_generator, camera) & (model.skin_mask > 0.5)
    return Placed(
        camera=camera,
        turn=turn,
        generator_from_head=matrix,
        picture_from_crop=similarity(in_crop[shows].double(), in_picture[shows].double()),
    )


def turned_upright(camera: Camera, size: int) -> Float[Tensor, "2 3"]:
    """Return ``crop_from_upright``: the turn of a crop about its middle after which its head is upright."""
    right, up = camera.world_from_camera[0, :3, :2].unbind(1)
    roll = math.atan2(float(right[2]), float(up[2]))  # the generator's third axis points up
    cosine, sine, middle = math.cos(roll), math.sin(roll), size / 2
    linear = torch.tensor([[cosine, -sine], [sine, cosine]], dtype=torch.float64)
    shift = torch.tensor([middle, middle], dtype=torch.float64)
    return torch.cat([linear, (shift - linear @ shift)[:, None]], dim=1)


def straightened(place: Float[Tensor, " 3"]) -> Float[Tensor, "3 3"]:
    """Return the shortest turn of a camera's frame after which a place lies straight ahead."""
    ahead = functional.normalize(place, dim=0)
    axis = torch.linalg.cross(ahead, ahead.new_tensor([0.0, 0.0, -1.0]))
    sine = axis.norm()
    angle = torch.atan2(sine, -ahead[2])
    return rotation.from_axis_angle(axis / sine.clamp(min=1e-12) * angle)


def facing(model: MorphableModel, vertices: Float[Tensor, "1 v 3"], camera: Camera) -> Bool[Tensor, " v"]:
    """Return which vertices of a surface in the camera's world look towards it."""
    # Normals are made in the head's handedness; the generator's frame is turned, not mirrored.
    normals = model.normals(vertices)[0]
    return ((camera.position - vertices[0]) * normals).sum(-1) > 0


def similarity(source: Float[Tensor, "n 2"], target: Float[Tensor, "n 2"]) -> Float[Tensor, "2 3"]:
    """Return the turn, scale and shift that brings points nearest to others, by least squares."""
    middle, other = source.mean(0), target.mean(0)
    x, y = (source - middle).unbind(1)
    u, v = (target - other).unbind(1)
    square = (x.square() + y.square()).sum()
    a, b = (x * u + y * v).sum() / square, (x * v - y * u).sum() / square
    linear = torch.stack([torch.stack([a, -b]), torch.stack([b, a])])
    return torch.cat([linear, (other - linear @ middle)[:, None]], dim=1)


def cut(
    photo: Float[Tensor, "3 h w"], photo_from_crop: Float[Tensor, "2 3"], size: int
) -> tuple[Float[Tensor, "3 s s"], Float[Tensor, "1 s s"]]:
    """Return a square crop, and where the photo shows it; beyond its edges it is mirrored and blurred."""
    square = size, size
    part, into = warp.reduce(photo[None], photo_from_crop[None], square, margin=BORDER * size)
    side = float(warp.size_of(into[0])) * size
    outer = warp.apply(into[0], warp.corners(size, size))
    low, high = outer.amin(dim=0).floor().tolist(), outer.amax(dim=0).ceil().tolist()
    border = max(round(BORDER * side), 3)
    height, width = part.shape[-2:]
    beyond = [-low[0], -low[1], high[0] - width, high[1] - height]
    left, top, right, bottom = (int(max(one + border, 0)) if one > 0 else 0 for one in beyond)
    grown, seen = warp.extend(part[0], (left, top, right, bottom), BLUR * side)
    from_crop = warp.join(warp.scaling(1, 1, left, top), into[0])
    found = warp.sample(torch.cat([grown, seen])[None], from_crop[None], square)[0]
    return found[:3].clamp(-1, 1), found[3:].clamp(0, 1)


def smaller(photo: Float[Tensor, "3 h w"], largest: int = LARGEST) -> tuple[Float[Tensor, "3 h2 w2"], float]:
    """Return a photo of at most so many pixels a side, and by how much it shrank."""
    height, width = photo.shape[1:]
    scale = largest / max(height, width)
    if scale >= 1:
        return photo, 1.0
    sides = (max(round(height * scale), 1), max(round(width * scale), 1))
    small = functional.interpolate(photo[None], size=sides, mode="bicubic", antialias=True)[0]
    return small.clamp(-1, 1), scale


def at_rest(face: FaceCoeffs, turn: Float[Tensor, "3 3"]) -> FaceCoeffs:
    """Return a face that is not turned, in the light that reached it when it was."""
    nothing = torch.zeros_like(face.rotation)
    light = shade.rotate_light(face.light, rotation.invert(turn)[None])
    return replace(face, rotation=nothing, translation=nothing, neck=nothing, light=light)


def doubts(
    found: Fit,
    turn: Float[Tensor, "3 3"],
    seen: Float[Tensor, "1 s s"],
    photo_from_crop: Float[Tensor, "2 3"],
) -> tuple[str, ...]:
    """Return why not to trust a face in its framing; nothing for good ones."""
    pitch, yaw, _ = (math.degrees(float(angle)) for angle in rotation.to_euler(turn))
    said = []
    if float(found.agreeing[0]) < DOUBTFUL:
        said.append(
            f"only {float(found.agreeing[0]):.0%} of the face's points agree with any head; it may be "
            f"hidden, drawn or not a face. {PLAIN}"
        )
    if max(abs(yaw), abs(pitch)) > FAR_TURNED_DEG:
        said.append(f"the face is turned by {max(abs(yaw), abs(pitch)):.0f} degrees; half of it is guessed")
    if float(warp.size_of(photo_from_crop)) < SMALL:
        said.append("the face is small in its photo, so there is little detail to draw")
    if float(seen.mean()) < 0.7:
        said.append(f"{1 - float(seen.mean()):.0%} of the framing lies beyond the photo and is made up")
    return tuple(said)
