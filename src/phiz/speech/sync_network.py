"""Whether a mouth and a sound belong together: our own small network, made for curves and not for pixels.

Two towers, as in "Out of time: automated lip sync in the wild" (Chung and Zisserman, 2016): one hears windows
of sound, the other reads curves of the mouth, and where both belong together they arrive at the same point of
a sphere. It looks at a longer span than published, because curves tell less than pixels do. Everything is a
convolution over time, so that a whole film takes one pass and every frame of it has a point.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from phiz.speech.windows import BANDS, ROWS

NAMES = (
    *("jawOpen", "mouthClose", "mouthFunnel", "mouthPucker"),
    *("mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight"),
    *("mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight"),
    *("mouthPressLeft", "mouthPressRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower"),
)
"""Curves that speech moves, in ARKit's words."""
SIDES = ("Left", "Right")
AT_ONCE = 256
"""Windows a batch where nothing is learned."""
KERNEL = 3


@dataclass(frozen=True, kw_only=True)
class SyncConfig:
    """Sizes of a network, and which curves it reads."""

    names: tuple[str, ...] = NAMES
    """Curves by their ARKit names; it reads the mean of a left and a right one."""
    looks: int = 8
    """How many of a window's 16 looks are heard: the middle ones, which belong to the frame itself."""
    channels: tuple[int, ...] = (16, 32, 32)
    """Of the convolutions over the bands."""
    width: int = 96
    """Numbers a frame within each tower."""
    reaches: tuple[int, ...] = (1, 2, 3)
    """Frames between what each convolution over time sees."""
    embedding: int = 64
    """Axes of the sphere."""

    def __post_init__(self) -> None:
        if not self.names or len(set(self.names)) < len(self.names):
            raise ValueError("a network reads at least one curve, and each of them once")
        if not 0 < self.looks <= ROWS or min(self.width, self.embedding, *self.channels, *self.reaches) < 1:
            raise ValueError(f"sizes are at least 1, and of a window's {ROWS} looks no more can be heard")

    @property
    def span(self) -> int:
        """How many frames one frame's point depends on."""
        return 1 + (KERNEL - 1) * sum(self.reaches)


BUILTIN = SyncConfig()
TINY = SyncConfig(
    names=("jawOpen", "mouthClose", "mouthSmileLeft", "mouthSmileRight"),
    looks=4,
    channels=(2, 3),
    width=8,
    reaches=(1, 2),
    embedding=6,
)


class Around(nn.Module):
    """A residual convolution over time that sees as much of what comes as of what was."""

    def __init__(self, width: int, reach: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.conv = nn.Conv1d(width, width, KERNEL, padding=reach, dilation=reach)
        self.mix = nn.Conv1d(width, width, 1)

    def forward(self, x: Float[Tensor, "b w t"]) -> Float[Tensor, "b w t"]:
        seen = self.conv(self.norm(x.transpose(1, 2)).transpose(1, 2))
        found: Tensor = x + self.mix(functional.relu(seen))
        return found


class Tower(nn.Module):
    """What stands on each side after its own first layers: from rows of numbers to points of the sphere."""

    def __init__(self, config: SyncConfig) -> None:
        super().__init__()
        self.over_time = nn.Sequential(*(Around(config.width, reach) for reach in config.reaches))
        self.norm = nn.LayerNorm(config.width)
        self.point = nn.Linear(config.width, config.embedding)

    def forward(self, rows: Float[Tensor, "b t w"]) -> Float[Tensor, "b t d"]:
        x = self.over_time(rows.transpose(1, 2)).transpose(1, 2)
        found: Tensor = functional.normalize(self.point(self.norm(x)), dim=2)
        return found


class SyncNet(nn.Module):
    """Both towers."""

    def __init__(self, config: SyncConfig) -> None:
        super().__init__()
        self.config = config
        steps: list[nn.Module] = []
        for before, after in pairwise((config.looks, *config.channels)):
            steps += [nn.Conv1d(before, after, 5, 2, 2), nn.ReLU()]
        left = config.channels[-1] * -(-BANDS // 2 ** len(config.channels))
        self.ear = nn.Sequential(*steps, nn.Flatten(), nn.Linear(left, config.width))
        self.sound_tower = Tower(config)
        folding = folding_of(config.names)
        self.folding: Tensor
        self.register_buffer("folding", folding, persistent=False)
        self.eye = nn.Linear(folding.shape[1], config.width)
        self.curve_tower = Tower(config)

    def sound(self, windows: Float[Tensor, "b t 1 80 16"]) -> Float[Tensor, "b t d"]:
        """Return each frame's point as it is heard; all of them have unit length."""
        first = (ROWS - self.config.looks) // 2
        looks = windows[..., 0, :, first : first + self.config.looks].flatten(0, 1).transpose(1, 2)
        if torch.is_grad_enabled() or len(looks) <= AT_ONCE:
            rows = self.ear(looks)
        else:
            rows = torch.cat([self.ear(some) for some in torch.split(looks, AT_ONCE)])
        found: Tensor = self.sound_tower(rows.reshape(*windows.shape[:2], -1))
        return found

    def mouth(self, curves: Float[Tensor, "b t c"]) -> Float[Tensor, "b t d"]:
        """Return each frame's point as it is seen in the curves that the config names, in its order."""
        found: Tensor = self.curve_tower(self.eye(curves @ self.folding))
        return found

    def forward(
        self, windows: Float[Tensor, "b t 1 80 16"], curves: Float[Tensor, "b t c"]
    ) -> tuple[Float[Tensor, "b t d"], Float[Tensor, "b t d"]]:
        """Return points of the sound and of the mouth."""
        return self.sound(windows), self.mouth(curves)


def agreement(
    network: SyncNet, windows: Float[Tensor, "b t 1 80 16"], curves: Float[Tensor, "b t c"]
) -> Float[Tensor, "b t"]:
    """Return how well mouth and sound agree in each frame, from -1 to 1; gradients flow to the curves.

    As a loss for what makes curves: ``(1 - agreement(...)).mean()``, with a network that does not learn.
    """
    sound, mouth = network(windows, curves)
    found: Tensor = (sound * mouth).sum(dim=2)
    return found


def chosen(
    curves: Float[Tensor, "... e"], names: Sequence[str], config: SyncConfig
) -> Float[Tensor, "... c"]:
    """Return the curves that a network reads out of those that have `names`; what is not there is zero."""
    places = {name: number for number, name in enumerate(names)}
    if not places.keys() & set(config.names):
        raise ValueError(f"none of {', '.join(config.names)} is among the {len(places)} curves")
    rows = [curves[..., places[n]] if n in places else torch.zeros_like(curves[..., 0]) for n in config.names]
    return torch.stack(rows, dim=-1)


def stem(name: str) -> str:
    """Return a curve's name without its side."""
    return next((name.removesuffix(side) for side in SIDES if name.endswith(side)), name)


def folding_of(names: Sequence[str]) -> Float[Tensor, "c k"]:
    """Return the matrix that makes one curve of a left and a right one: their mean."""
    stems = list(dict.fromkeys(stem(name) for name in names))
    matrix = torch.tensor([[float(stem(name) == one) for one in stems] for name in names])
    means: Tensor = matrix / matrix.sum(dim=0)
    return means
