"""The published judge of lips and sound, SyncNet ("Out of time", Chung and Zisserman, 2016), for its metric.

It looks at five frames of a mouth in pixels and hears a fifth of a second of sound as cepstra. Its files name
their tensors as the layers here are named, so that they are taken over as they are.

Unlike our own judge it is trained on real faces, and it needs pictures: `phiz.speech.sync_network` reads
curves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

RATE, FPS = 16_000, 25
FRAMES, SIDE = 5, 224
"""Frames that are judged together, and their size in pixels."""
COEFFICIENTS, LOOKS, LOOKS_A_FRAME = 13, 20, 4
"""Cepstra of a look at the sound, looks that are judged together, and looks a frame."""
REACH = 15
"""Frames by which mouth and sound are shifted against each other."""
LENGTH, HOP, POINTS = 400, 160, 512
"""Samples of a look, between two, and of its transform."""
EMPHASIS, FILTERS, LIFTER = 0.97, 26, 22
FULL_SCALE = 32768.0
"""The published program takes sound in whole numbers of 16 bits, pictures in those of 8."""
AT_ONCE = 16


@dataclass(frozen=True, kw_only=True)
class PixelSyncConfig:
    """Widths of the layers; the published ones, unless a file says otherwise."""

    heard: tuple[int, ...] = (64, 192, 384, 256, 256, 512)
    """Of the convolutions of the sound."""
    seen: tuple[int, ...] = (96, 256, 256, 256, 256, 512)
    """Of the convolutions of the mouth."""
    hidden: int = 512
    embedding: int = 1024

    def __post_init__(self) -> None:
        if (len(self.heard), len(self.seen)) != (6, 6):
            raise ValueError("both towers have six convolutions")
        if min(self.hidden, self.embedding, *self.heard, *self.seen) < 1:
            raise ValueError("widths are at least 1")


PUBLISHED = PixelSyncConfig()
TINY = PixelSyncConfig(heard=(2, 2, 3, 3, 3, 4), seen=(2, 2, 3, 3, 3, 4), hidden=5, embedding=6)


class PixelSyncNet(nn.Module):
    """Both towers, under the names of the published file."""

    def __init__(self, config: PixelSyncConfig) -> None:
        super().__init__()
        self.config = config
        self.netcnnaud = _ear(config.heard)
        self.netfcaud = _head(config.heard[-1], config)
        self.netcnnlip = _eye(config.seen)
        self.netfclip = _head(config.seen[-1], config)

    def sound(self, cepstra: Float[Tensor, "n 1 13 20"]) -> Float[Tensor, "n d"]:
        """Return points of pieces of sound."""
        found: Tensor = self.netfcaud(self.netcnnaud(cepstra).flatten(1))
        return found

    def mouth(self, frames: Float[Tensor, "n 3 5 224 224"]) -> Float[Tensor, "n d"]:
        """Return points of mouths; colours are blue, green, red, from 0 to 255."""
        found: Tensor = self.netfclip(self.netcnnlip(frames).flatten(1))
        return found


@torch.no_grad()
def pixel_points(
    network: PixelSyncNet, frames: Float[Tensor, "t 3 224 224"], waveform: Float[Tensor, " n"]
) -> tuple[Float[Tensor, "s d"], Float[Tensor, "s d"]]:
    """Return points of mouth and sound for each frame that has four more after it.

    Frames are RGB from -1 to 1, 25 a second, cut to the face; sound has 16 000 samples a second from -1 to 1.
    """
    count = min(len(frames), len(waveform) * FPS // RATE) - FRAMES
    if count < 1:
        raise ValueError(
            f"{len(frames)} frames and {len(waveform)} samples are less than {FRAMES + 1} frames of film"
        )
    # parity: OpenCV's order of colours, and whole numbers that were never scaled.
    shown = ((frames.flip(1) + 1) * 127.5).movedim(1, 0)  # (3, t, 224, 224)
    heard = cepstra(waveform * FULL_SCALE).T  # (13, r)
    mouths, sounds = [], []
    for first in range(0, count, AT_ONCE):
        places = range(first, min(first + AT_ONCE, count))
        mouths.append(network.mouth(torch.stack([shown[:, k : k + FRAMES] for k in places])))
        pieces = [heard[:, LOOKS_A_FRAME * k : LOOKS_A_FRAME * k + LOOKS] for k in places]
        sounds.append(network.sound(torch.stack(pieces)[:, None].float()))
    return torch.cat(mouths), torch.cat(sounds)


def pixel_distances(
    mouth: Float[Tensor, "s d"], sound: Float[Tensor, "s d"], reach: int = REACH
) -> Float[Tensor, "s k"]:
    """Return how far each mouth is from the sound `reach` frames after it to `reach` frames before it.

    In this order a shift means what it means for our own judge: the mouth is late by so many frames.
    parity: beyond the ends of the film there are zeros, and they count.
    """
    padded = functional.pad(sound, (0, 0, reach, reach))
    windows = padded.unfold(0, 2 * reach + 1, 1).flip(2)  # (s, d, k)
    return functional.pairwise_distance(
        mouth[:, None].expand(-1, 2 * reach + 1, -1).reshape(-1, mouth.shape[1]),
        windows.transpose(1, 2).reshape(-1, mouth.shape[1]),
    ).reshape(len(mouth), -1)


def cepstra(samples: Float[Tensor, " n"]) -> Float[Tensor, "r 13"]:
    """Return mel-frequency cepstra, 100 a second; the first of each is the logarithm of its energy.

    The recipe of the package python_speech_features, whose defaults the published program uses: looks are not
    tapered, the spectrum is that of power, and cepstra are lifted as in HTK.
    """
    exact = samples.double()
    sharp = torch.cat([exact[:1], exact[1:] - EMPHASIS * exact[:-1]])
    count = 1 + max(0, math.ceil((len(sharp) - LENGTH) / HOP))
    whole = functional.pad(sharp, (0, (count - 1) * HOP + LENGTH - len(sharp)))
    power = torch.fft.rfft(whole.unfold(0, LENGTH, HOP), POINTS).abs().square() / POINTS
    energy = _above_zero(power.sum(dim=1))
    bands = _above_zero(power @ _triangles().T).log()
    found = bands @ _cosines().T * _lift()
    return torch.cat([energy.log()[:, None], found[:, 1:]], dim=1)


def _above_zero(values: Tensor) -> Tensor:
    return torch.where(values == 0, torch.finfo(torch.float64).eps, values)


@cache
def _triangles() -> Tensor:
    """Return how much each point of a spectrum counts in each of the 26 bands."""
    highest = 2595 * math.log10(1 + RATE / 2 / 700)
    mels = torch.linspace(0, highest, FILTERS + 2, dtype=torch.float64)
    edges = ((POINTS + 1) * 700 * (10 ** (mels / 2595) - 1) / RATE).floor()
    low, peak, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    point = torch.arange(POINTS // 2 + 1, dtype=torch.float64)
    rising, falling = (point - low) / (peak - low), (high - point) / (high - peak)
    return torch.where(point < peak, rising, falling).clamp(min=0)


@cache
def _cosines() -> Tensor:
    """Return the first rows of the orthonormal cosine transform of the second kind."""
    row = torch.arange(COEFFICIENTS, dtype=torch.float64)[:, None]
    column = torch.arange(FILTERS, dtype=torch.float64) + 0.5
    scale = (torch.where(row == 0, 1.0, 2.0).double() / FILTERS).sqrt()
    return scale * torch.cos(math.pi * row * column / FILTERS)


@cache
def _lift() -> Tensor:
    row = torch.arange(COEFFICIENTS, dtype=torch.float64)
    return 1 + LIFTER / 2 * torch.sin(math.pi * row / LIFTER)


def _ear(widths: tuple[int, ...]) -> nn.Sequential:
    """Return the convolutions of 13 x 20 cepstra, which leave one place."""
    a, b, c, d, e, f = widths
    return nn.Sequential(
        *_flat(1, a, 3, padding=1),
        nn.MaxPool2d(1, 1),  # parity: does nothing, and takes a number
        *_flat(a, b, 3, padding=1),
        nn.MaxPool2d(3, (1, 2)),
        *_flat(b, c, 3, padding=1),
        *_flat(c, d, 3, padding=1),
        *_flat(d, e, 3, padding=1),
        nn.MaxPool2d(3, (2, 2)),
        *_flat(e, f, (5, 4)),
    )


def _eye(widths: tuple[int, ...]) -> nn.Sequential:
    """Return the convolutions of 5 x 224 x 224 mouths, which leave one place."""
    a, b, c, d, e, f = widths
    return nn.Sequential(
        *_deep(3, a, (5, 7, 7), stride=(1, 2, 2)),
        nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
        *_deep(a, b, (1, 5, 5), stride=(1, 2, 2), padding=(0, 1, 1)),
        nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
        *_deep(b, c, (1, 3, 3), padding=(0, 1, 1)),
        *_deep(c, d, (1, 3, 3), padding=(0, 1, 1)),
        *_deep(d, e, (1, 3, 3), padding=(0, 1, 1)),
        nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
        *_deep(e, f, (1, 6, 6)),
    )


def _head(before: int, config: PixelSyncConfig) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(before, config.hidden),
        nn.BatchNorm1d(config.hidden),
        nn.ReLU(),
        nn.Linear(config.hidden, config.embedding),
    )


def _flat(before: int, after: int, kernel: int | tuple[int, int], padding: int = 0) -> list[nn.Module]:
    return [nn.Conv2d(before, after, kernel, padding=padding), nn.BatchNorm2d(after), nn.ReLU()]


def _deep(
    before: int,
    after: int,
    kernel: tuple[int, int, int],
    *,
    stride: tuple[int, int, int] = (1, 1, 1),
    padding: tuple[int, int, int] = (0, 0, 0),
) -> list[nn.Module]:
    return [nn.Conv3d(before, after, kernel, stride, padding), nn.BatchNorm3d(after), nn.ReLU()]
