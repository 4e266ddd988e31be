"""Mean and covariance of features that arrive in batches, on one rank or on many."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Moments:
    """What is known about features after some of them, in double precision."""

    count: int
    mean: Float64[Tensor, " n"]
    scatter: Float64[Tensor, "n n"]
    """Sum of the outer products of the deviations from the mean."""

    @property
    def covariance(self) -> Float64[Tensor, "n n"]:
        """The unbiased one."""
        if self.count < 2:
            raise ValueError(f"a covariance takes two or more pictures, not {self.count}; give more")
        return self.scatter / (self.count - 1)


def empty(size: int) -> Moments:
    """Return the moments of no features."""
    return Moments(
        count=0,
        mean=torch.zeros(size, dtype=torch.float64),
        scatter=torch.zeros(size, size, dtype=torch.float64),
    )


def of(features: Float[Tensor, "b n"]) -> Moments:
    """Return the moments of a batch, where it is (on the CPU if it comes from a device without doubles)."""
    exact = (features.cpu() if features.device.type == "mps" else features).double()
    if not len(exact):
        return empty(exact.shape[1])
    mean = exact.mean(0)
    away = exact - mean
    return Moments(count=len(exact), mean=mean, scatter=away.T @ away)


def merge(a: Moments, b: Moments) -> Moments:
    """Return the moments of both together (Chan et al., 1979); nothing is lost by the order."""
    count = a.count + b.count
    if not count:
        return a
    b_mean, b_scatter = b.mean.to(a.mean.device), b.scatter.to(a.mean.device)
    step = b_mean - a.mean
    between = torch.outer(step, step) * (a.count * b.count / count)
    return Moments(
        count=count, mean=a.mean + step * (b.count / count), scatter=a.scatter + b_scatter + between
    )


def pack(moments: Moments) -> Float64[Tensor, " k"]:
    """Return moments as one row of numbers, for ranks to gather."""
    count = moments.mean.new_tensor([float(moments.count)])
    return torch.cat([count, moments.mean, moments.scatter.flatten()])


def unpack(row: Float64[Tensor, " k"], size: int) -> Moments:
    """Return the moments of `size` features that were packed into a row."""
    scatter = row[1 + size :].reshape(size, size)
    return Moments(count=round(float(row[0])), mean=row[1 : 1 + size], scatter=scatter)
