"""People who never lived, by their number: whom a seed stands for, and the head that they have.

A generator that learned from our world says in its file what its codes mean (`phiz.world.code`): then the
head is in the code itself, the face can be told to rest, and nothing has to be fitted.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.avatar.avatar import Avatar
from phiz.errors import UsageError
from phiz.face import models
from phiz.face.coeffs import neutral
from phiz.face.morphable import MorphableModel
from phiz.generator.generator import Generator
from phiz.world import code as codes
from phiz.world import portrait
from phiz.world.grown.hair_cards import styles_for

PSI = 0.7
"""How far people may be from the mean one: 0 is the mean, 1 anybody."""


@torch.no_grad()
def from_seed(generator: Generator, seed: int, *, psi: float = PSI) -> Avatar:
    """Return whom a seed stands for, face at rest, seen from the front; the same seed, the same person."""
    if generator.config.labels:
        raise UsageError("this generator draws nobody without a label. Give one that does.")
    head = models.open_model(models.BUILT_IN)
    if not is_coded(generator, head):
        raise UsageError(
            "this generator's codes are not those of our world, so nobody knows the head that a seed has. "
            "Draw the seed as a picture and make an avatar of that: phiz avatar PICTURE"
        )
    chance = torch.Generator().manual_seed(seed)
    code = at_rest(torch.randn(generator.config.z_size, generator=chance), head, psi)
    background = psi * torch.randn(1, generator.config.background_latent, generator=chance)
    return of_code(generator, code, background, head, about={"seed": seed, "psi": psi})


def is_coded(generator: Generator, head: MorphableModel) -> bool:
    """Return whether a generator's codes are laid out as those of our world are."""
    layout = codes.code_layout(head, styles_for(head))
    return generator.config.z_size == layout.size and generator.config.groups == tuple(
        category.length for category in layout.categories
    )


def at_rest(code: Float[Tensor, " n"], head: MorphableModel, psi: float = 1.0) -> Float[Tensor, " n"]:
    """Return a code with its face at rest, and its numbers drawn towards the mean; choices stay."""
    layout = codes.code_layout(head, styles_for(head))
    first = min(category.start for category in layout.categories)
    drawn = torch.cat([psi * code[:first], code[first:]])
    return codes.with_expression(drawn, torch.zeros(head.sizes.expression), head, styles_for(head))


def of_code(
    generator: Generator,
    code: Float[Tensor, " n"],
    background: Float[Tensor, "1 l"] | None,
    head: MorphableModel,
    *,
    about: dict[str, object] | None = None,
) -> Avatar:
    """Return the person whom a code stands for, seen from the front; the code's face has to be at rest."""
    layout = codes.code_layout(head, styles_for(head))
    identity = codes.identity_of(layout, code)
    return Avatar(
        generator=generator,
        w=generator.styles(code[None]),
        background=background,
        camera=portrait.view_camera(torch.zeros(1), torch.zeros(1)),
        rest=replace(neutral(head.sizes), identity=identity[None]),
        head=models.BUILT_IN,
        generator_from_head=portrait.generator_from_head(identity, head),
        about=about or {},
    )
