"""The head in the field: how the surface of a head that moves moves the space around it.

    rig = Rig.of(avatar, head)
    seen = rig.seen(camera, rig.vertices(face), 64)      # what the rays of 64 x 64 pixels meet
    picture = generator.render(person, camera, warp=seen.warp)

A ray of the camera meets the *moved* head at a point of one of its triangles. Where that point lay when
the face was at rest is known to the last digit; there the still field has to be asked. This is a true
inverse of the motion, in three dimensions, from any camera: of two lips that touch, each pixel knows
which one it shows, so nothing bleeds across the slit between them, nor from a lid to the eye under it.
Beside the head the displacement fades, along the ray it fades before and behind the surface; hair,
shoulders and what is far away stay where they are.

A head may also turn on its neck while shoulders and camera rest: then everything above the neck, hair and hat
included, turns with it, and the neck bends (`Neck`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from phiz.avatar.avatar import Avatar
from phiz.face.coeffs import FaceCoeffs, neutral
from phiz.face.head import Head
from phiz.face.morphable import MorphableModel, Part
from phiz.generator.volume import Stage
from phiz.graphics import camera as cameras
from phiz.graphics import frames, raster
from phiz.graphics.camera import Camera

INSIDE: tuple[Part, ...] = (Part.MOUTH, Part.UPPER_TEETH, Part.LOWER_TEETH, Part.TONGUE)
"""What shows between open lips; no field at rest knows it."""
REACH, FADE = 0.025, 0.03
"""Metres before and behind the surface within which space moves with it, and over which that fades."""
BESIDE = 0.010
"""Metres beside the head over which its motion fades, as a standard deviation."""
NECK_LOW, NECK_HIGH = 0.05, 0.0
"""Metres below the point about which a neck turns: there it begins to turn, and there it has turned."""
SHOULDERS, SKULL = 0.35, 0.95
"""Of a model that knows how much of a turn each vertex takes part in: up to here nothing, from there all.
A picture of a person ends soon below the chin, and what it ends with should rest."""
LIDS = ("eyeBlinkLeft", "eyeBlinkRight")
LIFT = 0.009
"""Metres above where they are at rest that closed lids are asked: at rest they are a narrow band in the
shadow of the lashes, and what one sees of a closed lid is the skin above that."""
SPREADS = 3.0
"""Standard deviations after which a blur ends."""


@dataclass(frozen=True, kw_only=True)
class Neck:
    """A head that has turned on its neck, in the generator's frame."""

    still_from_turned: Float[Tensor, "b 4 4"]
    """From where a point of the head is to where it is at rest."""
    pivot: Float[Tensor, " 3"]
    up: Float[Tensor, " 3"]
    """Unit vector along the neck."""
    low: float
    """Units below the pivot at which the turn begins ..."""
    high: float
    """... and at which it is complete."""

    def bent(self, points: Float[Tensor, "b n 3"], share: Float[Tensor, " n"]) -> Float[Tensor, "b2 n 3"]:
        """Return where points lie once the head has turned; each takes part in a share of the turn."""
        turned = frames.transform(frames.invert(self.still_from_turned), points)
        return torch.lerp(points.expand_as(turned), turned, share[:, None])

    def undo(self, points: Float[Tensor, "b n 3"]) -> Float[Tensor, "b2 n 3"]:
        """Return where points lie when the head has not turned; shoulders stay."""
        still = frames.transform(self.still_from_turned, points)
        share = self.share(points.expand_as(still))
        return torch.lerp(points.expand_as(still), still, share[..., None])

    def share(self, points: Float[Tensor, "*b n 3"]) -> Float[Tensor, "*b n"]:
        """Return how much of a turn points take part in, by how high they lie."""
        return smooth((points - self.pivot) @ self.up, -self.low, -self.high)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the rays of a picture meet of a head that moved; `warp` is what a generator takes."""

    shift: Float[Tensor, "b r 3"]
    """From where a ray meets the head to where that point is at rest."""
    depth: Float[Tensor, "b r"]
    """Where along the camera's axis it meets it; where it does not, about as near as beside."""
    strength: Float[Tensor, "b r"]
    """1 on the head, falling to 0 beside it."""
    inside: Float[Tensor, "b h w"]
    """1 where the inside of the mouth shows."""
    camera: Camera
    reach: float
    """`REACH` and `FADE` in units of the generator."""
    fade: float
    neck: Neck | None = None
    """How the head has turned before anything else moved."""

    def warp(self, points: Float[Tensor, "b n 3"], stage: Stage) -> Float[Tensor, "b2 n 3"]:
        """Return where in the still field to look for what is at these points, rays one after the other."""
        b, rays = self.strength.shape
        by_ray = points.expand(b, -1, -1).reshape(b, rays, -1, 3)
        forward = -self.camera.world_from_camera[:, :3, 2].expand(b, -1)
        along = torch.einsum("brsc,bc->brs", by_ray, forward)
        start = (self.camera.position * -self.camera.world_from_camera[:, :3, 2]).sum(-1)
        away = (along - start[:, None, None] - self.depth[..., None]).abs()
        held = ((self.reach + self.fade - away) / self.fade).clamp(0, 1) * self.strength[..., None]
        before = by_ray if self.neck is None else self.neck.undo(by_ray.flatten(1, 2)).view_as(by_ray)
        return (before + held[..., None] * self.shift[:, :, None]).reshape(b, -1, 3)


@dataclass(frozen=True, kw_only=True)
class Rig:
    """A person's head, tied to the field that draws them."""

    head: MorphableModel
    rest: FaceCoeffs
    generator_from_head: Float[Tensor, "4 4"]
    still: Float[Tensor, "v 3"]
    """The surface at rest, in the generator's frame."""
    is_inside: Bool[Tensor, " f"]
    """Of each triangle, whether it belongs to the inside of the mouth."""
    lids: Float[Tensor, "e v"]
    """How far each vertex is a lid that an expression closes, 0 to 1; all 0 without names."""
    neck_share: Float[Tensor, " v"] | None
    """Of each vertex, in how much of a turn of the head it takes part, where the model knows."""

    @staticmethod
    @torch.no_grad()
    def of(avatar: Avatar, head: MorphableModel) -> Rig:
        """Return the rig of a person with the head model that they were made with."""
        matrix = scaled(avatar.generator_from_head, head.metres_per_unit)
        return Rig(
            head=head,
            rest=avatar.rest,
            generator_from_head=matrix,
            still=frames.transform(matrix, head.vertices(avatar.rest))[0],
            is_inside=torch.isin(head.parts, torch.tensor([int(part) for part in INSIDE])),
            lids=lids_of(head),
            neck_share=smooth(head.neck_weight, SHOULDERS, SKULL) if isinstance(head, Head) else None,
        )

    @property
    def unit(self) -> float:
        """Return how many units of the generator a metre is."""
        return float(frames.scale_of(self.generator_from_head)) / self.head.metres_per_unit

    def vertices(self, face: FaceCoeffs) -> Float[Tensor, "b v 3"]:
        """Return surfaces in the generator's frame, as the neck turns them."""
        return frames.transform(self.generator_from_head, self.head.vertices(face))

    def bent(self, moved: Float[Tensor, "b v 3"], neck: Neck) -> Float[Tensor, "b2 v 3"]:
        """Return surfaces whose heads have turned."""
        return neck.bent(moved, neck.share(self.still) if self.neck_share is None else self.neck_share)

    def turned(self, figure_from_skull: Float[Tensor, "b 4 4"], pivot: Float[Tensor, " 3"]) -> Neck:
        """Return the neck of heads that have turned about a point; both in the head's frame, in metres."""
        there = scaled(self.generator_from_head, 1 / self.head.metres_per_unit)
        up = there[:3, 1] / there[:3, 1].norm()
        return Neck(
            still_from_turned=there @ frames.invert(figure_from_skull) @ frames.invert(there),
            pivot=frames.transform(there, pivot[None])[0],
            up=up,
            low=NECK_LOW * self.unit,
            high=NECK_HIGH * self.unit,
        )

    def asked(self, face: FaceCoeffs) -> Float[Tensor, "b v 3"]:
        """Return where the still field is asked for each vertex: where it is at rest, but for closed lids."""
        closed = ((face.expression - self.rest.expression) @ self.lids).clamp(0, 1)
        up = self.generator_from_head[:3, 1] / frames.scale_of(self.generator_from_head)
        return self.still + closed[..., None] * (LIFT * self.unit * up)

    def seen(
        self,
        camera: Camera,
        moved: Float[Tensor, "b v 3"],
        size: int,
        neck: Neck | None = None,
        asked: Float[Tensor, "b v 3"] | None = None,
    ) -> Seen:
        """Return what the rays through the pixels of a square picture meet.

        `moved` are surfaces as they are seen; with a `neck`, it has turned them already. `asked` is where the
        still field is asked for each vertex; without it where the vertex is at rest.
        """
        count = max(len(moved), camera.batch)
        screens = cameras.to_screen(camera, moved, size, size).expand(count, -1, -1)
        hits = raster.rasterise_batch(screens, self.head.triangles, size, size, cull=True)
        still = self.still.expand_as(moved) if asked is None else asked
        both = torch.cat([still, moved], dim=-1).expand(count, -1, -1)
        found = raster.interpolate(both, self.head.triangles, hits)
        still, now = found[..., :3], found[..., 3:]
        if neck is not None:
            now = neck.undo(now.flatten(1, 2)).view_as(now)
        back = still - now
        covered = hits.covered
        inside = covered & self.is_inside[hits.triangle.clamp(min=0).long()]
        known = (covered & ~inside).to(back.dtype)
        layers = torch.cat([back, torch.nan_to_num(hits.depth, posinf=0.0)[..., None]], dim=-1)
        spread = BESIDE * self.unit * pixels_per_unit(camera, size)
        values, strength = spread_out(layers.permute(0, 3, 1, 2), known[:, None], spread)
        values = values.flatten(2).transpose(1, 2)
        return Seen(
            shift=values[..., :3],
            depth=values[..., 3],
            strength=strength.flatten(1),
            inside=inside.to(back.dtype),
            camera=camera,
            reach=REACH * self.unit,
            fade=FADE * self.unit,
            neck=neck,
        )


def lids_of(head: MorphableModel) -> Float[Tensor, "e v"]:
    """Return how far each vertex is part of an upper lid that an expression closes."""
    rest = neutral(head.sizes)
    still = head.vertices(rest)[0]
    found = still.new_zeros(head.sizes.expression, len(still))
    for number, name in enumerate(head.expression_names):
        if name in LIDS:
            closed = rest.expression.clone()
            closed[0, number] = 1
            down = (still - head.vertices(replace(rest, expression=closed))[0])[:, 1].clamp(min=0)
            found[number] = down / down.max().clamp(min=1e-9)
    return found


def scaled(generator_from_head: Float[Tensor, "4 4"], unit: float) -> Float[Tensor, "4 4"]:
    """Return the matrix for lengths in another unit."""
    scale = generator_from_head.new_tensor([unit] * 3 + [1.0])
    return generator_from_head * scale


def smooth(values: Float[Tensor, "*b"], low: float, high: float) -> Float[Tensor, "*b"]:
    """Return 0 below `low`, 1 above `high`, and a smooth step between."""
    share = ((values - low) / (high - low)).clamp(0, 1)
    return share * share * (3 - 2 * share)


def pixels_per_unit(camera: Camera, size: int) -> float:
    """Return how many pixels a unit of length spans at the distance of the scene's middle."""
    distance = float(camera.position[0].norm())
    return float(camera.intrinsics[0, 0, 0]) * size / 2 / distance


def spread_out(
    values: Float[Tensor, "b c h w"], known: Float[Tensor, "b 1 h w"], spread: float
) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b 1 h w"]]:
    """Return values beyond where they are known, as they are near by, and how near that is: 1 to 0.

    `spread` is the standard deviation of a blur in pixels.
    """
    both = blurred(torch.cat([values * known, known], dim=1), spread)
    share = both[:, -1:]
    near = both[:, :-1] / share.clamp(min=1e-6)
    is_known = known > 0
    strength = torch.where(is_known, torch.ones_like(share), (2 * share).clamp(max=1))
    return torch.where(is_known, values, near), strength


def blurred(values: Float[Tensor, "b c h w"], spread: float) -> Float[Tensor, "b c h w"]:
    """Return maps blurred by a Gaussian of a standard deviation in pixels; beyond the edges is nothing."""
    radius = max(math.ceil(SPREADS * spread), 1)
    steps = torch.arange(-radius, radius + 1, dtype=values.dtype, device=values.device)
    kernel = torch.softmax(-0.5 * (steps / max(spread, 1e-3)).square(), dim=0)
    channels = values.shape[1]
    row = kernel.expand(channels, 1, 1, -1)
    across = functional.conv2d(values, row, padding=(0, radius), groups=channels)
    return functional.conv2d(across, row.transpose(2, 3), padding=(radius, 0), groups=channels)
