"""How wrong a parser is: the loss that it learns by, and the overlap that it is judged by."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int, Integer
from torch import Tensor
from torch.nn import functional

EASY = 0.7
"""Pixels whose class is thought to be this likely are known well enough."""
LEAST_SHARE = 16
"""At least one pixel in so many is learned from."""


def hard_pixels(
    scores: Float[Tensor, "b k h w"],
    labels: Int[Tensor, "b h w"],
    *,
    easy: float = EASY,
    weights: Float[Tensor, " k"] | None = None,
) -> Float[Tensor, ""]:
    """Return the mean cross entropy of the pixels that are not yet known.

    Online hard example mining (Shrivastava et al., 2016) as the published parser has it: pixels whose class
    is less likely than `easy`, or, where these are fewer than one in `LEAST_SHARE`, the worst so many.
    `weights` make some classes count more.
    """
    losses = functional.cross_entropy(scores.float(), labels, reduction="none").flatten()
    least = max(losses.numel() // LEAST_SHARE, 1)
    with torch.no_grad():
        is_hard = losses > -math.log(easy)
        if int(is_hard.sum()) <= least:
            chosen = losses.topk(least).indices
        else:
            chosen = is_hard.nonzero()[:, 0]
    if weights is None:
        return losses[chosen].mean()
    counted = weights[labels.flatten()[chosen]]
    return (losses[chosen] * counted).sum() / counted.sum()


def parse_loss(
    outputs: Sequence[Float[Tensor, "b k h w"]],
    labels: Int[Tensor, "b h w"],
    *,
    easy: float = EASY,
    weights: Float[Tensor, " k"] | None = None,
) -> dict[str, Float[Tensor, ""]]:
    """Return the losses of the three outputs; each counts as much as the others."""
    names = ("scores", "side_16", "side_32")
    return {
        name: hard_pixels(scores, labels, easy=easy, weights=weights)
        for name, scores in zip(names, outputs, strict=True)
    }


def confusion(
    found: Integer[Tensor, "*b h w"], labels: Integer[Tensor, "*b h w"], classes: int
) -> Int[Tensor, "{classes} {classes}"]:
    """Return how many pixels of each class (rows) were taken for which class (columns)."""
    pairs = labels.flatten().long() * classes + found.flatten().long()
    return torch.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def overlaps(counts: Int[Tensor, "k k"]) -> Float[Tensor, " k"]:
    """Return, for each class, what both have of it over what either has; NaN where neither has any."""
    both = counts.diagonal().double()
    either = counts.sum(0).double() + counts.sum(1).double() - both
    return (both / either).float()
