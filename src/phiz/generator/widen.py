"""A generator with more channels that draws what a narrower one drew: training goes on where it was.

Old channels keep their weights and see nothing of the new ones, which begin at random; the weights that lead
from new channels to old ones begin at zero and learn (as in Net2Net, Chen et al., 2016). Where a layer
divides by the number of its inputs, its old weights grow by as much.
"""

from __future__ import annotations

import math

from jaxtyping import Shaped
from torch import Tensor, nn

from phiz.generator.generator import Generator
from phiz.layers.equalized import EqualConv, EqualLinear
from phiz.layers.modulated import StyledLayer

PLANES = 3


def widen(wide: Generator, narrow: Generator) -> None:
    """Give a new generator the weights of one that has as many layers and no more channels.

    A ValueError says which weights do not fit.
    """
    own, other = wide.state_dict(), narrow.state_dict()
    if own.keys() != other.keys():
        strange = sorted(own.keys() ^ other.keys())
        raise ValueError(f"these are weights of one of them only: {', '.join(strange[:5])}")
    kinds = dict(wide.named_modules())
    for key, target in own.items():
        home, _, name = key.rpartition(".")
        value = other[key]
        if value.ndim != target.ndim or any(a > b for a, b in zip(value.shape, target.shape, strict=True)):
            raise ValueError(f"{key} is {tuple(target.shape)}, which has no room for {tuple(value.shape)}")
        gain = _gain(kinds[home], name, target, value)
        embed(target, value * gain, *_parts(wide, home, name), is_matrix=name == "weight")


def embed(
    target: Shaped[Tensor, "..."],
    value: Shaped[Tensor, "..."],
    outputs: int = 1,
    inputs: int = 1,
    *,
    is_matrix: bool,
) -> None:
    """Write a value into the first corner of a larger one, or into that of each of its parts."""
    if not target.ndim:
        target.copy_(value)
        return
    for part, old in zip(target.chunk(outputs), value.chunk(outputs), strict=True):
        if is_matrix:
            part[: len(old)] = 0
        pairs = zip(part.chunk(inputs, 1), old.chunk(inputs, 1), strict=True) if is_matrix else [(part, old)]
        for one, other in pairs:
            one[tuple(slice(size) for size in other.shape)] = other


def _parts(generator: Generator, home: str, name: str) -> tuple[int, int]:
    """Return of how many maps side by side a layer's outputs are, and its inputs."""
    if home.startswith("foreground.planes.") and home.endswith(".colour") and name in ("weight", "bias"):
        return PLANES, 1
    is_pair = generator.config.upsampling == "nn_cat" and home.endswith(".adapter.0") and name == "weight"
    return 1, 2 if is_pair else 1


def _gain(module: nn.Module, name: str, target: Tensor, value: Tensor) -> float:
    """Return what makes up for a layer that divides by the root of the number of its inputs."""
    divides = isinstance(module, EqualLinear | EqualConv) or (
        isinstance(module, StyledLayer) and not module.is_demodulated
    )
    if not divides or name != "weight":
        return 1.0
    return math.sqrt(target[0].numel() / value[0].numel())
