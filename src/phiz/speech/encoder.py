"""What a fifth of a second of speech sounds like, as 512 numbers: the audio encoder of Wav2Lip.

"A Lip Sync Expert Is All You Need for Speech to Lip Generation In the Wild" (Prajwal et al., 2020). The
published talking heads use it twice, with other weights, for expressions and for poses. Parameters have
the published names.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from phiz.layers.folding import convolved

AT_ONCE = 32
"""Windows a batch where nothing is learned: what is between two convolutions stays in the cache."""


class Step(NamedTuple):
    """One convolution."""

    width: int
    """Which of the widths it gives."""
    stride: tuple[int, int] = (1, 1)
    """Over bands and time."""
    is_residual: bool = False
    kernel: int = 3
    border: int = 1


STEPS = (
    *(Step(0), Step(0, is_residual=True), Step(0, is_residual=True)),
    *(Step(1, (3, 1)), Step(1, is_residual=True), Step(1, is_residual=True)),
    *(Step(2, (3, 3)), Step(2, is_residual=True), Step(2, is_residual=True)),
    *(Step(3, (3, 2)), Step(3, is_residual=True)),
    *(Step(4, border=0), Step(4, kernel=1, border=0)),
)
"""Bands and times shrink from 80 x 16 over 27 x 16, 9 x 6 and 3 x 3 to 1 x 1."""


Widths = tuple[int, ...]
"""Channels after each shrinking of the map; the last is how many numbers come out."""
PUBLISHED: Widths = (32, 64, 128, 256, 512)
TINY: Widths = (2, 3, 4, 5, 6)


class Block(nn.Module):
    """A convolution and its normalisation, with what went in added where sizes stay; rectified."""

    def __init__(self, before: int, after: int, step: Step) -> None:
        super().__init__()
        conv = nn.Conv2d(before, after, step.kernel, step.stride, step.border)
        self.conv_block = nn.Sequential(conv, nn.BatchNorm2d(after))
        self.is_residual = step.is_residual

    def forward(self, x: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o h2 w2"]:
        conv, norm = self.conv_block
        return convolved(x, conv, norm, plus=x if self.is_residual else None)


def audio_encoder(widths: Widths) -> nn.Sequential:
    """Return a new encoder: thirteen convolutions in a row, from (b, 1, 80, 16) to (b, widths[-1], 1, 1)."""
    if len(widths) != len(PUBLISHED) or min(widths) < 1:
        raise ValueError(f"an audio encoder has five widths of at least 1, not {widths}")
    every = [1, *(widths[step.width] for step in STEPS)]
    sizes = zip(every[:-1], every[1:], STEPS, strict=True)
    return nn.Sequential(*(Block(before, after, step) for before, after, step in sizes))


def heard(encoder: nn.Module, windows: Float[Tensor, "n 1 80 16"]) -> Float[Tensor, "n a"]:
    """Return what an encoder makes of windows; all of them at once where it learns, else few at a time.

    What has taken the place of the convolutions, as `phiz.speech.encoder_fast` does, gets all of them.
    """
    if not isinstance(encoder, nn.Sequential):
        return encoder(windows)  # type: ignore[no-any-return]
    if torch.is_grad_enabled() and any(p.requires_grad for p in encoder.parameters()):
        return encoder(windows).flatten(1)  # type: ignore[no-any-return]
    if not len(windows):
        windows = windows.new_zeros(0, 1, 80, 16)
    return torch.cat([encoder(some).flatten(1).float() for some in torch.split(windows, AT_ONCE)])
