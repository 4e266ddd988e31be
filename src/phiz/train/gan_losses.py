"""What generator and discriminator are told: pure functions of scores, pictures and styles."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def generator_loss(scores: Float[Tensor, "b 1"]) -> Float[Tensor, " b"]:
    """Return the non-saturating loss: low where drawn pictures look real (Goodfellow et al., 2014)."""
    return torch.nn.functional.softplus(-scores[:, 0])


def discriminator_loss(scores: Float[Tensor, "b 1"], *, are_real: bool) -> Float[Tensor, " b"]:
    """Return the logistic loss: low where real pictures score high and drawn ones low."""
    return torch.nn.functional.softplus(-scores[:, 0] if are_real else scores[:, 0])


def r1_penalty(
    scores: Float[Tensor, "b 1"], images: Float[Tensor, "b 3 h w"], gamma: float
) -> Float[Tensor, " b"]:
    """Return how steep the discriminator is at real pictures (Mescheder et al., 2018, R1)."""
    (slope,) = torch.autograd.grad(scores.sum(), images, create_graph=True)
    return slope.square().sum((1, 2, 3)) * (gamma / 2)


def path_lengths(
    images: Float[Tensor, "b 3 h w"], styles: Float[Tensor, "b n s"], noise: Float[Tensor, "b 3 h w"]
) -> Float[Tensor, " b"]:
    """Return how far a picture moves for a small step of its styles, in a random direction.

    Section 3.2 of StyleGAN2 (Karras et al., 2020).
    """
    scaled = noise / math.sqrt(images.shape[2] * images.shape[3])
    (slope,) = torch.autograd.grad((images * scaled).sum(), styles, create_graph=True)
    return slope.square().sum(2).mean(1).sqrt()


def mixed(
    styles: Float[Tensor, "b n w"],
    others: Float[Tensor, "b n w"],
    cutoffs: Float[Tensor, " b"],
) -> Float[Tensor, "b n w"]:
    """Return styles of one person up to a random layer and of another from there on.

    `cutoffs` are shares of the layers; 1 and more leaves a person alone.
    """
    layers = torch.arange(styles.shape[1], device=styles.device)
    is_own: Bool[Tensor, "b n"] = layers < (cutoffs * styles.shape[1]).clamp(min=1)[:, None]
    return torch.where(is_own[:, :, None], styles, others)


def lazy(rate: float, betas: tuple[float, float], every: int) -> tuple[float, tuple[float, float]]:
    """Return rate and betas of Adam for a loss whose regulariser takes a step of its own every so often.

    Appendix B of StyleGAN2: as if the regulariser were always part of the loss.
    """
    if every <= 0:
        return rate, betas
    share = every / (every + 1)
    return rate * share, (betas[0] ** share, betas[1] ** share)


def progress_at(images: int, start_kimg: float, end_kimg: float) -> float:
    """Return how far the network has grown after so many pictures, from 0 to 1."""
    if end_kimg <= 0:
        return 1.0
    return min(max((images / 1000 - start_kimg) / max(end_kimg - start_kimg, 1e-8), 0.0), 1.0)


def cleaned(parameters: list[torch.nn.Parameter]) -> None:
    """Make gradients that are not finite harmless, as the published loop does."""
    for parameter in parameters:
        if parameter.grad is not None:
            torch.nan_to_num(parameter.grad, nan=0.0, posinf=1e5, neginf=-1e5, out=parameter.grad)
