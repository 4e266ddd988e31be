"""The Inception-v3 network whose features FID is defined by, for weights that the user supplies.

It is TensorFlow's of 2015 (Szegedy et al., 2016; Heusel et al., 2017), and differs from others of its
name: averages leave out the padding, and the last block pools by the maximum. Names of the parameters
are those of the published torch port, so its file loads once it is saved as safetensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn import functional

from phiz.layers import supplied

KIND = "inception"
INCEPTION_FEATURES = "Inception-v3 of 2015, pool 3, 2048 features (as in published FID)"
SIDE = 299
WIDTH = 2048

RULES: supplied.Rules = [
    (r"(?:Conv2d|Mixed)_.*\.num_batches_tracked", None),  # counter of the trainer, unused
    (r"fc\.(?:weight|bias)", None),  # names of things, of which features have no need
    (r"((?:Conv2d|Mixed)_.*)", r"\1"),
]

Kernel = tuple[int, int]
Fork = tuple[tuple[str, int, Kernel], ...]
"""Name, channels and kernel of convolutions that read the same and whose outputs are joined; mostly one."""
Chain = tuple[Fork, ...]

ONE, THREE, FIVE = (1, 1), (3, 3), (5, 5)
WIDE7, TALL7, WIDE3, TALL3 = (1, 7), (7, 1), (1, 3), (3, 1)


class Unit(nn.Module):
    """Convolution, normalisation by recorded statistics, rectifier."""

    def __init__(
        self, inside: int, outside: int, kernel: Kernel, *, stride: int = 1, pad: bool = True
    ) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2) if pad else (0, 0)
        self.conv = nn.Conv2d(inside, outside, kernel, stride=stride, padding=padding, bias=False)
        self.bn = nn.BatchNorm2d(outside, eps=0.001)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d _ _"]:
        return functional.relu(self.bn(self.conv(x)))


class Mixed(nn.Module):
    """Chains of convolutions beside each other and a pooling, joined along the channels.

    Without a number of `pooled` channels the block halves its input: the last convolution of each
    chain has a stride of two, and the maximum over neighbours is joined as it is.
    """

    def __init__(self, inside: int, *chains: Chain, pooled: int = 0, by_maximum: bool = False) -> None:
        super().__init__()
        self.by_maximum = by_maximum
        self.is_halving = not pooled
        self.chains = chains
        self.outside = pooled or inside
        for chain in chains:
            width = inside
            for fork in chain:
                ends = self.is_halving and fork is chain[-1]
                for name, channels, kernel in fork:
                    unit = Unit(width, channels, kernel, stride=2 if ends else 1, pad=not ends)
                    self.add_module(name, unit)
                width = sum(channels for _, channels, _ in fork)
            self.outside += width
        if pooled:
            self.branch_pool = Unit(inside, pooled, ONE)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d _ _"]:
        return torch.cat([*(self._along(chain, x) for chain in self.chains), self._pool(x)], dim=1)

    def _along(self, chain: Chain, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d _ _"]:
        for fork in chain:
            x = torch.cat([self.get_submodule(name)(x) for name, _, _ in fork], dim=1)
        return x

    def _pool(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d _ _"]:
        if self.is_halving:
            return functional.max_pool2d(x, 3, stride=2)
        if self.by_maximum:
            pooled = functional.max_pool2d(x, 3, stride=1, padding=1)
        else:
            pooled = functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
        joined: Tensor = self.branch_pool(pooled)
        return joined


def one(name: str, channels: int, kernel: Kernel = ONE) -> Fork:
    """Return a fork of one prong; add forks to get more."""
    return ((name, channels, kernel),)


def mixed_35(inside: int, pooled: int) -> Mixed:
    """Return a block of the 35 x 35 stage."""
    return Mixed(
        inside,
        (one("branch1x1", 64),),
        (one("branch5x5_1", 48), one("branch5x5_2", 64, FIVE)),
        (one("branch3x3dbl_1", 64), one("branch3x3dbl_2", 96, THREE), one("branch3x3dbl_3", 96, THREE)),
        pooled=pooled,
    )


def halving_35() -> Mixed:
    """Return the block from 35 x 35 to 17 x 17."""
    return Mixed(
        288,
        (one("branch3x3", 384, THREE),),
        (one("branch3x3dbl_1", 64), one("branch3x3dbl_2", 96, THREE), one("branch3x3dbl_3", 96, THREE)),
    )


def mixed_17(width: int) -> Mixed:
    """Return a block of the 17 x 17 stage, whose long kernels have `width` channels."""
    return Mixed(
        768,
        (one("branch1x1", 192),),
        (one("branch7x7_1", width), one("branch7x7_2", width, WIDE7), one("branch7x7_3", 192, TALL7)),
        (
            one("branch7x7dbl_1", width),
            one("branch7x7dbl_2", width, TALL7),
            one("branch7x7dbl_3", width, WIDE7),
            one("branch7x7dbl_4", width, TALL7),
            one("branch7x7dbl_5", 192, WIDE7),
        ),
        pooled=192,
    )


def halving_17() -> Mixed:
    """Return the block from 17 x 17 to 8 x 8."""
    return Mixed(
        768,
        (one("branch3x3_1", 192), one("branch3x3_2", 320, THREE)),
        (
            one("branch7x7x3_1", 192),
            one("branch7x7x3_2", 192, WIDE7),
            one("branch7x7x3_3", 192, TALL7),
            one("branch7x7x3_4", 192, THREE),
        ),
    )


def mixed_8(inside: int, *, by_maximum: bool) -> Mixed:
    """Return a block of the 8 x 8 stage."""
    double = one("branch3x3dbl_3a", 384, WIDE3) + one("branch3x3dbl_3b", 384, TALL3)
    return Mixed(
        inside,
        (one("branch1x1", 320),),
        (one("branch3x3_1", 384), one("branch3x3_2a", 384, WIDE3) + one("branch3x3_2b", 384, TALL3)),
        (one("branch3x3dbl_1", 448), one("branch3x3dbl_2", 384, THREE), double),
        pooled=192,
        by_maximum=by_maximum,
    )


class Inception(nn.Module):
    """Pictures to the 2048 numbers before the classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Unit(3, 32, THREE, stride=2, pad=False)
        self.Conv2d_2a_3x3 = Unit(32, 32, THREE, pad=False)
        self.Conv2d_2b_3x3 = Unit(32, 64, THREE)
        self.Conv2d_3b_1x1 = Unit(64, 80, ONE)
        self.Conv2d_4a_3x3 = Unit(80, 192, THREE, pad=False)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = mixed_35(192, 32), mixed_35(256, 64), mixed_35(288, 64)
        self.Mixed_6a = halving_35()
        self.Mixed_6b, self.Mixed_6c = mixed_17(128), mixed_17(160)
        self.Mixed_6d, self.Mixed_6e = mixed_17(160), mixed_17(192)
        self.Mixed_7a = halving_17()
        self.Mixed_7b = mixed_8(1280, by_maximum=False)
        self.Mixed_7c = mixed_8(2048, by_maximum=True)  # parity: an oddity of the published network

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 2048"]:
        """Return the features of pictures of any size, resized as `tensorflow_resize` does."""
        return self.pooled((tensorflow_resize(images, SIDE) * 127.5 - 0.5) / 128)

    def pooled(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 2048"]:
        """Return the features of what the network itself reads: (bytes - 128) / 128, 75 pixels or more."""
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(functional.max_pool2d(x, 3, stride=2)))
        x = functional.max_pool2d(x, 3, stride=2)
        for name, block in self.named_children():
            if name.startswith("Mixed"):
                x = block(x)
        return x.mean((-2, -1))


def tensorflow_resize(images: Float[Tensor, "b c h w"], side: int) -> Float[Tensor, "b c s s"]:
    """Return square pictures as TensorFlow's first bilinear resize makes them, which published FID rests on.

    Pixel `i` of the new picture is read at `i * old / new`, corner to corner rather than centre to
    centre, with no blur where pictures get smaller.
    """
    for axis in (-2, -1):
        old = images.shape[axis]
        place = torch.arange(side, dtype=images.dtype, device=images.device) * (old / side)
        low = place.long().clamp(max=old - 1)
        part = (place - low)[:, None] if axis == -2 else place - low
        first = images.index_select(axis, low)
        images = first + (images.index_select(axis, (low + 1).clamp(max=old - 1)) - first) * part
    return images


def load_inception(path: Path) -> Inception:
    """Return the network with the user's weights, on the CPU, frozen.

    The file is safetensors: of ours (kind "inception"), or the published torch port's tensors as they are.
    """
    return from_published(supplied.read_tensors(path, kind=KIND))


def from_published(tensors: Mapping[str, Shaped[Tensor, "..."]]) -> Inception:
    """Return the network with published weights; every tensor has to be accounted for."""
    ours = supplied.renamed(tensors, RULES, what="Inception-v3")
    with torch.device("meta"):
        network = Inception()
    network.to_empty(device="cpu")
    for name, buffer in network.named_buffers():
        if name.endswith("num_batches_tracked"):
            ours[name] = torch.zeros_like(buffer)
    supplied.fill(network, ours, what="Inception-v3")
    return network.eval().requires_grad_(False)
