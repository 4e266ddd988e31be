"""What a judge of sound and mouth learns by: telling the right moment from others, and the right clip.

Points of sound and mouth are compared as in contrastive learning (InfoNCE: "Representation Learning with
Contrastive Predictive Coding", van den Oord et al., 2018). Wrong answers are the same clip a few frames
earlier or later, which is hard, and other clips at the same time.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def shifted(
    fixed: Float[Tensor, "b t d"], moving: Float[Tensor, "b t d"], reach: int
) -> Float[Tensor, "b s k"]:
    """Return cosines of each frame with the other tower's frames from `reach` before it to `reach` after it.

    Frames that lack a neighbour are left out, `reach` at each end.
    """
    frames = fixed.shape[1]
    if frames <= 2 * reach:
        raise ValueError(f"{frames} frames leave nothing when {reach} at each end are left out")
    middle = fixed[:, reach : frames - reach]
    return torch.einsum("btd,btdk->btk", middle, moving.unfold(1, 2 * reach + 1, 1))


def beside(fixed: Float[Tensor, "b t d"], moving: Float[Tensor, "b t d"]) -> Float[Tensor, "b t o"]:
    """Return cosines of each frame with the other tower's same frame in all other clips."""
    count = len(fixed)
    others = ~torch.eye(count, dtype=torch.bool, device=fixed.device)
    across = torch.einsum("btd,ctd->bct", fixed, moving)
    return across[others].reshape(count, count - 1, -1).transpose(1, 2)


def frame_loss(
    sound: Float[Tensor, "b t d"], mouth: Float[Tensor, "b t d"], reach: int, scale: Float[Tensor, ""]
) -> Float[Tensor, ""]:
    """Return how hard each frame is to find among its neighbours and among other clips, from both sides."""
    losses = []
    for fixed, moving in ((sound, mouth), (mouth, sound)):
        middle = slice(reach, fixed.shape[1] - reach)
        cosines = [shifted(fixed, moving, reach), beside(fixed[:, middle], moving[:, middle])]
        losses.append(_unlikely(torch.cat(cosines, dim=2), reach, scale))
    return torch.stack(losses).mean()


def span_loss(
    sound: Float[Tensor, "b t d"],
    mouth: Float[Tensor, "b t d"],
    reach: int,
    span: int,
    scale: Float[Tensor, ""],
) -> Float[Tensor, ""]:
    """Return how hard the right shift is to find by the mean cosine over `span` frames, as in use."""
    cosines = shifted(sound, mouth, reach).transpose(1, 2)  # (b, k, s)
    means = functional.avg_pool1d(cosines, span, max(span // 2, 1))
    return _unlikely(means.transpose(1, 2), reach, scale)


def _unlikely(cosines: Tensor, right: int, scale: Tensor) -> Tensor:
    """Return the mean negative logarithm of how likely the right one of the last axis is."""
    return -(cosines * scale).log_softmax(dim=-1)[..., right].mean()
