"""How well a set of made pictures stands for a set of real ones: FID, KID, precision and recall.

All are distances between clouds of features. Whoever quotes one has to say which features: numbers from
the built-in filters carry ``_builtin`` in their names and can be compared with each other only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.layers import filters, inception
from phiz.metrics import moments
from phiz.metrics.moments import Moments

BLOCK = 1024
"""Rows that are compared at once; memory grows with this times the number of pictures."""


@dataclass(frozen=True, kw_only=True)
class FeatureExtractor:
    """Pictures to features, with the words that numbers from them have to carry."""

    label: str
    suffix: str
    """What is added to the name of every number."""
    extract: Callable[[Tensor], Tensor]


BUILT_IN = FeatureExtractor(
    label=filters.BUILT_IN_FEATURES, suffix="_builtin", extract=filters.picture_features
)


def choose_extractor(weights: Path | None, device: torch.device | str = "cpu") -> FeatureExtractor:
    """Return the extractor of the user's Inception weights, or the built-in one where there are none."""
    if weights is None:
        return BUILT_IN
    network = inception.load_inception(weights).to(device)
    return FeatureExtractor(label=inception.INCEPTION_FEATURES, suffix="", extract=network)


@dataclass(frozen=True, kw_only=True)
class Features:
    """The features of a set of pictures."""

    label: str
    suffix: str
    values: Float[Tensor, "m n"]


@torch.no_grad()
def extract(batches: Iterable[Float[Tensor, "_ 3 _ _"]], extractor: FeatureExtractor) -> Features:
    """Return the features of batches of pictures, on the CPU.

    Pictures are rounded to bytes before, as those in files have been; all have to be of one size.
    """
    values, size = [], None
    for images in batches:
        if size not in (None, images.shape[-2:]):
            raise ValueError(
                f"pictures of {tuple(images.shape[-2:])} follow others of {size}; resize them before"
            )
        size = images.shape[-2:]
        values.append(extractor.extract(as_stored(images)).float().cpu())
    if not values:
        raise ValueError("there are no pictures to take features of; give at least one batch")
    return Features(label=extractor.label, suffix=extractor.suffix, values=torch.cat(values))


def as_stored(images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
    """Return pictures as a file of bytes would give them back."""
    return ((images.float().clamp(-1, 1) + 1) * 127.5).round() / 127.5 - 1


@dataclass(frozen=True, kw_only=True)
class Fidelity:
    """How well made pictures stand for real ones."""

    label: str
    """Which features the numbers rest on."""
    suffix: str
    real: int
    made: int
    """How many pictures there were of each."""
    fid: float
    kid: float
    kid_error: float
    """Standard error of `kid`."""
    precision: float
    """Share of the made pictures that could be real."""
    recall: float
    """Share of the real pictures that could have been made."""

    def numbers(self) -> dict[str, float]:
        """Return the numbers by the names that a report may give them."""
        named = {name: getattr(self, name) for name in ("fid", "kid", "kid_error", "precision", "recall")}
        return {f"{name}{self.suffix}": float(value) for name, value in named.items()}

    def words(self) -> str:
        """Return one line for a report."""
        listed = ", ".join(f"{name} {value:.4g}" for name, value in self.numbers().items())
        return f"{listed}; {self.made} made against {self.real} real pictures; features: {self.label}"


def compare(real: Features, made: Features, generator: torch.Generator) -> Fidelity:
    """Return all the numbers for two sets of features of one kind; chance chooses the subsets of KID."""
    if real.label != made.label:
        raise ValueError(f"features of two kinds cannot be compared: {real.label!r} and {made.label!r}")
    kid = kernel_distance(real.values, made.values, generator)
    precision, recall = precision_recall(real.values, made.values)
    return Fidelity(
        label=real.label,
        suffix=real.suffix,
        real=len(real.values),
        made=len(made.values),
        fid=frechet_distance(moments.of(real.values), moments.of(made.values)),
        kid=kid.value,
        kid_error=kid.error,
        precision=precision,
        recall=recall,
    )


def frechet_distance(a: Moments, b: Moments) -> float:
    """Return the squared Wasserstein distance of the two normal distributions (Heusel et al., 2017).

    The root of the product of the covariances has the trace of that of ``A^(1/2) B A^(1/2)``, which is
    symmetric, so eigenvalues are all it takes, also where there are fewer pictures than features.
    """
    values, vectors = torch.linalg.eigh(a.covariance)
    root = (vectors * _true_parts(values).sqrt()) @ vectors.T
    product = root @ b.covariance.to(root.device) @ root
    shared = _true_parts(torch.linalg.eigvalsh((product + product.T) / 2)).sqrt().sum()
    apart = (a.mean - b.mean.to(root.device)).square().sum()
    distance = apart + a.covariance.trace() + b.covariance.trace().to(root.device) - 2 * shared
    return max(float(distance), 0.0)


def _true_parts(values: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Return eigenvalues, those that are nothing but rounding set to zero; roots would make them large."""
    noise = values.abs().amax() * len(values) * torch.finfo(values.dtype).eps
    return torch.where(values > noise, values, 0)


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number and its standard error."""

    value: float
    error: float


def kernel_distance(
    a: Float[Tensor, "m n"],
    b: Float[Tensor, "k n"],
    generator: torch.Generator,
    *,
    subsets: int = 100,
    subset: int = 1000,
    most: int = 10_000,
    block: int = BLOCK,
) -> Estimate:
    """Return KID: the squared distance of two distributions under the kernel ``(x.y / n + 1)^3``, unbiased.

    The mean over random subsets (Binkowski et al., 2018), of half the smaller set where it is small. Of
    sets beyond `most` a random part is used: it has as many pairs as the subsets together. All
    subsets are summed in one pass over the kernel, block by block. The error counts both the
    choice of the subsets and that of the pictures (a jackknife that leaves out half or more); for equal
    distributions, where KID varies less than it assumes, it is up to 1.7 times too large.
    """
    a, b = (_some(x, most, generator) for x in (a, b))
    smaller = min(len(a), len(b))
    if smaller < 4:
        raise ValueError(f"KID takes four or more pictures a set, not {smaller}; give more")
    size = min(subset, smaller // 2)
    in_a, in_b = (_choices(len(x), size, subsets, generator).to(x) for x in (a, b))
    # A constant taken off the kernel cancels out; this one keeps sums small, and so exact.
    middle = a.mean(0)
    base = float((middle.dot(middle) / a.shape[1] + 1) ** 3)
    within = _inner_sums(a, in_a, base, block) + _inner_sums(b, in_b, base, block)
    across = _block_sums(a, b, in_a, in_b, base, block)
    each = within / (size * (size - 1)) - 2 * across / size**2
    share = 1 / subsets + size / (smaller - size)
    return Estimate(value=float(each.mean()), error=math.sqrt(float(each.var()) * share))


def _some(x: Float[Tensor, "m n"], most: int, generator: torch.Generator) -> Float[Tensor, "k n"]:
    if len(x) <= most:
        return x
    return x[torch.randperm(len(x), generator=generator)[:most].to(x.device)]


def _choices(count: int, size: int, subsets: int, generator: torch.Generator) -> Float[Tensor, "s m"]:
    """Return for each subset 1 at its members."""
    chosen = torch.rand(subsets, count, generator=generator).argsort(1)[:, :size]
    return torch.zeros(subsets, count).scatter_(1, chosen, 1.0)


def _kernel(x: Float[Tensor, "r n"], y: Float[Tensor, "m n"], base: float) -> Float[Tensor, "r m"]:
    return (x @ y.T / x.shape[1] + 1) ** 3 - base


def _inner_sums(
    x: Float[Tensor, "m n"], chosen: Float[Tensor, "s m"], base: float, block: int
) -> Float[Tensor, " s"]:
    """Return the sum of the kernel over the pairs of each subset's members, none with itself."""
    itself = (x.square().sum(1) / x.shape[1] + 1) ** 3 - base
    return _block_sums(x, x, chosen, chosen, base, block) - (chosen @ itself).double()


def _block_sums(
    x: Float[Tensor, "m n"],
    y: Float[Tensor, "k n"],
    in_x: Float[Tensor, "s m"],
    in_y: Float[Tensor, "s k"],
    base: float,
    block: int,
) -> Float[Tensor, " s"]:
    """Return the sum of the kernel over the pairs of each subset."""
    total = torch.zeros(
        len(in_x), dtype=torch.float64 if x.device.type != "mps" else x.dtype, device=x.device
    )
    for rows in _blocks(len(x), block):
        rowwise = _kernel(x[rows], y, base) @ in_y.T  # (r, s)
        total += (rowwise * in_x[:, rows].T).to(total.dtype).sum(0)
    return total


def precision_recall(
    real: Float[Tensor, "m n"], made: Float[Tensor, "k n"], *, nearest: int = 3, block: int = BLOCK
) -> tuple[float, float]:
    """Return the shares of made pictures among the real ones and of real among the made ones.

    Among means: no farther from one of them than that one's `nearest`-th neighbour in its own set
    (Kynkaanniemi et al., 2019).
    """
    if min(len(real), len(made)) <= nearest:
        raise ValueError(f"{nearest} neighbours take more than {nearest} pictures a set; give more")
    middle = real.mean(0)  # distances do not change, but lose less to rounding
    real, made = real - middle, made - middle
    precision = _share_among(made, real, _reach(real, nearest, block), block)
    return precision, _share_among(real, made, _reach(made, nearest, block), block)


def _reach(x: Float[Tensor, "m n"], nearest: int, block: int) -> Float[Tensor, " m"]:
    """Return the squared distance from each point to its `nearest`-th neighbour."""
    near = [
        _squared_distances(x[rows], x).topk(nearest + 1, largest=False).values[:, -1]
        for rows in _blocks(len(x), block)
    ]
    return torch.cat(near)


def _share_among(
    x: Float[Tensor, "m n"], among: Float[Tensor, "k n"], reach: Float[Tensor, " k"], block: int
) -> float:
    found = sum(
        int((_squared_distances(x[rows], among) <= reach).any(1).sum()) for rows in _blocks(len(x), block)
    )
    return found / len(x)


def _squared_distances(x: Float[Tensor, "r n"], y: Float[Tensor, "m n"]) -> Float[Tensor, "r m"]:
    lengths = x.square().sum(1)[:, None] + y.square().sum(1)
    return torch.addmm(lengths, x, y.T, alpha=-2).clamp_(min=0)


def _blocks(count: int, block: int) -> Iterator[slice]:
    yield from (slice(start, start + block) for start in range(0, count, block))
