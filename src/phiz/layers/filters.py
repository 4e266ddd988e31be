"""Features of pictures by formula: nothing is learned, so no file of weights is needed.

Three colour-opponent channels go through octaves of quadrature filters in four directions (Morlet
wavelets), whose modulus tells how much detail of that size and direction there is, wherever exactly it
lies; colours leave out the finest octave, as the eye does. A second layer does the same to the moduli
of grey (scattering, Bruna and Mallat, 2013). Coarse pooling keeps where in the picture things are,
which suits aligned faces.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

BUILT_IN_FEATURES = "built-in filters (not Inception; not comparable with published FID)"
"""What every number that rests on these features is labelled with."""

OCTAVES = 5
DIRECTIONS = 4
SMALLEST = 2**OCTAVES
"""Pixels of the shorter side: the last octave still has two."""

OPPONENT = ((3, (1, 1, 1)), (2, (1, -1, 0)), (6, (1, 1, -2)))
"""Grey, red against green, yellow against blue: rows of an orthogonal matrix, with their squared lengths."""

RADIUS = 3
WIDTH = 1.4
"""Standard deviation of a filter, in pixels of its octave."""
WAVELENGTH = 4.0
BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
FAINT = 0.002
"""A quarter of a byte's step: below it the modulus is a parabola, so that it has a gradient everywhere."""
VISIBLE = 0.02
"""Contrast from which on features count ratios rather than differences."""

FINE_GRID, COARSE_GRID = 4, 2
FEATURES = (
    OCTAVES * DIRECTIONS * FINE_GRID**2
    + (OCTAVES - 1) * 2 * DIRECTIONS * COARSE_GRID**2
    + OCTAVES * (OCTAVES - 1) // 2 * DIRECTIONS**2
    + 3 * FINE_GRID**2
)
"""Numbers a picture: where grey, where coloured detail is, how it is arranged, and the colours."""


@dataclass(frozen=True, kw_only=True)
class Octave:
    """What the even and odd filters of one octave answer (`signed`), and the length of both (`modulus`)."""

    signed: Float[Tensor, "b c d 2 h w"]
    modulus: Float[Tensor, "b c d h w"]


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """Pictures taken apart: octaves from fine to coarse, and the blurred opponent colours left after them."""

    grey: list[Octave]
    coloured: list[Octave]
    """From the second octave on."""
    colours: Float[Tensor, "b 3 h w"]


def picture_features(images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b n"]:
    """Return `FEATURES` numbers a picture, about as large as one.

    They depend on the size of the picture, as the smallest detail is that of a few pixels: compare
    pictures of one size only.
    """
    with torch.autocast(images.device.type, enabled=False):
        parts = analyse(images)
        grey = [_pooled(octave.modulus, FINE_GRID) for octave in parts.grey]
        coloured = [_pooled(octave.modulus, COARSE_GRID) for octave in parts.coloured]
        strength = torch.cat([*grey, *coloured, *_second_layer(parts.grey)], dim=1)
        return torch.cat([torch.log1p(strength / VISIBLE) / 2, _pooled(parts.colours, FINE_GRID)], dim=1)


def feature_maps(images: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b c _ _"]]:
    """Return maps of moduli and signed answers: octaves of grey, then of colours; last what is left."""
    parts = analyse(images)
    joined = [
        torch.cat([octave.modulus.flatten(1, 2), octave.signed.flatten(1, 3)], dim=1)
        for octave in (*parts.grey, *parts.coloured)
    ]
    return [*joined, parts.colours]


def analyse(images: Float[Tensor, "b 3 h w"]) -> Analysis:
    """Return pictures taken apart; in single precision or more, whatever the pictures are in."""
    if min(images.shape[-2:]) < SMALLEST:
        raise ValueError(
            f"pictures of {tuple(images.shape[-2:])} are too small; give {SMALLEST} or more pixels"
        )
    with torch.autocast(images.device.type, enabled=False):
        left = opponent(images if images.dtype == torch.float64 else images.float())
        filters = bank(left)
        grey, coloured = [], []
        for octave in range(OCTAVES):
            grey.append(quadrature(left[:, :1], filters))
            if octave:
                coloured.append(quadrature(left[:, 1:], filters))
            left = halve(left)
        return Analysis(grey=grey, coloured=coloured, colours=left)


def opponent(images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
    """Return grey, red against green and yellow against blue; a rotation of the space of colours."""
    rows = [[weight / math.sqrt(square) for weight in row] for square, row in OPPONENT]
    return torch.einsum("ij,bjhw->bihw", images.new_tensor(rows), images)


def quadrature(maps: Float[Tensor, "b c h w"], filters: Float[Tensor, "m 4 k k"]) -> Octave:
    """Return what a `bank` answers to each channel; the modulus of a wave of its length is its height."""
    b, c, h, w = maps.shape
    flat = functional.pad(extend(maps.reshape(b * c, 1, h, w), RADIUS), (0, w % 2, 0, h % 2))
    # Pixels of 2 x 2 as channels, channels last: the way back takes a quarter of the time.
    last = torch.channels_last
    cells = functional.pixel_unshuffle(flat, 2).contiguous(memory_format=last)
    answers = functional.conv2d(cells, filters)
    signed = functional.pixel_shuffle(answers, 2)[..., :h, :w].reshape(b, c, DIRECTIONS, 2, h, w)
    even, odd = signed.unbind(3)
    modulus = (even.square().addcmul(odd, odd) + FAINT**2).sqrt() - FAINT
    return Octave(signed=signed, modulus=modulus)


def bank(like: Float[Tensor, "*any"]) -> Float[Tensor, "m 4 k k"]:
    """Return the wavelets as they take cells of 2 x 2 pixels to cells of 2 x 2 answers."""
    moved = [functional.pad(wavelets(like), (x, 1 - x, y, 1 - y)) for y in (0, 1) for x in (0, 1)]
    cells = rearrange(torch.stack(moved, 1), "n p (k i) (l j) -> (n p) (i j) k l", i=2, j=2)
    return cells.contiguous(memory_format=torch.channels_last)


def wavelets(like: Float[Tensor, "*any"]) -> Float[Tensor, "n k k"]:
    """Return even and odd filters, direction by direction; none of them answers to a flat picture."""
    line = torch.arange(-RADIUS, RADIUS + 1, dtype=torch.float64)
    y, x = torch.meshgrid(line, line, indexing="ij")
    envelope = torch.exp(-(x.square() + y.square()) / (2 * WIDTH**2))
    envelope = envelope / envelope.sum()
    filters = []
    for direction in range(DIRECTIONS):
        angle = math.pi * direction / DIRECTIONS
        phase = 2 * math.pi / WAVELENGTH * (math.cos(angle) * x + math.sin(angle) * y)
        even = envelope * (phase.cos() - (envelope * phase.cos()).sum())
        odd = envelope * phase.sin()
        filters += [even / (even * phase.cos()).sum(), odd / (odd * phase.sin()).sum()]
    return torch.stack(filters).to(like)


def halve(maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c _ _"]:
    """Return maps of half the size, blurred before."""
    return _blurred(maps, stride=2)


def blur(maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """Return maps blurred by a pixel."""
    return _blurred(maps, stride=1)


def _blurred(maps: Float[Tensor, "b c h w"], stride: int) -> Float[Tensor, "b c _ _"]:
    b, c, h, w = maps.shape
    line = maps.new_tensor(BINOMIAL)
    flat = functional.conv2d(
        extend(maps.reshape(b * c, 1, h, w), 2), (line[:, None] * line)[None, None], stride=stride
    )
    return flat.reshape(b, c, *flat.shape[-2:])


def extend(maps: Float[Tensor, "b c h w"], by: int) -> Float[Tensor, "b c _ _"]:
    """Return maps with their edge pixels repeated; torch's own padding has no exact gradient on a GPU."""
    left, right = maps[..., :1].expand(-1, -1, -1, by), maps[..., -1:].expand(-1, -1, -1, by)
    wide = torch.cat([left, maps, right], dim=-1)
    above, below = wide[..., :1, :].expand(-1, -1, by, -1), wide[..., -1:, :].expand(-1, -1, by, -1)
    return torch.cat([above, wide, below], dim=-2)


def _second_layer(octaves: list[Octave]) -> list[Float[Tensor, "b n"]]:
    """Return how the moduli of grey vary at each larger scale, over the whole picture."""
    answers, filters = [], bank(octaves[0].modulus)
    for number, octave in enumerate(octaves):
        left = octave.modulus[:, 0]
        for _ in range(number + 1, OCTAVES):
            left = halve(left)
            answers.append(quadrature(left, filters).modulus.mean((-2, -1)).flatten(1))
    return answers


def _pooled(maps: Float[Tensor, "b *c h w"], cells: int) -> Float[Tensor, "b n"]:
    """Return the means of maps over a grid of cells, whatever their size."""
    h, w = maps.shape[-2:]
    return (_cells(cells, h, maps) @ maps @ _cells(cells, w, maps).T).flatten(1)


def _cells(cells: int, size: int, like: Float[Tensor, "*any"]) -> Float[Tensor, "n s"]:
    """Return the share of each pixel in each cell; rows add up to one."""
    edges = torch.arange(cells + 1, dtype=like.dtype, device=like.device) * (size / cells)
    pixel = torch.arange(size, dtype=like.dtype, device=like.device)
    overlap = torch.minimum(edges[1:, None], pixel + 1) - torch.maximum(edges[:-1, None], pixel)
    return overlap.clamp(min=0) * (cells / size)
