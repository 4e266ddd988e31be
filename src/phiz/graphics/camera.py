"""Pinhole cameras: where one looks from, and how far the picture reaches.

A camera looks along its own -Z, with X to the right and Y up. The picture reaches from -1 to 1,
``u`` to the right and ``v`` DOWN; pixel ``i`` of ``w`` has its centre at ``(i + 0.5) * 2 / w - 1``.
A point at (x, y, z) of the camera's frame lies at depth ``d = -z`` and shows at
``u = f x / d + cu``, ``v = -f y / d + cv``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.graphics import frames, rotation


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A batch of pinhole cameras."""

    world_from_camera: Float[Tensor, "b 4 4"]
    """Columns: right, up, back and position of the camera in the world."""
    intrinsics: Float[Tensor, "b 3 3"]
    """``[[fu, 0, cu], [0, fv, cv], [0, 0, 1]]`` for a picture that reaches from -1 to 1."""

    @property
    def batch(self) -> int:
        return self.world_from_camera.shape[0]

    @property
    def camera_from_world(self) -> Float[Tensor, "b 4 4"]:
        return frames.invert(self.world_from_camera)

    @property
    def position(self) -> Float[Tensor, "b 3"]:
        return self.world_from_camera[:, :3, 3]

    def repeated(self, times: int) -> Camera:
        """Return one camera as many times; a batch of that size stays as it is."""
        if self.batch == times:
            return self
        return Camera(
            world_from_camera=self.world_from_camera.expand(times, -1, -1),
            intrinsics=self.intrinsics.expand(times, -1, -1),
        )

    def to(self, device: torch.device | str) -> Camera:
        return Camera(
            world_from_camera=self.world_from_camera.to(device), intrinsics=self.intrinsics.to(device)
        )

    def __getitem__(self, index: slice) -> Camera:
        return Camera(world_from_camera=self.world_from_camera[index], intrinsics=self.intrinsics[index])


def from_fov(world_from_camera: Float[Tensor, "b 4 4"], fov: float | Float[Tensor, " b"]) -> Camera:
    """Return cameras whose picture spans the angle `fov` (radians) from edge to edge."""
    angle = torch.as_tensor(fov, dtype=world_from_camera.dtype, device=world_from_camera.device)
    focal = 1 / torch.tan(angle.expand(world_from_camera.shape[0]) / 2)
    return Camera(world_from_camera=world_from_camera, intrinsics=intrinsics_from_focal(focal))


def intrinsics_from_focal(focal: Float[Tensor, " b"]) -> Float[Tensor, "b 3 3"]:
    """Return intrinsics with the centre in the middle; a focal length of 1 spans 90 degrees."""
    return torch.diag_embed(torch.stack([focal, focal, torch.ones_like(focal)], dim=-1))


def look_at(
    eye: Float[Tensor, "b 3"], target: Float[Tensor, "b 3"], up: Sequence[float] = (0.0, 1.0, 0.0)
) -> Float[Tensor, "b 4 4"]:
    """Return `world_from_camera` of cameras at `eye` that have `target` in the middle.

    Where one looks straight along `up`, the picture is turned any way round, but is still valid.
    """
    normalize = torch.nn.functional.normalize
    back = normalize(eye - target, dim=-1)
    upward = torch.tensor([float(x) for x in up], dtype=eye.dtype, device=eye.device).expand_as(back)
    right = torch.linalg.cross(upward, back)
    # Looking along `up`: any direction across will do; the axis that `back` has least of is safe.
    least = torch.eye(3, dtype=eye.dtype, device=eye.device)[back.detach().abs().argmin(-1)]
    spare = torch.linalg.cross(least, back)
    right = normalize(torch.where(right.norm(dim=-1, keepdim=True) < 1e-6, spare, right), dim=-1)
    axes = torch.stack([right, torch.linalg.cross(back, right), back], dim=-1)
    return frames.rigid(axes, eye)


def orbit(
    yaw: Float[Tensor, " b"],
    pitch: Float[Tensor, " b"],
    distance: float | Float[Tensor, " b"],
    target: Sequence[float] = (0.0, 0.0, 0.0),
) -> Float[Tensor, "b 4 4"]:
    """Return `world_from_camera` of cameras into which a head of this yaw and pitch looks straight.

    Angles are a head's: a positive yaw moves the camera to the person's left (+x), a positive
    pitch moves it DOWN, as it makes a head look down. At zero the camera stands on +z.
    """
    axes = rotation.from_euler(torch.stack([pitch, yaw, torch.zeros_like(yaw)], dim=-1))
    far = torch.as_tensor(distance, dtype=yaw.dtype, device=yaw.device).expand_as(yaw)
    centre = torch.tensor([float(x) for x in target], dtype=yaw.dtype, device=yaw.device)
    return frames.rigid(axes, centre + far[:, None] * axes[..., 2])


def generator_camera(
    rotations: Float[Tensor, "b 3 3"], fov: float = math.radians(12), radius: float = 1.0
) -> Camera:
    """Return cameras of the published generator: on a sphere, looking at its middle.

    Each is what the frontal camera becomes when a head that turns by `rotations` (of our head
    frame) is held still instead. The published system's defaults are 12 degrees and radius 1.
    """
    axes = rotations.new_tensor(frames.GENERATOR_AXES) @ rotation.invert(rotations)
    return from_fov(frames.rigid(axes, radius * axes[..., 2]), fov)


def project(camera: Camera, points: Float[Tensor, "b n 3"]) -> Float[Tensor, "b n 3"]:
    """Return (u, v, depth) of world points; a depth of zero or less is behind the camera.

    Points in the camera's own plane have no picture: u and v are infinite or NaN there.
    """
    local = frames.transform(camera.camera_from_world, points)
    depth = -local[..., 2]
    u = camera.intrinsics[:, None, 0, 0] * local[..., 0] / depth + camera.intrinsics[:, None, 0, 2]
    v = camera.intrinsics[:, None, 1, 2] - camera.intrinsics[:, None, 1, 1] * local[..., 1] / depth
    return torch.stack([u, v, depth], dim=-1)


def unproject(camera: Camera, uvd: Float[Tensor, "b n 3"]) -> Float[Tensor, "b n 3"]:
    """Return the world points that `project` takes to (u, v, depth)."""
    u, v, depth = uvd.unbind(-1)
    x = (u - camera.intrinsics[:, None, 0, 2]) * depth / camera.intrinsics[:, None, 0, 0]
    y = (camera.intrinsics[:, None, 1, 2] - v) * depth / camera.intrinsics[:, None, 1, 1]
    return frames.transform(camera.world_from_camera, torch.stack([x, y, -depth], dim=-1))


def to_pixels(uv: Float[Tensor, "*b 2"], height: int, width: int) -> Float[Tensor, "*b 2"]:
    """Return pixel coordinates (x, y) of (u, v); the centre of the first pixel is (0.5, 0.5)."""
    return (uv + 1) * 0.5 * uv.new_tensor([width, height])


def from_pixels(xy: Float[Tensor, "*b 2"], height: int, width: int) -> Float[Tensor, "*b 2"]:
    """Return (u, v) of pixel coordinates."""
    return xy * (2 / xy.new_tensor([width, height])) - 1


def to_screen(
    camera: Camera, points: Float[Tensor, "b n 3"], height: int, width: int
) -> Float[Tensor, "b n 3"]:
    """Return (x px, y px, depth) of world points: what `raster.rasterise` takes, one row a picture."""
    uvd = project(camera, points)
    return torch.cat([to_pixels(uvd[..., :2], height, width), uvd[..., 2:]], dim=-1)


def crop(camera: Camera, box: Float[Tensor, "b 4"]) -> Camera:
    """Return the cameras whose whole picture is the part (left, top, right, bottom) of the old one.

    The box is in (u, v), so that (-1, -1, 1, 1) changes nothing; it may reach beyond the picture.
    """
    half = (box[:, 2:] - box[:, :2]) / 2
    middle = (box[:, 2:] + box[:, :2]) / 2
    scale = torch.diag_embed(torch.cat([1 / half, torch.ones_like(half[:, :1])], dim=-1))
    shift = torch.nn.functional.pad((-middle / half)[:, :, None], (2, 0, 0, 1))
    return replace(camera, intrinsics=(scale + shift) @ camera.intrinsics)


def zoom(camera: Camera, factor: float) -> Camera:
    """Return the cameras with everything `factor` times larger about the middle of the picture."""
    edge = 1 / factor
    box = camera.intrinsics.new_tensor([-edge, -edge, edge, edge])
    return crop(camera, box.expand(camera.batch, 4))


def move(camera: Camera, matrix: Float[Tensor, "*b 4 4"]) -> Camera:
    """Return the cameras in another frame: `matrix` (other_from_world) may turn, shift and scale.

    A scene and its cameras that move together give the same picture; depths grow by the scale.
    """
    moved = matrix @ camera.world_from_camera
    axes = moved[:, :3, :3] / frames.scale_of(matrix)[..., None, None]
    return replace(camera, world_from_camera=frames.rigid(axes, moved[:, :3, 3]))
