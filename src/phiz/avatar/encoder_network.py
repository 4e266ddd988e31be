"""From a picture of a head to how the generator would draw it, in one pass: styles, background, camera.

The picture has to lie as the generator's own do. What is told is a start for whoever looks closer, or all
there is where time is short. The trunk is that of the network which finds landmarks, one layer longer; the
last map is read place by place, because it matters where in the picture something is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from phiz.generator.config import BUILTIN_256, GeneratorConfig
from phiz.generator.config import TINY as TINY_GENERATOR
from phiz.graphics import frames
from phiz.graphics.camera import Camera
from phiz.layers.folding import convolved
from phiz.layers.residual import Trunk, TrunkConfig
from phiz.trained import Kind
from phiz.world.portrait import view_camera

ANGLES = 2
"""Yaw and pitch."""


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """Sizes of an encoder."""

    w_size: int = BUILTIN_256.w_size
    """Numbers in a style of the generator."""
    rows: tuple[int, ...] = (BUILTIN_256.styles,)
    """Styles are told once for each of these groups of the generator's layers, first to last."""
    background: int = 3
    """Numbers in the generator's background code."""
    size: int = 128
    """Height and width to which pictures are brought."""
    blocks: tuple[int, ...] = (1, 2, 2, 2, 1)
    """Blocks of each layer of the trunk."""
    widths: tuple[int, ...] = (16, 32, 64, 112, 192)
    """Channels of each layer of the trunk."""
    narrow: int = 96
    """Channels to which the last map is reduced."""
    hidden: int = 384
    """Numbers between the map and what is told."""

    def __post_init__(self) -> None:
        """Refuse sizes that make no sense."""
        if self.size % self.shrink or self.size < 2 * self.shrink:
            raise ValueError(f"pictures have a multiple of {self.shrink} pixels, at least two of them")
        if not self.rows or min(self.rows) < 1 or min(self.w_size, self.background) < 1:
            raise ValueError("an encoder tells one row of styles at least, and each stands for a layer")
        if min(self.narrow, self.hidden) < 1:
            raise ValueError("narrow and hidden are positive")

    @property
    def shrink(self) -> int:
        """Return how many pixels of a picture one of the last map stands for."""
        return int(2 ** len(self.widths))

    @property
    def trunk(self) -> TrunkConfig:
        return TrunkConfig(blocks=self.blocks, widths=self.widths, has_pool=False, stem=3)


BUILTIN = EncoderConfig()
TINY = EncoderConfig(
    w_size=TINY_GENERATOR.w_size,
    rows=(TINY_GENERATOR.styles,),
    background=TINY_GENERATOR.background_latent,
    size=32,
    blocks=(1, 1, 1, 1),
    widths=(4, 6, 8, 10),
    narrow=4,
    hidden=12,
)
ENCODERS = {"BUILTIN": BUILTIN, "TINY": TINY}


@dataclass(frozen=True, kw_only=True)
class Told:
    """What an encoder tells of some pictures."""

    styles: Float[Tensor, "b n w"]
    """Of all layers of the generator."""
    background: Float[Tensor, "b l"]
    yaw: Float[Tensor, " b"]
    """Radians; the generator's camera is one into which a head of these angles looks straight."""
    pitch: Float[Tensor, " b"]

    @property
    def camera(self) -> Camera:
        """Return where the pictures are seen from, in the generator's frame."""
        return view_camera(self.yaw, self.pitch)

    def __getitem__(self, index: slice) -> Told:
        return Told(**{name: value[index] for name, value in self.__dict__.items()})


class EncoderNet(nn.Module):
    """Pictures in [-1, 1] to what the generator would draw them from."""

    middle: Tensor
    """The style of a mean face."""
    spread: Tensor
    """How far each of its numbers usually is from that: one deviation."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = Trunk(config.trunk)
        self.conv = nn.Conv2d(config.widths[-1], config.narrow, 1, bias=False)
        self.norm = nn.BatchNorm2d(config.narrow)
        side = config.size // config.shrink
        self.hidden = nn.Linear(config.narrow * side * side, config.hidden)
        self.tell = nn.Linear(config.hidden, len(config.rows) * config.w_size + config.background + ANGLES)
        self.register_buffer("middle", torch.zeros(config.w_size))
        self.register_buffer("spread", torch.ones(config.w_size))

    def begin(self, styles: Float[Tensor, "b w"]) -> None:
        """Make a new network tell the mean of these styles, seen from the front."""
        self.middle.copy_(styles.mean(dim=0))
        self.spread.copy_(styles.std(dim=0))
        nn.init.normal_(self.tell.weight, std=0.01)
        nn.init.zeros_(self.tell.bias)

    def forward(self, pictures: Float[Tensor, "b 3 h w"]) -> Told:
        """Return what is told of pictures in the generator's framing, of any size."""
        config = self.config
        last = convolved(self.trunk(resized(pictures, config.size))[-1], self.conv, self.norm)
        told: Tensor = self.tell(self.hidden(last.flatten(1)).relu()).float()
        rows = len(config.rows)
        away, background, angles = torch.split(told, [rows * config.w_size, config.background, ANGLES], dim=1)
        w = self.middle + self.spread * away.reshape(-1, rows, config.w_size)
        layers = torch.tensor(config.rows, device=w.device)
        return Told(
            styles=w.repeat_interleave(layers, dim=1, output_size=sum(config.rows)),
            background=background,
            yaw=angles[:, 0],
            pitch=angles[:, 1],
        )


def resized(pictures: Float[Tensor, "b c h w"], size: int) -> Float[Tensor, "b c h2 w2"]:
    """Return pictures at another size; smaller ones are means, so that nothing aliases."""
    if pictures.shape[-2:] == (size, size):
        return pictures
    return functional.interpolate(
        pictures, size=(size, size), mode="bilinear", antialias=True, align_corners=False
    )


def angles_of(camera: Camera) -> Float[Tensor, "b 2"]:
    """Return yaw and pitch of the generator's cameras: `phiz.world.portrait.view_camera` undone."""
    x, y, z = (camera.position @ camera.position.new_tensor(frames.GENERATOR_AXES)).unbind(dim=-1)
    far = camera.position.norm(dim=-1)
    return torch.stack([torch.atan2(x, z), -torch.asin((y / far).clamp(-1, 1))], dim=1)


def config_for(generator: GeneratorConfig, like: EncoderConfig = BUILTIN) -> EncoderConfig:
    """Return the config of an encoder for a generator, with one row of styles for all its layers."""
    return replace(
        like, w_size=generator.w_size, rows=(generator.styles,), background=generator.background_latent
    )


def fits(config: EncoderConfig, generator: GeneratorConfig) -> bool:
    """Return whether what an encoder tells is what a generator draws from."""
    mine = config.w_size, sum(config.rows), config.background
    return mine == (generator.w_size, generator.styles, generator.background_latent)


ENCODER = Kind(name="encoder", config=EncoderConfig, make=EncoderNet, trainer="phiz train encoder")
