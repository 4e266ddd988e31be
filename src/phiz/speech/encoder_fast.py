"""The audio encoder, ready to be used on a processor: the same in less time, nearly the same in half of it.

Its last maps are 3 x 3, which convolutions are slow at. For many windows at once they become products of
matrices. What comes before takes most of the time, and may be done in whole numbers from 0 to 255, which
processors with VNNI do three times as fast; that changes what is heard by about a hundredth.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from jaxtyping import Float, Num, UInt8
from torch import Tensor, nn

from phiz.layers.folding import Folded, folded
from phiz.speech.encoder import AT_ONCE, STEPS, Block

N = TypeVar("N", bound=nn.Module)

LATE = 10
"""The first step whose map is 3 x 3 before it."""
SIDE = 3
MANY = 48
"""Windows from which products of matrices pay; their numbers take ten times the room of the kernels."""
HIGHEST, STEEPEST = 255, 127
"""Largest whole number of a map, and of a weight."""
ROOM = 1.1
"""How far maps may go beyond what examples showed."""
FUSED = "qconv2d_pointwise"
"""Torch's name for a convolution of whole numbers; not part of its promises, so looked for."""


class Whole(nn.Module):
    """A folded convolution of maps from 0 to 255, rectified."""

    def __init__(self, conv: Folded, before: Float[Tensor, "b i h w"], step: float, *, is_last: bool) -> None:
        """`before` are examples of maps, as they are; `step` is what one stands for in the result."""
        super().__init__()
        weight = conv.weight.float()
        self.steps = weight.abs().amax((1, 2, 3)).clamp(min=1e-12) / STEEPEST
        self.zeros = torch.zeros(len(weight), dtype=torch.int32)
        self.bias = conv.bias.float()
        stride, padding, dilation, groups = conv.settings
        self.settings = list(stride), list(padding), list(dilation), groups
        self.step_before, self.step = step_of(before), step
        whole = (weight / self.steps[:, None, None, None]).round().to(torch.int8)
        packed = torch.ops.onednn.qconv_prepack
        self.packed: Tensor = packed(
            whole, self.steps, self.step_before, 0, *self.settings, list(before.shape)
        )
        self.kind = torch.float32 if is_last else torch.uint8

    def forward(self, x: UInt8[Tensor, "b i h w"], is_residual: bool) -> Num[Tensor, "b o h2 w2"]:
        known = torch.ops.onednn.qconv2d_pointwise
        numbers = (x, self.step_before, 0, self.packed, self.steps, self.zeros)
        result = (self.bias, *self.settings, self.step, 0, self.kind)
        y: Tensor
        if is_residual:  # the sum takes the place of what is added
            y = known.binary(*numbers, x.clone(), *result, self.step_before, 0, "sum", 1.0, "relu", [], "")
        else:
            y = known.default(*numbers, *result, "relu", [], "")
        return y


class FastEncoder(nn.Module):
    """A folded encoder that takes any number of windows at once, and does not learn."""

    def __init__(self, steps: nn.Sequential, examples: Float[Tensor, "n 1 80 16"] | None = None) -> None:
        """With examples of windows, most of it is done in whole numbers of the sizes that they show."""
        super().__init__()
        blocks = list(steps)
        self.early, self.late = nn.Sequential(*blocks[:LATE]), nn.Sequential(*blocks[LATE:])
        self.matrices = [_matrix(block) for block in blocks[LATE:]]
        self.whole: list[Whole] = []
        self.step = 1.0
        if examples is not None:
            self._count(examples)

    def forward(self, windows: Float[Tensor, "n 1 80 16"]) -> Float[Tensor, "n a"]:
        """Return what is heard."""
        if not len(windows):
            return windows.new_zeros(0, len(self.matrices[-1][1]))
        maps = torch.cat([self._early(some) for some in torch.split(windows, AT_ONCE)])
        if len(windows) < MANY:
            found: Tensor = self.late(maps)
            return found.flatten(1)
        y = maps.permute(0, 2, 3, 1).flatten(1)
        (first, bias), *others = self.matrices
        y = _by_rows(y, first, bias)
        for matrix, shift in others:
            y = torch.addmm(shift, y, matrix).relu_()
        return y

    def _early(self, windows: Tensor) -> Tensor:
        if not self.whole:
            maps: Tensor = self.early(windows)
            return maps.contiguous(memory_format=torch.channels_last)
        first: Tensor = self.early[0](windows)
        y = first.mul_(1 / self.step).round_().clamp_(max=HIGHEST).to(torch.uint8)
        for whole, step in zip(self.whole, STEPS[1:LATE], strict=True):
            y = whole(y, step.is_residual)
        return y

    def _count(self, examples: Tensor) -> None:
        first, *others = list(self.early)
        maps = [first(examples)]
        for block in others:
            maps.append(block(maps[-1]))
        self.step = step_of(maps[0])
        for number, block in enumerate(others):
            is_last = number == LATE - 2
            after = 1.0 if is_last else step_of(maps[number + 1])
            self.whole.append(Whole(_folded(block), maps[number], after, is_last=is_last))


def fast(network: N, examples: Float[Tensor, "n 1 80 16"] | None = None) -> N:
    """Return a copy of a network whose audio encoder gives the same in less time; it cannot learn.

    With examples of what it will hear (a few seconds, loud and quiet), it gives nearly the same in half of
    that time, where the processor is fit for it; without such a processor, examples change nothing.
    """
    made = folded(network)
    for owner in list(made.modules()):
        for name, child in list(owner.named_children()):
            if isinstance(child, nn.Sequential) and len(child) == len(STEPS) and isinstance(child[0], Block):
                setattr(owner, name, FastEncoder(child, examples if counts_whole() else None))
    return made


def counts_whole() -> bool:
    """Return whether this processor, and this torch, are fast at whole numbers."""
    has_vnni = bool(torch.cpu._is_vnni_supported())
    return has_vnni and hasattr(torch.ops.onednn, FUSED)


def step_of(maps: Float[Tensor, "b c h w"]) -> float:
    """Return what one stands for if maps like these go from 0 to 255."""
    return max(float(maps.max()), 1e-6) * ROOM / HIGHEST


def _folded(block: nn.Module) -> Folded:
    assert isinstance(block, Block)
    conv = block.conv_block[0]
    assert isinstance(conv, Folded)
    return conv


def _matrix(block: nn.Module) -> tuple[Tensor, Tensor]:
    """Return a late step as a matrix from all numbers of its map to all of the next, and what is added."""
    conv = _folded(block)
    weight, bias = conv.weight.float(), conv.bias.float()
    side = SIDE if weight.shape[-1] == SIDE else 1
    padding = conv.settings[1]
    inside = weight.shape[1]
    every = torch.eye(side * side * inside).reshape(-1, side, side, inside).permute(0, 3, 1, 2)
    found = nn.functional.conv2d(every, weight, padding=padding).permute(0, 2, 3, 1)  # (i, h, w, o)
    return found.flatten(1).contiguous(), bias.repeat(found.shape[1] * found.shape[2])


def _by_rows(x: Tensor, matrix: Tensor, bias: Tensor) -> Tensor:
    """Return x, added to its product with a convolution's matrix, rectified; a row sees two or three."""
    row = matrix.shape[1] // SIDE
    y = x + bias
    for number in range(SIDE):
        seen = slice(max(number - 1, 0) * row, min(number + 2, SIDE) * row)
        out = slice(number * row, (number + 1) * row)
        y[:, out].addmm_(x[:, seen], matrix[seen, out])
    return y.relu_()
