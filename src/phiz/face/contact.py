"""Soft parts that touch: lips do not pass through each other, nor lids and lips through what lies behind.

Each rule moves vertices only as far as it must and leaves everything else alone, so that a face without
contact is exactly the linear model. All of them are differentiable almost everywhere.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from phiz.face.morphable import add_at

Rule = Callable[[Tensor], Tensor]
"""Open heights (b, p) to how far the facing points should move apart; negative brings them together."""

ROUNDS = 6
"""Passes over each contact; what one pair pushes, its neighbours may have to give back."""
SPREAD = 0.0022
"""How far, in metres, a pushed point drags its surroundings along its edge."""
REACH = 0.0045
"""How deep into the lip or lid the push is still felt."""
OVERLAP = 0.0008
"""How far closed lids overlap, so that no light gets between them."""
TEETH_MARGIN = 0.0008
"""Least distance between lips and the outer face of the teeth."""
LID_MARGIN = 0.0006
"""Least distance between lids and eyeball."""
CORNEA_ANGLE = 0.66
"""Half the angle of the cornea's bulge, seen from the eyeball's centre."""


class FacingEdges(nn.Module):
    """Two soft edges, upper and lower, that open and close: a pair of lips, or the lids of an eye."""

    pairs: Tensor
    upper: Tensor
    lower: Tensor
    upper_weight: Tensor
    lower_weight: Tensor
    pair_in_upper: Tensor
    pair_in_lower: Tensor

    def __init__(
        self,
        mean: Float[Tensor, "v 3"],
        pairs: Int[Tensor, "p 2"],
        upper: Int[Tensor, " m"],
        lower: Int[Tensor, " n"],
    ) -> None:
        """`pairs` face each other; `upper` and `lower` are all vertices that may move with them."""
        super().__init__()
        self.register_buffer("pairs", pairs)
        self.register_buffer("upper", upper)
        self.register_buffer("lower", lower)
        self.register_buffer("pair_in_upper", _places(pairs[:, 0], upper))
        self.register_buffer("pair_in_lower", _places(pairs[:, 1], lower))
        self.register_buffer("upper_weight", _drag(mean[upper], mean[pairs[:, 0]]))
        self.register_buffer("lower_weight", _drag(mean[lower], mean[pairs[:, 1]]))

    def gaps(self, vertices: Float[Tensor, "b v 3"]) -> Float[Tensor, "b p"]:
        """Return the open height between facing points; negative where edges have passed each other."""
        return vertices[:, self.pairs[:, 0], 1] - vertices[:, self.pairs[:, 1], 1]

    def spread(self, vertices: Float[Tensor, "b v 3"], rule: Rule) -> Float[Tensor, "b v 3"]:
        """Return the vertices with facing points moved apart, in rounds, by what ``rule`` makes of gaps.

        Only heights change; each side goes half of the way.
        """
        above, below = vertices[:, self.upper, 1], vertices[:, self.lower, 1]
        high, low = above, below
        for _ in range(ROUNDS):
            half = rule(high[:, self.pair_in_upper] - low[:, self.pair_in_lower]) / 2
            high = high + half @ self.upper_weight.T
            low = low - half @ self.lower_weight.T
        rise = torch.cat([high - above, low - below], dim=1)
        still = torch.zeros_like(rise)
        members = torch.cat([self.upper, self.lower])
        return add_at(vertices, members, torch.stack([still, rise, still], dim=-1))

    def apart(self, vertices: Float[Tensor, "b v 3"]) -> Float[Tensor, "b v 3"]:
        """Return the vertices with facing points apart or just touching."""
        return self.spread(vertices, lambda gap: torch.relu(-gap))

    def shut(self, vertices: Float[Tensor, "b v 3"], closing: Float[Tensor, " b"]) -> Float[Tensor, "b v 3"]:
        """Return the vertices with the gap that is left closed by a share in [0, 1], never crossed."""

        def rule(gap: Tensor) -> Tensor:
            return torch.relu(-gap - OVERLAP) - closing[:, None] * torch.relu(gap + OVERLAP)

        return self.spread(vertices, rule)


def _places(wanted: Int[Tensor, " n"], members: Int[Tensor, " m"]) -> Int[Tensor, " n"]:
    """Return where each wanted vertex stands among the members."""
    match = wanted[:, None] == members
    if not bool(match.any(dim=1).all()):
        raise ValueError("a facing point is not among the vertices that move with its edge")
    return match.int().argmax(dim=1)


def _drag(points: Float[Tensor, "m 3"], sources: Float[Tensor, "p 3"]) -> Float[Tensor, "m p"]:
    """Return how much each point follows each pushed source: near ones most, none beyond the reach."""
    distance = torch.cdist(points, sources)
    near = torch.exp(-((distance / SPREAD) ** 2))
    share = near / near.sum(dim=1, keepdim=True).clamp_min(1e-12)
    fade = torch.exp(-((distance.min(dim=1, keepdim=True).values / REACH) ** 2))
    return share * fade


class LidContact(nn.Module):
    """Keeps lids outside the eyeball."""

    lids: Tensor
    weight: Tensor

    def __init__(self, lids: Int[Tensor, " n"], weight: Float[Tensor, " n"], bulge: float) -> None:
        """`lids` are a lid's vertices, `weight` is 1 where they may touch and fades to 0 outside."""
        super().__init__()
        self.register_buffer("lids", lids)
        self.register_buffer("weight", weight)
        self.bulge = bulge

    def forward(
        self,
        vertices: Float[Tensor, "b v 3"],
        centre: Float[Tensor, "b 3"],
        radius: Float[Tensor, " b"],
        looks: Float[Tensor, "b 3"],
    ) -> Float[Tensor, "b v 3"]:
        """Return the vertices with every lid on or outside the eyeball that looks along ``looks``."""
        away = vertices[:, self.lids] - centre[:, None]
        distance = away.norm(dim=-1).clamp_min(1e-6)
        cosine = (away * looks[:, None]).sum(dim=-1) / distance
        angle = torch.acos(cosine.clamp(-1 + 1e-6, 1 - 1e-6))
        rise = self.bulge * (1 - (angle / CORNEA_ANGLE).clamp(0, 1) ** 2) ** 2
        needed = radius[:, None] + rise + LID_MARGIN
        push = torch.relu(needed - distance) * self.weight
        return add_at(vertices, self.lids, away / distance[..., None] * push[..., None])


class TeethContact(nn.Module):
    """Keeps lips in front of a dental arch, drawn as a parabola with some height."""

    soft: Tensor

    def __init__(
        self,
        soft: Int[Tensor, " n"],
        *,
        front: float,
        curve: float,
        half_width: float,
        bottom: float,
        top: float,
        thick: float,
    ) -> None:
        """The arch's outer face stands at z = front - curve * x**2 between the heights given."""
        super().__init__()
        self.register_buffer("soft", soft)
        self.front, self.curve, self.half_width = front, curve, half_width
        self.bottom, self.top, self.thick = bottom, top, thick

    def depth(self, points: Float[Tensor, "b n 3"]) -> Float[Tensor, "b n"]:
        """Return how deep points of the arch's own frame lie inside its outer face."""
        x, y, z = points.unbind(dim=-1)
        inside = self.front + TEETH_MARGIN - self.curve * x**2 - z
        inside = torch.where(inside < self.thick, inside, torch.zeros_like(inside))
        edge = 0.002
        beside = ((self.half_width - x.abs()) / edge).clamp(0, 1)
        within = ((y - self.bottom) / edge).clamp(0, 1) * ((self.top - y) / edge).clamp(0, 1)
        return torch.relu(inside) * beside * within

    def forward(
        self, vertices: Float[Tensor, "b v 3"], rotation: Float[Tensor, "b 3 3"], shift: Float[Tensor, "b 3"]
    ) -> Float[Tensor, "b v 3"]:
        """Return the vertices with the lips in front of an arch moved by ``rotation`` and ``shift``."""
        local = torch.einsum("bji,bnj->bni", rotation, vertices[:, self.soft] - shift[:, None])
        push = self.depth(local)[..., None] * rotation[:, None, :, 2]
        return add_at(vertices, self.soft, push)
