"""The published network that draws mouths gives the recorded styles."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from parity import filled
from parity.filled import Golden

from phiz.animate.lipaint_network import PUBLISHED, LipaintNet, with_mouth
from phiz.importers.lipaintnet import config_of

MARKS = ("fc1.weight", "fc2.weight", "fc3.weight", "fc4.weight", "fc4.bias")
CLOSE = 1e-6

Check = Callable[..., None]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    filled.parametrize(metafunc, MARKS, needs=("w", "exp", "w_out"))


def test_styles_match(golden: Golden, check: Check) -> None:
    state, kept = golden.state(), golden.recorded
    config = config_of({name: tuple(value.shape) for name, value in state.items()})
    assert config == PUBLISHED
    network = LipaintNet(config).eval().requires_grad_(False)
    network.load_state_dict(state)
    w, expression, expected = kept["w"], kept["exp"], kept["w_out"]
    tolerance = CLOSE * max(1.0, float(expected.abs().max()))
    check(golden, "w_out", network(w, expression), expected, tolerance=tolerance)
    each = [
        with_mouth(network, one.expand(1, 21, -1), face[None], 10)
        for one, face in zip(w, expression, strict=True)
    ]
    styles = torch.cat(each)
    for k in range(10):
        check(golden, "w_out", styles[:, k], expected, tolerance=tolerance)
