"""What a fit holds against a face: points in the wrong place, and faces that are unlikely."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.face.fit_solve import Quadratic, State
from phiz.graphics import rotation

NEAREST = 0.02
"""Metres; nothing counts as nearer to the camera."""


@dataclass(frozen=True, kw_only=True)
class Points:
    """Points of surfaces as sums of modes about where they were last seen exactly."""

    origin: Float[Tensor, "*a n 3"]
    """Where they would be without any mode, in metres."""
    modes: Float[Tensor, "*b n 3 k"]
    """One set for all pictures, or one for each."""

    def at(self, shape: Float[Tensor, "b k"]) -> Float[Tensor, "b n 3"]:
        """Return the points of some shapes."""
        if self.modes.ndim == 3:
            return self.origin + torch.einsum("nck,bk->bnc", self.modes, shape)
        return self.origin + torch.einsum("bnck,bk->bnc", self.modes, shape)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Points in the picture."""

    xy: Float[Tensor, "b n 2"]
    """Pixels."""
    local: Float[Tensor, "b n 3"]
    """Turned like the camera, about the head's origin."""
    depth: Float[Tensor, "b n"]


def see(points: Points, state: State, centre: Float[Tensor, "b 2"]) -> Seen:
    """Return where points show, for cameras whose axis shows at `centre`."""
    local = points.at(state.shape) @ state.turn.mT
    depth = (state.place[:, 2:].exp() - local[..., 2]).clamp_min(NEAREST)
    flat = (local[..., :2] + state.place[:, None, :2]) / depth[..., None]
    scale = state.focal.exp()[:, None, None] * flat.new_tensor([1.0, -1.0])
    return Seen(xy=centre[:, None] + scale * flat, local=local, depth=depth)


def answers(
    points: Points, seen: Seen, state: State, centre: Float[Tensor, "b 2"]
) -> Float[Tensor, "b n 2 g"]:
    """Return how the picture of each point answers to pose and shape."""
    local = seen.local
    zero, one = torch.zeros_like(local[..., 0]), torch.ones_like(local[..., 0])
    far = state.place[:, 2:].exp().expand_as(zero)
    place = torch.stack([zero, zero, -far], dim=-1)
    shift = torch.stack([torch.stack([one, zero, zero], -1), torch.stack([zero, one, zero], -1), place], -1)
    turned = state.turn[:, None] @ points.modes  # (b, n, 3, k)
    moved = torch.cat([-rotation.skew(local), shift, turned], dim=-1)  # (b, n, 3, 6 + k)
    scale = (state.focal.exp()[:, None] / seen.depth)[..., None, None]
    flat = seen.xy - centre[:, None]
    slope = flat[..., None] / scale / seen.depth[..., None, None]
    flip = local.new_tensor([[1.0], [-1.0]])
    picture = (moved[..., :2, :] * flip + slope * moved[..., 2:, :]) * scale
    return torch.cat([picture[..., :6], flat[..., None], picture[..., 6:]], dim=-1)


@dataclass(frozen=True, kw_only=True)
class Marks:
    """Points that were found in the pictures; errors follow Student's distribution."""

    points: Points
    xy: Float[Tensor, "b n 2"]
    sigma: Float[Tensor, "b n"]
    """Pixels; infinite for points that do not count."""
    centre: Float[Tensor, "b 2"]
    nu: float
    """Degrees of freedom: the fewer, the less an outlier counts."""

    def cost(self, state: State) -> Float[Tensor, " b"]:
        """Return minus the logarithm of the likelihood, up to a constant."""
        squared = self.errors(state)[1].square().sum(-1)
        return (0.5 * (self.nu + 2) * torch.log1p(squared / self.nu)).sum(1)

    def errors(self, state: State) -> tuple[Seen, Float[Tensor, "b n 2"]]:
        """Return where the points show, and their distances from the given ones in standard deviations."""
        seen = see(self.points, state, self.centre)
        counts = self.sigma.isfinite()
        apart = (seen.xy - self.xy) / self.sigma[..., None]
        return seen, torch.where(counts[..., None], apart, 0.0)

    def quadratic(self, state: State) -> Quadratic:
        """Return the cost with its slope and curvature."""
        seen, apart = self.errors(state)
        squared = apart.square().sum(-1)
        weight = (self.nu + 2) / (self.nu + squared)
        rows = answers(self.points, seen, state, self.centre) / self.sigma[..., None, None]
        rows = torch.where(self.sigma.isfinite()[..., None, None], rows, 0.0).flatten(1, 2)  # (b, 2n, g)
        rows = torch.nn.functional.pad(rows, (0, state.count - rows.shape[-1]))
        scaled = rows * weight.repeat_interleave(2, dim=1)[..., None]
        return Quadratic(
            cost=(0.5 * (self.nu + 2) * torch.log1p(squared / self.nu)).sum(1),
            slope=torch.einsum("bnp,bn->bp", scaled, apart.flatten(1)),
            bend=scaled.mT @ rows,
        )


@dataclass(frozen=True, kw_only=True)
class Prior:
    """What faces and cameras are like before one looks: a normal distribution."""

    mean: Float[Tensor, " p"]
    precision: Float[Tensor, "p p"]
    """Zero where anything is as likely as anything else; a turn always is."""

    def cost(self, state: State) -> Float[Tensor, " b"]:
        """Return half the squared distance from the mean."""
        away = _numbers(state) - self.mean
        return 0.5 * torch.einsum("bp,pq,bq->b", away, self.precision, away)

    def quadratic(self, state: State) -> Quadratic:
        """Return the cost with its slope and curvature."""
        away = _numbers(state) - self.mean
        slope = away @ self.precision
        return Quadratic(
            cost=0.5 * (away * slope).sum(1), slope=slope, bend=self.precision.expand(len(away), -1, -1)
        )


def _numbers(state: State) -> Float[Tensor, "b p"]:
    """Return a state as one row of numbers; the turn, which has no zero, as zeros."""
    parts = [torch.zeros_like(state.place), state.place, state.focal[:, None], state.shape, state.paint]
    return torch.cat(parts, dim=1)
