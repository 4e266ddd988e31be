"""Pictures of a person for what moves in them: everything else is drawn once.

    bake = Bake.of(avatar, rig, person)
    images = bake.images(camera, rig.vertices(faces))      # (b, 3, h, w), before anything is painted on them

Before a camera that rests, only rays that meet something that moved are marched, and features grow only
around them; the rest of the picture stays. Before one that moves, every ray is marched, in compiled loops
where they know the field. The background, which is seen from one place all the time, is drawn once.

What was drawn earlier decides how long a frame takes and never what it shows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from phiz.animate.sampling import Field
from phiz.avatar.avatar import Avatar
from phiz.avatar.rig import Neck, Rig, Seen, pixels_per_unit
from phiz.generator.config import GeneratorConfig
from phiz.generator.generator import Prepared
from phiz.generator.volume import Plan
from phiz.graphics.camera import Camera

Quality = Literal["draft", "normal", "fine"]


@dataclass(frozen=True, kw_only=True)
class Care:
    """How carefully pictures are drawn."""

    still: float
    """Pixels of the picture that a point has to move to count as moved; from twice as many on it moves."""
    dark: float
    """Share of the light below which what lies further along a ray is not looked at."""


CARE: Mapping[Quality, Care] = {
    "draft": Care(still=0.4, dark=0.02),
    "normal": Care(still=0.1, dark=1e-4),
}
"""Against `fine`, which the generator draws as it is: draft 50 dB, normal 64 dB (`benchmarks/animate.py`)."""
SAME = 1e-6
"""Cameras closer than this are one."""
WORTH = 0.8
"""Two boxes take the place of one where they have less than this share of its pixels."""
ROUND_GROWN = {"nearest": 1, "bilinear": 0}
"""How many pixels around a pixel each way of growing sees; 2 where nothing is said."""


class Box(NamedTuple):
    """A part of a map: rows and columns, the ends not included."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def pixels(self) -> int:
        return (self.bottom - self.top) * (self.right - self.left)

    def grown(self, margin: int, size: int) -> Box:
        """Return the box with a margin, as far as the map reaches."""
        return Box(
            max(self.top - margin, 0),
            min(self.bottom + margin, size),
            max(self.left - margin, 0),
            min(self.right + margin, size),
        )


@dataclass(frozen=True, kw_only=True)
class Still:
    """A person at rest, as one camera sees them."""

    camera: Camera
    values: Float[Tensor, "r c"]
    image: Float[Tensor, "3 h w"]


class Bake:
    """Draws a person again and again, and remembers the last two places from where they were seen at rest."""

    def __init__(self, avatar: Avatar, rig: Rig, person: Prepared, quality: Quality) -> None:
        self.generator = avatar.generator
        self.rig = rig
        self.person = person
        self.quality = quality
        self.behind = avatar.camera
        self.care = CARE.get(quality, CARE["normal"])
        self.field = Field.of(avatar.generator, person, avatar.camera, dark=self.care.dark)
        self._stills: tuple[Still, ...] = ()
        self._last: Camera | None = None

    @staticmethod
    def of(avatar: Avatar, rig: Rig, person: Prepared | None = None, quality: Quality = "normal") -> Bake:
        """Return what draws a person."""
        return Bake(avatar, rig, person or avatar.prepare(), quality)

    @torch.no_grad()
    def images(
        self,
        camera: Camera,
        moved: Float[Tensor, "b v 3"],
        neck: Neck | None = None,
        asked: Float[Tensor, "b v 3"] | None = None,
    ) -> Float[Tensor, "b 3 h w"]:
        """Return pictures of the person whose surface moved, in one camera or one each.

        `neck` and `asked` are what `Rig.seen` takes; the surfaces have turned already.
        """
        config = self.generator.config
        each = [camera[k : k + 1] if camera.batch > 1 else camera for k in range(len(moved))]
        earlier, self._last = self._last, each[-1]
        out = moved.new_empty(len(each), 3, config.resolution, config.resolution)
        for k, own in enumerate(each):
            before = each[k - 1] if k else earlier
            after = each[k + 1] if k + 1 < len(each) else None
            is_resting = is_same(own, before) or is_same(own, after)
            # One at a time: how far motion fades beside the head goes by the distance of the first camera.
            turned = turned_of(neck, k)
            there = None if asked is None else asked[k : k + 1]
            seen = self.rig.seen(own, moved[k : k + 1], config.volume_resolution, turned, there)
            if self.quality == "fine":
                plan = Plan(background_camera=self.behind)
                out[k] = self.generator.render(self.person, own, warp=seen.warp, plan=plan).image[0]
            else:
                still = None if turned is not None else self._still(own, may_bake=is_resting)
                self._draw(own, seen, still, out[k])
        return out

    def _draw(self, camera: Camera, seen: Seen, still: Still | None, out: Float[Tensor, "3 h w"]) -> None:
        """Write the picture of one camera."""
        size = self.generator.config.volume_resolution
        shift = self.shift(camera, seen)
        moves, seen = shift.any(dim=-1), replace(seen, shift=shift[None])
        if still is None:
            rays = torch.arange(len(moves), device=moves.device)
            values = self.field.march(camera, seen, rays).values
            out.copy_(self._grown(values.reshape(size, size, -1), Box(0, size, 0, size)))
            return
        out.copy_(still.image)
        rays = moves.nonzero()[:, 0]
        if not len(rays):
            return
        values = still.values.index_copy(0, rays, self.field.march(camera, seen, rays).values)
        reach = margin(self.generator.config)
        if reach is None:
            out.copy_(self._grown(values.reshape(size, size, -1), Box(0, size, 0, size)))
            return
        for box in boxes(moves.reshape(size, size), 2 * reach):
            self._patch(values.reshape(size, size, -1), box, reach, out)

    def _patch(
        self, values: Float[Tensor, "h w c"], box: Box, reach: int, out: Float[Tensor, "3 h2 w2"]
    ) -> None:
        """Write the part of a picture that a box of the map shows in."""
        size = len(values)
        whole, shown = box.grown(2 * reach, size), box.grown(reach, size)
        image = self._grown(values, whole)
        by = self.generator.config.resolution // size
        top, left = (shown.top - whole.top) * by, (shown.left - whole.left) * by
        height, width = (shown.bottom - shown.top) * by, (shown.right - shown.left) * by
        rows = slice(shown.top * by, shown.bottom * by)
        columns = slice(shown.left * by, shown.right * by)
        out[:, rows, columns] = image[:, top : top + height, left : left + width]

    def _grown(self, values: Float[Tensor, "h w c"], box: Box) -> Float[Tensor, "3 h2 w2"]:
        """Return the picture that a box of the map grows to."""
        some = values[box.top : box.bottom, box.left : box.right].permute(2, 0, 1)[None]
        progress = float(self.generator.progress)
        upsampler = self.generator.upsampler
        image: Tensor = upsampler(self.person.blocks, some[:, 3:], some[:, :3], progress)
        return image.squeeze(0)

    def shift(self, camera: Camera, seen: Seen) -> Float[Tensor, "r 3"]:
        """Return from where to where each ray's point moved, nothing where that is too little to be seen.

        What grows in time begins to move little by little.
        """
        least = self.care.still / pixels_per_unit(camera, self.generator.config.resolution)
        far = seen.shift[0].norm(dim=-1) * seen.strength[0]
        share: Tensor = (far / least - 1).clamp(0, 1)
        return seen.shift[0] * share[:, None]

    def _still(self, camera: Camera, *, may_bake: bool) -> Still | None:
        """Return the person at rest before a camera, None where nobody expects to see them again."""
        for still in self._stills:
            if is_same(camera, still.camera):
                return still
        if not may_bake:
            return None
        size = self.generator.config.volume_resolution
        nothing = self.field.uv.new_zeros(1, size * size)
        seen = Seen(
            shift=nothing[..., None].expand(-1, -1, 3),
            depth=nothing,
            strength=nothing,
            inside=nothing.reshape(1, size, size),
            camera=camera,
            reach=0.0,
            fade=1.0,
        )
        values = self.field.march(camera, seen, torch.arange(size * size, device=nothing.device)).values
        image = self._grown(values.reshape(size, size, -1), Box(0, size, 0, size))
        still = Still(camera=camera, values=values, image=image)
        self._stills = (still, *self._stills[:1])
        return still


def turned_of(neck: Neck | None, number: int) -> Neck | None:
    """Return one of several necks, None where it has not turned."""
    if neck is None:
        return None
    some = neck.still_from_turned
    own = some[number : number + 1] if len(some) > 1 else some
    is_straight = float((own - torch.eye(4).to(own)).abs().amax()) <= SAME
    return None if is_straight else replace(neck, still_from_turned=own)


def is_same(one: Camera, other: Camera | None) -> bool:
    """Return whether two cameras see the same."""
    if other is None or one.batch != other.batch:
        return False
    apart = (one.world_from_camera - other.world_from_camera).abs().amax()
    return float(torch.maximum(apart, (one.intrinsics - other.intrinsics).abs().amax())) <= SAME


def margin(config: GeneratorConfig) -> int | None:
    """Return how many pixels of the map around it a pixel shows in; None where a part cannot grow alone."""
    if config.upsampling == "bilinear":
        return None
    around = config.kernel // 2
    once = 1.5 * around + ROUND_GROWN.get(config.upsampling, 2)
    total = sum(once * 0.5**k for k in range(len(config.block_resolutions)))
    return math.ceil(total)


def boxes(is_moving: Bool[Tensor, "h w"], around: int) -> list[Box]:
    """Return the box of all that moves, or two, one over the other, if they are much smaller together."""
    size = len(is_moving)
    whole = _box(is_moving, 0, size)
    if whole is None:
        return []
    full = is_moving.any(1).nonzero()[:, 0]
    gaps = full.diff()
    if not len(gaps):
        return [whole]
    widest = int(gaps.argmax())
    cut = int(full[widest]) + 1
    parts = [box for box in (_box(is_moving, 0, cut), _box(is_moving, cut, size)) if box is not None]
    together = sum(box.grown(around, size).pixels for box in parts)
    return parts if together < WORTH * whole.grown(around, size).pixels else [whole]


def _box(is_moving: Bool[Tensor, "h w"], first: int, end: int) -> Box | None:
    rows = is_moving[first:end].any(1).nonzero()[:, 0]
    if not len(rows):
        return None
    columns = is_moving[first:end].any(0).nonzero()[:, 0]
    return Box(first + int(rows[0]), first + int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)
