"""A closer look at eyes and mouth: where lids, irises and lips are, once the whole face's points are known.

The network of the whole face sees an eye in some twenty pixels; whether lids are shut, it cannot tell. Here
each eye and the mouth are cut out with as many pixels as the picture has for them. The left eye is looked at
in a mirror, so one network sees both. What both networks say of a point is weighed by how sure each is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from phiz.face import landmarks, points, warp
from phiz.face.landmarks import SPARSE, FacePoints, LandmarkConfig, LandmarkNet

RIGHT_LIDS = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
LEFT_LIDS = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
"""Points of the 478 around each eye, outer corner first, then along the lower lid; one mirrors the other."""
RIGHT_IRIS, LEFT_IRIS = (468, 469, 470, 471, 472), (473, 476, 475, 474, 477)
LIPS = (
    *(61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185),
    *(78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191),
)
"""Points of the 478 along the lips' outer and inner edge."""


MODEST = 3.0
"""On photos the whole face's network errs more than it claims, so its deviations count as this much larger:
eyes and mouths are as near to another's as by the closer look alone, and on renders nothing is lost."""


class Part(NamedTuple):
    """A part of a face that is looked at closely."""

    numbers: tuple[int, ...]
    """Its points, among those of the whole face."""
    middle: tuple[int, ...]
    """Landmarks whose mean is the middle of its crop."""
    half: float
    """Half the side of its crop, in half sides of the whole face's."""
    is_mirrored: bool


def _dense(numbers: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(SPARSE + number for number in numbers)


RIGHT_EYE = Part((*points.RIGHT_EYE, *_dense(RIGHT_LIDS + RIGHT_IRIS)), points.RIGHT_EYE, 0.24, False)
LEFT_EYE = Part(
    (*(points.MIRROR_68[n] for n in points.RIGHT_EYE), *_dense(LEFT_LIDS + LEFT_IRIS)),
    points.LEFT_EYE,
    0.24,
    True,
)
MOUTH = Part(
    (*points.OUTER_LIPS, *points.INNER_LIPS, *_dense(LIPS)),
    (*points.OUTER_LIPS, *points.INNER_LIPS),
    0.45,
    False,
)


@dataclass(frozen=True, kw_only=True)
class CloseupConfig:
    """Sizes of the two networks."""

    eye: LandmarkConfig
    mouth: LandmarkConfig

    def __post_init__(self) -> None:
        if self.eye.count != len(RIGHT_EYE.numbers) or self.mouth.count != len(MOUTH.numbers):
            raise ValueError(f"an eye has {len(RIGHT_EYE.numbers)} points, a mouth {len(MOUTH.numbers)}")


def _sizes(whole: LandmarkConfig) -> CloseupConfig:
    eye, mouth = (replace(whole, count=len(part.numbers)) for part in (RIGHT_EYE, MOUTH))
    return CloseupConfig(eye=eye, mouth=mouth)


BUILTIN = _sizes(LandmarkConfig(size=48, blocks=(1, 2, 2), widths=(24, 48, 80), narrow=24, hidden=128))
TINY = _sizes(LandmarkConfig(size=16, blocks=(1, 1), widths=(4, 6), narrow=4, hidden=8))


class CloseupNet(nn.Module):
    """A network for eyes and one for mouths."""

    def __init__(self, config: CloseupConfig) -> None:
        super().__init__()
        self.config = config
        self.eye = LandmarkNet(config.eye)
        self.mouth = LandmarkNet(config.mouth)

    def forward(
        self, eyes: Float[Tensor, "b 3 s s"], mouths: Float[Tensor, "m 3 s2 s2"]
    ) -> tuple[tuple[Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]:
        """Return what each network tells of its crops, as `LandmarkNet` does."""
        return self.eye(eyes), self.mouth(mouths)


def frame_of(part: Part, sparse: Float[Tensor, "b 68 2"]) -> Float[Tensor, "b 2 3"]:
    """Return squares about a part of faces with these landmarks: maps from half sides to pixels."""
    whole = landmarks.frame_around(sparse)
    places = warp.apply(warp.invert(whole), sparse.double())
    middle = places[:, list(part.middle)].mean(1)
    across, down = (-part.half if part.is_mirrored else part.half), part.half
    size = middle.new_tensor([[across, 0.0], [0.0, down]]).expand(len(middle), 2, 2)
    return warp.join(whole, torch.cat([size, middle[..., None]], dim=2))


@torch.no_grad()
def refined(network: CloseupNet, pictures: Float[Tensor, "b 3 h w"], found: FacePoints) -> FacePoints:
    """Return points of faces after a closer look at eyes and mouths; the other points are as they were."""
    sparse, b = found.sparse, len(pictures)
    frames = [frame_of(part, sparse) for part in (RIGHT_EYE, LEFT_EYE, MOUTH)]
    eyes = landmarks.look(network.eye, pictures.repeat(2, 1, 1, 1), torch.cat(frames[:2]))
    mouths = landmarks.look(network.mouth, pictures, frames[2])
    xy, sigma = found.xy.clone(), found.sigma.clone()
    for part, seen in ((RIGHT_EYE, eyes[:b]), (LEFT_EYE, eyes[b:]), (MOUTH, mouths)):
        numbers = list(part.numbers)
        xy[:, numbers], sigma[:, numbers] = _weighed(found.xy[:, numbers], found.sigma[:, numbers], seen)
    return FacePoints(xy=xy, sigma=sigma, score=found.score)


def _weighed(xy: Tensor, sigma: Tensor, seen: FacePoints) -> tuple[Tensor, Tensor]:
    """Return the mean of two looks; each counts by one over its variance, the closer one by its score too.

    Both saw the same picture, so together they are no surer than the surer one.
    """
    plain = (MODEST * sigma).square().reciprocal()
    close = seen.score[:, None] * seen.sigma.square().reciprocal()
    share = (close / (close + plain))[..., None]
    return xy + share * (seen.xy - xy), torch.where(share[..., 0] > 0.5, seen.sigma, sigma)
