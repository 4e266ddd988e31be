"""Which of the people that a generator knows is most like somebody in a picture.

Styles are told by how far they are from the mean one along the directions in which styles differ, counted in
standard deviations: in these numbers everybody is about equally likely, and strangers to the generator
are far out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.avatar import seeds
from phiz.avatar.avatar import Avatar
from phiz.avatar.descent import Descent, Task, Watch, seeded
from phiz.avatar.squares import taken
from phiz.avatar.targets import Targets, shrunk
from phiz.avatar.tune import charbonnier, coverage, weighted
from phiz.face.morphable import MorphableModel
from phiz.generator.generator import Generator
from phiz.generator.volume import RandomDraws
from phiz.world import code as codes
from phiz.world.grown.hair_cards import styles_for
from phiz.world.people import IDENTITY_SPREAD

PEOPLE = 1500
"""Seeds whose styles say how styles differ."""
FAINT = 1e-4
"""Directions along which styles differ less than this share of the most are left alone."""


@dataclass(frozen=True, kw_only=True)
class LikenessConfig:
    """How to look for somebody."""

    steps: int = 60
    seconds: float = 12.0
    """It ends with the first of the two."""
    rays: int = 1024
    rate: float = 0.08
    """Of Adam, in standard deviations of styles; it falls to nothing."""
    prior: float = 0.004
    """Weight of how unlikely a style is."""
    opacity_weight: float = 0.3
    depth_weight: float = 10.0
    seed: int = 0


LIKENESS = LikenessConfig()


@dataclass(frozen=True, kw_only=True)
class Styles:
    """How the styles of a generator differ from one person to the next."""

    mean: Float[Tensor, " w"]
    axes: Float[Tensor, "n w"]
    """Each as long as one standard deviation."""

    def at(self, numbers: Float[Tensor, "1 n"]) -> Float[Tensor, "1 w"]:
        """Return the style so many standard deviations from the mean."""
        return self.mean + numbers @ self.axes

    def numbers(self, w: Float[Tensor, "1 w"]) -> Float[Tensor, "1 n"]:
        """Return how many standard deviations a style is from the mean."""
        return (w - self.mean) @ (self.axes / self.axes.square().sum(1, keepdim=True)).T


@torch.no_grad()
def styles_of(generator: Generator, people: int = PEOPLE) -> Styles:
    """Return how the styles of a generator differ."""
    chance = torch.Generator().manual_seed(0)
    w = generator.mapping(torch.randn(people, generator.config.z_size, generator=chance))
    mean = w.mean(0)
    _, spread, axes = torch.linalg.svd(w - mean, full_matrices=False)
    deviation = spread / people**0.5
    kept = deviation > FAINT * deviation[0]
    return Styles(mean=mean, axes=axes[kept] * deviation[kept, None])


@torch.no_grad()
def starts(
    generator: Generator, identity: Float[Tensor, " i"], expression: Float[Tensor, " e"], head: MorphableModel
) -> dict[str, Float[Tensor, "1 n w"]]:
    """Return styles from which to look: the mean one, and those of the head if the codes tell about heads."""
    config = generator.config
    found = {"mean": generator.mapping.average.expand(1, config.styles, -1).clone()}
    if not seeds.is_coded(generator, head):
        return found
    layout = codes.code_layout(head, styles_for(head))
    code = torch.zeros(layout.size)
    code[layout.where("identity")] = (identity / IDENTITY_SPREAD).clamp(-3, 3)
    code = codes.with_expression(code, expression, head, styles_for(head))
    for category in layout.categories:
        if category.name == layout.categories[0].name:
            for k, option in enumerate(category.options):
                some = code.clone()
                some[category.start + k] = 4.0
                found[f"{category.name} {option}"] = generator.styles(some[None])
    return found


@torch.no_grad()
def nearest(avatar: Avatar, some: Mapping[str, Float[Tensor, "1 n w"]], view: Targets) -> tuple[str, Avatar]:
    """Return which styles draw a view best, by name, and the person in them."""
    size = avatar.generator.config.volume_resolution // 2
    uv = avatar.generator.pixels(2 * size).reshape(2 * size, 2 * size, 2)[::2, ::2].flatten(0, 1)
    true, weight = (shrunk(m, 2 * size)[..., ::2, ::2] for m in (view.pictures, view.weight))
    wrong = {}
    for name, w in some.items():
        rays = avatar.generator.march(avatar.with_styles(w), view.camera, uv)
        off = charbonnier(rays.colour - true.flatten(2).transpose(1, 2)).mean(-1)
        bare = coverage(rays.opacity, view.opacity[..., ::2, ::2].flatten(1))
        wrong[name] = float(weighted(off, weight.flatten(1)) + 0.3 * bare.mean())
    best = min(wrong, key=lambda name: wrong[name])
    return best, replace(avatar, w=some[best])


def approach(
    avatar: Avatar,
    view: Targets,
    config: LikenessConfig = LIKENESS,
    *,
    watch: Watch | None = None,
    clock: Callable[[], float],
) -> Avatar:
    """Return the person in the styles, likely ones, that draw a view best."""
    generator, size = avatar.generator, avatar.generator.config.volume_resolution
    space = styles_of(generator)
    w = avatar.w.detach()
    numbers = space.numbers(w.mean(1)).clone()
    rest = w - space.at(numbers)[:, None]  # what tells layers apart stays
    first = numbers.clone()
    behind = None if avatar.background is None else avatar.background.clone()
    true, weight = shrunk(view.pictures, size), shrunk(view.weight, size)
    drawn = seeded(config.seed)
    uv, begun = generator.pixels(size), clock()

    def losses(step: int) -> Mapping[str, Tensor]:
        prepared = generator.prepare(rest + space.at(numbers)[:, None], behind)
        places = torch.multinomial(weight.flatten(1) + 0.05, config.rays, generator=drawn.generator)
        rays = generator.march(prepared, view.camera, uv[places], draws=RandomDraws(drawn.generator))
        sure = taken(weight, places)[..., 0]
        off = charbonnier(rays.colour - taken(true, places)).mean(-1)
        deep = (rays.opacity.clamp(0, 1) * (rays.depth - taken(view.depth, places)[..., 0])).abs()
        found = {
            "colour": weighted(off, sure.clamp(min=0.1)),
            "opacity": config.opacity_weight
            * coverage(rays.opacity, taken(view.opacity, places)[..., 0]).mean(),
            "depth": config.depth_weight * weighted(deep, taken(view.depth_weight, places)[..., 0]),
            "prior": config.prior * ((numbers - first).square().mean() + 0.2 * numbers.square().mean()),
        }
        return {**found, "loss": torch.stack(list(found.values())).sum()}

    task = Task(
        label="likeness",
        steps=config.steps,
        losses=losses,
        rate=lambda step: config.rate * (1 - step / config.steps) ** 0.5,
        settings={"config": str(config)},
        given={"picture": view.pictures},
    )
    leaves = {"numbers": numbers} | ({} if behind is None else {"behind": behind})

    def watching(progress: object) -> bool:
        return (watch is not None and watch(progress)) or clock() - begun > config.seconds  # type: ignore[arg-type]

    Descent(task, leaves, drawn, clock=clock).run(watching)
    with torch.no_grad():
        return replace(avatar, w=rest + space.at(numbers)[:, None], background=behind)
