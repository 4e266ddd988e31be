"""What a person should look like from some sides: what tuning teaches a generator, and how sure it is.

A painted person is known from everywhere. A photo is known from one side; from others a fitted head says
where its surface lies and which colours of the photo belong there, and where nobody knows, nothing counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float, Int, Integer
from torch import Tensor
from torch.nn import functional

from phiz.graphics.camera import Camera

SMOOTH = 0.02
"""Generator units: a pixel of the volume whose depths differ by more shows more than one surface."""
LOOKED_AT = {1: 2.0, 2: 4.0, 3: 4.0, 4: 10.0, 5: 10.0, 6: 6.0, 10: 2.0, 11: 6.0, 12: 6.0, 13: 6.0}
"""How much pixels of some classes count against hair and clothes: eyes and mouth before all."""
AROUND = 9
"""Pixels around which they count as much."""
BEHIND = 0.5
"""How much the background does."""


@dataclass(frozen=True, kw_only=True)
class Targets:
    """Views of one person; maps are of a generator's picture, or of its volume where `r` is said."""

    camera: Camera
    """In the generator's frame, one a view."""
    pictures: Float[Tensor, "v 3 s s"]
    weight: Float[Tensor, "v 1 s s"]
    """How much each pixel counts; 0 where nobody knows what it should be."""
    depth: Float[Tensor, "v 1 r r"]
    """Generator units along the camera's axis."""
    depth_weight: Float[Tensor, "v 1 r r"]
    opacity: Float[Tensor, "v 1 r r"]
    """Share of a pixel that the person covers."""
    opacity_weight: Float[Tensor, "v 1 r r"]
    chance: Float[Tensor, " v"]
    """How often each view is looked at; any scale."""

    @property
    def count(self) -> int:
        """Return how many views there are."""
        return len(self.pictures)


def joined(some: Sequence[Targets]) -> Targets:
    """Return all views of several sets as one."""
    if not some:
        raise ValueError("joined() needs at least one set of views")
    tensors = {
        f.name: torch.cat([getattr(each, f.name) for each in some])
        for f in fields(Targets)
        if f.name != "camera"
    }
    camera = Camera(
        world_from_camera=torch.cat([each.camera.world_from_camera for each in some]),
        intrinsics=torch.cat([each.camera.intrinsics for each in some]),
    )
    return Targets(camera=camera, **tensors)


def pick(targets: Targets, which: Int[Tensor, " n"]) -> Targets:
    """Return some of the views, by number."""
    camera = Camera(
        world_from_camera=targets.camera.world_from_camera[which], intrinsics=targets.camera.intrinsics[which]
    )
    tensors = {f.name: getattr(targets, f.name)[which] for f in fields(Targets) if f.name != "camera"}
    return Targets(camera=camera, **tensors)


def shrunk(maps: Float[Tensor, "v c s s"], size: int) -> Float[Tensor, "v c r r"]:
    """Return maps as means over the pixels of a smaller picture."""
    return functional.interpolate(maps, size=(size, size), mode="area")


def surface(
    depth: Float[Tensor, "v 1 s s"], size: int, smooth: float = SMOOTH
) -> tuple[Float[Tensor, "v 1 r r"], Float[Tensor, "v 1 r r"]]:
    """Return the mean depth in each pixel of a smaller picture, and 1 where all of it is one surface.

    Depths of 0 or without end mean that nothing is there.
    """
    known = torch.where(depth.isfinite(), depth, torch.zeros_like(depth))
    factor = known.shape[-1] // size
    near, far = -functional.max_pool2d(-known, factor), functional.max_pool2d(known, factor)
    return functional.avg_pool2d(known, factor), ((near > 0) & (far - near < smooth)).to(known.dtype)


def attention(
    labels: Integer[Tensor, "v s s"], opacity: Float[Tensor, "v 1 s s"]
) -> Float[Tensor, "v 1 s s"]:
    """Return how much each pixel counts: people look at eyes and mouths first, then at faces."""
    table = torch.ones(max(int(labels.max()), *LOOKED_AT) + 1)
    for label, weight in LOOKED_AT.items():
        table[label] = weight
    wide = functional.max_pool2d(table[labels.long()][:, None], AROUND, 1, AROUND // 2)
    return torch.where(opacity > 0, wide, BEHIND * wide)
