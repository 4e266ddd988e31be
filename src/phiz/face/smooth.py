"""Curves through measurements, smooth without lag, over gaps as well.

Whittaker's smoother (1923): the curve that is near the measurements and whose second differences are small.
It looks at both sides of each moment, so nothing comes later than it was; what is missing has no weight and
is drawn through.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

FAINT, FIRM = 1e-4, 0.3
"""Weights of what is only assumed: straight lines over gaps, and that nothing moves before and after all."""


def smoothed(
    values: Float[Tensor, "t c"], weights: Float[Tensor, " t"], cutoff_hz: Float[Tensor, " c"], fps: float
) -> Float[Tensor, "t c"]:
    """Return curves of which motion slower than `cutoff_hz` is left, half of it at that rate.

    `weights` say how far each moment is to be trusted, 0 not at all. A cutoff that the frames cannot show,
    half of their rate or more, leaves measured moments as they are.
    """
    known = weights > 0
    if not bool(known.any()):
        raise ValueError("nothing to smooth: no moment has a weight")
    target = bridged(values, known).double().numpy()
    places = torch.arange(len(known))
    first, last = int(places[known][0]), int(places[known][-1])
    assumed = torch.where((places < first) | (places > last), FIRM, FAINT).double()
    weight = torch.where(known, weights.double(), assumed).numpy()
    strength = np.array([_strength(float(hz), fps) for hz in cutoff_hz])
    found = _solve(target, weight, strength)
    return torch.from_numpy(found).to(values)


def bridged(values: Float[Tensor, "t c"], known: Float[Tensor, " t"] | Tensor) -> Float[Tensor, "t c"]:
    """Return values with straight lines over what is not known, and the nearest before and after all."""
    places = torch.arange(len(values)).numpy()
    there = known.numpy().astype(bool)
    columns = [np.interp(places, places[there], column[there]) for column in values.double().numpy().T]
    return torch.from_numpy(np.stack(columns, axis=1)).to(values)


def _strength(cutoff_hz: float, fps: float) -> float:
    """Return how much second differences count, so that half of a wave of that rate is left."""
    if cutoff_hz >= fps / 2:
        return 0.0
    return 1 / (2 * math.sin(math.pi * cutoff_hz / fps)) ** 4


def _solve(
    target: NDArray[np.float64], weight: NDArray[np.float64], strength: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the solution of (W + strength D'D) x = W target, D being second differences, for each column.

    The matrix has five diagonals; it is factorised and solved from one end to the other and back, all columns
    side by side.
    """
    count, columns = target.shape
    if count < 3:
        return target
    second = np.zeros((3, count))  # diagonals of D'D: 0, 1 and 2 beside the main one
    for offset, taps in ((0, (1.0, 4.0, 1.0)), (1, (-2.0, -2.0)), (2, (1.0,))):
        for k, tap in enumerate(taps):
            second[offset, k : k + count - 2] += tap
    main = weight[:, None] + second[0][:, None] * strength
    one, two = second[1][:, None] * strength, second[2][:, None] * strength
    pivot, below, beneath = np.empty((count, columns)), np.zeros((count, columns)), np.zeros((count, columns))
    partial = weight[:, None] * target
    for k in range(count):
        pivot[k] = main[k]
        if k >= 1:
            pivot[k] -= below[k - 1] ** 2 * pivot[k - 1]
            partial[k] -= below[k - 1] * partial[k - 1]
        if k >= 2:
            pivot[k] -= beneath[k - 2] ** 2 * pivot[k - 2]
            partial[k] -= beneath[k - 2] * partial[k - 2]
        edge = one[k].copy()
        if k >= 1:
            edge -= below[k - 1] * beneath[k - 1] * pivot[k - 1]
        below[k] = edge / pivot[k]
        beneath[k] = two[k] / pivot[k]
    found = partial / pivot
    for k in range(count - 2, -1, -1):
        found[k] -= below[k] * found[k + 1]
        if k + 2 < count:
            found[k] -= beneath[k] * found[k + 2]
    return found
