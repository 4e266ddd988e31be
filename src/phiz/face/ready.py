"""Networks that see faces, ready to be used on a processor: folded, and their 3 x 3 convolutions by tiles.

Tiles save half to three quarters of the arithmetic (`phiz.face.tiles`), but one thread spreads maps
out and collects them. That pays where there are many channels for each of torch's threads.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from phiz.face import tiles
from phiz.face.tiles import Part, Tiled
from phiz.layers.folding import Folded, folded

N = TypeVar("N", bound=nn.Module)

CHANNELS = 64
"""For each thread: with fewer, spreading out and collecting takes longer than tiles save."""


class TiledConvolution(nn.Module):
    """A folded convolution that goes by tiles where that is faster."""

    def __init__(self, whole: Folded) -> None:
        super().__init__()
        self.whole = whole
        bias = whole.bias.float()
        self.plain = Tiled(weight=whole.weight, bias=bias)
        self.rectified = Tiled(
            weight=whole.weight, bias=bias, slope=torch.zeros_like(bias), known=self.plain.known
        )

    def forward(
        self,
        x: Float[Tensor, "b i h w"],
        plus: Float[Tensor, "b o h w"] | None = None,
        is_rectified: bool = False,
    ) -> Float[Tensor, "b o h w"]:
        lines = x.permute(0, 2, 3, 1)  # (b, h, w, i), as the numbers lie in memory
        tile = tiles.tile_for(lines) if self._pays(x) else 0
        if not tile:
            found: Tensor = self.whole(x, plus, is_rectified)
            return found
        conv = self.rectified if is_rectified and plus is None else self.plain
        y = lines.new_empty(*lines.shape[:3], len(conv.weight))
        every = Part(0, tiles.count(lines, tile), 0, len(conv.weight))
        around = None if plus is None else plus.permute(0, 2, 3, 1).contiguous()
        tiles.convolve(conv, lines.contiguous(), y, every, tile, plus=around)
        if is_rectified and plus is not None:
            y.relu_()
        return y.permute(0, 3, 1, 2)

    def _pays(self, x: Float[Tensor, "b i h w"]) -> bool:
        outside, inside = self.whole.weight.shape[:2]
        is_plain = x.device.type == "cpu" and x.dtype == torch.float32
        is_learning = torch.is_grad_enabled() and x.requires_grad
        return is_plain and not is_learning and min(inside, outside) >= CHANNELS * torch.get_num_threads()


def ready(network: N) -> N:
    """Return a copy of a network that calls `convolved`; it gives the same in less time and cannot learn."""
    made = folded(network)
    for owner in list(made.modules()):
        for name, child in list(owner.named_children()):
            if isinstance(child, Folded) and _has_tiles(child):
                setattr(owner, name, TiledConvolution(child))
    return made


def _has_tiles(conv: Folded) -> bool:
    return tuple(conv.weight.shape[2:]) == (3, 3) and conv.settings == ((1, 1), (1, 1), (1, 1), 1)
