"""Which part of a face each pixel shows: BiSeNet without its spatial path, and what its classes are.

"BiSeNet" (Yu et al., 2018) as the published face parser has it: a residual trunk, two maps of attention, one
fusion. It knows 19 classes (CelebAMask-HQ, Lee et al., 2020) or, in the file that generators of talking heads
use, 16. Parameters have the published names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional

from phiz.face.parse_loops import winners
from phiz.layers.folding import convolved
from phiz.layers.residual import Trunk, TrunkConfig

MEAN = (0.485, 0.456, 0.406)
SPREAD = (0.229, 0.224, 0.225)
"""Of ImageNet's pictures in [0, 1]; what the network reads is normalised by them."""
COARSEST = 32
"""Sides of what the network reads are multiples of this, so that all maps fit into each other."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """What the classes of a parser are."""

    count: int
    names: Mapping[int, str]
    """Those that are known."""
    hair: int
    mouth: tuple[int, ...]
    """The lips and what is between them."""
    torso: tuple[int, ...]
    """What moves with the shoulders, as far as the classes tell it."""
    mirrored: tuple[tuple[int, int], ...] = ()
    """Classes that change places when a picture is mirrored."""


CLASSES_19 = Table(
    count=19,
    names=dict(
        enumerate(
            "background skin left_brow right_brow left_eye right_eye glasses left_ear right_ear earring nose "
            "mouth upper_lip lower_lip neck necklace cloth hair hat".split()
        )
    ),
    hair=17,
    mouth=(11, 12, 13),
    torso=(14, 15, 16),
    mirrored=((2, 3), (4, 5), (7, 8)),
)
"""The classes of CelebAMask-HQ; left and right as that data set means them."""

CLASSES_16 = Table(
    count=16,
    names={0: "background", 10: "hair"},
    hair=10,
    mouth=(7, 8, 9),
    torso=(14, 15),
)
"""The 16 classes of the other published file. Nobody ever published the list: these are the ones that
programs which use the file rely on."""

TABLES = {table.count: table for table in (CLASSES_19, CLASSES_16)}


@dataclass(frozen=True, kw_only=True)
class ParseConfig:
    """Sizes of a parser."""

    classes: int = 19
    """How many it tells apart."""
    size: int = 512
    """Longer side of the pictures that it reads, in pixels."""
    blocks: tuple[int, ...] = (2, 2, 2, 2)
    """Blocks of each layer of the trunk."""
    widths: tuple[int, ...] = (64, 128, 256, 512)
    """Channels of each layer of the trunk."""
    has_pool: bool = True
    """Halve the map before the first layer; without it all maps are twice as large."""
    stem: int = 7
    """Height and width of the first kernel."""
    context: int = 128
    """Channels of the maps of attention."""
    fusion: int = 256
    """Channels where the maps come together, and of the last map."""
    sides: int = 64
    """Channels of the two outputs that are there to learn by."""

    def __post_init__(self) -> None:
        if self.classes < 2:
            raise ValueError(f"a parser tells at least 2 classes apart, not {self.classes}")
        if len(self.widths) != 4:
            raise ValueError("the trunk of a parser has four layers")
        if self.size < COARSEST or self.fusion < 4:
            raise ValueError(f"a parser reads at least {COARSEST} pixels and fuses at least 4 channels")

    @property
    def trunk(self) -> TrunkConfig:
        return TrunkConfig(blocks=self.blocks, widths=self.widths, has_pool=self.has_pool, stem=self.stem)

    @property
    def table(self) -> Table:
        if self.classes not in TABLES:
            raise ValueError(
                f"nothing is known of what {self.classes} classes are; {sorted(TABLES)} are known"
            )
        return TABLES[self.classes]


PUBLISHED_19 = ParseConfig()
PUBLISHED_16 = replace(PUBLISHED_19, classes=16)
BUILTIN = ParseConfig(
    size=256,
    widths=(16, 32, 64, 112),
    blocks=(1, 2, 2, 2),
    has_pool=False,
    stem=3,
    context=32,
    fusion=40,
    sides=16,
)
TINY = ParseConfig(size=64, widths=(4, 6, 8, 10), blocks=(1, 1, 1, 1), context=6, fusion=8, sides=4)
PARSERS = {"PUBLISHED_19": PUBLISHED_19, "PUBLISHED_16": PUBLISHED_16, "BUILTIN": BUILTIN, "TINY": TINY}


class Unit(nn.Module):
    """Convolution, normalisation, rectifier."""

    def __init__(self, inside: int, outside: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inside, outside, kernel, 1, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outside)

    def forward(self, x: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o h w"]:
        return convolved(x, self.conv, self.bn)


class Attention(nn.Module):
    """A convolution whose channels are weighed by what the whole picture shows."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.conv = Unit(inside, outside, 3)
        self.conv_atten = nn.Conv2d(outside, outside, 1, bias=False)
        self.bn_atten = nn.BatchNorm2d(outside)

    def forward(self, x: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o h w"]:
        y: Tensor = self.conv(x)
        weight = convolved(_average(y), self.conv_atten, self.bn_atten, is_rectified=False)
        return y * weight.sigmoid()


class Context(nn.Module):
    """The trunk, and its coarse maps brought back to a finer one."""

    def __init__(self, config: ParseConfig) -> None:
        super().__init__()
        self.resnet = Trunk(config.trunk)
        *_, middle, coarse = config.widths
        self.arm16 = Attention(middle, config.context)
        self.arm32 = Attention(coarse, config.context)
        self.conv_head32 = Unit(config.context, config.context, 3)
        self.conv_head16 = Unit(config.context, config.context, 3)
        self.conv_avg = Unit(coarse, config.context, 1)

    def forward(
        self, x: Float[Tensor, "b 3 h w"]
    ) -> tuple[Float[Tensor, "b f _ _"], Float[Tensor, "b c _ _"], Float[Tensor, "b c _ _"]]:
        """Return the trunk's finer map, what the coarse ones say at its size, and at half of it."""
        _, fine, middle, coarse = self.resnet(x)
        whole = self.conv_avg(_average(coarse))
        low = self.conv_head32(_grown(self.arm32(coarse) + whole, middle))
        high = self.conv_head16(_grown(self.arm16(middle) + low, fine))
        return fine, high, low


class Fusion(nn.Module):
    """Two maps of one size as one, its channels weighed by what the whole picture shows."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.convblk = Unit(inside, outside, 1)
        self.conv1 = nn.Conv2d(outside, outside // 4, 1, bias=False)
        self.conv2 = nn.Conv2d(outside // 4, outside, 1, bias=False)

    def forward(
        self, fine: Float[Tensor, "b f h w"], high: Float[Tensor, "b c h w"]
    ) -> Float[Tensor, "b o h w"]:
        y: Tensor = self.convblk(torch.cat([fine, high], dim=1))
        inner = convolved(_average(y), self.conv1, nn.Identity())
        weight = convolved(inner, self.conv2, nn.Identity(), is_rectified=False).sigmoid()
        return y * (weight + 1)


class Output(nn.Module):
    """A map to scores of classes."""

    def __init__(self, inside: int, width: int, classes: int) -> None:
        super().__init__()
        self.conv = Unit(inside, width, 3)
        self.conv_out = nn.Conv2d(width, classes, 1, bias=False)

    def forward(self, x: Float[Tensor, "b i h w"]) -> Float[Tensor, "b k h w"]:
        return convolved(self.conv(x), self.conv_out, nn.Identity(), is_rectified=False)


class Parser(nn.Module):
    """Normalised pictures to scores of classes."""

    def __init__(self, config: ParseConfig) -> None:
        super().__init__()
        self.config = config
        self.cp = Context(config)
        self.ffm = Fusion(config.widths[1] + config.context, config.fusion)
        self.conv_out = Output(config.fusion, config.fusion, config.classes)
        self.conv_out16 = Output(config.context, config.sides, config.classes)
        self.conv_out32 = Output(config.context, config.sides, config.classes)

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b k h w"]:
        """Return the scores of each pixel."""
        return _enlarged(self.scores(x), x.shape[-2:])

    def scores(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b k _ _"]:
        """Return the scores as the network computes them, an eighth (a quarter) of the picture's size."""
        fine, high, _ = self.cp(x)
        scores: Tensor = self.conv_out(self.ffm(fine, high))
        return scores.float()

    def all_scores(
        self, x: Float[Tensor, "b 3 h w"], size: tuple[int, int] | None = None
    ) -> list[Float[Tensor, "b k _ _"]]:
        """Return the scores of each pixel, and those of the two maps of attention, to learn by.

        With a smaller `size` they are those of as many pixels, evenly spread, corners included.
        """
        fine, high, low = self.cp(x)
        maps = (self.conv_out(self.ffm(fine, high)), self.conv_out16(high), self.conv_out32(low))
        return [_enlarged(scores, size or x.shape[-2:]) for scores in maps]


def normalised(pictures: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
    """Return pictures as the network reads them.

    The published talking head feeds pictures in [-1, 1] as if they were in [0, 1], so that everything darker
    than middle grey is black to the parser; here they are brought to [0, 1] first.
    """
    mean, spread = pictures.new_tensor(MEAN), pictures.new_tensor(SPREAD)
    return (pictures / 2 + (0.5 - mean)[:, None, None]) / spread[:, None, None]


def read_size(height: int, width: int, size: int) -> tuple[int, int]:
    """Return at which size a picture is read: its longer side is `size`, its shape is kept nearly."""
    largest = max(height, width)
    sides = (round(side * size / largest / COARSEST) * COARSEST for side in (height, width))
    up, across = (max(side, COARSEST) for side in sides)
    return up, across


@torch.no_grad()
def parse(parser: Parser, pictures: Float[Tensor, "b 3 h w"]) -> UInt8[Tensor, "b h w"]:
    """Return the class of each pixel of pictures of any size."""
    height, width = pictures.shape[-2:]
    sides = read_size(height, width, parser.config.size)
    # What is drawn small is averaged, as picture libraries do it.
    read = pictures
    if sides != (height, width):
        read = functional.interpolate(pictures, size=sides, mode="bilinear", antialias=True)
    return winners(parser.scores(normalised(read)), height, width)


def _average(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c 1 1"]:
    return x.mean((-2, -1), keepdim=True)


def _grown(x: Float[Tensor, "b c h w"], like: Float[Tensor, "b d h2 w2"]) -> Float[Tensor, "b c h2 w2"]:
    return functional.interpolate(x, size=like.shape[-2:], mode="nearest")


def _enlarged(scores: Float[Tensor, "b k h w"], size: Sequence[int]) -> Float[Tensor, "b k h2 w2"]:
    return functional.interpolate(scores, size=tuple(size), mode="bilinear", align_corners=True)
