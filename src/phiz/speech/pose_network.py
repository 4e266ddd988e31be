"""The networks that turn a head: a conditional variational autoencoder of 32 frames of motion, and its judge.

PoseVAE of "SadTalker" (Zhang et al., 2023). A latent code, the sound, a speaker's style and the pose that
the head starts in become a motion: how far each frame is from that pose. Parameters have the published names.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from phiz.speech import encoder
from phiz.speech.encoder import Widths, audio_encoder, heard

DEGREES = 6
"""Numbers of a pose: pitch, yaw and roll, then where the head is."""
JUDGE = (256, 512, 1024)
"""Channels of the published judge."""


@dataclass(frozen=True, kw_only=True)
class PoseConfig:
    """Sizes of a pose network."""

    frames: int = 32
    """Of a motion; the published number."""
    latent: int = 64
    styles: int = 46
    """How many speakers it has learned to move like."""
    sound: int = 6
    """Numbers left of the sound of a frame."""
    squeezed: tuple[int, int] = (192, 128)
    """Widths of the encoder's linear layers: what is read of a motion, what is made of that and the rest."""
    spread: tuple[int, int] = (128, 192)
    """Widths of the decoder's; the last is a motion."""
    filters: tuple[int, int, int, int] = (32, 64, 128, 256)
    """Channels of the networks that smooth a motion, from many frames to few."""
    judge: tuple[int, ...] = JUDGE
    """Channels of the judge, which is used in training only."""
    widths: Widths = encoder.PUBLISHED
    """Channels of the audio encoder; the last is how many numbers it hears."""

    def __post_init__(self) -> None:
        if self.frames < 8 or self.frames % 8:
            raise ValueError(f"a motion is a multiple of 8 frames long, not {self.frames}")
        if not self.squeezed[0] == self.spread[1] == self.frames * DEGREES:
            raise ValueError(
                f"a motion has {self.frames} x {DEGREES} numbers, which both ends have to agree to"
            )


PUBLISHED = PoseConfig()
TINY = PoseConfig(
    frames=8,
    latent=4,
    styles=3,
    sound=2,
    squeezed=(48, 5),
    spread=(5, 48),
    filters=(2, 3, 4, 5),
    judge=(3, 4, 5),
    widths=encoder.TINY,
)


class Unit(nn.Module):
    """A residual unit that may halve the number of frames."""

    def __init__(self, before: int, after: int, stride: int = 1) -> None:
        super().__init__()
        first = nn.Conv2d(before, after, 3, (stride, 1), 1)
        second = nn.Conv2d(after, after, 3, padding=1)
        beside = nn.Conv2d(before, after, 3, (stride, 1), 1)
        self.conv_block = nn.Sequential(
            nn.BatchNorm2d(before), nn.ReLU(), first, nn.BatchNorm2d(after), nn.ReLU(), second
        )
        self.conv_skip = nn.Sequential(beside, nn.BatchNorm2d(after))

    def forward(self, x: Float[Tensor, "b i t k"]) -> Float[Tensor, "b o t2 k"]:
        return self.conv_block(x) + self.conv_skip(x)  # type: ignore[no-any-return]


class Upsample(nn.Module):
    """Twice as many frames."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.upsample = nn.ConvTranspose2d(channels, channels, (2, 1), (2, 1))

    def forward(self, x: Float[Tensor, "b c t k"]) -> Float[Tensor, "b c t2 k"]:
        found: Tensor = self.upsample(x)
        return found


class ResUnet(nn.Module):
    """Makes a motion of a motion: down to an eighth of the frames, and up again."""

    def __init__(self, filters: tuple[int, int, int, int]) -> None:
        super().__init__()
        a, b, c, d = filters
        stem = nn.Conv2d(1, a, 3, padding=1), nn.Conv2d(a, a, 3, padding=1)
        self.input_layer = nn.Sequential(stem[0], nn.BatchNorm2d(a), nn.ReLU(), stem[1])
        self.input_skip = nn.Sequential(nn.Conv2d(1, a, 3, padding=1))
        self.residual_conv_1 = Unit(a, b, 2)
        self.residual_conv_2 = Unit(b, c, 2)
        self.bridge = Unit(c, d, 2)
        self.upsample_1 = Upsample(d)
        self.up_residual_conv1 = Unit(d + c, c)
        self.upsample_2 = Upsample(c)
        self.up_residual_conv2 = Unit(c + b, b)
        self.upsample_3 = Upsample(b)
        self.up_residual_conv3 = Unit(b + a, a)
        self.output_layer = nn.Sequential(nn.Conv2d(a, 1, 1), nn.Sigmoid())

    def forward(self, x: Float[Tensor, "b 1 t k"]) -> Float[Tensor, "b 1 t k"]:
        whole = self.input_layer(x) + self.input_skip(x)
        half = self.residual_conv_1(whole)
        quarter = self.residual_conv_2(half)
        y = self.upsample_1(self.bridge(quarter))
        y = self.upsample_2(self.up_residual_conv1(torch.cat([y, quarter], dim=1)))
        y = self.upsample_3(self.up_residual_conv2(torch.cat([y, half], dim=1)))
        y = self.up_residual_conv3(torch.cat([y, whole], dim=1))
        found: Tensor = self.output_layer(y)
        return found


def _layers(*sizes: int) -> nn.Sequential:
    """Return linear layers, all but the last followed by a rectifier; with the published names."""
    layers = {f"L{n}": nn.Linear(a, b) for n, (a, b) in enumerate(pairwise(sizes))}
    made = nn.Sequential()
    for number, (name, layer) in enumerate(layers.items()):
        made.add_module(name, layer)
        if number < len(layers) - 1:
            made.add_module(f"A{number}", nn.ReLU())
    return made


class MotionEncoder(nn.Module):
    """Tells which latent codes a motion may have come from; used in training only."""

    def __init__(self, config: PoseConfig) -> None:
        super().__init__()
        self.config = config
        read, made = config.squeezed
        sound = config.sound * config.frames
        self.resunet = ResUnet(config.filters)
        self.MLP = _layers(DEGREES + read + sound + config.latent, made)
        self.linear_means = nn.Linear(made, config.latent)
        # parity: in the file, and never used; see forward().
        self.linear_logvar = nn.Linear(made, config.latent)
        self.linear_audio = nn.Linear(config.widths[-1], config.sound)
        self.classbias = nn.Parameter(torch.randn(config.styles, config.latent))

    def forward(
        self,
        motion: Float[Tensor, "b t 6"],
        start: Float[Tensor, "b 6"],
        sounds: Float[Tensor, "b t a"],
        style: Int[Tensor, " b"],
        *,
        is_exact: bool = True,
    ) -> tuple[Float[Tensor, "b z"], Float[Tensor, "b z"]]:
        """Return mean and log variance of the latent code.

        parity: the published variance comes out of the layer of the means, which makes it ``exp(mean)``.
        Without `is_exact` it has the layer that was made for it.
        """
        smooth = self.resunet(motion[:, None]).flatten(1)
        sound = self.linear_audio(sounds).flatten(1)
        made = self.MLP(torch.cat([start, smooth, sound, self.classbias[style]], dim=1)).relu()
        mean = self.linear_means(made)
        return mean, mean if is_exact else self.linear_logvar(made)


class MotionDecoder(nn.Module):
    """Makes a motion of a latent code."""

    def __init__(self, config: PoseConfig) -> None:
        super().__init__()
        self.config = config
        sound = config.sound * config.frames
        self.resunet = ResUnet(config.filters)
        self.MLP = _layers(DEGREES + config.latent + sound, *config.spread)
        self.pose_linear = nn.Linear(DEGREES, DEGREES)
        self.linear_audio = nn.Linear(config.widths[-1], config.sound)
        self.classbias = nn.Parameter(torch.randn(config.styles, config.latent))

    def forward(
        self,
        code: Float[Tensor, "b z"],
        start: Float[Tensor, "b 6"],
        sounds: Float[Tensor, "b t a"],
        style: Int[Tensor, " b"],
    ) -> Float[Tensor, "b t 6"]:
        """Return how far the head is from its pose at the start in each frame."""
        sound = self.linear_audio(sounds).flatten(1)
        rough = self.MLP(torch.cat([start, code + self.classbias[style], sound], dim=1)).sigmoid()
        motion = self.resunet(rough.reshape(-1, 1, self.config.frames, DEGREES))[:, 0]
        found: Tensor = self.pose_linear(motion)
        return found


class Pair(nn.Module):
    """Encoder and decoder."""

    def __init__(self, config: PoseConfig) -> None:
        super().__init__()
        self.encoder = MotionEncoder(config)
        self.decoder = MotionDecoder(config)


class Convolution(nn.Module):
    """A convolution over time, normalised and rectified."""

    def __init__(self, before: int, after: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(before, after, kernel, stride, 1, bias=False)
        self.norm = nn.BatchNorm1d(after)

    def forward(self, x: Float[Tensor, "b i t"]) -> Float[Tensor, "b o t2"]:
        return functional.relu(self.norm(self.conv(x)))


class MotionJudge(nn.Module):
    """Tells made motions from real ones, four frames at a time; used in training only."""

    def __init__(self, config: PoseConfig) -> None:
        super().__init__()
        widths = (DEGREES, *config.judge)
        halving = [Convolution(a, b, 4, 2) for a, b in pairwise(widths[:-1])]
        last = nn.Conv1d(widths[-1], 1, 3, padding=1)
        self.seq = nn.Sequential(*halving, Convolution(widths[-2], widths[-1], 3, 1), last)

    def forward(self, motion: Float[Tensor, "b t 6"]) -> Float[Tensor, "b s"]:
        found: Tensor = self.seq(motion.transpose(1, 2))
        return found[:, 0]


class Listener(nn.Module):
    """An audio encoder; the layer in which the published file keeps it."""

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        self.audio_encoder = audio_encoder(widths)

    def forward(self, windows: Float[Tensor, "b t 1 80 16"]) -> Float[Tensor, "b t a"]:
        """Return what is heard in each frame of each sound.

        The published code puts the frames of several sounds into another order than it takes them out;
        it is right for one sound at a time, and so is this for any number.
        """
        found = heard(self.audio_encoder, windows.flatten(0, 1))
        return found.reshape(*windows.shape[:2], -1)


class PoseNet(nn.Module):
    """All networks of the published file."""

    def __init__(self, config: PoseConfig) -> None:
        super().__init__()
        self.config = config
        self.audio_encoder = Listener(config.widths)
        self.netG = Pair(config)
        self.netD_motion = MotionJudge(config)
