"""iResNet: crops to embeddings through residual blocks that begin with a normalisation.

"Improved Residual Networks" (Duta et al., 2020), as "ArcFace" (Deng et al., 2019) uses them. Parameters have
the published names.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from phiz.face.identity.config import ResidualConfig
from phiz.face.identity.dropping import dropped

SPREAD = 0.1
"""Standard deviation of a new convolution's weights, as published."""


class Block(nn.Module):
    """Two convolutions around which the input goes; nothing is cut off after the sum."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inside)
        self.conv1 = nn.Conv2d(inside, outside, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outside)
        self.prelu = nn.PReLU(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, stride, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outside)
        self.downsample: nn.Sequential | None = None
        if stride > 1 or inside != outside:
            detour = nn.Conv2d(inside, outside, 1, stride, bias=False)
            self.downsample = nn.Sequential(detour, nn.BatchNorm2d(outside))

    def forward(self, x: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o h2 w2"]:
        y = self.prelu(self.bn2(self.conv1(self.bn1(x))))
        y = self.bn3(self.conv2(y))
        around = x if self.downsample is None else self.downsample(x)
        whole: Tensor = y + around
        return whole


class IResNet(nn.Module):
    """Crops to embeddings of any length."""

    def __init__(self, config: ResidualConfig) -> None:
        super().__init__()
        self.config = config
        first, last = config.widths[0], config.widths[-1]
        self.conv1 = nn.Conv2d(3, first, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(first)
        self.prelu = nn.PReLU(first)
        insides = (first, *config.widths)
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            nn.Sequential(Block(inside, outside, 2), *(Block(outside, outside, 1) for _ in range(count - 1)))
            for inside, outside, count in zip(insides, config.widths, config.blocks, strict=False)
        )
        self.bn2 = nn.BatchNorm2d(last)
        self.fc = nn.Linear(last * (config.size // 16) ** 2, config.embedding)
        self.features = nn.BatchNorm1d(config.embedding)
        nn.init.ones_(self.features.weight)
        self.features.weight.requires_grad_(False)  # a scale would be undone: embeddings are made unit

    def start(self, chance: torch.Generator) -> None:
        """Give all convolutions and the last layer new random weights."""
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.normal_(part.weight, 0.0, SPREAD, generator=chance)
        bound = self.fc.in_features**-0.5
        nn.init.uniform_(self.fc.weight, -bound, bound, generator=chance)
        nn.init.uniform_(self.fc.bias, -bound, bound, generator=chance)

    def trunk(
        self, crops: Float[Tensor, "b 3 s s"], chance: torch.Generator | None = None
    ) -> Float[Tensor, "b n"]:
        """Return the last map in one row: all that may be computed with fewer digits."""
        x = self.prelu(self.bn1(self.conv1(crops)))
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
        flat: Tensor = self.bn2(x).flatten(1)
        return dropped(flat, self.config.dropout, chance) if self.training else flat

    def head(self, flat: Float[Tensor, "b n"]) -> Float[Tensor, "b e"]:
        """Return the embedding of what `trunk` returns."""
        embedding: Tensor = self.features(self.fc(flat))
        return embedding

    def forward(
        self, crops: Float[Tensor, "b 3 s s"], chance: torch.Generator | None = None
    ) -> Float[Tensor, "b e"]:
        """Return embeddings; `chance` decides what is put out while learning."""
        return self.head(self.trunk(crops, chance))
