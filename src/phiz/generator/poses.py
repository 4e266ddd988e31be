"""Where the generator's cameras stand: on a sphere around the head, as it was trained or as one asks.

Angles here are the published network's: azimuth 0 looks at the face and grows to the picture's right,
the polar angle is pi / 2 on the horizon and smaller above it. See ``docs/conventions.md``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.generator.config import GeneratorConfig
from phiz.graphics.camera import Camera, from_fov, look_at

FROZEN_POLAR = math.pi / 2 + 0.2
"""parity: the polar angle from which the published network shows a background that is to stay."""


def on_sphere(
    config: GeneratorConfig,
    azimuth: Float[Tensor, " b"],
    polar: Float[Tensor, " b"],
    radius: float | Float[Tensor, " b"] = 1.0,
    roll: float = 0.0,
) -> Camera:
    """Return cameras that look at the origin; `roll` turns them anticlockwise."""
    return looking(_place(azimuth, polar, radius), config, roll)


def looking(eye: Float[Tensor, "b 3"], config: GeneratorConfig, roll: float = 0.0) -> Camera:
    """Return cameras at places that look at the origin."""
    pose = look_at(eye, torch.zeros_like(eye), (0.0, 0.0, 1.0))
    if roll:
        turn = torch.eye(4, dtype=pose.dtype, device=pose.device)
        turn[:2, :2] = turn.new_tensor([[math.cos(roll), -math.sin(roll)], [math.sin(roll), math.cos(roll)]])
        pose = pose @ turn
    return from_fov(pose, math.radians(config.fov_deg))


def sample(config: GeneratorConfig, count: int, generator: torch.Generator | None = None) -> Camera:
    """Return cameras as the network sees them in training."""
    device = generator.device if generator is not None else "cpu"
    draw = torch.randn if config.is_gaussian else torch.rand
    first = draw(count, generator=generator, device=device)
    second = draw(count, generator=generator, device=device)
    far = torch.rand(count, generator=generator, device=device)
    if config.is_gaussian:
        azimuth, polar = _normal(config.azimuth, first), _normal(config.polar, second)
    else:
        azimuth, polar = _linear(config.azimuth, first), _linear(config.polar, second)
    return on_sphere(config, azimuth, polar, _linear(config.radius, far))


def at(config: GeneratorConfig, position: Sequence[float], *, roll: float = 0.0) -> Camera:
    """Return the camera at a position (azimuth, polar[, radius[, scale]]), each from 0 to 1 in its range.

    (0.5, 0.5) is frontal; positions may lie beyond 0 and 1. `scale` multiplies the radius.
    """
    # parity: places given by hand are computed in double precision.
    azimuth, polar, radius = (
        _linear(ends, torch.tensor([float(part)], dtype=torch.float64))
        for ends, part in zip(
            (config.azimuth, config.polar, config.radius), (*position, 0.5)[:3], strict=True
        )
    )
    scale = float(position[3]) if len(position) > 3 else 1.0
    return looking(_place(azimuth, polar, radius * scale).float(), config, roll)


def at_units(config: GeneratorConfig, units: Float[Tensor, "b 2"]) -> Camera:
    """Return cameras so many standard deviations from the mean, or at so much of their ranges."""
    place = _normal if config.is_gaussian else _linear
    azimuth, polar = place(config.azimuth, units[:, 0]), place(config.polar, units[:, 1])
    radius = torch.full_like(azimuth, sum(config.radius) / 2)
    return on_sphere(config, azimuth, polar, radius)


def turned(config: GeneratorConfig, yaw: Float[Tensor, " b"], pitch: Float[Tensor, " b"]) -> Camera:
    """Return cameras into which a head of this yaw and pitch (radians) would look straight."""
    radius = sum(config.radius) / 2
    return on_sphere(config, yaw, math.pi / 2 + pitch, radius)


def frozen(config: GeneratorConfig) -> Camera:
    """Return the camera that a background which is not to move is seen from."""
    return on_sphere(config, torch.zeros(1), torch.full((1,), FROZEN_POLAR))


def _place(
    azimuth: Float[Tensor, " b"], polar: Float[Tensor, " b"], radius: float | Float[Tensor, " b"]
) -> Float[Tensor, "b 3"]:
    far = torch.as_tensor(radius, dtype=azimuth.dtype, device=azimuth.device).reshape(-1, 1)
    across = polar.sin()
    return far * torch.stack([across * azimuth.cos(), across * azimuth.sin(), polar.cos()], dim=-1)


def _normal(ends: tuple[float, float], units: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
    low, high = ends
    return (low + high) / 2 + units * (high - low) / 2


def _linear(ends: tuple[float, float], parts: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
    low, high = ends
    return low + parts * (high - low)
