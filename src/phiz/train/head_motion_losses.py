"""What a head that moves by chance is held against: scores that only the true distribution makes least.

One recording shows one of the many movements that would have done. The mean of all of them is none; a network
that is punished for its distance from the one that was recorded would learn that mean. The energy score
(Gneiting and Raftery, 2007) is the distance from what was recorded less half the distance between two of the
network's own draws, for short stretches of poses and of their speed.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

LEAST = 1e-4
"""Added to squared distances, whose roots have no slope at zero."""


def energy(
    one: Float[Tensor, "b t k"],
    other: Float[Tensor, "b t k"],
    true: Float[Tensor, "b t k"],
    lengths: Sequence[int],
) -> Float[Tensor, ""]:
    """Return the energy score of two draws, the mean of stretches of some lengths."""
    scores = []
    for length in lengths:
        if length <= true.shape[1]:
            a, b, truth = (stretches(rows, length) for rows in (one, other, true))
            scores.append(0.5 * (apart(a, truth) + apart(b, truth) - apart(a, b)))
    return torch.stack(scores).mean()


def trajectories(
    one: Float[Tensor, "b t 6"],
    other: Float[Tensor, "b t 6"],
    true: Float[Tensor, "b t 6"],
    lengths: Sequence[int],
) -> Float[Tensor, ""]:
    """Return the score of whole poses and, as much again, of each of their numbers alone.

    In many dimensions a distance says little about any one of them; the pitch of nods would drown in sway.
    """
    return energy(one, other, true, lengths) + energy(_alone(one), _alone(other), _alone(true), lengths)


def speeds(poses: Float[Tensor, "b t 6"]) -> Float[Tensor, "b t2 6"]:
    """Return how far each pose is from the one before."""
    return poses.diff(dim=1)


def stretches(rows: Float[Tensor, "b t k"], length: int) -> Float[Tensor, "b n q"]:
    """Return stretches of so many rows; each begins where half of the one before is over."""
    pieces = rows.unfold(1, length, max(length // 2, 1))  # (b, n, k, length)
    return pieces.flatten(2)


def apart(one: Float[Tensor, "b n q"], other: Float[Tensor, "b n q"]) -> Float[Tensor, ""]:
    """Return the mean distance of stretches, whatever their length."""
    return ((one - other).square().mean(dim=2) + LEAST).sqrt().mean()


def labels_apart(
    accent: Float[Tensor, "b t"],
    talking: Float[Tensor, "b t"],
    about: Float[Tensor, "b t 2"],
    is_labelled: Float[Tensor, " b"],
) -> Float[Tensor, ""]:
    """Return how badly accents and talk are told, both as logits, where they are known."""
    told = torch.stack([accent, talking], dim=2)
    each = functional.binary_cross_entropy_with_logits(told, about, reduction="none").mean(dim=(1, 2))
    return (each * is_labelled).sum() / is_labelled.sum().clamp(min=1.0)


def _alone(poses: Tensor) -> Tensor:
    """Return each number of a pose as a curve of its own."""
    return poses.transpose(1, 2).flatten(0, 1)[..., None]
