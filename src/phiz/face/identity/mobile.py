"""MobileFaceNet: crops to embeddings through depthwise convolutions.

"MobileFaceNets" (Chen et al., 2018), in the wider form that was published for "ArcFace". Parameters have the
published names, which is why everything here is a list called `layers`.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from phiz.face.identity.config import MobileConfig


class Convolution(nn.Module):
    """A convolution, its normalisation, and a rectifier where there is one."""

    def __init__(
        self, inside: int, outside: int, kernel: int = 1, stride: int = 1, padding: int = 0, groups: int = 1,
        *, is_rectified: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        conv = nn.Conv2d(inside, outside, kernel, stride, padding, groups=groups, bias=False)
        rectifier = [nn.PReLU(outside)] if is_rectified else []
        self.layers = nn.Sequential(conv, nn.BatchNorm2d(outside), *rectifier)

    def forward(self, x: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o h2 w2"]:
        y: Tensor = self.layers(x)
        return y


class Unit(nn.Module):
    """To more channels, a convolution of each, and back; the input goes around where `is_residual`."""

    def __init__(
        self, inside: int, outside: int, inner: int, stride: int, *, is_residual: bool = False
    ) -> None:
        super().__init__()
        self.is_residual = is_residual
        self.layers = nn.Sequential(
            Convolution(inside, inner),
            Convolution(inner, inner, 3, stride, 1, groups=inner),
            Convolution(inner, outside, is_rectified=False),
        )

    def forward(self, x: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o h2 w2"]:
        y: Tensor = self.layers(x)
        return x + y if self.is_residual else y


class Stage(nn.Module):
    """Several units that keep the shape of the map."""

    def __init__(self, width: int, inner: int, count: int) -> None:
        super().__init__()
        units = [Unit(width, width, inner, 1, is_residual=True) for _ in range(count)]
        self.layers = nn.Sequential(*units)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        y: Tensor = self.layers(x)
        return y


class Gathering(nn.Module):
    """A last map to an embedding: every channel is weighed over the whole picture by weights of its own."""

    def __init__(self, channels: int, size: int, embedding: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            Convolution(channels, channels, size, groups=channels, is_rectified=False),
            nn.Flatten(),
            nn.Linear(channels, embedding, bias=False),
            nn.BatchNorm1d(embedding),
        )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b e"]:
        y: Tensor = self.layers(x)
        return y


class MobileFaceNet(nn.Module):
    """Crops to embeddings of any length."""

    def __init__(self, config: MobileConfig) -> None:
        super().__init__()
        self.config = config
        width, wide = config.width, 2 * config.width
        groups, first, step, last, second = config.inner
        count = config.blocks
        beginning = (
            Convolution(width, width, 3, 1, 1, groups=groups)
            if count[0] == 1
            else Stage(width, first, count[0])
        )
        self.layers = nn.ModuleList(
            [
                Convolution(3, width, 3, 2, 1),
                beginning,
                Unit(width, width, first, 2),
                Stage(width, first, count[1]),
                Unit(width, wide, step, 2),
                Stage(wide, second, count[2]),
                Unit(wide, wide, last, 2),
                Stage(wide, second, count[3]),
            ]
        )
        self.conv_sep = Convolution(wide, config.outer)
        self.features = Gathering(config.outer, config.size // 16, config.embedding)

    def start(self, chance: torch.Generator) -> None:
        """Give all layers new random weights (He et al., 2015)."""
        for part in self.modules():
            if isinstance(part, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu", generator=chance)

    def trunk(
        self, crops: Float[Tensor, "b 3 s s"], chance: torch.Generator | None = None
    ) -> Float[Tensor, "b c h w"]:
        """Return the last map: all that may be computed with fewer digits. Nothing is left to chance."""
        x = crops
        for layer in self.layers:
            x = layer(x)
        return x

    def head(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b e"]:
        """Return the embedding of what `trunk` returns."""
        embedding: Tensor = self.features(self.conv_sep(x))
        return embedding

    def forward(
        self, crops: Float[Tensor, "b 3 s s"], chance: torch.Generator | None = None
    ) -> Float[Tensor, "b e"]:
        """Return embeddings."""
        return self.head(self.trunk(crops, chance))
