"""What is wrong about a mouth that was painted: in its style, and in what the volume shows of it."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.face.coeffs import neutral
from phiz.face.morphable import MorphableModel
from phiz.generator.generator import Generator, Prepared
from phiz.graphics import frames
from phiz.graphics.camera import Camera, project
from phiz.graphics.rays import pixel_grid
from phiz.train.lipaint_stream import Acts
from phiz.world import portrait

LIPS = slice(48, 68)
"""The mouth among the 68 landmarks."""
TOP = 0.25
"""Share of a square about the mouth that is above it: nose and cheeks."""
YAW, PITCH = portrait.NEAR_YAW, portrait.NEAR_PITCH


def style_loss(
    made: Float[Tensor, "b w"], true: Float[Tensor, "b w"], w: Float[Tensor, "b w"]
) -> Float[Tensor, ""]:
    """Return the squared error of styles in units of what adding nothing would be wrong by; 0 is right."""
    nothing = (true - w).square().sum(1).mean()
    return (made - true).square().sum(1).mean() / nothing.clamp(min=1e-8)


def mouth_place(head: MorphableModel) -> Float[Tensor, " 3"]:
    """Return the middle of the mean person's mouth in the frame of generators that learned our world."""
    face = neutral(head.sizes)
    marks = head.landmarks(head.vertices(face))[0, LIPS] * head.metres_per_unit
    return frames.transform(portrait.generator_from_head(face.identity[0], head), marks).mean(dim=0)


def cameras(count: int, chance: torch.Generator) -> Camera:
    """Return cameras as portraits have them: most before the face, none far aside."""
    yaw, pitch = torch.randn(2, count, generator=chance).clamp(-2.5, 2.5)
    return portrait.view_camera(YAW * yaw, PITCH * pitch)


def mouth_points(
    place: Float[Tensor, " 3"], camera: Camera, share: float, resolution: int
) -> Float[Tensor, "b r 2"]:
    """Return the picture points of a square about the mouth, as close together as the volume's pixels."""
    side = max(round(share * resolution), 1)
    middle = project(camera, place.to(camera.intrinsics).expand(camera.batch, 1, 3))[..., :2]
    square = pixel_grid(side, side, middle.device).flatten(0, 1) * side / resolution
    return middle + square


def mouths(
    generator: Generator, w: Float[Tensor, "b w"], camera: Camera, uv: Float[Tensor, "b r 2"]
) -> tuple[Float[Tensor, "b r 3"], Float[Tensor, "b r c"]]:
    """Return colours and features of the volume along rays; the background is left out."""
    styles = w[:, None].expand(-1, generator.config.volume_styles, -1)
    prepared = Prepared(generator.foreground.prepare(styles), None, (), len(w))
    rays = generator.march(prepared, camera, uv)
    return rays.colour, rays.features


def mouth_loss(
    generator: Generator,
    made: Float[Tensor, "b w"],
    some: Acts,
    camera: Camera,
    uv: Float[Tensor, "b r 2"],
) -> dict[str, Float[Tensor, ""]]:
    """Return how much drawn mouths differ from true ones: mean difference of colours, and of features.

    Features count in units of their own spread. A mapping that normalises codes has a trap: a wide open mouth
    is a large number, and makes all others smaller, so that people get another skin and another light with
    it. The difference above the mouth, where hardly anything moves, is therefore taken off the truth.
    """
    with torch.no_grad():
        still = mouths(generator, some.w, camera, uv)
        true = mouths(generator, some.true, camera, uv)
        light = (true[0].mean(-1) + 1).clamp(min=0)
        wanted = [as_before(after, before, light) for after, before in zip(true, still, strict=True)]
        unit = true[1].std(dim=(0, 1)).clamp(min=1e-4)
    colour, features = mouths(generator, made, camera, uv)
    return {
        "colours": (colour - wanted[0]).abs().mean(),
        "features": ((features - wanted[1]) / unit).abs().mean(),
    }


def as_before(
    after: Float[Tensor, "b r c"], before: Float[Tensor, "b r c"], light: Float[Tensor, "b r"]
) -> Float[Tensor, "b r c"]:
    """Return what rays of squares show, shifted by what the squares' top rows have changed, on the mean.

    `light` is how bright each ray is: the dark of a mouth has no skin that could have changed.
    """
    top = round(TOP * after.shape[1])
    shift = (before[:, :top] - after[:, :top]).mean(dim=1, keepdim=True)
    share = light / light[:, :top].mean(dim=1, keepdim=True).clamp(min=1e-4)
    return after + shift * share.clamp(0, 1)[..., None]
