"""What encoders are trained by: styles, cameras, backgrounds, and the pictures that are drawn from them.

How much a picture changes with each style is found once, by asking a generator which way many random changes
of its pictures would move the styles.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.avatar.encoder_network import Told, resized
from phiz.generator.generator import Generator
from phiz.graphics.camera import Camera
from phiz.layers.perceptual import PerceptualDistance, perceptual_distance
from phiz.world.portrait import NEAR_PITCH, NEAR_YAW

PROBED = 64
"""Pixels a side of the pictures by which styles are weighed."""


def sensitivity(
    generator: Generator,
    styles: Float[Tensor, "b w"],
    camera: Camera,
    background: Float[Tensor, "b l"],
    noise: Float[Tensor, "b 3 p p"],
) -> Float[Tensor, "w w"]:
    """Return how the squared change of small pictures depends on a change of styles, on average.

    With pictures' derivatives J and noise v, J'v has the covariance J'J: each picture tells one direction.
    """
    with torch.enable_grad():
        told = styles.detach().requires_grad_(True)
        rows = told[:, None].expand(-1, generator.config.styles, -1)
        made = generator.render(generator.prepare(rows, background), camera).image
        total = (resized(made, noise.shape[-1]) * noise).sum()
        (found,) = torch.autograd.grad(total, told)
    return found.T @ found / found.shape[0]


def yardstick(
    changes: Float[Tensor, "w w"], styles: Float[Tensor, "b w"], floor: float = 1e-3
) -> Float[Tensor, "w w"]:
    """Return the matrix that takes differences of styles to numbers whose squares add up to how much is seen.

    The squares add up to 1 on average for the mean of these styles. Directions that change next to nothing
    count by `floor` of the mean direction.
    """
    covariance = torch.cov(styles.T.double()).reshape(changes.shape)
    powers, axes = torch.linalg.eigh(changes.double())
    powers = powers.clamp(min=0)
    powers = powers + floor * powers.mean()
    scale = (powers * torch.einsum("wk,wv,vk->k", axes, covariance, axes)).sum()
    stick: Tensor = (powers / scale).sqrt() * axes
    return stick.to(styles).contiguous()


def seen_error(
    told: Float[Tensor, "b n w"], true: Float[Tensor, "b w"], stick: Float[Tensor, "w k"]
) -> Float[Tensor, ""]:
    """Return squared errors of styles by how much they are seen; 1 for the mean face."""
    return ((told - true[:, None]) @ stick).square().sum(dim=-1).mean()


def style_error(
    told: Float[Tensor, "b n w"], true: Float[Tensor, "b w"], spread: Float[Tensor, " w"]
) -> Float[Tensor, ""]:
    """Return squared errors of styles in shares of their variance; 1 for the mean face."""
    return (told - true[:, None]).square().mean() / spread.square().mean()


def camera_error(told: Told, angles: Float[Tensor, "b 2"]) -> Float[Tensor, ""]:
    """Return squared errors of yaw and pitch in shares of their variance."""
    away = torch.stack([told.yaw, told.pitch], dim=1) - angles
    return (away / away.new_tensor([NEAR_YAW, NEAR_PITCH])).square().mean()


def background_error(
    told: Float[Tensor, "b l"], true: Float[Tensor, "b l"], counts: Float[Tensor, " b"]
) -> Float[Tensor, ""]:
    """Return squared errors of backgrounds' codes, of the pictures that count."""
    return ((told - true).square().mean(dim=1) * counts).sum() / counts.sum().clamp(min=1)


def pixel_error(
    made: Float[Tensor, "b 3 h w"],
    true: Float[Tensor, "b 3 h w"],
    cover: Float[Tensor, "b 1 h w"],
    around: float,
) -> Float[Tensor, ""]:
    """Return differences of pixels; those that show no head count by `around`."""
    weight = around + (1 - around) * cover
    return ((made - true).abs() * weight).mean() / weight.mean().clamp(min=1e-6)


def look_error(
    made: Float[Tensor, "b 3 h w"],
    true: Float[Tensor, "b 3 h w"],
    cover: Float[Tensor, "b 1 h w"],
    around: float,
    distance: PerceptualDistance = perceptual_distance,
) -> Float[Tensor, ""]:
    """Return how different pictures look; where no head is, differences are made smaller first."""
    weight = around + (1 - around) * cover
    return distance(true + (made - true) * weight, true).mean()


def redrawn(generator: Generator, told: Told, size: int) -> Float[Tensor, "b 3 s s"]:
    """Return the pictures that a generator draws from what was told, at a size."""
    made = generator.render(generator.prepare(told.styles, told.background), told.camera).image
    return resized(made, size)


def psnr(made: Float[Tensor, "b 3 h w"], true: Float[Tensor, "b 3 h w"]) -> Float[Tensor, " b"]:
    """Return how near pictures in [-1, 1] are, in decibels."""
    wrong = ((made.clamp(-1, 1) - true) / 2).square().mean(dim=(1, 2, 3))
    return -10 / math.log(10) * wrong.clamp(min=1e-10).log()
