"""Some rays of a picture, as the generator would march them, for as little as can be.

    field = Field.of(generator, person, behind)        # once a person
    what = field.march(camera, seen, rays)             # of some rays, by their numbers

Where the background is seen from one place all the time it is drawn once. A field on planes is marched by
compiled loops; any other by the generator itself, with the rays that are asked for and no more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from phiz.animate import ray_loops
from phiz.animate.plane_loops import Net, room_for
from phiz.animate.ray_loops import Rays
from phiz.avatar.rig import Neck, Seen
from phiz.generator.generator import Generator, Prepared
from phiz.generator.pieces import fits
from phiz.generator.volume import Plan, rays_through_pixels
from phiz.graphics.camera import Camera

DARK = 1e-4
"""Share of the light below which nobody sees what lies further along a ray."""


class Met(NamedTuple):
    """What rays met: all that a picture grows from."""

    values: Float[Tensor, "n c"]
    """Colour (3) and features."""
    opacity: Float[Tensor, " n"]


@dataclass(frozen=True, kw_only=True)
class Loops:
    """A field as compiled loops read it."""

    net: Net
    samples: int

    @staticmethod
    def of(generator: Generator, person: Prepared, dark: float) -> Loops | None:
        """Return the loops for a person's field, None for fields that they do not know."""
        field, config = person.field, generator.config
        if field.planes is None or len(field.layers) != 1 or not fits(field.planes):
            return None
        taken = field.taken
        if taken is not None and taken.span != config.planes_span:
            return None
        if config.spacing != "depth" or person.batch != 1 or config.planes_channels % 8:
            return None
        net = Net(
            planes=_plain(field.planes[0].permute(0, 2, 3, 1).flatten()),
            height=field.planes.shape[3],
            width=field.planes.shape[4],
            scale=np.float32(2 / config.planes_span),
            weight=_plain(field.layers[0].weight[0]),
            bias=_plain(field.layers[0].bias),
            to_density=_plain(field.density.weight[0, 0]),
            offset=np.float32(field.density.bias[0].item()),
            gain=np.float32(config.density_gain),
            near=np.float32(config.near),
            far=np.float32(config.far),
            dark=np.float32(dark),
            taken=np.zeros(0, np.uint8) if taken is None else taken.cells.flatten().byte().numpy(),
            cells=0 if taken is None else len(taken.cells),
            is_soft=config.density == "softplus",
            is_relative=config.is_length_relative,
            is_fine=config.is_hierarchical,
            is_opaque=person.behind is None,
        )
        return Loops(net=net, samples=config.samples)

    def march(
        self, camera: Camera, uv: Float[Tensor, "r 2"], seen: Seen, numbers: Int[Tensor, " n"]
    ) -> tuple[Float[Tensor, "n h"], Float[Tensor, "n 3"]]:
        """Return the weighted hidden layers of some rays of one camera; of weights their sum, what passes."""
        origins, directions = rays_through_pixels(camera, uv[None])
        forward = -camera.world_from_camera[0, :3, 2]
        rays = Rays(
            numbers=numbers.numpy(),
            directions=_plain(directions[0]),
            origin=_plain(origins[0]),
            shifts=_plain(seen.shift[0]),
            meeting=_plain(torch.stack([seen.depth[0], seen.strength[0]], dim=-1)),
            sight=_plain(torch.cat([forward, forward.new_tensor([seen.reach, seen.fade])])),
            neck=_plain(forward.new_empty(0) if seen.neck is None else neck_numbers(seen.neck)),
        )
        width, channels = self.net.weight.shape
        summed, found = torch.empty(len(numbers), width), torch.empty(len(numbers), 3)
        room = room_for(self.samples, channels, width)
        ray_loops.march(rays, self.net, room, summed.numpy(), found.numpy())
        return summed, found


@dataclass(frozen=True, kw_only=True)
class Field:
    """What the rays of a person's pictures go through."""

    generator: Generator
    person: Prepared
    behind: Camera
    """From where the background is seen."""
    uv: Float[Tensor, "r 2"]
    background: Float[Tensor, "r c"] | None
    """Colour and features of the background alone, where there is one."""
    loops: Loops | None

    @staticmethod
    @torch.no_grad()
    def of(generator: Generator, person: Prepared, behind: Camera, *, dark: float = DARK) -> Field:
        """Return a person's field before a background that is seen from one place.

        A ray ends where less than a share `dark` of its light passes.
        """
        uv = generator.pixels(generator.config.volume_resolution).to(behind.intrinsics)
        background = None
        if person.behind is not None:
            plan = Plan(shows="background", background_camera=behind)
            rays = generator.march(person, behind, uv, plan=plan)
            background = torch.cat([rays.colour, rays.features], dim=-1)[0]
        return Field(
            generator=generator,
            person=person,
            behind=behind,
            uv=uv,
            background=background,
            loops=Loops.of(generator, person, dark),
        )

    def march(self, camera: Camera, seen: Seen, rays: Int[Tensor, " n"]) -> Met:
        """Return what some rays of one camera meet of the head that it sees, and of the background."""
        if not len(rays):
            channels = 3 + self.generator.config.features
            return Met(self.uv.new_empty(0, channels), self.uv.new_empty(0))
        if self.loops is None:
            return self._plainly(camera, seen, rays)
        summed, found = self.loops.march(camera, self.uv, seen, rays)
        weight, bias = self.person.field.outputs
        values = torch.addmm(found[:, :1] * bias, summed, weight[0].T)
        passing = found[:, 1:2]
        if self.background is not None:
            values = torch.addcmul(values, passing, self.background.index_select(0, rays))
        return Met(values, 1 - passing[:, 0])

    def _plainly(self, camera: Camera, seen: Seen, rays: Int[Tensor, " n"]) -> Met:
        """Return the same with the generator's own steps."""
        part = replace(
            seen, shift=seen.shift[:, rays], depth=seen.depth[:, rays], strength=seen.strength[:, rays]
        )
        plan = Plan(background_camera=self.behind)
        found = self.generator.march(self.person, camera, self.uv[rays], warp=part.warp, plan=plan)
        values = torch.cat([found.colour, found.features], dim=-1)[0]
        return Met(values, found.opacity[0])


def neck_numbers(neck: Neck) -> Float[Tensor, " 20"]:
    """Return a neck as `ray_loops.unbend` reads it."""
    matrix = neck.still_from_turned[0, :3].flatten()
    return torch.cat([matrix, neck.pivot, neck.up, matrix.new_tensor([-neck.low, -neck.high])])


def _plain(x: Float[Tensor, "*b"]) -> Any:
    """Return a tensor's numbers as loops read them."""
    return x.detach().float().contiguous().numpy()
