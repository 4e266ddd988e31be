"""Margins: a face has to be nearer to its own person than merely nearer than to all others.

ArcFace (Deng et al., 2019) moves the angle to the right centre, CosFace (Wang et al., 2018) its cosine.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

NEAR = 1e-6
"""How near to -1 and 1 a cosine may come where its angle has to have a slope."""


@dataclass(frozen=True, kw_only=True)
class Margin:
    """What happens to the cosines between faces and centres before they are compared.

    A face's cosine to its own person becomes ``cos(factor * angle + shift) - gap``.
    """

    factor: float = 1.0
    """Published as m1."""
    shift: float = 0.0
    """Radians; published as m2. ArcFace: 0.5."""
    gap: float = 0.0
    """Published as m3. CosFace: 0.4."""
    scale: float = 64.0
    """All cosines are multiplied by this."""
    filter: float = 0.0
    """Other people whose cosine is above this count as noise and are left out; 0 keeps all."""
    is_exact: bool = False
    """Follow the slope of the moved angle. The published trainer takes it for the cosine's own, and so
    trains with other gradients than its formula has; its results are those of that."""

    def __post_init__(self) -> None:
        if self.scale <= 0 or not 0 <= self.filter <= 1:
            raise ValueError("the scale of a margin is positive, and its filter a cosine from 0 to 1")


ARCFACE = Margin(shift=0.5)
COSFACE = Margin(gap=0.4)


def with_margin(
    cosines: Float[Tensor, "b n"], labels: Int[Tensor, " b"], margin: Margin
) -> Float[Tensor, "b n"]:
    """Return logits: scaled cosines, those of each face's own person made smaller by the margin.

    A label of -1 says that the person is not among these columns.
    """
    rows = (labels >= 0).nonzero()[:, 0]
    own = rows, labels[rows].long()
    target = cosines[own]
    moved = _moved(target, margin)
    if margin.filter > 0:
        is_noise = cosines.detach() > margin.filter
        is_noise[own] = False
        cosines = cosines.masked_fill(is_noise, 0.0)
    return cosines.index_put(own, moved) * margin.scale


def _moved(target: Float[Tensor, " r"], margin: Margin) -> Float[Tensor, " r"]:
    if margin.factor == 1 and margin.shift == 0:
        return target - margin.gap
    if margin.is_exact:
        angle = target.clamp(NEAR - 1, 1 - NEAR).acos()
        return (margin.factor * angle + margin.shift).cos() - margin.gap
    found = (margin.factor * target.detach().acos() + margin.shift).cos() - margin.gap
    return target + (found - target.detach())  # parity: the value of the formula, the slope of the identity
