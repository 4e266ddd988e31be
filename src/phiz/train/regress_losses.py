"""How wrong a regressor is: the published losses, and those for faces that are known.

The published ones are those of "Accurate 3D Face Reconstruction with Weakly-Supervised Learning" (Deng et
al., 2019) as its authors' trainer computes them; pictures count from 0 to 1 and pixels are those of 224.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from phiz.graphics import rotation

HEAVY = (28, 29, 30, *range(60, 68))
"""Landmarks that count more: the nose's ridge and the inner lips."""
HEAVY_WEIGHT = 20.0
TINY = 1e-6
"""Added to squared distances of colours, which then have a slope where they vanish."""
MILLIMETRE = 1e-3


def photo_loss(
    drawn: Float[Tensor, "b 3 h w"], wanted: Float[Tensor, "b 3 h w"], mask: Float[Tensor, "b 1 h w"]
) -> Float[Tensor, ""]:
    """Return the mean distance of colours inside a mask, over all pictures together."""
    distance = (TINY + (drawn - wanted).square().sum(1, keepdim=True)).sqrt()
    return (distance * mask).sum() / mask.sum().clamp_min(1)


def landmark_loss(
    found: Float[Tensor, "b 68 2"],
    wanted: Float[Tensor, "b 68 2"],
    counts: Float[Tensor, "b 68"] | None = None,
) -> Float[Tensor, ""]:
    """Return the weighted mean of squared distances, in pixels; points whose count is 0 are left out."""
    weights = found.new_ones(found.shape[1])
    weights[list(HEAVY)] = HEAVY_WEIGHT
    squared = (found - wanted).square().sum(-1) * weights
    return (squared if counts is None else squared * counts).sum() / squared.numel()


def perceptual_loss(drawn: Float[Tensor, "b e"], wanted: Float[Tensor, "b e"]) -> Float[Tensor, ""]:
    """Return how unlike a recogniser thinks the people are: 0 for the same, 2 at most."""
    cosine = functional.cosine_similarity(drawn.float(), wanted.float(), dim=-1)
    return 1 - cosine.mean()


def coefficient_loss(
    identity: Float[Tensor, "b i"],
    expression: Float[Tensor, "b e"],
    texture: Float[Tensor, "b t"],
    *,
    weights: tuple[float, float, float],
) -> Float[Tensor, ""]:
    """Return how unlikely faces are: the weighted sum of their squared numbers, a picture."""
    parts = (identity, expression, texture)
    total = torch.stack([w * part.square().sum() for w, part in zip(weights, parts, strict=True)]).sum()
    return total / len(identity)


def gamma_loss(gamma: Float[Tensor, "b 9 3"]) -> Float[Tensor, ""]:
    """Return how coloured light is: the variance of its three channels."""
    return (gamma - gamma.mean(2, keepdim=True)).square().mean()


def reflectance_loss(albedo: Float[Tensor, "b v 3"], skin: Float[Tensor, " v"]) -> Float[Tensor, ""]:
    """Return how much the skin's own colour (0 to 1) varies where it should be plain."""
    weight = skin[:, None]
    mean = (albedo * weight).sum(1, keepdim=True) / weight.sum()
    return ((albedo - mean).square() * weight).sum() / (len(albedo) * weight.sum())


def distance(found: Float[Tensor, "*b n c"], wanted: Float[Tensor, "*b n c"]) -> Float[Tensor, ""]:
    """Return the mean distance of points."""
    apart: Tensor = (found - wanted).norm(dim=-1)
    return apart.mean()


def turn_loss(found: Float[Tensor, "b 3"], wanted: Float[Tensor, "b 3"]) -> Float[Tensor, ""]:
    """Return how far rotations are from each other: near zero it is half of the angle's square.

    Both are angles; what is compared are their matrices, so that it does not matter how angles wind.
    """
    apart = rotation.from_euler(found) - rotation.from_euler(wanted)
    return (apart.square().sum((-2, -1)) / 4).mean()


def colour_loss(
    drawn: Float[Tensor, "b n 3"], shown: Float[Tensor, "b n 3"], visible: Float[Tensor, "b n"]
) -> Float[Tensor, ""]:
    """Return the mean distance of the colours of points that show."""
    apart = (TINY + (drawn - shown).square().sum(-1)).sqrt()
    return (apart * visible).sum() / visible.sum().clamp_min(1)


def rigidly_apart(found: Float[Tensor, "b n 3"], wanted: Float[Tensor, "b n 3"]) -> Float[Tensor, "b n"]:
    """Return how far points are from each other after one cloud was turned and shifted onto the other.

    Kabsch's rotation, without scale.
    """
    here, there = found - found.mean(1, keepdim=True), wanted - wanted.mean(1, keepdim=True)
    turn = rotation.nearest(there.mT @ here)
    apart: Tensor = (here @ turn.mT - there).norm(dim=-1)
    return apart
