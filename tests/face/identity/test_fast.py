"""Networks that are ready to be used give the same as the plain ones, on one thread and on many."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from face.identity.conftest import learned

from phiz.face.identity.config import ResidualConfig
from phiz.face.identity.fast import ReadyResNet, ready
from phiz.face.identity.networks import Recogniser, embed

LARGER = ResidualConfig(blocks=(2, 2, 1, 2), widths=(8, 12, 16, 24), embedding=8, size=96)
"""Maps of 96 to 6 pixels: large tiles, small ones and none."""


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """Let torch have some threads, in turn."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def faces(count: int, size: int = 96) -> torch.Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(count)) * 2 - 1


def close(found: torch.Tensor, expected: torch.Tensor) -> bool:
    return float((found - expected).norm() / expected.norm()) < 1e-5


def test_every_family_gives_the_same(network: Recogniser, crops: torch.Tensor) -> None:
    expected = network(crops)
    made = ready(network)
    assert close(embed(made, crops), expected)
    assert close(embed(made, crops[:1]), expected[:1])


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_residual_network_gives_the_same_on_any_number_of_threads(count: int, threads: int) -> None:
    network = learned(LARGER)
    expected = network(faces(count))
    made = ready(network)
    assert close(made(faces(count)), expected)
    assert close(made(faces(count)), expected)  # memory that is used again holds nothing of before
    assert torch.get_num_threads() == threads


def test_several_may_ask_at_once(threads: int) -> None:
    network = learned(LARGER)
    made = ready(network)
    asked = [faces(count) for count in (1, 2, 1, 3)] * 2
    expected = [network(one) for one in asked]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(made, asked))
    assert all(close(one, other) for one, other in zip(found, expected, strict=True))


def test_gradients_come_from_the_plain_network() -> None:
    network = learned(LARGER)
    made = ready(network)
    assert isinstance(made, ReadyResNet)
    given, twin = (faces(2).requires_grad_() for _ in range(2))
    made(given).square().sum().backward()
    network(twin).square().sum().backward()
    assert given.grad is not None
    assert twin.grad is not None
    assert torch.equal(given.grad, twin.grad)


def test_normalisation_before_a_border_is_exact() -> None:
    """A shift before a convolution does not reach the zeros around the map; folded carelessly, it would."""
    network = learned(LARGER)
    for name, part in network.named_modules():
        if name.endswith("bn1") and name != "bn1":
            part.bias.data.fill_(5.0)
    assert close(ready(network)(faces(1)), network(faces(1)))


def test_what_is_ready_has_nothing_left_to_learn(network: Recogniser) -> None:
    made = ready(network)
    assert not any(p.requires_grad for p in made.parameters())
    assert not made.training
