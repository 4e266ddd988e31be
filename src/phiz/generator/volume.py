"""From rays to a small map of features: sample, warp, look up, add up. Here the warp enters.

Coarse samples say where something is, fine ones look closer there, both count. What is linear in the
last hidden layer (colour, features) is taken after adding up, once a ray instead of once a sample.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from phiz.generator.config import GeneratorConfig
from phiz.generator.field import (
    Background,
    Foreground,
    PreparedBackground,
    PreparedField,
    density,
    inverted_sphere,
    raw_density,
)
from phiz.graphics.camera import Camera
from phiz.graphics.rays import composite_weights, even_chances, inverse_cdf, points_along
from phiz.layers.modulated import Folded, apply

UNTOLD_SAMPLES = 20
"""parity: what the published network takes while its progress says that it was never trained."""


class Stage(Enum):
    """Which samples a warp is asked to move."""

    COARSE = "coarse"
    FINE = "fine"


Warp = Callable[[Float[Tensor, "b n 3"], Stage], Float[Tensor, "b n 3"]]
"""Where in the still scene to look for what is now at each point."""


@runtime_checkable
class Draws(Protocol):
    """Where random numbers come from while training."""

    def uniform(self, *shape: int) -> Float[Tensor, "..."]: ...
    def normal(self, *shape: int) -> Float[Tensor, "..."]: ...


class RandomDraws:
    """Random numbers from a generator, on a device."""

    def __init__(self, generator: torch.Generator | None = None, device: torch.device | str = "cpu") -> None:
        self.generator = generator
        self.device = device

    def uniform(self, *shape: int) -> Float[Tensor, "..."]:
        """Return numbers from 0 to 1."""
        return torch.rand(shape, generator=self.generator, device=self.device)

    def normal(self, *shape: int) -> Float[Tensor, "..."]:
        """Return normally distributed numbers."""
        return torch.randn(shape, generator=self.generator, device=self.device)


class Depths(NamedTuple):
    """Where samples lie along rays, as parameters from 0 (near) to 1 (far)."""

    coarse: Float[Tensor, "b r s"]
    fine: Float[Tensor, "b r s"] | None


class Samples(NamedTuple):
    """Samples of all rays, in any order, and what is there."""

    places: Float[Tensor, "b r s"]
    density: Float[Tensor, "b r s"]
    """Before the rectifier."""
    hidden: Float[Tensor, "b r s h"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How to go along the rays of a picture, where that is not as the network was trained."""

    samples: int = 0
    """Coarse samples a ray; 0 takes the network's number."""
    is_hierarchical: bool = True
    """Whether finer samples are added, if the network knows them."""
    shows: Literal["both", "foreground", "background"] = "both"
    """What is drawn."""
    background_camera: Camera | None = None
    """Where the background is seen from, if not from where the head is."""

    def __post_init__(self) -> None:
        if self.samples != 0 and self.samples < 3:
            raise ValueError(f"a ray needs at least 3 samples, or 0 for the network's, not {self.samples}")


PLAIN = Plan()
"""As the network was trained."""


def to_depth(config: GeneratorConfig, places: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
    """Return the depths of parameters from 0 to 1."""
    if config.spacing == "inverse":
        return 1 / (places / config.far + (1 - places) / config.near)
    # parity: this order, to the last digit.
    return config.near * (1 - places) + config.far * places


def rays_through_pixels(
    camera: Camera, uv: Float[Tensor, "b r 2"]
) -> tuple[Float[Tensor, "b 3"], Float[Tensor, "b r 3"]]:
    """Return the same as `phiz.graphics.rays.rays_through`, to the last digit as was published.

    parity: pixels go into the world by one matrix, and the camera's place is taken off again. Ten octaves
    of encoding make much of the last digit, and fine samples at the edge of an interval even more.
    """
    inner = camera.intrinsics
    sideways = torch.diag_embed(
        torch.stack([1 / inner[:, 0, 0], 1 / inner[:, 1, 1], *inner.new_ones(2, len(inner))], dim=-1)
    )
    ones = torch.ones_like(uv[..., 0])
    pixels = torch.stack(
        [uv[..., 0] - inner[:, None, 0, 2], inner[:, None, 1, 2] - uv[..., 1], -ones, ones], dim=1
    )  # (b, 4, r)
    places = (camera.world_from_camera @ sideways) @ pixels
    return camera.position, places[:, :3].transpose(1, 2) - camera.position[:, None]


def jittered(places: Float[Tensor, "b r s"], chances: Float[Tensor, "b r s"]) -> Float[Tensor, "b r s"]:
    """Return each place moved within its stratum, which reaches half way to its neighbours."""
    middle = (places[..., 1:] + places[..., :-1]) / 2
    lower = torch.cat([places[..., :1], middle], dim=-1)
    upper = torch.cat([middle, places[..., -1:]], dim=-1)
    return lower + (upper - lower) * chances


class Marcher:
    """Goes along the rays of one picture; holds what all of its steps need."""

    def __init__(
        self,
        config: GeneratorConfig,
        foreground: Foreground,
        prepared: PreparedField,
        *,
        is_opaque: bool,
        warp: Warp | None = None,
        draws: Draws | None = None,
    ) -> None:
        self.is_opaque = is_opaque
        self.config = config
        self.foreground = foreground
        self.prepared = prepared
        self.warp = warp
        self.draws = draws

    def samples(
        self,
        camera: Camera,
        uv: Float[Tensor, "b r 2"],
        *,
        count: int,
        is_hierarchical: bool,
        depths: Depths | None = None,
    ) -> tuple[Samples, Depths, Float[Tensor, "b r"]]:
        """Return the samples of rays, where they were taken, and how long a unit of depth is."""
        origins, directions = rays_through_pixels(camera, uv)
        stretch = directions.norm(dim=-1)
        if depths is None:
            places = torch.linspace(0, 1, count, dtype=uv.dtype, device=uv.device)
            places = places.expand(*uv.shape[:2], -1)
            if self.draws is not None:
                places = jittered(places, self.draws.uniform(*places.shape))
        else:
            places = depths.coarse
        coarse = self._look(origins, directions, places, Stage.COARSE)
        if not is_hierarchical:
            return coarse, Depths(places, None), stretch
        finer = self._finer(coarse, stretch) if depths is None or depths.fine is None else depths.fine
        fine = self._look(origins, directions, finer, Stage.FINE)
        both = Samples(*(torch.cat(pair, dim=2) for pair in zip(fine, coarse, strict=True)))
        return both, Depths(places, finer), stretch

    def _look(
        self,
        origins: Float[Tensor, "b 3"],
        directions: Float[Tensor, "b r 3"],
        places: Float[Tensor, "b r s"],
        stage: Stage,
    ) -> Samples:
        """Return what is at some places of the rays; noise on the density keeps it honest in training."""
        points = points_along(origins, directions, to_depth(self.config, places))
        if self.config.spacing == "inverse":
            points = contracted(points)
        flat = rearrange(points, "b r s c -> b (r s) c")
        if self.warp is not None:
            flat = self.warp(flat, stage)
        hidden = self.foreground.hidden(self.prepared, flat)
        raw = _by_ray(raw_density(self.prepared, hidden, flat), points)
        if self.draws is not None and self.config.density_noise > 0:
            raw = raw + self.draws.normal(*places.shape) * self.config.density_noise
        places = places.expand(len(raw), -1, -1)
        return Samples(places, raw, _by_ray(hidden, points))

    def _finer(self, coarse: Samples, stretch: Float[Tensor, "b r"]) -> Float[Tensor, "b r s"]:
        """Return new places where the coarse samples weigh much; no gradient flows through them."""
        with torch.no_grad():
            weights, _ = self.weigh(coarse, stretch)
            places = coarse.places
            middle = (places[..., 1:] + places[..., :-1]) / 2
            count = places.shape[-1]
            if self.draws is None:
                chances = even_chances(middle, count)
            else:
                chances = self.draws.uniform(weights.shape[0] * weights.shape[1], count)
                chances = chances.reshape(*weights.shape[:2], count)
            return inverse_cdf(middle.contiguous(), weights[..., 1:-1], chances)

    def weigh(
        self, samples: Samples, stretch: Float[Tensor, "b r"]
    ) -> tuple[Float[Tensor, "b r s"], Float[Tensor, "b r"]]:
        """Return how much each sample adds to its ray, and how much light passes all but the last.

        Where nothing shows behind the head, the last sample takes what is left.
        """
        config = self.config
        places, order = samples.places.sort(dim=-1)
        lengths = places if config.is_length_relative else to_depth(config, places)
        weights, passing = composite_weights(
            density(config, samples.density.gather(-1, order)), lengths, stretch, opaque=False
        )
        if self.is_opaque:
            weights = torch.cat([weights[..., :-1], passing[..., None]], dim=-1)
        return torch.zeros_like(weights).scatter(-1, order, weights), passing


def march_background(
    config: GeneratorConfig,
    background: Background,
    prepared: PreparedBackground,
    camera: Camera,
    uv: Float[Tensor, "b r 2"],
    draws: Draws | None = None,
) -> tuple[Float[Tensor, "b r s"], Float[Tensor, "b r s h"]]:
    """Return the weights and hidden layers of the samples behind the scene."""
    origins, directions = rays_through_pixels(camera, uv)
    steps = torch.linspace(-1, 0, config.background_samples, dtype=uv.dtype, device=uv.device)
    places = (steps * config.background_start).expand(*uv.shape[:2], -1)
    if draws is not None:
        places = jittered(places, draws.uniform(*places.shape))
    points = inverted_sphere(origins, directions, -places)
    hidden = background.hidden(prepared, rearrange(points, "b r s c -> b (r s) c"))
    raw = _by_ray(apply(prepared.density, hidden)[..., 0], points)
    if draws is not None and config.density_noise > 0:
        raw = raw + draws.normal(*places.shape) * config.density_noise
    stretch = torch.ones_like(places[..., 0])
    weights, _ = composite_weights(torch.relu(raw), places.expand(len(raw), -1, -1), stretch, opaque=True)
    return weights, _by_ray(hidden, points)


def mix(
    outputs: Folded, weights: Float[Tensor, "b r s"], hidden: Float[Tensor, "b2 r s h"]
) -> Float[Tensor, "b r c"]:
    """Return what the weighted samples of rays show together: the linear outputs of their mean."""
    summed = torch.einsum("brs,brsh->brh", weights.to(hidden.dtype), hidden.expand(len(weights), -1, -1, -1))
    total = weights.sum(-1, keepdim=True).to(hidden.dtype)
    weight, bias = outputs
    plain = apply(Folded(weight, torch.zeros_like(bias)), summed)
    return plain + total * bias


def _by_ray(values: Float[Tensor, "b n *c"], points: Float[Tensor, "b2 r s d"]) -> Float[Tensor, "b r s *c"]:
    """Return values of all samples, ray by ray again."""
    return values.reshape(-1, *points.shape[1:3], *values.shape[2:])


def contracted(points: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 3"]:
    """Return points with everything beyond the unit ball drawn into a ball of radius two."""
    radius = points.norm(dim=-1, keepdim=True)
    far = (2 - 1 / radius.clamp(min=1)) / radius.clamp(min=1)
    return torch.where(radius > 1, points * far, points)
