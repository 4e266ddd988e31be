"""What generators and discriminators are made of, and the sizes that were published.

One flat dataclass each, so that every number is an option of the trainer: ``--generator.hidden 64``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, TypeVar

C = TypeVar("C")

LEVEL = math.pi / 2
"""Polar angle of a camera that looks along the horizon."""


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """A style-based radiance field and the convolutions that make its features a picture."""

    resolution: int = 256
    """Height and width of the picture."""

    # Mapping: z -> w
    z_size: int = 512
    """Numbers in a latent code z."""
    w_size: int = 512
    """Numbers in a style w."""
    mapping_layers: int = 8
    """Dense layers from z to w."""
    mapping_rate: float = 0.01
    """Learning-rate multiplier of the mapping."""
    labels: int = 0
    """Numbers in a label that conditions the picture; 0 for none."""
    groups: tuple[int, ...] = ()
    """Lengths of groups at the end of z that stand for one choice each: they are read by a soft-max."""
    group_bias: tuple[float, ...] = ()
    """Added to the numbers of all groups first, so that some choices are rarer than others."""

    # Foreground field
    source: Literal["encoding", "planes"] = "encoding"
    """What a point is described by: sines of its place, or features on three planes."""
    frequencies: int = 10
    """Octaves of the encoding of places."""
    hidden: int = 128
    """Width of the field's layers."""
    field_layers: int = 8
    """Hidden layers of the field."""
    features: int = 256
    """Channels that the field hands to the upsampler."""
    colour: Literal["predicted", "extra"] = "predicted"
    """Colours as a linear function of the features, or as three further outputs beside them."""

    density: Literal["relu", "softplus"] = "relu"
    """What makes densities positive; the soft one is shifted by one and never dead."""
    density_gain: float = 1.0
    """Densities are multiplied by this: how near to opaque a new network is."""

    density_noise: float = 1.0
    """Spread of the noise that is added to densities in training, before they are made positive."""

    # Planes
    planes_channels: int = 32
    """Channels of each of the three planes."""
    planes_resolution: int = 256
    """Height and width of the planes."""
    planes_base: float = 1.0
    """Channels of the plane network are 32768 times this over the resolution ..."""
    planes_most: int = 512
    """... and at most these."""
    planes_span: float = 0.24
    """Width of the cube that the planes cover, in generator units."""

    # Background
    background: Literal["sphere", "none"] = "sphere"
    """What shows behind the head: an inverted sphere (NeRF++), or nothing."""
    background_latent: int = 32
    """Numbers in the background's own latent code."""
    background_hidden: int = 64
    """Width of the background's layers."""
    background_layers: int = 4
    """Hidden layers of the background."""
    background_frequencies: int = 10
    """Octaves of its encoding."""
    background_samples: int = 4
    """Samples a ray behind the head."""
    background_start: float = 0.5
    """Inverse radius of the first of them."""

    # Volume
    volume_resolution: int = 32
    """Height and width of the picture of rays."""
    samples: int = 14
    """Coarse samples a ray."""
    is_hierarchical: bool = True
    """Whether as many finer samples are added where the coarse ones weigh much."""
    near: float = 0.88
    """Depth of the first sample."""
    far: float = 1.12
    """Depth of the last sample."""
    spacing: Literal["depth", "inverse"] = "depth"
    """Even steps in depth, or in 1 / depth with far points contracted."""
    is_corner_aligned: bool = False
    """Whether rays go through the corners of the picture, as in the older published files."""
    is_length_relative: bool = False
    """Whether lengths count from 0 at `near` to 1 at `far`."""

    # Upsampler
    upsampling: Literal["nn_cat", "pixelshuffle", "fir", "nearest", "bilinear"] = "nn_cat"
    """How features grow: neighbours through a small network, channels to pixels, or a filter."""
    is_blurred: bool = True
    """Whether a low-pass filter follows (nn_cat, pixelshuffle and nearest)."""
    kernel: int = 1
    """Kernel of the convolutions; 1 keeps pictures the same from all sides."""
    channel_base: float = 1.0
    """Channels are 32768 times this over the resolution ..."""
    channel_most: int = 1024
    """... and at most these."""
    clamp: float = 256.0
    """No feature is larger than this."""
    magnitude_rate: float = 0.999
    """How slowly the running mean of each layer's squared input follows; 0 for no such scaling."""

    # NeRF-path regularisation
    path_samples: int = 16
    """The path loss looks at this many pixels squared; 0 for no path loss."""

    # Camera prior
    azimuth: tuple[float, float] = (-0.3, 0.3)
    """Range of the camera's azimuth, or mean minus and plus one standard deviation."""
    polar: tuple[float, float] = (LEVEL - 0.155, LEVEL + 0.155)
    """The same of its polar angle; pi / 2 is level."""
    radius: tuple[float, float] = (1.0, 1.0)
    """Range of its distance from the origin."""
    units_per_metre: float = 0.90625
    """Generator units a metre of what it draws, for whoever measures."""
    fov_deg: float = 12.0
    """Angle that the picture spans."""
    is_gaussian: bool = True
    """Whether angles are normally distributed; else evenly within their ranges."""

    def __post_init__(self) -> None:
        ratio = self.resolution / self.volume_resolution
        if ratio < 1 or 2 ** round(math.log2(ratio)) != ratio:
            raise ValueError(
                f"a picture of {self.resolution} cannot grow by doubling from a volume of "
                f"{self.volume_resolution}"
            )
        if self.samples < 3 or self.near >= self.far:
            raise ValueError("a ray needs at least 3 samples, and near has to come before far")
        if any(length < 2 for length in self.groups):
            raise ValueError(f"a group of one number leaves nothing to choose: {self.groups}")
        if sum(self.groups) > self.z_size:
            raise ValueError(f"groups of {sum(self.groups)} numbers do not fit into z of {self.z_size}")
        if len(self.group_bias) not in (0, sum(self.groups)):
            raise ValueError(f"{len(self.group_bias)} biases do not fit groups of {sum(self.groups)} numbers")

    @property
    def block_resolutions(self) -> tuple[int, ...]:
        """Return the resolutions of the upsampler's blocks, lowest first."""
        steps = round(math.log2(self.resolution / self.volume_resolution))
        return tuple(self.volume_resolution * 2**k for k in range(1, steps + 1))

    @property
    def plane_resolutions(self) -> tuple[int, ...]:
        """Return the resolutions of the plane network's blocks, lowest first."""
        if self.source != "planes":
            return ()
        return tuple(8 * 2**k for k in range(round(math.log2(self.planes_resolution / 8)) + 1))

    @property
    def plane_styles(self) -> int:
        """Return how many styles the plane network takes: one a convolution, one for the last output."""
        return 2 * len(self.plane_resolutions) if self.plane_resolutions else 0

    @property
    def field_styles(self) -> int:
        """Return how many styles the field takes: one a hidden layer, density and features."""
        return self.field_layers + 2 if self.source == "encoding" else 0

    @property
    def volume_styles(self) -> int:
        """Return how many styles come before the upsampler's: those that shape the head."""
        return self.plane_styles + self.field_styles

    @property
    def styles(self) -> int:
        """Return how many styles a picture takes in all."""
        return self.volume_styles + 2 * len(self.block_resolutions) + 1

    def channels(self, resolution: int) -> int:
        """Return the channels of the upsampler's block of this resolution."""
        return min(int(32768 * self.channel_base / resolution), self.channel_most)

    def plane_channels(self, resolution: int) -> int:
        """Return the channels of the plane network's block of this resolution."""
        return min(int(32768 * self.planes_base / resolution), self.planes_most)


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig:
    """Convolutions that tell pictures of the data set from drawn ones."""

    resolution: int = 256
    """Height and width of the largest pictures."""
    channel_base: float = 1.0
    """Channels are 32768 times this over the resolution ..."""
    channel_most: int = 512
    """... and at most these."""
    clamp: float = 256.0
    """No feature is larger than this."""
    group: int = 8
    """Pictures among which the last block looks for variety."""
    labels: int = 0
    """Numbers in a label; 0 for none."""
    camera: Literal["none", "matrix", "angles"] = "none"
    """Whether scores depend on the camera that the discriminator believes in: 16 numbers or 3."""
    lowest_head: int = 32
    """Resolution at which a progressive training begins."""

    def __post_init__(self) -> None:
        if self.labels and self.camera != "none":
            raise ValueError("a score depends on labels or on a camera, not on both; give up one of them")

    @property
    def block_resolutions(self) -> tuple[int, ...]:
        """Return the resolutions of the blocks before the last, highest first."""
        return tuple(2**k for k in range(round(math.log2(self.resolution)), 2, -1))

    def channels(self, resolution: int) -> int:
        """Return the channels at a resolution."""
        return min(int(32768 * self.channel_base / resolution), self.channel_most)


def from_plain(kind: type[C], values: Mapping[str, Any]) -> C:
    """Return a config from the plain JSON that stands in a weight file; unknown names are refused."""
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    if strange := sorted(set(values) - known):
        raise ValueError(f"{kind.__name__} knows nothing of {', '.join(strange)}; install a newer phiz")
    return kind(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})


FFHQ_256 = GeneratorConfig(resolution=256)
FFHQ_512 = replace(FFHQ_256, resolution=512)
FFHQ_1024 = replace(FFHQ_256, resolution=1024)
FFHQ_1024_RELEASED = replace(FFHQ_1024, upsampling="pixelshuffle", channel_base=2.0)
"""What the size of the released file and its users' reports point to."""
FFHQ_256_BASIC = replace(
    FFHQ_256,
    features=32,
    colour="extra",
    background="none",
    samples=32,
    is_length_relative=True,
    path_samples=0,
)
PLANES_256 = replace(
    FFHQ_256_BASIC,
    source="planes",
    field_layers=1,
    hidden=64,
    planes_span=0.48,
    volume_resolution=128,
    upsampling="fir",
    kernel=3,
)
BUILTIN_256 = GeneratorConfig(
    resolution=256,
    z_size=256,
    w_size=256,
    mapping_layers=3,
    mapping_rate=0.3,
    source="planes",
    planes_channels=8,
    planes_resolution=128,
    planes_base=0.125,
    planes_most=128,
    planes_span=0.30,
    hidden=32,
    field_layers=1,
    features=32,
    colour="extra",
    density="softplus",
    density_gain=30.0,
    density_noise=0.0,
    background_latent=4,
    background_hidden=16,
    background_layers=2,
    background_frequencies=2,
    background_samples=2,
    volume_resolution=64,
    samples=10,
    near=0.86,
    far=1.14,
    upsampling="nearest",
    kernel=3,
    channel_base=0.125,
    channel_most=32,
    path_samples=0,
    azimuth=(-0.35, 0.35),
    units_per_metre=0.78,
)
TINY = GeneratorConfig(
    resolution=32,
    z_size=12,
    w_size=10,
    mapping_layers=2,
    frequencies=4,
    hidden=12,
    field_layers=3,
    features=8,
    background_latent=4,
    background_hidden=8,
    background_layers=2,
    background_frequencies=3,
    volume_resolution=8,
    samples=4,
    channel_base=0.0078125,
    channel_most=16,
    path_samples=4,
)
GENERATORS: Mapping[str, GeneratorConfig] = {
    "FFHQ_256": FFHQ_256,
    "FFHQ_512": FFHQ_512,
    "FFHQ_1024": FFHQ_1024,
    "FFHQ_1024_RELEASED": FFHQ_1024_RELEASED,
    "FFHQ_256_BASIC": FFHQ_256_BASIC,
    "PLANES_256": PLANES_256,
    "BUILTIN_256": BUILTIN_256,
    "TINY": TINY,
}

FFHQ_256_D = DiscriminatorConfig(resolution=256, channel_base=0.5)
FFHQ_512_D = DiscriminatorConfig(resolution=512)
FFHQ_1024_D = DiscriminatorConfig(resolution=1024, group=4)
BUILTIN_256_D = DiscriminatorConfig(resolution=256, channel_base=0.125, channel_most=256, group=4)
TINY_D = DiscriminatorConfig(resolution=32, channel_base=0.0078125, channel_most=16, group=2, lowest_head=8)
