"""A network that finds all faces of a picture in one pass: every cell of three grids tells of one face.

Each cell says how sure it is that a face of its grid's sizes has its middle here, how far the face's box
reaches from the cell's centre to each side (Tian et al., 2019, "FCOS"), and where the five alignment points
lie. The trunk is a slim residual network; coarse maps are added to fine ones, so that small faces are judged
by what surrounds them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from phiz.layers.folding import convolved
from phiz.layers.residual import Trunk, TrunkConfig

STRIDES = (8, 16, 32)
"""Pixels from cell to cell of each grid."""
COARSEST = STRIDES[-1]
NUMBERS = 1 + 4 + 10
"""What a cell tells: a score, four distances, five points."""
REACH = 2.0
"""Cells that a distance of one stands for."""
LARGEST = 4.0
"""Of a distance's logarithm: 55 times as far is beyond any face that a grid is for."""
RARE = 0.01
"""The share of cells that tell of a face, as a network believes before it has learned anything."""


@dataclass(frozen=True, kw_only=True)
class DetectConfig:
    """Sizes of a detector."""

    side: int = 256
    """Longer side of the pictures that it reads first, in pixels."""
    closer: int = 2
    """Where no face can be trusted, it looks again at a picture so many times as large; 1 for never."""
    blocks: tuple[int, ...] = (1, 2, 2, 2)
    """Blocks of each layer of the trunk."""
    widths: tuple[int, ...] = (16, 32, 64, 64)
    """Channels of each layer of the trunk."""
    neck: int = 40
    """Channels where the maps come together."""

    def __post_init__(self) -> None:
        if len(self.widths) != 1 + len(STRIDES):
            raise ValueError(f"the trunk of a detector has {1 + len(STRIDES)} layers")
        if self.side < COARSEST or self.closer < 1 or self.neck < 1:
            raise ValueError(f"a detector reads at least {COARSEST} pixels, and closer is at least 1")

    @property
    def trunk(self) -> TrunkConfig:
        """Return the sizes of the trunk."""
        return TrunkConfig(blocks=self.blocks, widths=self.widths, stem=3)


BUILTIN = DetectConfig()
TINY = DetectConfig(side=64, blocks=(1, 1, 1, 1), widths=(4, 8, 8, 8), neck=8)


@dataclass(frozen=True, kw_only=True)
class Cells:
    """What all cells of all grids tell, the finest grid first, each row by row."""

    logits: Float[Tensor, "b n"]
    """How likely each is the middle of a face, before the sigmoid."""
    boxes: Float[Tensor, "b n 4"]
    """Left, top, right, bottom in pixels of the picture that the network read."""
    points: Float[Tensor, "b n 5 2"]


class Normed(nn.Module):
    """A convolution with its normalisation and rectifier."""

    def __init__(self, inside: int, outside: int, size: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inside, outside, size, 1, size // 2, bias=False)
        self.norm = nn.BatchNorm2d(outside)

    def forward(self, x: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o h w"]:
        return convolved(x, self.conv, self.norm)


class Grid(nn.Module):
    """What turns the map of a grid into numbers a cell."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mix = Normed(width, width, 3)
        self.tell = nn.Conv2d(width, NUMBERS, 1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b n h w"]:
        return convolved(self.mix(x), self.tell, nn.Identity(), is_rectified=False)


class FaceFinder(nn.Module):
    """Pictures to what their cells tell."""

    def __init__(self, config: DetectConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = Trunk(config.trunk)
        self.gather = nn.ModuleList(Normed(width, config.neck, 1) for width in self.trunk.outputs[1:])
        self.grids = nn.ModuleList(Grid(config.neck) for _ in STRIDES)

    def forward(self, pictures: Float[Tensor, "b 3 h w"]) -> Cells:
        """Return what all cells tell; height and width are multiples of `COARSEST`."""
        maps = self.trunk(pictures)[1:]
        joined: list[Tensor] = []
        for one, gather in zip(reversed(maps), reversed(list(self.gather)), strict=True):
            x = gather(one)
            joined.insert(0, x + _doubled(joined[0]) if joined else x)
        return cells([grid(x) for grid, x in zip(self.grids, joined, strict=True)])

    def begin(self) -> None:
        """Make a new network believe that faces are rare and of a common size."""
        for grid in self.grids:
            assert isinstance(grid, Grid)
            assert grid.tell.bias is not None
            nn.init.normal_(grid.tell.weight, std=0.01)
            nn.init.zeros_(grid.tell.bias)
            nn.init.constant_(grid.tell.bias[:1], -math.log((1 - RARE) / RARE))


def cells(maps: Sequence[Float[Tensor, "b k _ _"]]) -> Cells:
    """Return what the maps of the three grids say, in pixels."""
    parts = []
    for stride, found in zip(STRIDES, maps, strict=True):
        numbers = found.flatten(2).transpose(1, 2).float()  # (b, n, k)
        middles = centres(found.shape[2], found.shape[3], stride).to(numbers)
        around = REACH * stride * numbers[..., 1:5].clamp(max=LARGEST).exp()
        boxes = torch.cat([middles - around[..., :2], middles + around[..., 2:]], dim=-1)
        offsets = REACH * stride * numbers[..., 5:].reshape(len(numbers), -1, 5, 2)
        parts.append((numbers[..., 0], boxes, middles[:, None] + offsets))
    logits, all_boxes, points = (torch.cat(list(same), dim=1) for same in zip(*parts, strict=True))
    return Cells(logits=logits, boxes=all_boxes, points=points)


def centres(rows: int, columns: int, stride: int) -> Float[Tensor, "n 2"]:
    """Return the middles of a grid's cells in pixels, row by row."""
    y, x = torch.meshgrid(torch.arange(rows) + 0.5, torch.arange(columns) + 0.5, indexing="ij")
    return stride * torch.stack([x.flatten(), y.flatten()], dim=1)


def all_centres(height: int, width: int) -> tuple[Float[Tensor, "n 2"], Float[Tensor, " n"]]:
    """Return the middles of all cells of a picture, in the order of `Cells`, and their grids' strides."""
    found = [centres(height // stride, width // stride, stride) for stride in STRIDES]
    strides = [torch.full((len(one),), float(s)) for one, s in zip(found, STRIDES, strict=True)]
    return torch.cat(found), torch.cat(strides)


def _doubled(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h2 w2"]:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")
