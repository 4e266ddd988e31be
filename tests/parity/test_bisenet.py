"""The parser gives the recorded scores, inside and out, plain and folded."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
from parity import filled
from parity.filled import Golden
from parity.parts import check_parts
from torch import Tensor, nn

from phiz.face.parse import Parser
from phiz.face.parse_loops import winners
from phiz.face.ready import ready
from phiz.importers.bisenet import config_of
from phiz.layers.folding import folded

MARKS = ("cp.resnet.conv1.weight", "ffm.conv1.weight", "conv_out32.conv_out.weight")
OUTPUTS = ("logits", "logits16", "logits32")
LARGE = "x512"
CLOSE = 1e-5

Check = Callable[..., None]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    filled.parametrize(metafunc, MARKS)


@cache
def network_of(golden: Golden) -> Parser:
    """Return the network that a folder describes by names and shapes alone."""
    state = golden.state()
    network = Parser(config_of({name: tuple(value.shape) for name, value in state.items()})).eval()
    assert list(network.state_dict()) == list(state)
    network.load_state_dict(state)
    return network.requires_grad_(False)


def compare(golden: Golden, check: Check, name: str, found: Tensor) -> None:
    """Compare a result with what was recorded under a name, in units of its largest number."""
    expected = golden.recorded[name].to(found.dtype)
    check(golden, name, found, expected, tolerance=CLOSE * max(1.0, float(expected.abs().max())))


@pytest.mark.parametrize(
    "prepare", [lambda network: network, folded, ready], ids=["plain", "folded", "ready"]
)
def test_scores_match(golden: Golden, prepare: Callable[[Parser], Parser], check: Check) -> None:
    scores = prepare(network_of(golden)).all_scores(golden.input("x"))
    for name, found in zip(OUTPUTS, scores, strict=True):
        if name in golden.recorded:
            compare(golden, check, name, golden.thinned(name, found))


@pytest.mark.parametrize(
    "prepare", [lambda network: network, folded, ready], ids=["plain", "folded", "ready"]
)
def test_large_pictures_match(golden: Golden, prepare: Callable[[Parser], Parser], check: Check) -> None:
    name, labels = f"{LARGE}_logits_sub16", f"{LARGE}_argmax"
    if name not in golden.recorded:
        pytest.skip("no large picture was recorded")
    network, pictures = prepare(network_of(golden)), golden.input(LARGE)
    compare(golden, check, name, golden.thinned(name, network(pictures)))
    if labels in golden.recorded:
        height, width = pictures.shape[-2:]
        found = golden.thinned(labels, winners(network.scores(pictures), height, width)[0])
        # Two classes may be as good as each other; which of them wins is then in the last digit.
        assert (found != golden.recorded[labels]).float().mean() < 1e-4


def test_double_precision_matches(golden: Golden, check: Check) -> None:
    name = "logits_float64_sub"
    if name not in golden.recorded:
        pytest.skip("no scores in double precision were recorded")
    scores = network_of(golden)(golden.input("x"))
    expected = golden.recorded[name]
    steps = [-(-whole // part) for whole, part in zip(scores.shape, expected.shape, strict=True)]
    compare(golden, check, name, scores[..., :: steps[-2], :: steps[-1]].double())


def test_maps_of_attention_match(golden: Golden, check: Check) -> None:
    context: nn.Module = network_of(golden).cp
    found: dict[str, Any] = dict(
        zip(("fine", "cp8_mean", "cp16_mean"), context(golden.input("x")), strict=True)
    )
    for name in ("cp8_mean", "cp16_mean"):
        if name in golden.recorded:
            compare(golden, check, name, found[name].mean((-2, -1)))


def test_every_part_matches(golden: Golden) -> None:
    network = network_of(golden)
    check_parts(golden, network, lambda: network.all_scores(golden.input("x")))


def test_half_precision_is_near(golden: Golden) -> None:
    network = network_of(golden)
    pictures = golden.input("x")
    plain, half = network(pictures), folded(network, dtype=torch.bfloat16)(pictures)
    assert (plain - half).norm() < 0.03 * plain.norm()
