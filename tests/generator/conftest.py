"""A tiny generator, and what it takes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from phiz.generator.config import TINY
from phiz.generator.generator import Generator


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    """Let every test begin with the same random numbers, whichever tests ran before."""
    with torch.random.fork_rng(devices=[]):
        torch.random.set_rng_state(torch.Generator().manual_seed(0).get_state())
        yield


@pytest.fixture(scope="session")
def tiny() -> Generator:
    """Return a generator whose head is really there: densities are not far from opaque."""
    with torch.random.fork_rng(devices=[]):
        torch.random.set_rng_state(torch.Generator().manual_seed(1).get_state())
        generator = Generator(TINY).eval().requires_grad_(False)
    generator.foreground.density.bias.fill_(6.0)
    generator.foreground.density.weight.mul_(4)
    generator.mapping.average.normal_(generator=torch.Generator().manual_seed(2))
    return generator


@pytest.fixture
def codes() -> tuple[torch.Tensor, torch.Tensor]:
    """Return latent codes of two people and of two backgrounds."""
    chance = torch.Generator().manual_seed(3)
    z = torch.randn(2, TINY.z_size, generator=chance)
    return z, torch.randn(2, TINY.background_latent, generator=chance)
