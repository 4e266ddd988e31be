"""What recognisers are made of, and the sizes that were published.

Three families: residual networks (iResNet), a small one of depthwise convolutions (MobileFaceNet) and
transformers. `NETWORKS` has them under their published names.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

SIZE = 112
"""Pixels a side of the crops that all published recognisers read."""


@dataclass(frozen=True, kw_only=True)
class ResidualConfig:
    """An iResNet: "Improved Residual Networks" (Duta et al., 2020) as "ArcFace" uses them."""

    blocks: tuple[int, int, int, int]
    """Blocks of each layer; every layer halves the map."""
    widths: tuple[int, int, int, int] = (64, 128, 256, 512)
    """Channels of each layer; the first is the stem's as well."""
    embedding: int = 512
    """Numbers that stand for a face."""
    dropout: float = 0.0
    """Share of the last map that is put out while learning."""
    size: int = SIZE
    """Height and width of a crop."""

    def __post_init__(self) -> None:
        if self.size % 16 or min(*self.blocks, *self.widths, self.embedding, self.size) < 1:
            raise ValueError("crops have a multiple of 16 pixels; blocks, widths and embedding are positive")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is a share from 0 to less than 1, not {self.dropout}")


@dataclass(frozen=True, kw_only=True)
class MobileConfig:
    """A MobileFaceNet (Chen et al., 2018)."""

    blocks: tuple[int, int, int, int] = (1, 4, 6, 2)
    """Blocks of each stage; a first stage of one is a single convolution."""
    width: int = 128
    """Channels of the first half; the second half has twice as many."""
    inner: tuple[int, int, int, int, int] = (64, 128, 256, 512, 256)
    """Groups of the first stage's convolution; channels inside the units of the first half, of the step to
    the second, of the last step, and inside the units of the second half."""
    outer: int = 512
    """Channels before the map becomes one number a channel."""
    embedding: int = 512
    """Numbers that stand for a face."""
    size: int = SIZE
    """Height and width of a crop."""

    def __post_init__(self) -> None:
        if self.size % 16 or min(*self.blocks, *self.inner, self.width, self.outer, self.embedding) < 1:
            raise ValueError("crops have a multiple of 16 pixels; blocks, widths and embedding are positive")
        if self.blocks[0] == 1 and self.width % self.inner[0]:
            raise ValueError(f"{self.width} channels do not divide into {self.inner[0]} groups")


@dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    """A vision transformer (Dosovitskiy et al., 2021) without a class token."""

    width: int = 256
    """Numbers of a token."""
    depth: int = 12
    """Blocks."""
    heads: int = 8
    """Heads of each attention."""
    patch: int = 9
    """Height and width of what becomes a token; what is left over at the right and below is not seen."""
    drop_path: float = 0.1
    """How often the last block is passed over while learning; earlier ones are in proportion less often."""
    mask: float = 0.1
    """Share of the tokens that are hidden while learning."""
    embedding: int = 512
    """Numbers that stand for a face."""
    size: int = SIZE
    """Height and width of a crop."""

    def __post_init__(self) -> None:
        if min(self.width, self.depth, self.heads, self.embedding) < 1 or not 1 <= self.patch <= self.size:
            raise ValueError("width, depth, heads and embedding are positive, a patch fits into the crop")
        if self.width % self.heads:
            raise ValueError(f"a token of {self.width} numbers does not divide into {self.heads} heads")
        if not (0 <= self.drop_path < 1 and 0 <= self.mask < 1):
            raise ValueError("drop_path and mask are shares from 0 to less than 1")

    @property
    def tokens(self) -> int:
        """Return how many tokens a crop becomes."""
        return (self.size // self.patch) ** 2


RecogniserConfig = ResidualConfig | MobileConfig | TransformerConfig

R18 = ResidualConfig(blocks=(2, 2, 2, 2))
R34 = ResidualConfig(blocks=(3, 4, 6, 3))
R50 = ResidualConfig(blocks=(3, 4, 14, 3))
R100 = ResidualConfig(blocks=(3, 13, 30, 3))
R200 = ResidualConfig(blocks=(6, 26, 60, 6))
R2060 = ResidualConfig(blocks=(3, 128, 896, 3))
MBF = MobileConfig()
MBF_LARGE = MobileConfig(blocks=(2, 8, 12, 4), width=256)
VIT_T = TransformerConfig(width=256, depth=12)
VIT_S = TransformerConfig(width=512, depth=12)
VIT_B = TransformerConfig(width=512, depth=24)
VIT_L = TransformerConfig(width=768, depth=24)
VIT_H = TransformerConfig(width=1024, depth=48, mask=0.0)
BUILTIN = ResidualConfig(blocks=(1, 2, 2, 1), widths=(24, 48, 96, 160), embedding=128, size=64)
"""What is built in: crops of 64 pixels. A processor learns it three times as fast as a mobile network of the
same size, whose depthwise convolutions it is slow at."""
TINY = MobileConfig(blocks=(1, 1, 1, 1), width=8, inner=(4, 8, 12, 16, 12), outer=16, embedding=8, size=32)
"""For tests."""
TINY_RESIDUAL = ResidualConfig(blocks=(1, 2, 1, 1), widths=(8, 8, 12, 16), embedding=8, size=32)
TINY_TRANSFORMER = TransformerConfig(width=16, depth=2, heads=2, patch=9, embedding=8, size=32)

NETWORKS: Mapping[str, RecogniserConfig] = {
    "r18": R18,
    "r34": R34,
    "r50": R50,
    "r100": R100,
    "r200": R200,
    "r2060": R2060,
    "mbf": MBF,
    "mbf_large": MBF_LARGE,
    "vit_t": VIT_T,
    "vit_t_dp005_mask0": replace(VIT_T, drop_path=0.05, mask=0.0),
    "vit_s": VIT_S,
    "vit_s_dp005_mask_0": replace(VIT_S, drop_path=0.05, mask=0.0),
    "vit_b": VIT_B,
    "vit_b_dp005_mask_005": replace(VIT_B, drop_path=0.05, mask=0.05),
    "vit_l": VIT_L,
    "vit_l_dp005_mask_005": replace(VIT_L, drop_path=0.05, mask=0.05),
    "vit_h": VIT_H,
    "builtin": BUILTIN,
    "tiny": TINY,
    "tiny_residual": TINY_RESIDUAL,
    "tiny_transformer": TINY_TRANSFORMER,
}
"""Every network that can be asked for by name; those up to vit_h are published."""

FAMILIES: Mapping[str, type[RecogniserConfig]] = {
    "residual": ResidualConfig,
    "mobile": MobileConfig,
    "transformer": TransformerConfig,
}


def to_plain(config: RecogniserConfig) -> dict[str, Any]:
    """Return a config as plain JSON, its family included."""
    (family,) = (name for name, kind in FAMILIES.items() if type(config) is kind)
    return {"family": family, **asdict(config)}


def from_plain(values: Mapping[str, Any]) -> RecogniserConfig:
    """Return the config that `to_plain` took apart; what it does not know is refused."""
    given = dict(values)
    family = given.pop("family", None)
    if family not in FAMILIES:
        raise ValueError(f"there is no family {family!r} of recognisers; known are {', '.join(FAMILIES)}")
    kind = FAMILIES[family]
    hints = typing.get_type_hints(kind)
    strange = sorted(set(given) ^ {field.name for field in fields(kind)})
    if strange:
        raise ValueError(f"a {family} recogniser's settings differ in {', '.join(strange)}")
    for name, value in given.items():
        given[name] = tuple(value) if isinstance(value, list) else value
        if not _fits(given[name], hints[name]):
            raise ValueError(f"{name} cannot be {value!r}")
    return kind(**given)


def _fits(value: object, hint: object) -> bool:
    if kinds := typing.get_args(hint):
        return isinstance(value, tuple) and len(value) == len(kinds) and all(map(_fits, value, kinds))
    return type(value) is int or (hint is float and type(value) is float)
