"""A face by name (`FaceCoeffs`) and what a face does over time (`Motion`).

Both are frozen bundles of tensors; neither knows a head model. Sizes come from the model
(`phiz.face.morphable.Sizes`). Every angle is in radians, every length in metres.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from phiz import checkpoint
from phiz.errors import CheckpointError

LIGHT_BANDS = 9
"""Spherical-harmonic coefficients of one colour channel."""

NEUTRAL_LIGHT = (0.8,) + (0.0,) * (LIGHT_BANDS - 1)
"""Light that comes from everywhere alike; what the published model adds to its first band."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How many numbers a head model wants for each part of a face."""

    identity: int
    expression: int
    texture: int


@dataclass(frozen=True, kw_only=True)
class FaceCoeffs:
    """A batch of faces, each described by a few numbers.

    A point ``p`` of the face stands at ``R p + translation`` in the world, where ``R`` is
    ``Rz @ Ry @ Rx`` of the angles in ``rotation`` (pitch, yaw, roll).
    """

    identity: Float[Tensor, "b i"]
    expression: Float[Tensor, "b e"]
    texture: Float[Tensor, "b t"]
    rotation: Float[Tensor, "b 3"]
    """Pitch, yaw and roll of the whole figure."""
    translation: Float[Tensor, "b 3"]
    light: Float[Tensor, "b 9 3"]
    """Spherical-harmonic light, one column a colour channel."""
    jaw: Float[Tensor, "b 3"]
    """Pitch, yaw and roll of the jaw about its hinge; on top of the expression."""
    neck: Float[Tensor, "b 3"]
    """Pitch, yaw and roll of the head on its shoulders."""
    gaze: Float[Tensor, "b 2 2"]
    """Left and right eye (the person's), each yaw and pitch; zero looks straight ahead."""

    @property
    def batch(self) -> int:
        return self.identity.shape[0]

    def to(self, device: torch.device | str) -> FaceCoeffs:
        return FaceCoeffs(**{name: value.to(device) for name, value in _fields(self).items()})

    def __getitem__(self, index: slice) -> FaceCoeffs:
        return FaceCoeffs(**{name: value[index] for name, value in _fields(self).items()})


def neutral(sizes: Sizes, batch: int = 1, device: torch.device | str = "cpu") -> FaceCoeffs:
    """Return the mean face at rest, looking straight ahead, in even light."""

    def zeros(*shape: int) -> Tensor:
        return torch.zeros(batch, *shape, device=device)

    light = torch.tensor(NEUTRAL_LIGHT, device=device)[None, :, None].repeat(batch, 1, 3)
    return FaceCoeffs(
        identity=zeros(sizes.identity),
        expression=zeros(sizes.expression),
        texture=zeros(sizes.texture),
        rotation=zeros(3),
        translation=zeros(3),
        light=light,
        jaw=zeros(3),
        neck=zeros(3),
        gaze=zeros(2, 2),
    )


def stack(faces: Sequence[FaceCoeffs]) -> FaceCoeffs:
    """Return several batches of faces as one."""
    if not faces:
        raise ValueError("stack() needs at least one batch of faces")
    names = _fields(faces[0])
    return FaceCoeffs(**{n: torch.cat([getattr(face, n) for face in faces]) for n in names})


@dataclass(frozen=True, kw_only=True)
class Motion:
    """What a face does over time, whoever it belongs to."""

    expression: Float[Tensor, "t e"]
    basis: str
    """Whose expression modes these are: the ``name`` of a head model."""
    rotation: Float[Tensor, "t 3"]
    """Pitch, yaw and roll of the head on its shoulders."""
    translation: Float[Tensor, "t 3"]
    gaze: Float[Tensor, "t 2 2"]
    blink: Float[Tensor, "t 2"]
    """How far the left and the right lids are closed by blinking, 0 to 1."""
    fps: float = 25.0

    def __len__(self) -> int:
        return self.expression.shape[0]

    def __getitem__(self, index: slice) -> Motion:
        if not isinstance(index, slice):
            raise TypeError("a Motion is cut with a slice, as in motion[10:20]")
        cut = {name: value[index] for name, value in _fields(self).items()}
        return Motion(**cut, basis=self.basis, fps=self.fps)

    @property
    def seconds(self) -> float:
        return len(self) / self.fps

    def save(self, path: Path) -> None:
        """Write the motion to one safetensors file."""
        about = {"basis": self.basis, "fps": self.fps}
        checkpoint.save(path, kind="motion", config=about, tensors=_fields(self))

    @staticmethod
    def load(path: Path) -> Motion:
        """Read a motion that `save` wrote."""
        saved = checkpoint.load(path, kind="motion")
        try:
            return Motion(basis=str(saved.config["basis"]), fps=float(saved.config["fps"]), **saved.tensors)
        except (KeyError, TypeError) as error:
            raise CheckpointError(
                f"{path} is a motion, but parts of it are missing or unknown ({error}). "
                "Make it anew with this version of phiz."
            ) from error


def still(basis: str, expressions: int, frames: int, fps: float = 25.0) -> Motion:
    """Return a motion in which nothing moves."""
    return Motion(
        expression=torch.zeros(frames, expressions),
        basis=basis,
        rotation=torch.zeros(frames, 3),
        translation=torch.zeros(frames, 3),
        gaze=torch.zeros(frames, 2, 2),
        blink=torch.zeros(frames, 2),
        fps=fps,
    )


def concatenate(motions: Sequence[Motion]) -> Motion:
    """Return several motions, one after the other."""
    if not motions:
        raise ValueError("concatenate() needs at least one motion")
    first = motions[0]
    for other in motions[1:]:
        if (other.basis, other.fps) != (first.basis, first.fps):
            raise ValueError(
                f"cannot join a motion of {other.basis!r} at {other.fps} frames/s to one of "
                f"{first.basis!r} at {first.fps}; retarget or resample it first"
            )
    names = _fields(first)
    joined = {n: torch.cat([getattr(m, n) for m in motions]) for n in names}
    return Motion(**joined, basis=first.basis, fps=first.fps)


def _fields(bundle: FaceCoeffs | Motion) -> dict[str, Tensor]:
    values = {field.name: getattr(bundle, field.name) for field in dataclasses.fields(bundle)}
    return {name: value for name, value in values.items() if isinstance(value, Tensor)}
