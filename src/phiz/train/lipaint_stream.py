"""People who make faces, without end: their styles before, and the styles that draw the face.

A generator that learned our world has codes that say which face somebody makes (`phiz.world.code`). So the
right answer is known: the style of the same code with another face in it. Which people a step sees follows
from the seed, the step and the process alone.

Styles of a photo are near no code's. So some people here are between two, who make the same face, and noise
is added before and after alike; what the face adds to the style is then still what it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from phiz.errors import UsageError
from phiz.face.morphable import ARKIT_NAMES, MorphableModel
from phiz.generator.generator import Generator
from phiz.train.lipaint_config import PeopleConfig
from phiz.world import code as codes
from phiz.world import expressions
from phiz.world.code import CodeLayout
from phiz.world.expressions import MOODS, SOUNDS
from phiz.world.grown.hair_cards import styles_for
from phiz.world.people import generator as chance_named

MOUTH = tuple(n for n in ARKIT_NAMES if n.startswith(("jaw", "mouth", "tongue", "cheekPuff")))
"""What moves a mouth."""
MOST_AT_ONCE = 4
"""Weights of a face of chance that are not 0, at most."""
SOUND_SHARE, MOOD_SHARE = 0.5, 0.2
"""Of spoken faces: sounds; and those of them with a mood's mouth besides."""
LOOKED_AT = 2000
"""People from whom the spread of styles is told."""


class Acts(NamedTuple):
    """People before they make a face, the face, and the styles that draw them with it."""

    w: Float[Tensor, "b w"]
    expression: Float[Tensor, "b e"]
    true: Float[Tensor, "b w"]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A generator of our world, and all faces that its people may make."""

    generator: Generator
    layout: CodeLayout
    expressions: Float[Tensor, "n e"]
    """The first is the face at rest."""
    numbers: Float[Tensor, "n c"]
    """What stands for each face in a code."""
    spread: Float[Tensor, " w"]
    """Standard deviations of styles."""


def open_stage(
    generator: Generator, head: MorphableModel, config: PeopleConfig, styles: tuple[str, ...] | None = None
) -> Stage:
    """Return a generator with faces to make; refuse one whose codes are not laid out as our world's are."""
    named = styles_for(head) if styles is None else styles
    layout = codes.code_layout(head, named)
    groups = tuple(category.length for category in layout.categories)
    if (generator.config.z_size, generator.config.groups) != (layout.size, groups):
        raise UsageError(
            "this generator's codes are not those of our world, so nobody knows which mouth is right. Learn "
            "from the generator alone: --objective alone"
        )
    faces = all_faces(head.expression_names, config)
    rest, where = torch.zeros(layout.size), layout.where("expression")
    numbers = torch.stack([codes.with_expression(rest, face, head, named)[where] for face in faces])
    chance = torch.Generator().manual_seed(0)
    device = generator.mapping.average.device
    some = torch.randn(LOOKED_AT, layout.size, generator=chance).to(device)
    spread = styles_of(generator, some).std(dim=0)
    return Stage(
        generator=generator,
        layout=layout,
        expressions=faces.to(device),
        numbers=numbers.to(device),
        spread=spread,
    )


def all_faces(names: tuple[str, ...], config: PeopleConfig) -> Float[Tensor, "n e"]:
    """Return faces to make, the first at rest; the same settings give the same ones."""
    rng = chance_named(0, "faces to paint")
    made = [torch.zeros(len(names))]
    for _ in range(config.faces):
        is_spoken = float(rng.random()) < config.spoken
        made.append(spoken(rng, names) if is_spoken else expressions.sample_expression(rng, names))
    return torch.stack(made)


def spoken(rng: np.random.Generator, names: tuple[str, ...]) -> Float[Tensor, " e"]:
    """Return a face that is made with the mouth alone: sounds, or a few weights by chance."""
    found = dict.fromkeys(ARKIT_NAMES, 0.0)
    if float(rng.random()) < SOUND_SHARE:
        looks = [list(SOUNDS.values())[k] for k in rng.integers(0, len(SOUNDS), 2)]
        if float(rng.random()) < MOOD_SHARE:
            looks.append(list(MOODS.values())[int(rng.integers(0, len(MOODS)))])
        for look, share in zip(looks, (1.2 * rng.random(), 0.6 * rng.random(), rng.random()), strict=False):
            weights = expressions.weights(look, ARKIT_NAMES, float(share)).tolist()
            for name, weight in zip(ARKIT_NAMES, weights, strict=True):
                found[name] += weight if name in MOUTH else 0.0
    else:
        for k in rng.choice(len(MOUTH), size=int(rng.integers(1, MOST_AT_ONCE + 1)), replace=False):
            found[MOUTH[k]] = float(rng.random())
        found["jawOpen"] = max(found["jawOpen"], float(rng.random()) * float(rng.integers(0, 2)))
    expressions.limit(found)
    return torch.tensor([found.get(name, 0.0) for name in names], dtype=torch.float32)


def chance_at(seed: int, step: int, rank: int) -> torch.Generator:
    """Return the chance of one process at one step."""
    (word,) = np.random.SeedSequence((seed, step, rank)).generate_state(1, np.uint64).tolist()
    return torch.Generator().manual_seed(int(word) >> 1)


@torch.no_grad()
def acts(stage: Stage, config: PeopleConfig, chance: torch.Generator, count: int) -> Acts:
    """Return so many people who make a face."""
    device = stage.spread.device
    own, face = (_pick(stage, count, chance) for _ in range(2))
    is_acting = _share(config.acting, count, chance)
    blend = torch.rand(count, 1, generator=chance) * _share(config.blended, count, chance)
    pair = [people(stage, config, chance, count) for _ in range(2)]
    level = config.spread * torch.rand(count, 1, generator=chance).to(device)
    noise = level * stage.spread * torch.randn(count, len(stage.spread), generator=chance).to(device)
    before, after = (
        [styles_of(stage.generator, code) for code in side]
        for side in zip(*(_both(stage, z, own, face, is_acting.to(device)) for z in pair), strict=True)
    )
    share = blend.to(device)
    return Acts(
        w=torch.lerp(before[0], before[1], share) + noise,
        expression=stage.expressions[face],
        true=torch.lerp(after[0], after[1], share) + noise,
    )


def people(stage: Stage, config: PeopleConfig, chance: torch.Generator, count: int) -> Float[Tensor, "b z"]:
    """Return codes of people, drawn towards the mean one by different shares; choices stay."""
    z = torch.randn(count, stage.layout.size, generator=chance)
    low, high = config.psi
    psi = low + (high - low) * torch.rand(count, 1, generator=chance)
    first = min(category.start for category in stage.layout.categories)
    return torch.cat([psi * z[:, :first], z[:, first:]], dim=1).to(stage.spread.device)


def with_face(stage: Stage, z: Float[Tensor, "b z"], face: Int[Tensor, " b"]) -> Float[Tensor, "b z"]:
    """Return codes with other faces, by number."""
    where = stage.layout.where("expression")
    return torch.cat([z[:, : where.start], stage.numbers[face], z[:, where.stop :]], dim=1)


def at_rest(stage: Stage, z: Float[Tensor, "b z"]) -> Float[Tensor, "b z"]:
    """Return codes of the same people, faces at rest and eyes straight ahead."""
    gaze = stage.layout.where("gaze")
    ahead = torch.cat([z[:, : gaze.start], torch.zeros_like(z[:, gaze]), z[:, gaze.stop :]], dim=1)
    return with_face(stage, ahead, torch.zeros(len(z), dtype=torch.int64, device=z.device))


def styles_of(generator: Generator, z: Float[Tensor, "b z"]) -> Float[Tensor, "b w"]:
    """Return the one style of each code."""
    found: Tensor = generator.mapping(z)
    return found


def _both(stage: Stage, z: Tensor, own: Tensor, face: Tensor, is_acting: Tensor) -> tuple[Tensor, Tensor]:
    """Return codes before and after; where people look does not change."""
    before = torch.where(is_acting > 0, with_face(stage, z, own), at_rest(stage, z))
    return before, with_face(stage, before, face)


def _pick(stage: Stage, count: int, chance: torch.Generator) -> Tensor:
    return torch.randint(len(stage.numbers), (count,), generator=chance).to(stage.spread.device)


def _share(share: float, count: int, chance: torch.Generator) -> Tensor:
    return (torch.rand(count, 1, generator=chance) < share).float()
