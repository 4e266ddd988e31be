"""A tiny generator whose codes are those of our world, shared by the tests of what draws mouths."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from phiz.face import models
from phiz.generator import store
from phiz.generator.config import TINY
from phiz.generator.generator import Generator
from phiz.world import code
from phiz.world.code import CodeLayout
from phiz.world.grown.hair_cards import styles_for


def coded(layout: CodeLayout) -> Generator:
    """Return a generator that has learned nothing."""
    groups = tuple(category.length for category in layout.categories)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = Generator(replace(TINY, z_size=layout.size, groups=groups))
    return made.eval().requires_grad_(False)


def write_generator(folder: Path) -> Path:
    """Return the file of a generator whose codes are those of the built-in head's people."""
    head = models.open_model(models.BUILT_IN)
    path = folder / "generator.safetensors"
    store.save_generator(path, coded(code.code_layout(head, styles_for(head))))
    return path
