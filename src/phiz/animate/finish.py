"""What becomes of drawn frames: another size, a user's own restorer, their place in the photo.

A larger picture has no more detail than the generator drew: enlarging is a clean filter and says so; whoever
wants invented detail brings a network of their own as an ONNX file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from phiz.animate.animate import Stage
from phiz.animate.restorer import Restorer
from phiz.avatar.rig import blurred
from phiz.errors import UsageError
from phiz.face import paste
from phiz.face.align import Crop
from phiz.options import option

SMALLEST, LARGEST = 32, 2048
AROUND = 0.09
"""By how much a pasted head is larger than the head at rest, as a share of the picture: it moves."""
SOFT = 0.02
"""Standard deviation of its edge, as a share of the picture."""


@dataclass(frozen=True, kw_only=True)
class Finish:
    """What to do to frames once they are drawn."""

    size: int = option(0, "--size")
    """Height and width in pixels; 0 keeps the generator's own. Larger ones are enlarged, not drawn finer."""
    restorer: Path | None = option(None, "--restorer")
    """ONNX file of a network that makes faces finer, from picture to picture; yours to bring."""
    paste: bool = option(False, "--paste")
    """Put the moving head back into the photo that the avatar was made of."""

    def __post_init__(self) -> None:
        if self.size and not SMALLEST <= self.size <= LARGEST:
            raise ValueError(f"--size {self.size} cannot be; choose {SMALLEST} to {LARGEST} pixels, or 0")
        if self.size and self.paste:
            raise ValueError("a pasted film is as large as the photo; leave out --size")


def finished(
    frames: Iterator[Float[Tensor, "3 h w"]], finish: Finish, stage: Stage
) -> Iterator[Float[Tensor, "3 h2 w2"]]:
    """Yield frames as they go into a film."""
    if finish.restorer is not None:
        restorer = Restorer(finish.restorer)
        frames = (restorer(frame) for frame in frames)
    if finish.paste:
        place = Place.of(stage)
        return (place.pasted(frame) for frame in frames)
    if finish.size:
        return (resized(frame, finish.size) for frame in frames)
    return frames


def resized(frame: Float[Tensor, "3 h w"], size: int) -> Float[Tensor, "3 {size} {size}"]:
    """Return a frame at another size; a smooth filter, which adds no detail and no rims."""
    if frame.shape[-1] == size:
        return frame
    made = functional.interpolate(frame[None], size=(size, size), mode="bicubic", antialias=True)
    return made[0].clamp(-1, 1)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where in a photo a person's head belongs."""

    photo: Float[Tensor, "3 h w"]
    crop: Crop
    head: Float[Tensor, "1 s s"]
    """1 where the head may be while it moves; elsewhere the photo stays as it is."""

    @staticmethod
    @torch.no_grad()
    def of(stage: Stage) -> Place:
        """Return the place of a person in their photo."""
        person = stage.avatar
        if person.photo is None or person.photo_from_crop is None:
            raise UsageError("this avatar was not made of a photo, so there is nothing to paste it into.")
        size = person.generator.config.resolution
        seen = torch.ones(1, size, size)
        crop = Crop(
            picture=torch.zeros(3, size, size), photo_from_crop=person.photo_from_crop.double(), seen=seen
        )
        return Place(photo=person.photo, crop=crop, head=head_of(stage))

    def pasted(self, frame: Float[Tensor, "3 s s"]) -> Float[Tensor, "3 h w"]:
        """Return the photo with the head of a frame in it."""
        size = frame.shape[-1]
        mask = self.head if size == self.head.shape[-1] else resized(self.head.expand(3, -1, -1), size)[:1]
        return paste.paste(self.photo, self.crop, frame, mask=mask.clamp(0, 1))


def head_of(stage: Stage) -> Float[Tensor, "1 s s"]:
    """Return where a head may be while it turns on its neck: around where it is at rest, with a soft edge."""
    person, size = stage.avatar, stage.avatar.generator.config.resolution
    seen = person.generator.render(stage.person, person.camera)
    small = seen.depth.shape[-1]
    uv = person.generator.pixels(small)
    ahead = person.camera.world_from_camera[0]
    focal = person.camera.intrinsics[0, 0, 0]
    depth = seen.depth[0].flatten()
    local = torch.stack([uv[:, 0] / focal * depth, -uv[:, 1] / focal * depth, -depth], dim=-1)
    points = local @ ahead[:3, :3].T + ahead[:3, 3]
    share = stage.neck_share(points).reshape(1, 1, small, small) * seen.opacity[:, None]
    reach = round(AROUND * small)
    grown = functional.max_pool2d(share, 2 * reach + 1, 1, reach)
    large = functional.interpolate(grown, size=(size, size), mode="bilinear", align_corners=False)
    return blurred(large, SOFT * size)[0].clamp(0, 1)
