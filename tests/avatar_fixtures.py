"""People for tests: one of the built-in generator, made once, and faces they can make."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from phiz.avatar import seeds
from phiz.avatar.avatar import Avatar
from phiz.face import head
from phiz.face.coeffs import Motion, still
from phiz.face.head import Head
from phiz.generator import store


@pytest.fixture(scope="session")
def our_head() -> Head:
    return head.built_in()


@pytest.fixture(scope="session")
def someone() -> Avatar:
    return seeds.from_seed(store.load(), 1)


def making(our_head: Head, frames: int = 1, **weights: float) -> Motion:
    """Return a motion in which a face makes the same all the time."""
    motion = still(our_head.name, our_head.sizes.expression, frames)
    expression = torch.zeros_like(motion.expression)
    for name, weight in weights.items():
        expression[:, our_head.expression_names.index(name)] = weight
    return replace(motion, expression=expression)


def psnr(one: Tensor, other: Tensor) -> float:
    return float(-10 * torch.log10((one - other).square().mean() / 4))
