"""A vision transformer for faces: all tokens together, not one of them, become the embedding.

Dosovitskiy et al. (2021) with the changes of the published recognisers: no class token, ReLU6 in the
perceptrons, no bias in the attention, and tokens hidden at random while learning. Parameters have the
published names.
"""

from __future__ import annotations

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from phiz.face.identity.config import TransformerConfig
from phiz.face.identity.dropping import passed_over

GROWTH = 4
"""By how much the inside of a perceptron is wider than a token."""
SPREAD = 0.02
"""Standard deviation of new weights, as published."""
NARROW = 2e-5
"""What keeps the last normalisations from dividing by nothing, as published."""


class Attention(nn.Module):
    """Every token looks at every other."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Float[Tensor, "b t c"]) -> Float[Tensor, "b t c"]:
        q, k, v = rearrange(self.qkv(x), "b t (three h d) -> three b h t d", three=3, h=self.heads)
        seen = functional.scaled_dot_product_attention(q, k, v)  # its soft-max has all digits of float32
        y: Tensor = self.proj(rearrange(seen, "b h t d -> b t (h d)"))
        return y


class Perceptron(nn.Module):
    """Every token for itself."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, GROWTH * width)
        self.fc2 = nn.Linear(GROWTH * width, width)

    def forward(self, x: Float[Tensor, "b t c"]) -> Float[Tensor, "b t c"]:
        y: Tensor = self.fc2(functional.relu6(self.fc1(x)))
        return y


class Block(nn.Module):
    """Attention and perceptron, around both of which the tokens go."""

    def __init__(self, width: int, heads: int, drop_path: float) -> None:
        super().__init__()
        self.drop_path = drop_path
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.mlp = Perceptron(width)

    def forward(
        self, x: Float[Tensor, "b t c"], chance: torch.Generator | None = None
    ) -> Float[Tensor, "b t c"]:
        share = self.drop_path if self.training else 0.0
        x = x + passed_over(self.attn(self.norm1(x)), share, chance)
        return x + passed_over(self.mlp(self.norm2(x)), share, chance)


class Patches(nn.Module):
    """A crop as tokens."""

    def __init__(self, width: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch, patch)

    def forward(self, crops: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b t c"]:
        tokens: Tensor = rearrange(self.proj(crops), "b c h w -> b (h w) c")
        return tokens


class FaceTransformer(nn.Module):
    """Crops to embeddings of any length."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.pos_embed = nn.Parameter(torch.zeros(1, config.tokens, width))
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        self.patch_embed = Patches(width, config.patch)
        shares = [config.drop_path * number / max(config.depth - 1, 1) for number in range(config.depth)]
        self.blocks = nn.ModuleList([Block(width, config.heads, share) for share in shares])
        self.norm = nn.LayerNorm(width)
        self.feature = nn.Sequential(
            nn.Linear(config.tokens * width, width, bias=False),
            nn.BatchNorm1d(width, eps=NARROW),
            nn.Linear(width, config.embedding, bias=False),
            nn.BatchNorm1d(config.embedding, eps=NARROW),
        )

    def start(self, chance: torch.Generator) -> None:
        """Give all layers new random weights."""
        for part in self.modules():
            if isinstance(part, nn.Linear):
                nn.init.trunc_normal_(part.weight, std=SPREAD, generator=chance)
                if part.bias is not None:
                    nn.init.zeros_(part.bias)
        bound = self.patch_embed.proj.weight[0].numel() ** -0.5
        for values in self.patch_embed.parameters():
            nn.init.uniform_(values, -bound, bound, generator=chance)
        nn.init.trunc_normal_(self.pos_embed, std=SPREAD, generator=chance)
        nn.init.normal_(self.mask_token, std=SPREAD, generator=chance)

    def trunk(
        self, crops: Float[Tensor, "b 3 s s"], chance: torch.Generator | None = None
    ) -> Float[Tensor, "b t c"]:
        """Return all tokens after the last block: all that may be computed with fewer digits.

        While learning, some tokens are hidden from the blocks; the same token then stands in place of each.
        """
        x = self.patch_embed(crops) + self.pos_embed
        if not self.training or self.config.mask == 0:
            return self._through(x, chance)
        order = torch.rand(x.shape[:2], generator=chance, device=x.device).argsort(dim=1)
        shown = order[:, : int(self.config.tokens * (1 - self.config.mask))]
        seen = self._through(x.gather(1, _rows(shown, x)), chance)
        hidden = self.mask_token.expand(len(x), x.shape[1] - seen.shape[1], -1)
        return torch.cat([seen, hidden], 1).gather(1, _rows(order.argsort(dim=1), x))

    def head(self, x: Float[Tensor, "b t c"]) -> Float[Tensor, "b e"]:
        """Return the embedding of what `trunk` returns."""
        embedding: Tensor = self.feature(x.flatten(1))
        return embedding

    def forward(
        self, crops: Float[Tensor, "b 3 s s"], chance: torch.Generator | None = None
    ) -> Float[Tensor, "b e"]:
        """Return embeddings; `chance` decides what is hidden and passed over while learning."""
        return self.head(self.trunk(crops, chance))

    def _through(self, x: Tensor, chance: torch.Generator | None) -> Tensor:
        for block in self.blocks:
            x = block(x, chance)
        y: Tensor = self.norm(x.float())
        return y


def _rows(places: Int[Tensor, "b t"], like: Float[Tensor, "b _ c"]) -> Int[Tensor, "b t c"]:
    """Return the places of whole tokens, as `gather` wants them."""
    return places[..., None].expand(-1, -1, like.shape[-1])
