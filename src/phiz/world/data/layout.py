"""A painted picture and its labels as files, and back: what stands in a sample of a shard.

- ``jpg``: the picture
- ``labels.png``: what each pixel shows (`phiz.world.surface.Label`), 8 bits
- ``depth.png``: distance along the camera's axis in tenths of a millimetre, 16 bits; 0 is background
- ``normals.png``: unit normals as colours: -1 to 1 becomes 0 to 255
- ``albedo.png``: the surface's own colour, without light, as sRGB
- ``alpha.png``: how much of each pixel the person covers, 8 bits
- ``json``: identity, camera, coefficients, head pose, landmarks
"""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from phiz.face.coeffs import FaceCoeffs
from phiz.graphics import rotation
from phiz.graphics.camera import Camera
from phiz.media import image
from phiz.world.drawn import develop

DEPTH_UNIT = 1e-4
"""Metres; 16 bits of it reach 6.5 m, further than any portrait."""
DEEPEST = 65_535
DIGITS = 7
"""Significant digits of numbers in the JSON: as many as float32 has."""


@runtime_checkable
class Labelled(Protocol):
    """A picture of one person with everything that is known about each of its pixels."""

    @property
    def image(self) -> Float[Tensor, "3 h w"]: ...
    @property
    def labels(self) -> UInt8[Tensor, "h w"]: ...
    @property
    def depth(self) -> Float[Tensor, "h w"]:
        """Metres; infinite where nobody is."""
        ...

    @property
    def normals(self) -> Float[Tensor, "3 h w"]: ...
    @property
    def albedo(self) -> Float[Tensor, "3 h w"]:
        """Linear light in [0, 1]."""
        ...

    @property
    def alpha(self) -> Float[Tensor, "h w"]: ...
    @property
    def landmarks68(self) -> Float[Tensor, "68 2"]: ...
    @property
    def landmarks_visible(self) -> Float[Tensor, " 68"]: ...
    @property
    def landmarks478(self) -> Float[Tensor, "n 2"]: ...
    @property
    def coeffs(self) -> FaceCoeffs: ...
    @property
    def camera(self) -> Camera: ...
    @property
    def identity(self) -> int: ...


def encode(picture: Labelled, *, basis: str, quality: int = 95) -> dict[str, bytes]:
    """Return a picture and its labels as files, by suffix; `basis` names the head model."""
    return {
        "jpg": image.encode(picture.image, ".jpg", quality=quality),
        "labels.png": _grey(picture.labels.cpu().numpy()),
        "depth.png": _grey(_depth_to_steps(picture.depth)),
        "normals.png": image.encode(picture.normals, ".png"),
        "albedo.png": image.encode(develop.srgb(picture.albedo.clamp(0, 1)) * 2 - 1, ".png"),
        "alpha.png": _grey((picture.alpha.clamp(0, 1) * 255 + 0.5).to(torch.uint8).cpu().numpy()),
        "json": json.dumps(describe(picture, basis), sort_keys=True, allow_nan=False).encode(),
    }


def describe(picture: Labelled, basis: str) -> dict[str, object]:
    """Return all that is known about a picture except its pixels, as plain JSON."""
    turned, placed = head_pose(picture.coeffs, picture.camera)
    faces = {f.name: getattr(picture.coeffs, f.name)[0] for f in dataclasses.fields(FaceCoeffs)}
    return {
        "identity": int(picture.identity),
        "basis": basis,
        "size": list(picture.image.shape[-2:]),
        "rotation": _numbers(turned),
        "translation": _numbers(placed),
        "landmarks68": _numbers(picture.landmarks68),
        "landmarks_visible": _numbers(picture.landmarks_visible),
        "landmarks478": _numbers(picture.landmarks478),
        "coeffs": {name: _numbers(value) for name, value in faces.items()},
        "camera": {
            "world_from_camera": _numbers(picture.camera.world_from_camera[0]),
            "intrinsics": _numbers(picture.camera.intrinsics[0]),
        },
    }


def head_pose(face: FaceCoeffs, camera: Camera) -> tuple[Float[Tensor, " 3"], Float[Tensor, " 3"]]:
    """Return pitch, yaw and roll of the head, and where the figure stands, both as the camera sees it.

    The camera's axes are x right, y up, z towards the viewer, so that a head that looks straight into
    the camera has no rotation. Takes batches of one.
    """
    head = rotation.from_euler(face.rotation) @ rotation.from_euler(face.neck)
    seen = camera.camera_from_world[0]
    return rotation.to_euler(seen[:3, :3] @ head[0]), seen[:3, :3] @ face.translation[0] + seen[:3, 3]


def decode(files: Mapping[str, bytes]) -> dict[str, Tensor]:
    """Return the pixels of a sample as `Labelled` has them (those of its files that are there)."""
    read = {
        "image": ("jpg", image.decode),
        "labels": ("labels.png", _levels),
        "depth": ("depth.png", _steps_to_depth),
        "normals": ("normals.png", _directions),
        "albedo": ("albedo.png", lambda data: develop.linear(image.decode(data) / 2 + 0.5)),
        "alpha": ("alpha.png", lambda data: _levels(data).float() / 255),
    }
    return {name: load(files[suffix]) for name, (suffix, load) in read.items() if suffix in files}


def decode_facts(files: Mapping[str, bytes]) -> tuple[FaceCoeffs, Camera, dict[str, Any]]:
    """Return face and camera (batches of one) and everything else from the JSON of a sample."""
    facts: dict[str, Any] = json.loads(files["json"])
    face = {name: torch.tensor([value], dtype=torch.float32) for name, value in facts["coeffs"].items()}
    camera = {name: torch.tensor([value], dtype=torch.float32) for name, value in facts["camera"].items()}
    return FaceCoeffs(**face), Camera(**camera), facts


def _numbers(values: Tensor) -> Any:
    """Return nested lists whose numbers are short in JSON and come back as the same float32, nearly."""
    if values.ndim == 0:
        return float(f"{values.item():.{DIGITS}g}")
    if values.ndim == 1:
        return [float(f"{value:.{DIGITS}g}") for value in values.tolist()]
    return [_numbers(row) for row in values]


def _grey(levels: NDArray[Any]) -> bytes:
    target = io.BytesIO()
    Image.fromarray(levels).save(target, "PNG", compress_level=4)
    return target.getvalue()


def _levels(data: bytes) -> UInt8[Tensor, "h w"]:
    with Image.open(io.BytesIO(data)) as opened:
        return torch.from_numpy(np.array(opened, dtype=np.uint8))


def _depth_to_steps(depth: Float[Tensor, "h w"]) -> NDArray[np.uint16]:
    metres = depth.cpu().numpy().astype(np.float64)
    steps = np.where(np.isfinite(metres), np.clip(np.rint(metres / DEPTH_UNIT), 1, DEEPEST), 0)
    return steps.astype(np.uint16)


def _steps_to_depth(data: bytes) -> Float[Tensor, "h w"]:
    with Image.open(io.BytesIO(data)) as opened:
        steps = torch.from_numpy(np.array(opened).astype(np.float32))
    return torch.where(steps > 0, steps * DEPTH_UNIT, torch.inf)


def _directions(data: bytes) -> Float[Tensor, "3 h w"]:
    """Return unit normals, and zero where the picture holds no direction (its middle grey)."""
    raw = image.decode(data)
    length = raw.norm(dim=0, keepdim=True)
    return torch.where(length > 0.5, raw / length.clamp_min(1e-6), 0.0)
