"""Whether lips fit the sound, in numbers: with a judge of sound and mouth, or against curves that are true.

Offset, confidence and distance are defined as for LSE-D and LSE-C ("Out of time: automated lip sync in the
wild", Chung and Zisserman, 2016; "A Lip Sync Expert Is All You Need", Prajwal et al., 2020): the distances
between mouth and sound, shifted against each other by up to 15 frames, are averaged over a film. The least is
the distance, the shift where it lies the offset, and how far it lies below the median the confidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from phiz.speech.published_sync import PixelSyncNet, pixel_distances, pixel_points
from phiz.speech.sync_network import SyncNet
from phiz.speech.windows import FPS

REACH = 15
"""Frames by which mouth and sound are shifted against each other, at most."""
SHUT = 0.06
"""Lips that are less apart than this, in weights of ARKit, are taken for shut."""
APART = {"jawOpen": 1.0, "mouthClose": -1.0, "mouthLowerDown": 0.25, "mouthUpperUp": 0.25}
"""How curves move lips apart; of a left and a right one the mean counts."""


@dataclass(frozen=True, kw_only=True)
class Sync:
    """How well a film's mouth and sound fit."""

    offset: float
    """Frames by which the mouth is late, with fractions; below zero it is early."""
    whole: int
    """The same in whole frames, as published."""
    distance: float
    """LSE-D: less is better."""
    confidence: float
    """LSE-C: more is better."""

    @property
    def milliseconds(self) -> float:
        """By how much the mouth is late."""
        return 1000 * self.offset / FPS


def shifted_distances(
    mouth: Float[Tensor, "t d"], sound: Float[Tensor, "t d"], reach: int = REACH
) -> Float[Tensor, "t k"]:
    """Return how far each frame's sound is from the mouth `reach` frames before it to `reach` after it.

    Where there is no such frame, it is NaN.
    """
    frames = len(sound)
    places = torch.arange(frames)[:, None] + torch.arange(-reach, reach + 1)
    inside = (places >= 0) & (places < frames)
    there = mouth[places.clamp(0, max(frames - 1, 0))]
    apart = (there - sound[:, None]).norm(dim=2)
    found: Tensor = apart.masked_fill(~inside.to(apart.device), torch.nan)
    return found


def judged(distances: Float[Tensor, "t k"]) -> Sync:
    """Return what the distances at each shift, averaged over frames, say about offset and fit."""
    means = distances.nanmean(dim=0)
    if not means.isfinite().all():
        reach = distances.shape[1] // 2
        raise ValueError(f"{len(distances)} frames are too few to be shifted by {reach}; give a longer film")
    best = int(means.argmin())
    reach = len(means) // 2
    return Sync(
        offset=best - reach + summit(-means, best),
        whole=best - reach,
        distance=float(means[best]),
        confidence=float(means.median() - means[best]),
    )


@torch.no_grad()
def sync_of(
    network: SyncNet,
    windows: Float[Tensor, "t 1 80 16"],
    curves: Float[Tensor, "t c"],
    reach: int = REACH,
) -> Sync:
    """Return how well curves (those that the network reads, in its order) fit a sound."""
    sound, mouth = network(windows[None], curves[None])
    return judged(shifted_distances(mouth[0], sound[0], reach))


def pixel_sync(
    network: PixelSyncNet, frames: Float[Tensor, "t 3 224 224"], waveform: Float[Tensor, " n"]
) -> Sync:
    """Return how well a film fits its sound as the published judge sees it: the LSE-D and LSE-C of tables.

    Frames are 25 a second, cut to the face and from -1 to 1; sound has 16 000 samples a second.
    """
    return judged(pixel_distances(*pixel_points(network, frames, waveform)))


def span_offsets(distances: Float[Tensor, "t k"], frames: int) -> Float[Tensor, " n"]:
    """Return the offset of each span of so many frames, one after another; what is left over is dropped.

    Frames for which a shift is missing are left out.
    """
    whole = distances[distances.isfinite().all(dim=1)]
    spans = whole[: len(whole) // frames * frames].reshape(-1, frames, distances.shape[1])
    return torch.tensor([judged(span).offset for span in spans])


def summit(values: Float[Tensor, " k"], best: int) -> float:
    """Return how far beside its highest value the top of a curve lies: that of a parabola through three."""
    if not 0 < best < len(values) - 1:
        return 0.0
    before, here, after = (float(values[best + step]) for step in (-1, 0, 1))
    bend = before - 2 * here + after
    return 0.0 if bend >= 0 else max(-0.5, min(0.5, 0.5 * (before - after) / bend))


@dataclass(frozen=True, kw_only=True)
class Following:
    """How a curve follows a true one."""

    correlation: float
    """At the best lag."""
    lag: float
    """Frames by which it is late, with fractions."""

    @property
    def milliseconds(self) -> float:
        """By how much it is late."""
        return 1000 * self.lag / FPS


def following(told: Float[Tensor, " t"], truth: Float[Tensor, " t"], reach: int = REACH) -> Following:
    """Return how well a curve follows a true one, and how late; one that never moves does not follow."""
    frames = len(truth)
    if len(told) != frames or frames < reach + 2:
        raise ValueError(f"{len(told)} and {frames} frames cannot be compared when shifted by {reach}")
    found = []
    for lag in range(-reach, reach + 1):
        late, early = told[max(lag, 0) : frames + min(lag, 0)], truth[max(-lag, 0) : frames - max(lag, 0)]
        found.append(_correlation(late, early))
    values = torch.tensor(found)
    best = int(values.argmax())
    return Following(
        correlation=float(values[best]), lag=0.0 if not values.any() else best - reach + summit(values, best)
    )


def lips_apart(curves: Float[Tensor, "t e"], names: Sequence[str]) -> Float[Tensor, " t"]:
    """Return how far lips are apart by curves with ARKit's names; 0 is shut, and a jaw's width open is 1."""
    total = curves.new_zeros(len(curves))
    for name, weight in APART.items():
        there = [k for k, one in enumerate(names) if one in (name, f"{name}Left", f"{name}Right")]
        if there:
            total = total + weight * curves[:, there].mean(dim=1)
    return total.clamp(min=0)


def closure_recall(
    apart: Float[Tensor, " t"],
    closed: Bool[Tensor, " t"],
    *,
    shut: float = SHUT,
    slack: int = 1,
) -> tuple[int, int]:
    """Return at how many of the closures (/p/, /b/, /m/) lips are shut, and how many there are.

    A closure is a run of frames; lips are shut if they are so in one of them, or `slack` frames beside.
    """
    if len(apart) != len(closed):
        raise ValueError(f"{len(apart)} frames of lips and {len(closed)} labels do not fit")
    edges = closed.int().diff(prepend=closed.new_zeros(1).int(), append=closed.new_zeros(1).int())
    starts, ends = (torch.nonzero(edges == sign)[:, 0].tolist() for sign in (1, -1))
    hits = sum(
        bool((apart[max(start - slack, 0) : end + slack] < shut).any())
        for start, end in zip(starts, ends, strict=True)
    )
    return hits, len(starts)


def viseme_shapes(
    curves: Float[Tensor, "t e"], visemes: Int[Tensor, " t"], count: int
) -> Float[Tensor, "v e"]:
    """Return the mean curves of each class of sounds; infinite where there is none of it."""
    sums = curves.new_zeros(count, curves.shape[1]).index_add(0, visemes, curves)
    seen = torch.bincount(visemes, minlength=count)
    return torch.where(seen[:, None] > 0, sums / seen.clamp(min=1)[:, None], torch.inf)


def nearest_viseme(curves: Float[Tensor, "t e"], shapes: Float[Tensor, "v e"]) -> Int[Tensor, " t"]:
    """Return the class of sounds that each frame looks most like."""
    usable = shapes.isfinite().all(dim=1)
    apart = torch.cdist(curves, shapes.nan_to_num(posinf=0.0))
    return apart.masked_fill(~usable, torch.inf).argmin(dim=1)


def confusion(told: Int[Tensor, " t"], truth: Int[Tensor, " t"], count: int) -> Int[Tensor, "v v"]:
    """Return how many frames of each class (rows) were told as which (columns)."""
    return torch.bincount(truth * count + told, minlength=count * count).reshape(count, count)


def _correlation(a: Tensor, b: Tensor) -> float:
    a, b = a.double() - a.double().mean(), b.double() - b.double().mean()
    size = float(a.norm() * b.norm())
    return float(a @ b) / size if size > 1e-9 else 0.0
