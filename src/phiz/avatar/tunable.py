"""What of a generator is tuned for one person: all that reads planes, and what is added to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from phiz.generator.field import PlainLayer, PreparedField
from phiz.generator.generator import Generator, Prepared

FADED = 4
"""The coarsest map that is added to the planes has this many times fewer rows; the next is twice as fine."""


def own_parameters(generator: Generator) -> list[tuple[str, torch.nn.Parameter]]:
    """Return what is tuned of a generator, by name: no mapping, nothing that paints planes or reads w."""
    left_out = ("mapping.", "foreground.planes.")
    return [
        (name, parameter)
        for name, parameter in generator.named_parameters()
        if not name.startswith(left_out) and ".style." not in name
    ]


def drawn_by(
    generator: Generator,
    w: Float[Tensor, "1 n w"],
    painted: Float[Tensor, "1 3 c h2 w2"] | None,
    background: Float[Tensor, "1 l"] | None,
) -> Prepared:
    """Return a person in styles; planes that are painted already are not painted again."""
    config, foreground = generator.config, generator.foreground
    if painted is None or config.colour != "extra" or (background is None and generator.background):
        return generator.prepare(w, background)
    plain = [cast(PlainLayer, layer).folded() for layer in foreground.layers]
    density, outputs = (cast(PlainLayer, x).folded() for x in (foreground.density, foreground.features))
    behind = None
    if generator.background is not None and background is not None:
        behind = generator.background.prepare(background)
    blocks = generator.upsampler.prepare(w[:, config.volume_styles :])
    return Prepared(PreparedField(tuple(plain), density, outputs, painted), behind, blocks, 1)


def layers_for(painted: Float[Tensor, "1 3 c h w"] | None) -> list[Float[Tensor, "1 3 c _ _"]]:
    """Return what is added to planes, as nothing yet: maps from coarse to fine."""
    if painted is None:
        return []
    size = painted.shape[-1]
    sizes = [size // k for k in (FADED, FADED // 2, 1)]
    return [painted.new_zeros(*painted.shape[:3], n, n) for n in sizes]


def summed(layers: Sequence[Float[Tensor, "1 3 c _ _"]], size: int) -> Float[Tensor, "1 3 c h w"]:
    """Return maps of several sizes as one."""
    total = layers[-1]
    for layer in layers[:-1]:
        grown = functional.interpolate(layer[0], size=(size, size), mode="bilinear", align_corners=False)
        total = total + grown[None]
    return total


def unevenness(planes: Float[Tensor, "1 3 c h w"]) -> Float[Tensor, ""]:
    """Return how much neighbours on planes differ: the mean of squares."""
    return planes.diff(dim=-1).square().mean() + planes.diff(dim=-2).square().mean()
