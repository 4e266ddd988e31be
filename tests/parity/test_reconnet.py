"""The regressor gives the recorded coefficients, inside and out, plain and folded."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
import torch
from parity import filled
from parity.filled import Golden
from parity.parts import check_parts
from torch import Tensor

from phiz.face import bfm
from phiz.face.ready import ready
from phiz.face.regress import Regressor, regress
from phiz.importers.deep3d import config_of
from phiz.layers.folding import folded

MARKS = ("backbone.conv1.weight", "final_layers.0.weight", "final_layers.6.bias")
CLOSE = 1e-5

Check = Callable[..., None]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    filled.parametrize(metafunc, MARKS, needs=("coeffs",))


@cache
def network_of(golden: Golden) -> Regressor:
    """Return the network that a folder describes by names and shapes alone."""
    state = golden.state()
    network = Regressor(config_of({name: tuple(value.shape) for name, value in state.items()})).eval()
    assert list(network.state_dict()) == list(state)
    network.load_state_dict(state)
    return network.requires_grad_(False)


@cache
def image_of(golden: Golden) -> Tensor:
    """Return the crops that went in."""
    return golden.input("image")


def compare(golden: Golden, check: Check, name: str, found: Tensor) -> None:
    """Compare a result with what was recorded under a name, in units of its largest number."""
    expected = golden.recorded[name].to(found.dtype)
    check(golden, name, found, expected, tolerance=CLOSE * max(1.0, float(expected.abs().max())))


@pytest.mark.parametrize(
    "prepare", [lambda network: network, folded, ready], ids=["plain", "folded", "ready"]
)
def test_coefficients_match(golden: Golden, prepare: Callable[[Regressor], Regressor], check: Check) -> None:
    network, crops = prepare(network_of(golden)), image_of(golden)
    compare(golden, check, "coeffs", network(crops))
    if "coeffs_float64" in golden.recorded:
        compare(golden, check, "coeffs_float64", network(crops).double())
    if "pooled" in golden.recorded:
        compare(golden, check, "pooled", network.pooled(crops))


def test_faces_match(golden: Golden) -> None:
    network = network_of(golden)
    face = regress(network, image_of(golden) * 2 - 1)
    expected = bfm.from_vector(golden.recorded["coeffs"])
    for name in ("identity", "expression", "texture", "rotation", "translation", "light"):
        torch.testing.assert_close(getattr(face, name), getattr(expected, name), atol=5e-5, rtol=0, msg=name)


def test_every_part_matches(golden: Golden) -> None:
    network = network_of(golden)
    check_parts(golden, network, lambda: network(image_of(golden)))


def test_half_precision_is_near(golden: Golden) -> None:
    network, crops = network_of(golden), image_of(golden)
    plain, half = network(crops), folded(network, dtype=torch.bfloat16)(crops)
    assert (plain - half).norm() < 0.03 * plain.norm()
