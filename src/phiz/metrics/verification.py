"""Are two pictures of one person? How often a recogniser is right about pairs, and at what price.

The protocol of the published recognisers: the embedding of a picture and that of its mirror image are added;
the distance of a pair is the squared length between the two made unit, from 0 to 4.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from phiz.face.identity.networks import AT_ONCE, embed, unit
from phiz.metrics.pairs import Pairs

Row = Float[npt.NDArray[np.float64], " n"]
Levels = Float[npt.NDArray[np.float64], " t"]
Claims = Bool[npt.NDArray[np.bool_], " n"]

FOLDS = 10
COARSE = np.arange(0, 4, 0.01)
"""Thresholds among which the one of the accuracy is looked for."""
FINE = np.arange(0, 4, 0.001)
"""Those of the acceptance at a rate of false ones."""
FALSE_RATE = 1e-3


@dataclass(frozen=True, kw_only=True)
class Verification:
    """How well pairs are told apart."""

    accuracy: float
    """Share of pairs that are judged rightly by thresholds found on others: the mean of ten folds."""
    spread: float
    """Standard deviation of it over the folds."""
    accepted: float
    """Share of true pairs that are accepted where one in a thousand false ones is."""
    accepted_spread: float
    accepted_false: float
    """Share of false pairs that really were accepted then."""
    area: float
    """Area under the curve of accepted true pairs over accepted false ones."""
    length: float
    """Mean length of embeddings before they are made unit, mirror images included."""

    def numbers(self) -> dict[str, float]:
        """Return them by name, for logs."""
        return {
            "accuracy": self.accuracy,
            "accuracy_std": self.spread,
            "tar_at_far_1e-3": self.accepted,
            "far": self.accepted_false,
            "auc": self.area,
            "length": self.length,
        }


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Shares of pairs that are accepted, from the strictest threshold to the most lenient."""

    thresholds: Row
    """Scores from which on pairs are accepted."""
    false: Row
    """Share of the false pairs."""
    true: Row
    """Share of the true pairs."""

    @property
    def area(self) -> float:
        """Return the area below: the chance that a true pair scores more than a false one."""
        return float((np.diff(self.false) * (self.true[1:] + self.true[:-1]) / 2).sum())

    def true_at(self, rates: Sequence[float]) -> list[float]:
        """Return the share of true pairs at shares of false ones, along lines between the points."""
        return [float(np.interp(rate, *_highest(self.false, self.true))) for rate in rates]

    def nearest(self, rates: Sequence[float]) -> list[float]:
        """Return the share of true pairs where that of false ones is nearest; the best of equals."""
        found = []
        for rate in rates:
            away = np.abs(self.false - rate)
            found.append(float(self.true[away == away.min()].max()))
        return found


def verify(
    network: nn.Module, pairs: Pairs, *, device: torch.device | None = None, at_once: int = AT_ONCE
) -> Verification:
    """Return how well a recogniser tells pairs apart; it has to be in evaluation mode."""
    plain, mirrored = [], []
    for crops in pairs.batches(at_once):
        given = crops if device is None else crops.to(device)
        plain.append(embed(network, given, at_once=at_once).cpu())
        mirrored.append(embed(network, given.flip(-1), at_once=at_once).cpu())
    return judge(torch.cat(plain), torch.cat(mirrored), pairs.are_same)


def judge(plain: Float[Tensor, "n2 e"], mirrored: Float[Tensor, "n2 e"], are_same: Claims) -> Verification:
    """Return how well pairs are told apart whose embeddings follow each other, two by two."""
    away = distances(unit((plain + mirrored).double()))
    folds = accuracies(away, are_same)
    accepted = np.array(list(acceptances(away, are_same)))
    lengths = torch.cat([plain, mirrored]).double().norm(dim=1)
    return Verification(
        accuracy=float(folds.mean()),
        spread=float(folds.std()),
        accepted=float(accepted[:, 0].mean()),
        accepted_spread=float(accepted[:, 0].std()),
        accepted_false=float(accepted[:, 1].mean()),
        area=curve(-away, are_same).area,
        length=float(lengths.mean()),
    )


def distances(embeddings: Float[Tensor, "n2 e"]) -> Row:
    """Return the squared distances of embeddings that follow each other, two by two."""
    found: Row = (embeddings[0::2] - embeddings[1::2]).square().sum(1).cpu().double().numpy()
    return found


def accuracies(
    away: Row, are_same: Claims, *, folds: int = FOLDS, thresholds: Levels = COARSE
) -> Float[npt.NDArray[np.float64], " f"]:
    """Return the share of pairs of each fold that the best threshold of the other folds judges rightly."""
    is_right = (away[:, None] < thresholds) == are_same[:, None]
    found = []
    for others, held_out in _folds(len(away), folds):
        best = int(is_right[others].mean(0).argmax())  # the first of equals
        found.append(is_right[held_out, best].mean())
    return np.array(found)


def rates(
    away: Row, are_same: Claims, *, folds: int = FOLDS, thresholds: Levels = COARSE
) -> tuple[Levels, Levels]:
    """Return the shares of true and of false pairs below each threshold: the means over the folds."""
    is_near = away[:, None] < thresholds
    parts = [held_out for _, held_out in _folds(len(away), folds)]
    true = [_share(is_near[part], are_same[part]) for part in parts]
    false = [_share(is_near[part], ~are_same[part]) for part in parts]
    return np.mean(true, axis=0), np.mean(false, axis=0)


def acceptances(
    away: Row,
    are_same: Claims,
    *,
    rate: float = FALSE_RATE,
    folds: int = FOLDS,
    thresholds: Levels = FINE,
) -> Iterator[tuple[float, float]]:
    """Yield for each fold which share of its true and of its false pairs is accepted.

    The threshold is that at which the other folds accept the share `rate` of false pairs, on a line
    between the two thresholds around it. Where even the most lenient accepts fewer, none is accepted.
    """
    for others, held_out in _folds(len(away), folds):
        false = _share(away[others, None] < thresholds, ~are_same[others])
        yield accepted(away[held_out], are_same[held_out], _threshold(false, rate, thresholds))


def accepted(away: Row, are_same: Claims, threshold: float) -> tuple[float, float]:
    """Return which share of true pairs, and which of false ones, lies below a threshold."""
    is_near = (away < threshold)[:, None]
    return float(_share(is_near, are_same)[0]), float(_share(is_near, ~are_same)[0])


def curve(scores: Row, are_same: Claims) -> Curve:
    """Return the curve of pairs whose score is the larger the more alike they are; it begins at none."""
    order = np.argsort(-scores, kind="stable")
    ranked, claims = scores[order], are_same[order]
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)  # pairs of one score go together
    true, false = np.cumsum(claims)[last], np.cumsum(~claims)[last]
    return Curve(
        thresholds=np.append(np.inf, ranked[last]),
        false=np.append(0.0, false / max(false[-1], 1)),
        true=np.append(0.0, true / max(true[-1], 1)),
    )


def _threshold(false: Levels, rate: float, thresholds: Levels) -> float:
    """Return where a share that never falls reaches `rate`, 0 if it does nowhere."""
    if false[-1] < rate:
        return 0.0
    above = int(np.argmax(false > rate)) if (false > rate).any() else len(false) - 1
    below = max(above - 1, 0)
    if false[above] <= false[below]:
        return float(thresholds[above])
    along = (rate - false[below]) / (false[above] - false[below])
    return float(thresholds[below] + along * (thresholds[above] - thresholds[below]))


def _share(is_near: Bool[npt.NDArray[np.bool_], "n t"], claims: Claims) -> Levels:
    """Return which share of the claimed pairs is near, for each threshold; 0 where there are none."""
    found: Levels = is_near[claims].sum(0) / max(int(claims.sum()), 1)
    return found


def _folds(count: int, folds: int) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Yield the places of all other folds and those of each; folds are neighbours, the first ones larger."""
    if count < folds:
        raise ValueError(f"{count} pairs do not make {folds} folds; give more pairs")
    parts = np.array_split(np.arange(count), folds)
    for number, part in enumerate(parts):
        yield np.concatenate(parts[:number] + parts[number + 1 :]), part


def _highest(false: Row, true: Row) -> tuple[Levels, Levels]:
    """Return a curve without its vertical pieces but their upper ends."""
    is_last = np.append(np.diff(false) > 0, True)
    return false[is_last], true[is_last]
