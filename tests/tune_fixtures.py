"""Somebody drawn by a tiny generator, and views of somebody else for whom it can be tuned."""

from __future__ import annotations

from dataclasses import replace

import torch

from phiz.avatar.avatar import Avatar
from phiz.avatar.targets import Targets
from phiz.face import head, models
from phiz.face.coeffs import neutral
from phiz.generator.config import TINY, GeneratorConfig
from phiz.generator.generator import Generator
from phiz.world import portrait

PLANES: GeneratorConfig = replace(
    TINY,
    source="planes",
    planes_channels=4,
    planes_resolution=16,
    planes_base=0.005,
    planes_span=0.3,
    colour="extra",
    density="softplus",
    density_gain=30.0,
    density_noise=0.0,
    field_layers=1,
    path_samples=0,
)


def person(config: GeneratorConfig = PLANES, seed: int = 0) -> Avatar:
    """Return somebody of an untrained generator."""
    torch.manual_seed(seed)
    generator = Generator(config).eval().requires_grad_(False)
    sizes = head.built_in().sizes
    return Avatar(
        generator=generator,
        w=generator.styles(torch.randn(1, config.z_size)),
        background=torch.randn(1, config.background_latent),
        camera=portrait.view_camera(torch.zeros(1), torch.zeros(1)),
        rest=neutral(sizes),
        head=models.BUILT_IN,
        generator_from_head=portrait.generator_from_head(neutral(sizes).identity[0], head.built_in()),
    )


def views(config: GeneratorConfig = PLANES) -> Targets:
    """Return three views of a red disc a third of the picture wide before a blue wall."""
    size, volume = config.resolution, config.volume_resolution
    camera = portrait.view_camera(torch.tensor([-0.3, 0.0, 0.3]), torch.zeros(3))

    def disc(side: int) -> torch.Tensor:
        line = (torch.arange(side) + 0.5) * 2 / side - 1
        inside = (line[:, None].square() + line[None].square()).sqrt() < 0.4
        return inside.float().expand(3, 1, side, side)

    red, blue = torch.tensor([1.0, -1.0, -1.0]), torch.tensor([-1.0, -1.0, 1.0])
    pictures = torch.lerp(blue[:, None, None], red[:, None, None], disc(size))
    opacity = disc(volume)
    return Targets(
        camera=camera,
        pictures=pictures,
        weight=torch.ones(3, 1, size, size),
        depth=torch.full((3, 1, volume, volume), 0.98),
        depth_weight=opacity,
        opacity=opacity,
        opacity_weight=torch.ones_like(opacity),
        chance=torch.tensor([1.0, 2.0, 1.0]),
    )
