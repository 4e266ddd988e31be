"""The published arithmetic of layers and networks, written plainly: what the quick ways are held against.

Pictures are laid out `b c h w`, every picture has weights of its own, nothing is folded or reordered.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from phiz.generator.discriminator import Block as SeenBlock
from phiz.generator.discriminator import Discriminator
from phiz.generator.upsample import Block
from phiz.layers.equalized import EqualConv, EqualLinear
from phiz.layers.modulated import StyledLayer

LINE = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64)
KERNEL = torch.outer(LINE, LINE) / 64


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Return normal numbers in double precision."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def filtered(x: Tensor, before: int, after: int, gain: float = 1.0, step: int = 1) -> Tensor:
    """Return `x` padded by zeros, then under the 4 x 4 low-pass filter, every `step`-th place."""
    padded = functional.pad(x, (before, after, before, after))
    weight = (KERNEL * gain).to(x).expand(x.shape[1], 1, 4, 4)
    return functional.conv2d(padded, weight, groups=x.shape[1], stride=step)


def with_zeros(x: Tensor) -> Tensor:
    """Return `x` at twice its size, with zeros after every row and column."""
    out = x.new_zeros(*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3])
    out[:, :, ::2, ::2] = x
    return out


def doubled(image: Tensor, *, is_repeated: bool = False) -> Tensor:
    """Return a picture of twice the size; zeros beyond its edges, or the edges again."""
    if is_repeated:
        return filtered(with_zeros(functional.pad(image, (1, 1, 1, 1), "replicate")), 2, 1, gain=4)[
            ..., 2:-2, 2:-2
        ]
    return filtered(with_zeros(image), 2, 1, gain=4)


def rectified(x: Tensor, clamp: float = math.inf) -> Tensor:
    """Return the leaky rectifier's answer, element by element."""
    return (torch.where(x > 0, x, 0.2 * x) * math.sqrt(2)).clamp(-clamp, clamp)


def dense(layer: EqualLinear, x: Tensor) -> Tensor:
    """Return an equalised dense layer, without the rectifier that may be behind it."""
    weight = layer.weight * (layer.rate / math.sqrt(x.shape[-1]))
    return (x[..., None, :] * weight).sum(-1) + layer.bias * layer.rate


def seen(layer: EqualConv, x: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
    """Return an equalised convolution."""
    k = layer.kernel
    weight = layer.weight.reshape(len(layer.weight), -1, k, k) / math.sqrt(x.shape[1] * k * k)
    return functional.conv2d(x, weight, layer.bias, stride=stride, padding=padding)


def styled_weight(layer: StyledLayer, w: Tensor) -> Tensor:
    """Return the kernel of one style (StyleGAN2, equations 1 and 3), or divided by its fan-in's root."""
    weight = layer.weight if layer.weight.ndim == 4 else layer.weight[:, :, None, None]
    weight = weight * dense(layer.style, w).reshape(1, -1, 1, 1)
    if layer.is_demodulated:
        return torch.stack([row / (row.square().sum() + 1e-8).sqrt() for row in weight])
    return weight / math.sqrt(weight[0].numel())


def styled(layer: StyledLayer, x: Tensor, w: Tensor, *, is_doubling: bool = False) -> Tensor:
    """Return a styled convolution picture by picture, without its bias."""
    out = []
    for one, style in zip(x, w, strict=True):
        weight = styled_weight(layer, style)
        k = weight.shape[-1]
        if not is_doubling:
            out.append(functional.conv2d(one[None], weight, padding=k // 2))
        elif k == 1:
            out.append(doubled(functional.conv2d(one[None], weight)))
        else:
            large = functional.conv_transpose2d(one[None], weight.transpose(0, 1), stride=2)
            out.append(filtered(large, 1, 1, gain=4))
    return torch.cat(out)


def neighbours(x: Tensor) -> Tensor:
    """Return the mean of the two outer neighbours of every quarter pixel, zero beyond the edge."""
    around = functional.pad(x, (1, 1, 1, 1))
    up, down = around[:, :, :-2, 1:-1], around[:, :, 2:, 1:-1]
    left, right = around[:, :, 1:-1, :-2], around[:, :, 1:-1, 2:]
    out = x.new_zeros(*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3])
    out[:, :, ::2, ::2], out[:, :, ::2, 1::2] = (left + up) / 2, (up + right) / 2
    out[:, :, 1::2, ::2], out[:, :, 1::2, 1::2] = (left + down) / 2, (right + down) / 2
    return out


def grown(block: Block, x: Tensor) -> Tensor:
    """Return a map of twice the size as the block's kind of growing has it; not for `fir`."""
    kind = block.config.upsampling
    if kind == "bilinear":
        return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
    large = functional.interpolate(x, scale_factor=2, mode="nearest")
    if kind == "nn_cat":
        large = large + _adapted(block, torch.cat([large, neighbours(x)], dim=1))
    if kind == "pixelshuffle":
        large = large + functional.pixel_shuffle(_adapted(block, x), 2)
    if kind == "nearest" and block.config.is_blurred:
        return filtered(functional.pad(large, (2, 1, 2, 1), "replicate"), 0, 0)
    return filtered(large, 2, 1) if block.config.is_blurred else large


def _adapted(block: Block, x: Tensor) -> Tensor:
    narrow, wide = block.adapter
    assert isinstance(narrow, EqualLinear)
    assert isinstance(wide, EqualLinear)
    return dense(wide, rectified(dense(narrow, x.permute(0, 2, 3, 1)))).permute(0, 3, 1, 2)


def upsampled(block: Block, x: Tensor, styles: Tensor) -> tuple[Tensor, Tensor]:
    """Return a block's features and what it adds to the picture, for three styles a picture."""
    clamp, has_scaling = block.config.clamp, block.config.magnitude_rate > 0
    sizes = [layer.magnitude.rsqrt() if has_scaling else 1.0 for layer in (block.first, block.second)]
    is_fir = block.config.upsampling == "fir"
    y = styled(block.first, x * sizes[0], styles[:, 0], is_doubling=is_fir)
    y = y if is_fir else grown(block, y)
    y = rectified(y + block.first.bias[:, None, None], clamp)
    y = styled(block.second, y * sizes[1], styles[:, 1])
    y = rectified(y + block.second.bias[:, None, None], clamp)
    shown = styled(block.colour, y, styles[:, 2]) + block.colour.bias[:, None, None]
    return y, shown.clamp(-clamp, clamp)


def spread(x: Tensor, group: int) -> Tensor:
    """Return how much the pictures of each group differ; every `len(x) / group`-th belongs together."""
    out = x.new_zeros(len(x), 1, *x.shape[2:])
    groups = len(x) // group
    for k in range(groups):
        some = x[k::groups]
        deviation = (some.var(dim=0, unbiased=False) + 1e-8).sqrt()
        out[k::groups] = deviation.mean()
    return out


def scored(judge: Discriminator, image: Tensor, first: int = 0) -> Tensor:
    """Return unconditioned scores, beginning with block `first`, which sees its picture twice then."""
    clamp, x = judge.config.clamp, None
    for block in list(judge.blocks)[first:]:
        assert isinstance(block, SeenBlock)
        entry = rectified(seen(block.from_rgb, image), clamp)
        if x is None:
            x = entry if first == 0 else 2 * entry
        else:
            x = x + entry
        x = rectified(seen(block.first, x, padding=1), clamp)
        x = rectified(seen(block.second, filtered(x, 2, 2), stride=2), clamp)
        image = filtered(image, 1, 1, step=2)
    assert x is not None
    last = judge.last
    x = x + rectified(seen(last.from_rgb, image), clamp)
    x = torch.cat([x, spread(x, min(judge.config.group, len(x)))], dim=1)
    x = rectified(seen(last.conv, x, padding=1), clamp)
    return dense(last.out, rectified(dense(last.dense, x.flatten(1))))
