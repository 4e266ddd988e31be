"""Recognisers ready to be used on a processor: normalisations folded into weights, convolutions by tiles.

A batch is shared out over threads of our own, each of which takes some crops through the whole network; a
lone crop goes through on one of them, which has the others help with every convolution. Torch would share
every single product among its own threads, which wait so eagerly for the next one that loops find no room.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from phiz.face import tiles
from phiz.face.identity.mobile import MobileFaceNet
from phiz.face.identity.networks import Recogniser
from phiz.face.identity.residual import Block, IResNet
from phiz.face.tiles import Tiled
from phiz.layers.folding import Folded, folded
from phiz.layers.threads import own_threads

Work = Callable[[], object]


@dataclass(frozen=True)
class Crew:
    """How many threads there are to share a convolution, and how they get their pieces of work."""

    count: int
    share: Callable[[Sequence[Work]], None]


@dataclass(frozen=True, kw_only=True)
class ReadyConvolution:
    """A 3 x 3 convolution of maps (b, h, w, c) by tiles, and as oneDNN does it where tiles are too few."""

    by_tiles: Tiled
    whole: Folded

    def __call__(
        self, x: Float[Tensor, "b h w i"], crew: Crew, plus: Float[Tensor, "b h w o"] | None = None
    ) -> Float[Tensor, "b h w o"]:
        """Return the map, normalised, rectified or added to."""
        conv, tile = self.by_tiles, tiles.tile_for(x)
        if not tile:
            return self._whole(x, plus)
        y = x.new_empty(*x.shape[:3], len(conv.weight))
        conv.at_points(tile)  # before several threads want it
        shares = tiles.parts(conv, x, tile, crew.count)
        crew.share([partial(tiles.convolve, conv, x, y, one, tile, plus=plus) for one in shares])
        return y

    def _whole(self, x: Tensor, plus: Tensor | None) -> Tensor:
        conv = self.by_tiles
        if conv.gain is not None and conv.shift is not None:
            x = torch.addcmul(conv.shift, x, conv.gain)
        y = _inner(self.whole(_outer(x), None if plus is None else _outer(plus)))
        return y if conv.slope is None else torch.prelu(y.flatten(0, 2), conv.slope).view_as(y)


@dataclass(frozen=True, kw_only=True)
class ReadyBlock:
    """What a block of the network has become."""

    first: ReadyConvolution
    second: ReadyConvolution | Folded
    detour: Folded | None

    def __call__(self, x: Float[Tensor, "b h w i"], crew: Crew) -> Float[Tensor, "b h2 w2 o"]:
        """Return the map after a block."""
        y = self.first(x, crew)
        around = x if self.detour is None else _inner(self.detour(_outer(x)))
        if isinstance(self.second, ReadyConvolution):
            return self.second(y, crew, around)
        return _inner(self.second(_outer(y), _outer(around)))


class ReadyResNet(nn.Module):
    """An iResNet that does not learn; where gradients or another device are wanted it asks the plain one."""

    def __init__(self, network: IResNet) -> None:
        super().__init__()
        self.config = network.config
        self.plain = network.eval().requires_grad_(False)
        self.stem = Folded(network.conv1, network.bn1)
        self.slope = network.prelu.weight.detach()
        layers = network.layer1, network.layer2, network.layer3, network.layer4
        blocks = [block for layer in layers for block in layer.modules() if isinstance(block, Block)]
        self.blocks = [_ready_block(block) for block in blocks]
        self.weight, self.bias = _ready_head(network)
        self.eval()

    def forward(self, crops: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b e"]:
        """Return embeddings, in float32 whatever else is set."""
        if crops.device.type != "cpu" or (torch.is_grad_enabled() and crops.requires_grad):
            found: Tensor = self.plain(crops)
            return found
        threads = torch.get_num_threads()
        if threads == 1:
            return self._through(crops, ALONE)
        pool = own_threads()
        if len(crops) < threads:
            crew = Crew(threads, partial(_share, pool, threads - 1))
            return pool.submit(self._through, crops, crew).result()
        tasks = [pool.submit(self._through, part, ALONE) for part in crops.tensor_split(threads)]
        return torch.cat([task.result() for task in tasks])

    @torch.no_grad()
    def _through(self, crops: Tensor, crew: Crew) -> Tensor:
        x = _inner(self.stem(crops.float()))
        x = torch.prelu(x.flatten(0, 2), self.slope).view_as(x)
        for block in self.blocks:
            x = block(x, crew)
        return functional.linear(x.flatten(1), self.weight, self.bias)


def ready(network: Recogniser) -> nn.Module:
    """Return a network that gives the same embeddings in less time where it can; it does not learn.

    Weights for tiles take four times the room of those that they are made from.
    """
    if isinstance(network, IResNet):
        return ReadyResNet(network)
    if isinstance(network, MobileFaceNet):
        return folded(network)
    return network.eval().requires_grad_(False)


def _ready_block(block: Block) -> ReadyBlock:
    before = _convolution(block.conv1, block.bn2, before=block.bn1, slope=block.prelu.weight.detach())
    detour = None if block.downsample is None else Folded(block.downsample[0], block.downsample[1])  # type: ignore[arg-type]
    if block.conv2.stride != (1, 1):
        return ReadyBlock(first=before, second=Folded(block.conv2, block.bn3), detour=detour)
    return ReadyBlock(first=before, second=_convolution(block.conv2, block.bn3), detour=detour)


def _convolution(
    conv: nn.Conv2d,
    norm: nn.BatchNorm2d,
    *,
    before: nn.BatchNorm2d | None = None,
    slope: Tensor | None = None,
) -> ReadyConvolution:
    gain, shift = affine(norm)
    weight = (conv.weight.detach().double() * gain[:, None, None, None]).float()
    first = None if before is None else [part.float() for part in affine(before)]
    by_tiles = Tiled(
        weight=weight,
        bias=shift.float(),
        gain=None if first is None else first[0],
        shift=None if first is None else first[1],
        slope=slope,
    )
    return ReadyConvolution(by_tiles=by_tiles, whole=Folded(conv, norm))


def _ready_head(network: IResNet) -> tuple[Tensor, Tensor]:
    """Return the one matrix that the last two normalisations and the layer between them are."""
    gain, shift = affine(network.bn2)
    last_gain, last_shift = affine(network.features)
    weight = network.fc.weight.detach().double().reshape(-1, len(gain), network.fc.in_features // len(gain))
    bias = network.fc.bias.detach().double() + torch.einsum("ecp,c->e", weight, shift)
    weight = (weight * gain[:, None]).transpose(1, 2).flatten(1) * last_gain[:, None]
    return weight.float().contiguous(), (bias * last_gain + last_shift).float()


def affine(norm: nn.BatchNorm2d | nn.BatchNorm1d) -> tuple[Float[Tensor, " c"], Float[Tensor, " c"]]:
    """Return what a normalisation multiplies by and adds once it does not learn, in double precision."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    gain = norm.weight.detach().double() / (norm.running_var.double() + norm.eps).sqrt()
    return gain, norm.bias.detach().double() - norm.running_mean.double() * gain


def _inner(x: Tensor) -> Tensor:
    """Return a map with its channels innermost: no number moves where they lie so already."""
    return x.permute(0, 2, 3, 1).contiguous()


def _outer(x: Tensor) -> Tensor:
    """Return a map as torch has it, in the same memory."""
    return x.permute(0, 3, 1, 2)


def _in_turn(pieces: Sequence[Work]) -> None:
    for piece in pieces:
        piece()


ALONE = Crew(1, _in_turn)


def _share(pool: ThreadPoolExecutor, helpers: int, pieces: Sequence[Work]) -> None:
    """Do pieces of work here and on helping threads; who is busy elsewhere is not waited for."""
    waiting = iter(pieces)

    def run() -> None:
        for piece in waiting:
            piece()

    tasks = [pool.submit(run) for _ in range(min(helpers, len(pieces) - 1))]
    run()
    for task in tasks:
        if not task.cancel():
            task.result()
