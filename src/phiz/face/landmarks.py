"""Points of a face in a crop: 68 landmarks and the 478-point layout, each with how uncertain it is.

All are points of our own head's surface: the network was shown where the surface of rendered people lies,
hidden parts included ("3D Face Reconstruction with Dense Landmarks", Wood et al., 2022). Errors follow a
two-sided exponential distribution about each point, whose width the network tells as well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from phiz.face import points as tables
from phiz.face import warp
from phiz.face.candidates import FoundFace
from phiz.layers.folding import convolved
from phiz.layers.residual import Trunk, TrunkConfig

SPARSE, DENSE = 68, 478
COUNT = SPARSE + DENSE
"""Points that the network tells: the landmarks, then the dense layout."""
AROUND = 1.35
"""A crop is so many times as wide as its face's points reach."""
LEAST_LOG, MOST_LOG = -6.0, 1.0
"""Of an error's width, in half sides of the crop."""
FIRST_LOG = math.log(0.1)
DEVIATION = math.sqrt(3)
"""One standard deviation along an axis, in widths of the distribution."""


@dataclass(frozen=True, kw_only=True)
class LandmarkConfig:
    """Sizes of a network that finds points."""

    size: int = 128
    """Height and width of a crop in pixels."""
    blocks: tuple[int, ...] = (1, 2, 2, 2)
    """Blocks of each layer of the trunk."""
    widths: tuple[int, ...] = (16, 32, 64, 112)
    """Channels of each layer of the trunk."""
    narrow: int = 24
    """Channels to which the last map is reduced."""
    hidden: int = 224
    """Numbers between the map and the points."""
    count: int = COUNT
    """Points that are told."""

    def __post_init__(self) -> None:
        if self.size % self.shrink or self.size < 2 * self.shrink:
            raise ValueError(f"crops have a multiple of {self.shrink} pixels, at least two of them")
        if min(self.narrow, self.hidden, self.count) < 1:
            raise ValueError("narrow, hidden and count are positive")

    @property
    def shrink(self) -> int:
        """Return how many pixels of a crop one of the last map stands for."""
        return int(2 ** len(self.widths))

    @property
    def trunk(self) -> TrunkConfig:
        return TrunkConfig(blocks=self.blocks, widths=self.widths, has_pool=False, stem=3)


BUILTIN = LandmarkConfig()
TINY = LandmarkConfig(size=32, blocks=(1, 1, 1, 1), widths=(4, 6, 8, 10), narrow=4, hidden=12)


class LandmarkNet(nn.Module):
    """Crops in [-1, 1] to points."""

    mean: Tensor
    """Where the points of a mean face lie in a crop, in half sides from its middle."""

    def __init__(self, config: LandmarkConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = Trunk(config.trunk)
        self.conv = nn.Conv2d(config.widths[-1], config.narrow, 1, bias=False)
        self.norm = nn.BatchNorm2d(config.narrow)
        side = config.size // config.shrink
        self.hidden = nn.Linear(config.narrow * side * side, config.hidden)
        self.tell = nn.Linear(config.hidden, 3 * config.count + 1)
        self.register_buffer("mean", torch.zeros(config.count, 2))

    def begin(self, mean: Float[Tensor, "n 2"]) -> None:
        """Make a new network tell the points of a mean face, and that it is unsure of them."""
        self.mean.copy_(mean)
        nn.init.normal_(self.tell.weight, std=0.01)
        nn.init.zeros_(self.tell.bias)

    def forward(
        self, crops: Float[Tensor, "b 3 s s"]
    ) -> tuple[Float[Tensor, "b n 2"], Float[Tensor, "b n"], Float[Tensor, " b"]]:
        """Return points in half sides from the middle, their widths' logarithms, and whether it is a face.

        The last is a score before the sigmoid: of a crop that shows a face, and not far off.
        """
        last = convolved(self.trunk(crops)[-1], self.conv, self.norm)
        told: Tensor = self.tell(self.hidden(last.flatten(1)).relu()).float()
        count = self.config.count
        away, logs, is_face = torch.split(told, [2 * count, count, 1], dim=1)
        xy = self.mean + away.reshape(-1, count, 2)
        return xy, (logs + FIRST_LOG).clamp(LEAST_LOG, MOST_LOG), is_face[:, 0]


@dataclass(frozen=True, kw_only=True)
class FacePoints:
    """What was found in some crops, in pixels of the pictures that they were cut from."""

    xy: Float[Tensor, "b n 2"]
    sigma: Float[Tensor, "b n"]
    """One standard deviation along an axis, in pixels."""
    score: Float[Tensor, " b"]
    """How sure it is that there is a face, and that the crop was not far off, from 0 to 1."""

    @property
    def sparse(self) -> Float[Tensor, "b 68 2"]:
        """Return the 68 landmarks."""
        return self.xy[:, :SPARSE]

    @property
    def dense(self) -> Float[Tensor, "b 478 2"]:
        """Return the points of the 478-point layout."""
        return self.xy[:, SPARSE:]

    def __getitem__(self, index: slice) -> FacePoints:
        return FacePoints(xy=self.xy[index], sigma=self.sigma[index], score=self.score[index])


def frame_around(sparse: Float[Tensor, "b 68 2"]) -> Float[Tensor, "b 2 3"]:
    """Return upright squares about faces with these landmarks: maps from half sides to pixels."""
    wide = sparse.double()
    along = _down(tables.five_points(wide))  # (b, 2)
    upright = torch.stack(
        [along[:, [1, 0]] * along.new_tensor([1.0, -1.0]), along], dim=1
    )  # rows: right, down
    turned = wide @ upright.mT
    low, high = turned.amin(1), turned.amax(1)
    half = AROUND / 2 * (high - low).amax(1).clamp_min(1.0)
    middle = ((low + high) / 2)[:, None] @ upright
    return torch.cat([upright.mT * half[:, None, None], middle.mT], dim=2)


def frame_of(face: FoundFace) -> Float[Tensor, "2 3"]:
    """Return the upright square about a face that a detector found."""
    box, five = face.box.double(), face.points.double()
    along = _down(five[None])[0]
    right = along[[1, 0]] * along.new_tensor([1.0, -1.0])
    half = AROUND / 2 * (box[2:] - box[:2]).amax().clamp_min(1.0)
    middle = (box[:2] + box[2:]) / 2
    return torch.stack([right * half, along * half, middle], dim=1)


def cut(
    pictures: Float[Tensor, "b c h w"], frames: Float[Tensor, "b 2 3"], size: int
) -> Float[Tensor, "b c s s"]:
    """Return the crops that frames stand for."""
    into = warp.join(frames, warp.scaling(2 / size, 2 / size, -1.0, -1.0).to(frames).expand_as(frames))
    return warp.sample(pictures, into, (size, size)).clamp(-1, 1)


@torch.no_grad()
def locate(
    network: LandmarkNet,
    pictures: Float[Tensor, "b 3 h w"],
    frames: Float[Tensor, "b 2 3"],
    *,
    looks: int = 1,
) -> FacePoints:
    """Return the points in crops of pictures; each further look is at a crop about those of the last."""
    found = look(network, pictures, frames)
    for _ in range(looks - 1):
        found = look(network, pictures, frame_around(found.sparse))
    return found


def look(
    network: LandmarkNet, pictures: Float[Tensor, "b 3 h w"], frames: Float[Tensor, "b 2 3"]
) -> FacePoints:
    """Return what a network tells of crops of pictures, in pixels of those."""
    crops = cut(pictures, frames, network.config.size)
    xy, logs, is_face = network(crops.contiguous(memory_format=torch.channels_last))
    scale = warp.size_of(frames).to(xy)
    return FacePoints(
        xy=warp.apply(frames, xy), sigma=logs.exp() * DEVIATION * scale[:, None], score=is_face.sigmoid()
    )


def _down(five: Float[Tensor, "b 5 2"]) -> Float[Tensor, "b 2"]:
    """Return the direction in a picture that leads from a face's eyes to its mouth."""
    away = five[:, 3:].mean(1) - five[:, :2].mean(1)
    length = away.norm(dim=1, keepdim=True)
    down = away.new_tensor([0.0, 1.0]).expand_as(away)
    return torch.where(length > 1e-6, away / length.clamp_min(1e-6), down)
