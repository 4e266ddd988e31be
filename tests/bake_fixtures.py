"""People of generators of the smallest sizes, drawn from chance numbers, whose head is the built-in one."""

from __future__ import annotations

from dataclasses import replace

import torch

from phiz.avatar.avatar import Avatar
from phiz.face.coeffs import neutral
from phiz.face.head import Head
from phiz.generator import poses
from phiz.generator.config import TINY, GeneratorConfig
from phiz.generator.generator import Generator
from phiz.world import portrait

PLANES = replace(
    TINY,
    resolution=128,
    volume_resolution=32,
    source="planes",
    planes_channels=8,
    planes_resolution=16,
    planes_base=0.01,
    planes_most=16,
    planes_span=0.30,
    field_layers=1,
    samples=6,
    near=0.86,
    far=1.14,
    density="softplus",
    density_gain=30.0,
    upsampling="nearest",
    kernel=3,
)


def person_of(config: GeneratorConfig, our_head: Head) -> Avatar:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator = Generator(config).eval().requires_grad_(False)
    chance = torch.Generator().manual_seed(1)
    rest = neutral(our_head.sizes)
    background = None
    if generator.background is not None:
        background = torch.randn(1, config.background_latent, generator=chance)
    return Avatar(
        generator=generator,
        w=generator.styles(torch.randn(1, config.z_size, generator=chance)),
        background=background,
        camera=poses.at(config, (0.5, 0.5)),
        rest=rest,
        head="built-in",
        generator_from_head=portrait.generator_from_head(rest.identity[0], our_head),
    )
