"""Damped second-order steps (Levenberg and Marquardt) on many pictures at once.

A `State` is everything that is unknown about some pictures. Terms say how bad a state is and, to second
order, how that changes; `minimise` walks down, each picture with a damping of its own, and never up.
Numbers are double here: focal length and distance are nearly the same thing, and float32 cannot tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from phiz.graphics import rotation

POSE = 7
"""Turn 3, place 3, focal length 1: the parameters before those of shape and colour."""
LONGEST_TURN, LONGEST_RATIO = 0.6, 0.7
"""No step turns a head further, in radians, or changes distance or focal length by more, as a logarithm."""
FIRST_DAMPING, LEAST_DAMPING, MOST_DAMPING = 1e-3, 1e-8, 1e8
LEAST_BEND = 1e-9
"""Curvature of what nothing is known about."""
EASIER, HARDER = 0.2, 8.0
"""What a step that went down or up does to the damping."""


@dataclass(frozen=True, kw_only=True)
class State:
    """Some faces before cameras at the origin that look along -z."""

    turn: Float[Tensor, "b 3 3"]
    """Camera from head."""
    place: Float[Tensor, "b 3"]
    """Where the head's origin is: x and y in metres, and the logarithm of the distance."""
    focal: Float[Tensor, " b"]
    """Logarithm of the focal length in pixels."""
    shape: Float[Tensor, "b k"]
    """Identity, then expression."""
    paint: Float[Tensor, "b q"]
    """Light (nine numbers for red, then green, then blue), then texture; may be empty."""

    @property
    def count(self) -> int:
        """Return how many numbers a step has."""
        return POSE + self.shape.shape[1] + self.paint.shape[1]

    def moved(self, step: Float[Tensor, "b p"]) -> State:
        """Return the state after a step."""
        turn, place, focal, rest = torch.split(step, [3, 3, 1, self.count - POSE], dim=1)
        shape, paint = torch.split(rest, [self.shape.shape[1], self.paint.shape[1]], dim=1)
        return State(
            turn=rotation.from_axis_angle(turn) @ self.turn,
            place=self.place + place,
            focal=self.focal + focal[:, 0],
            shape=self.shape + shape,
            paint=self.paint + paint,
        )

    def chosen(self, other: State, where: Bool[Tensor, " b"]) -> State:
        """Return this state for some pictures and another for the rest."""
        pairs = {name: (getattr(self, name), getattr(other, name)) for name in self.__dataclass_fields__}
        mixed = {n: torch.where(where.reshape(-1, *[1] * (a.ndim - 1)), a, b) for n, (a, b) in pairs.items()}
        return State(**mixed)

    def rows(self, index: Int[Tensor, " n"]) -> State:
        """Return some pictures, or the same several times."""
        return State(**{name: getattr(self, name)[index] for name in self.__dataclass_fields__})


@dataclass(frozen=True, kw_only=True)
class Quadratic:
    """How bad some states are, and how that changes."""

    cost: Float[Tensor, " b"]
    slope: Float[Tensor, "b p"]
    bend: Float[Tensor, "b p p"]

    def __add__(self, other: Quadratic) -> Quadratic:
        return Quadratic(
            cost=self.cost + other.cost, slope=self.slope + other.slope, bend=self.bend + other.bend
        )


@runtime_checkable
class Term(Protocol):
    """One reason why a state is good or bad."""

    def cost(self, state: State) -> Float[Tensor, " b"]:
        """Return half a sum of squares, or what stands for it."""
        ...

    def quadratic(self, state: State) -> Quadratic:
        """Return the cost with its slope, and a curvature that is nowhere negative."""
        ...


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a step may change, and how far."""

    free: Bool[Tensor, " p"]
    low: Float[Tensor, " k"]
    """Of the shape's numbers."""
    high: Float[Tensor, " k"]


def minimise(state: State, terms: Sequence[Term], limits: Limits, steps: int) -> State:
    """Return the state after some damped steps; no picture gets worse by any of them."""
    damping = torch.full_like(state.focal, FIRST_DAMPING)
    now = _sum(state, terms)
    for number in range(steps):
        there = _inside(state.moved(_step(state, now, damping, limits)), limits)
        if number == steps - 1:
            better = total(there, terms) < now.cost
            return there.chosen(state, better)
        next_one = _sum(there, terms)
        better = next_one.cost < now.cost
        state, now = there.chosen(state, better), _chosen(next_one, now, better)
        factor = torch.where(better, EASIER, HARDER)
        damping = (damping * factor).clamp(LEAST_DAMPING, MOST_DAMPING)
    return state


def total(state: State, terms: Sequence[Term]) -> Float[Tensor, " b"]:
    """Return how bad states are in all."""
    return torch.stack([term.cost(state) for term in terms]).sum(0)


def covariance(state: State, terms: Sequence[Term], limits: Limits) -> Float[Tensor, "b p p"]:
    """Return how uncertain each number is, and with which others it errs together (Laplace).

    Numbers that may not move have no uncertainty.
    """
    bend = _sum(state, terms).bend
    held = _held(state, torch.zeros_like(bend[:, 0]), limits)
    sure = torch.diag_embed(torch.full_like(bend[:, 0], LEAST_BEND))
    found: Tensor = torch.linalg.inv(_frozen(bend, held) + sure)
    loose = (~held).to(found)
    return found * loose[:, :, None] * loose[:, None]


def _sum(state: State, terms: Sequence[Term]) -> Quadratic:
    whole = terms[0].quadratic(state)
    for term in terms[1:]:
        whole = whole + term.quadratic(state)
    return whole


def _step(state: State, now: Quadratic, damping: Tensor, limits: Limits) -> Float[Tensor, "b p"]:
    """Return a damped step; where it is too long for one of the pose's numbers, a shorter one."""
    held = _held(state, now.slope, limits)
    bend = _frozen(now.bend, held)
    diagonal = bend.diagonal(dim1=1, dim2=2)
    bend = bend + torch.diag_embed(diagonal * damping[:, None] + LEAST_BEND)
    slope = torch.where(held, 0.0, now.slope)
    step: Tensor = -torch.linalg.solve(bend, slope)
    turn = step[:, :3].norm(dim=1) / LONGEST_TURN
    ratio = step[:, 5:7].abs().amax(1) / LONGEST_RATIO
    return step / torch.maximum(turn, ratio).clamp_min(1)[:, None]


def _held(state: State, slope: Tensor, limits: Limits) -> Bool[Tensor, "b p"]:
    """Return which numbers stay: those that are not free, and those that press against a limit."""
    shape = slope[:, POSE : POSE + state.shape.shape[1]]
    pressed = ((state.shape <= limits.low) & (shape >= 0)) | ((state.shape >= limits.high) & (shape <= 0))
    held = ~limits.free.expand_as(slope).clone()
    held[:, POSE : POSE + state.shape.shape[1]] |= pressed
    return held


def _frozen(bend: Tensor, held: Tensor) -> Tensor:
    loose = (~held).to(bend)
    return bend * loose[:, :, None] * loose[:, None] + torch.diag_embed(held.to(bend))


def _inside(state: State, limits: Limits) -> State:
    shape = torch.minimum(torch.maximum(state.shape, limits.low), limits.high)
    return replace(state, shape=shape)


def _chosen(one: Quadratic, other: Quadratic, where: Tensor) -> Quadratic:
    return Quadratic(
        cost=torch.where(where, one.cost, other.cost),
        slope=torch.where(where[:, None], one.slope, other.slope),
        bend=torch.where(where[:, None, None], one.bend, other.bend),
    )
