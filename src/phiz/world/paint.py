"""Paint one picture of one person, with everything that can be known about each pixel.

Deferred shading: all triangles are drawn once into a buffer of 2 x 2 samples a pixel, then what the
picture shows is shaded in lists, one a material, and the samples are averaged in linear light.
Plain torch after the rasteriser, so it runs wherever the tensors are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from phiz.face.coeffs import FaceCoeffs, Motion
from phiz.face.morphable import MorphableModel
from phiz.graphics import camera as cameras
from phiz.graphics import raster
from phiz.graphics.camera import Camera
from phiz.graphics.raster import Hits
from phiz.world import background
from phiz.world.drawn import canvas, develop, lens, meshes, samples
from phiz.world.drawn.canvas import Canvas
from phiz.world.drawn.moving import moved
from phiz.world.figure import Figure, Outfit, dress, pose
from phiz.world.people import Person
from phiz.world.scene import Scene
from phiz.world.surface import Label

SIDES_ARE_THE_VIEWERS = True
"""Whether the data set's ``l_`` classes are those on the LEFT OF THE PICTURE.

Evidence, such as there is: the class tables name no side. In figures of MaskGAN (Lee et al., 2020)
and of its followers the eye at the picture's left has the colour of ``l_eye`` (51, 51, 255) in the
authors' table and the one at the right that of ``r_eye`` (204, 0, 204). That is from memory and not
checked against the files; whoever has them should look once, and turn this one constant if wrong.
"""
LEAST = 0.32
"""No hair is drawn thinner than this many pixels: it would fall between the samples."""
PAIRS = (
    (Label.LEFT_BROW, Label.RIGHT_BROW),
    (Label.LEFT_EYE, Label.RIGHT_EYE),
    (Label.LEFT_EAR, Label.RIGHT_EAR),
)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture and all that is known about it."""

    image: Float[Tensor, "3 h w"]
    """RGB in [-1, 1], developed."""
    labels: UInt8[Tensor, "h w"]
    """`phiz.world.surface.Label`, sides as the data set means them."""
    depth: Float[Tensor, "h w"]
    """Metres along the camera's axis; infinite where there is nobody. Hair counts."""
    normals: Float[Tensor, "3 h w"]
    """Unit vectors of the world; zero where there is nobody."""
    albedo: Float[Tensor, "3 h w"]
    """The surfaces' own colour, linear light in [0, 1]."""
    alpha: Float[Tensor, "h w"]
    """Share of the pixel that the person covers, in quarters."""
    landmarks68: Float[Tensor, "68 2"]
    """Pixels; the centre of the first is (0.5, 0.5)."""
    landmarks_visible: Float[Tensor, " 68"]
    """1 where nothing stands in front of the point."""
    landmarks478: Float[Tensor, "n 2"]
    """Pixels; empty where the head model knows no such points."""
    coeffs: FaceCoeffs
    camera: Camera
    identity: int


def paint(
    person: Person,
    scene: Scene,
    head: MorphableModel,
    *,
    size: int = 256,
    outfit: Outfit | None = None,
    device: torch.device | str = "cpu",
) -> Picture:
    """Return the picture of a person in a scene, on the CPU.

    An `outfit` from `dress` is made if not given. The figure is posed on the CPU; what it shows is
    found and shaded on `device`.
    """
    worn = dress(person, head) if outfit is None else outfit
    eye = scene.camera.position[0]
    figure = pose(worn, scene.coeffs, head, eye, least=LEAST * _footprint(scene, size))
    marks = cameras.to_screen(scene.camera, figure.landmarks[None], size, size)[0]
    light, drawn = _drawn(person, *moved((scene, figure, worn), device), head.expression_names, size)
    drawn = moved(drawn, "cpu")
    depth = drawn.depth.reshape(size, size)
    return Picture(
        image=develop.develop(light.cpu(), scene.develop, scene.seed),
        labels=data_set_sides(drawn.labels).to(torch.uint8).reshape(size, size),
        depth=depth,
        normals=drawn.normals.T.reshape(3, size, size),
        albedo=drawn.albedo.T.reshape(3, size, size),
        alpha=drawn.alpha.reshape(size, size),
        landmarks68=marks[:, :2],
        landmarks_visible=_visible(marks, depth),
        landmarks478=cameras.to_screen(scene.camera, figure.dense[None], size, size)[0, :, :2],
        coeffs=scene.coeffs,
        camera=scene.camera,
        identity=person.number,
    )


def _drawn(
    person: Person, scene: Scene, figure: Figure, worn: Outfit, expression_names: tuple[str, ...], size: int
) -> tuple[Float[Tensor, "3 h w"], Canvas]:
    """Return the light that reaches the camera, background included, and the buffers."""
    fine = size * samples.SUB
    screen = meshes.on_screen(scene.camera, figure.vertices, fine)
    found = raster.rasterise(screen, figure.triangles, fine, fine)
    drawn = canvas.shade(figure, found, person, scene, expression_names, worn, size)
    behind = background.paint(scene.background, size, size).to(drawn.light)
    light = drawn.light.T.reshape(3, size, size) + behind * (1 - drawn.alpha.reshape(1, size, size))
    light, labels = _through_glass(light, drawn.labels, figure, found, person, scene, size)
    return light, replace(drawn, labels=labels)


def animate_person(
    person: Person, scene: Scene, motion: Motion, head: MorphableModel, size: int = 256
) -> Iterator[Float[Tensor, "3 h w"]]:
    """Return the frames of a person who moves; hair and clothes are made once."""
    if motion.basis != head.name:
        raise ValueError(
            f"the motion is in the basis {motion.basis!r}, the head is {head.name!r}; retarget it first"
        )
    worn = dress(person, head)
    for t in range(len(motion)):
        yield paint(person, at_time(scene, motion, t, head), head, size=size, outfit=worn).image


def at_time(scene: Scene, motion: Motion, t: int, head: MorphableModel) -> Scene:
    """Return the scene with the face at one moment of a motion."""
    expression = motion.expression[t : t + 1].clone()
    for side, name in enumerate(("eyeBlinkLeft", "eyeBlinkRight")):
        if name in head.expression_names:
            k = head.expression_names.index(name)
            expression[:, k] = torch.maximum(expression[:, k], motion.blink[t, side])
    face = replace(
        scene.coeffs,
        expression=expression,
        neck=motion.rotation[t : t + 1],
        translation=scene.coeffs.translation + motion.translation[t : t + 1],
        gaze=motion.gaze[t : t + 1],
    )
    return replace(scene, coeffs=face, seed=scene.seed + t)


def data_set_sides(labels: Int[Tensor, "*n"]) -> Int[Tensor, "*n"]:
    """Return labels whose sides are the data set's, from labels whose sides are the person's."""
    table = torch.arange(len(Label), device=labels.device)
    if SIDES_ARE_THE_VIEWERS:
        for left, right in PAIRS:
            table[left], table[right] = int(right), int(left)
    return table[labels.long()]


def _footprint(scene: Scene, size: int) -> float:
    """Return the width of a pixel at the face, in metres."""
    distance = float((scene.camera.position[0] - scene.coeffs.translation[0]).norm())
    return distance * 2 / (float(scene.camera.intrinsics[0, 0, 0]) * size)


def _visible(marks: Float[Tensor, "68 3"], depth: Float[Tensor, "h w"]) -> Float[Tensor, " 68"]:
    """Return 1 for landmarks that lie in the picture and no more than 8 mm behind what it shows."""
    size = depth.shape[0]
    column, row = marks[:, 0].floor().long(), marks[:, 1].floor().long()
    inside = (column >= 0) & (column < size) & (row >= 0) & (row < size)
    seen = depth[row.clamp(0, size - 1), column.clamp(0, size - 1)]
    return (inside & (marks[:, 2] < seen + 0.008)).float()


def _through_glass(
    light: Float[Tensor, "3 h w"],
    labels: Int[Tensor, " p"],
    figure: Figure,
    found: Hits,
    person: Person,
    scene: Scene,
    size: int,
) -> tuple[Float[Tensor, "3 h w"], Int[Tensor, " p"]]:
    """Return the light and the labels once lenses have been drawn over them."""
    for sheet in figure.glass:
        share, colour, mirrored = lens.look_through(sheet, found, person, scene, size)
        flat = light.reshape(3, -1)
        flat = flat * (1 - share * (1 - colour)) + share * mirrored
        light = flat.reshape(light.shape)
        labels = torch.where(share > 0.5, int(Label.GLASSES), labels)
    return light, labels
