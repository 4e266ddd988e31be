"""The published expression network tells the recorded expressions, in every way of calling it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import SimpleNamespace

import pytest
import torch
from parity import filled
from parity.filled import Golden
from parity.parts import check_parts
from torch import Tensor

from phiz.importers.sadtalker import expression_config
from phiz.layers.folding import folded
from phiz.speech.encoder import heard
from phiz.speech.expression import ExpressionNet, Feedback, express, express_from

MARKS = ("audio_encoder.0.conv_block.0.weight", "mapping1.weight", "mapping1.bias")
CLOSE = 1e-5

Check = Callable[..., None]
Prepare = Callable[[ExpressionNet], ExpressionNet]
WAYS = pytest.mark.parametrize("prepare", [lambda network: network, folded], ids=["plain", "folded"])


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    filled.parametrize(metafunc, MARKS, needs=("mel",))


@cache
def network_of(golden: Golden) -> ExpressionNet:
    """Return the network that a folder describes by names and shapes alone."""
    state = golden.state()
    config = expression_config({name: tuple(value.shape) for name, value in state.items()})
    network = ExpressionNet(config).eval()
    assert list(network.state_dict()) == list(state)
    network.load_state_dict(state)
    return network.requires_grad_(False)


def compare(golden: Golden, check: Check, name: str, found: Tensor) -> None:
    """Compare a result with what was recorded under a name, in units of its largest number."""
    if name not in golden.recorded:
        return
    expected = golden.recorded[name].to(found.dtype)
    check(golden, name, found, expected, tolerance=CLOSE * max(1.0, float(expected.abs().max())))


@WAYS
def test_expressions_match(golden: Golden, prepare: Prepare, check: Check) -> None:
    network, kept = prepare(network_of(golden)), golden.recorded
    mel = kept["mel"]
    compare(golden, check, "audio_embedding", heard(network.audio_encoder, mel.flatten(0, 1)))
    each = [
        express_from(network, windows, reference, ratio[:, 0])
        for windows, reference, ratio in zip(mel, kept["ref"], kept["ratio"], strict=True)
    ]
    compare(golden, check, "exp", torch.stack(each))
    compare(golden, check, "exp_float64", torch.stack(each).double())


@WAYS
def test_expressions_that_are_fed_back_match(golden: Golden, prepare: Prepare, check: Check) -> None:
    if "nfs_ref" not in golden.recorded:
        pytest.skip("nothing was recorded of it")
    network, rest = prepare(network_of(golden)), golden.recorded["nfs_ref"][0]
    windows = golden.recorded["mel"][0]
    compare(golden, check, "nfs_exp_scaled", express(network, windows, rest))
    feedback = Feedback(network, rest)
    pieces = [feedback(some) for some in torch.split(windows, 7)]
    compare(golden, check, "nfs_exp_scaled", torch.cat(pieces))


def test_every_part_matches(golden: Golden) -> None:
    network, kept = network_of(golden), golden.recorded
    reference, ratio = kept["ref"].flatten(0, 1), kept["ratio"].flatten(0, 1)

    def run() -> None:
        network.mapped(network.audio_encoder(kept["mel"].flatten(0, 1)).flatten(1), reference, ratio)

    # Convolution and normalisation are called one by one; the second gives what both together would.
    probes = {name.replace("conv_block", "conv_block.1"): probe for name, probe in golden.probes().items()}
    check_parts(SimpleNamespace(probes=lambda: probes), network, run)  # type: ignore[arg-type]
