"""From a style and a camera to a picture. It knows nothing about faces: two functions, `warp` and
`edit`, are where whoever does comes in.

    generator = Generator(FFHQ_256)
    styles = generator.styles(z, psi=0.7)
    picture = generator.render(styles, camera, background=latent).image
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from phiz.generator.config import GeneratorConfig
from phiz.generator.field import (
    Background,
    Foreground,
    PreparedBackground,
    PreparedField,
    density,
    raw_density,
)
from phiz.generator.mapping import Mapping
from phiz.generator.upsample import PreparedBlock, Upsampler
from phiz.generator.volume import (
    PLAIN,
    UNTOLD_SAMPLES,
    Depths,
    Draws,
    Marcher,
    Plan,
    Samples,
    Stage,
    Warp,
    march_background,
    mix,
    to_depth,
)
from phiz.graphics.camera import Camera
from phiz.graphics.rays import pixel_grid
from phiz.layers.modulated import apply

__all__ = ["Depths", "Edit", "Features", "Generator", "Plan", "Prepared", "Rendering", "Stage", "Warp"]


class Features(NamedTuple):
    """What the volume hands to the upsampler."""

    map: Float[Tensor, "b c h w"]
    image: Float[Tensor, "b 3 h w"]
    """The small picture that the upsampler refines."""


Edit = Callable[[Features], Features]


class Prepared(NamedTuple):
    """A person as the network draws them: everything that depends on latent codes alone."""

    field: PreparedField
    behind: PreparedBackground | None
    blocks: tuple[PreparedBlock, ...]
    batch: int


@dataclass(frozen=True, kw_only=True)
class Rendering:
    """A picture, and what is known about it."""

    image: Float[Tensor, "b 3 h w"]
    """About -1 to 1; nothing is cut off."""
    small: Float[Tensor, "b 3 h2 w2"]
    """The volume's own picture."""
    features: Float[Tensor, "b c h2 w2"]
    depth: Float[Tensor, "b h2 w2"]
    """Mean depth of what the rays met of the head, along the camera's axis."""
    opacity: Float[Tensor, "b h2 w2"]
    """Share of each pixel that the head covers."""
    depths: Depths
    """Where the samples were taken, for other pictures to take theirs at the same places."""


class Rays(NamedTuple):
    """What the rays of a picture met, ray by ray."""

    colour: Float[Tensor, "b r 3"]
    features: Float[Tensor, "b r c"]
    depth: Float[Tensor, "b r"]
    opacity: Float[Tensor, "b r"]
    depths: Depths
    samples: Samples | None
    weights: Float[Tensor, "b r s"] | None
    background_hidden: Float[Tensor, "b r t h"] | None
    background_weights: Float[Tensor, "b r t"] | None
    """With what the head lets through already in them."""


class Generator(nn.Module):
    """A mapping, a foreground and a background field, and an upsampler."""

    progress: Tensor

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        self.mapping = Mapping(config)
        self.foreground = Foreground(config)
        self.background = Background(config) if config.background == "sphere" else None
        self.upsampler = Upsampler(config)
        self.register_buffer("progress", torch.ones(()))

    def forward(
        self,
        z: Float[Tensor, "b z"],
        camera: Camera,
        background: Float[Tensor, "b l"] | None = None,
        labels: Float[Tensor, "b k"] | None = None,
        draws: Draws | None = None,
    ) -> Float[Tensor, "b 3 h w"]:
        """Return pictures of latent codes: what a trainer calls, and what is exported."""
        return self.render(self.styles(z, labels), camera, background=background, draws=draws).image

    def styles(
        self,
        z: Float[Tensor, "b z"],
        labels: Float[Tensor, "b k"] | None = None,
        *,
        psi: float = 1.0,
        cutoff: int | None = None,
    ) -> Float[Tensor, "b n w"]:
        """Return the styles of all layers for latent codes; `psi` draws them towards the mean."""
        return self.mapping.truncate(self.mapping(z, labels), psi, cutoff)

    def prepare(
        self,
        styles: Float[Tensor, "b n w"],
        background: Float[Tensor, "b2 l"] | None = None,
        *,
        views: int = 1,
    ) -> Prepared:
        """Return everything that depends on latent codes alone, to draw it from many cameras.

        Without a `background` it is that of the latent code in the middle. With several `views` every
        style stands for so many pictures, one after the other, and its planes are painted once.
        """
        count = self.config.volume_styles
        behind = None
        if self.background is not None:
            if background is None:
                background = styles.new_zeros(1, self.config.background_latent)
            behind = self.background.prepare(background)
        field = self.foreground.prepare(styles[:, :count])
        if views > 1:
            field = field.repeated(views)
            styles = styles.repeat_interleave(views, dim=0)
        return Prepared(
            field,
            behind,
            self.upsampler.prepare(styles[:, count:]),
            max(len(styles), 1 if background is None else len(background)),
        )

    def render(
        self,
        w: Float[Tensor, "b n w"] | Prepared,
        camera: Camera,
        *,
        background: Float[Tensor, "b2 l"] | None = None,
        depths: Depths | None = None,
        warp: Warp | None = None,
        edit: Edit | None = None,
        draws: Draws | None = None,
        plan: Plan = PLAIN,
    ) -> Rendering:
        """Return pictures: one style from many cameras, many styles from one, or pair by pair.

        `depths` takes samples where another picture took them, `warp` moves them before they are
        looked up, `edit` changes the features before they grow. `draws` are random numbers, for training.
        """
        prepared = w if isinstance(w, Prepared) else self.prepare(w, background)
        size = self.config.volume_resolution
        uv = self.pixels(size).to(camera.intrinsics)
        rays = self.march(prepared, camera, uv, depths=depths, warp=warp, draws=draws, plan=plan)
        return self.finish(prepared, rays, edit)

    def finish(self, prepared: Prepared, rays: Rays, edit: Edit | None = None) -> Rendering:
        """Return the picture that rays through the volume's pixels grow to, or through a square of them."""
        size = math.isqrt(rays.colour.shape[1])
        seen = Features(_as_map(rays.features, size), _as_map(rays.colour, size))
        if edit is not None:
            seen = edit(seen)
        image = self.upsampler(prepared.blocks, seen.map, seen.image, self._progress())
        return Rendering(
            image=image,
            small=seen.image,
            features=seen.map,
            depth=rays.depth.reshape(-1, size, size),
            opacity=rays.opacity.reshape(-1, size, size),
            depths=rays.depths,
        )

    def march(
        self,
        prepared: Prepared,
        camera: Camera,
        uv: Float[Tensor, "r 2"] | Float[Tensor, "b r 2"],
        *,
        depths: Depths | None = None,
        warp: Warp | None = None,
        draws: Draws | None = None,
        plan: Plan = PLAIN,
    ) -> Rays:
        """Return what rays through picture points meet."""
        batch = max(prepared.batch, camera.batch)
        camera = camera.repeated(batch)
        uv = uv.expand(batch, -1, -1)
        seen_from = (plan.background_camera or camera).repeated(batch)
        has_background = prepared.behind is not None and plan.shows != "foreground"
        if plan.shows == "background":
            return self._only_background(prepared, seen_from, uv, draws)
        marcher = Marcher(
            self.config,
            self.foreground,
            prepared.field,
            is_opaque=not has_background,
            warp=warp,
            draws=draws,
        )
        count = plan.samples or (self.config.samples if self._progress() >= 0 else UNTOLD_SAMPLES)
        is_fine = plan.is_hierarchical and self.config.is_hierarchical
        samples, taken, stretch = marcher.samples(
            camera, uv, count=count, is_hierarchical=is_fine, depths=depths
        )
        weights, passing = marcher.weigh(samples, stretch)
        mixed = mix(prepared.field.outputs, weights, samples.hidden)
        behind_weights = behind_hidden = None
        if has_background:
            assert self.background is not None
            assert prepared.behind is not None
            behind_weights, behind_hidden = march_background(
                self.config, self.background, prepared.behind, seen_from, uv, draws
            )
            behind_weights = behind_weights * passing[..., None]
            mixed = mixed + mix(prepared.behind.outputs, behind_weights, behind_hidden)
        covered = weights.sum(-1)
        depth = (weights * to_depth(self.config, samples.places)).sum(-1) / covered.clamp(min=1e-6)
        return Rays(
            mixed[..., :3],
            mixed[..., 3:],
            depth,
            1 - passing,
            taken,
            samples,
            weights,
            behind_hidden,
            behind_weights,
        )

    def _only_background(
        self, prepared: Prepared, camera: Camera, uv: Float[Tensor, "b r 2"], draws: Draws | None
    ) -> Rays:
        if self.background is None or prepared.behind is None:
            raise ValueError("this generator has no background to show alone")
        weights, hidden = march_background(self.config, self.background, prepared.behind, camera, uv, draws)
        mixed = mix(prepared.behind.outputs, weights, hidden)
        nothing = torch.zeros_like(mixed[..., 0])
        empty = Depths(nothing[..., None], None)
        return Rays(
            mixed[..., :3], mixed[..., 3:], nothing + self.config.far, nothing, empty, None, None, None, None
        )

    def density(
        self, w: Float[Tensor, "b n w"] | Prepared, points: Float[Tensor, "b2 p 3"]
    ) -> Float[Tensor, "b3 p"]:
        """Return how dense the head is at points of its space."""
        field = self._field(w)
        return density(self.config, raw_density(field, self.foreground.hidden(field, points), points))

    def colour(
        self, w: Float[Tensor, "b n w"] | Prepared, points: Float[Tensor, "b2 p 3"]
    ) -> Float[Tensor, "b3 p 3"]:
        """Return the colour of points of the head's space, about -1 to 1."""
        field = self._field(w)
        outputs = field.outputs._replace(weight=field.outputs.weight[:, :3], bias=field.outputs.bias[:3])
        return apply(outputs, self.foreground.hidden(field, points))

    def pixels(self, size: int) -> Float[Tensor, "r 2"]:
        """Return the picture points (u, v) of all rays of a picture, row by row."""
        if not self.config.is_corner_aligned:
            return pixel_grid(size, size, self.progress.device).flatten(0, 1)
        # parity: every k-th point of a grid that reaches into the corners of the large picture.
        line = torch.linspace(-1, 1, self.config.resolution, device=self.progress.device)
        line = line[:: self.config.resolution // size]
        v, u = torch.meshgrid(line, line, indexing="ij")
        return torch.stack([u, v], dim=-1).flatten(0, 1)

    def _field(self, w: Float[Tensor, "b n w"] | Prepared) -> PreparedField:
        if isinstance(w, Prepared):
            return w.field
        return self.foreground.prepare(w[:, : self.config.volume_styles])

    def _progress(self) -> float:
        return 1.0 if torch.compiler.is_compiling() else float(self.progress)


def _as_map(rays: Float[Tensor, "b r c"], size: int) -> Float[Tensor, "b c h w"]:
    """Return values of rays as a map, channels innermost in memory."""
    return rays.reshape(-1, size, size, rays.shape[-1]).permute(0, 3, 1, 2)
