"""Recognisers give the recorded embeddings, inside and out, and learn as the recorded one did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from parity import filled
from parity.filled import Golden
from torch import Tensor, nn

from phiz.face.identity.fast import ready
from phiz.face.identity.networks import Recogniser, build
from phiz.importers.arcface import config_of

RESIDUAL = ("layer1.0.bn1.weight", "layer4.0.prelu.weight", "fc.weight", "features.weight")
MOBILE = ("layers.0.layers.0.weight", "conv_sep.layers.0.weight", "features.layers.2.weight")
TRANSFORMER = ("pos_embed", "mask_token", "patch_embed.proj.weight", "feature.3.weight")

Check = Callable[..., None]
CLOSE = 1e-5
LEARNED = 1e-3


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for argument, marks in (("residual", RESIDUAL), ("mobile", MOBILE), ("transformer", TRANSFORMER)):
        filled.parametrize(metafunc, marks, argument=argument, needs=("embedding",))


def network_of(golden: Golden) -> Recogniser:
    """Return the network that a folder describes by names and shapes alone."""
    state = golden.state()
    network = build(config_of({name: tuple(value.shape) for name, value in state.items()})).eval()
    assert list(network.state_dict()) == list(state)
    network.load_state_dict(state)
    return network


def compare(golden: Golden, network: nn.Module, check: Check, what: str = "embedding") -> None:
    with torch.no_grad():
        found = network(golden.input("face"))
    check(golden, what, found, golden.recorded["embedding"], tolerance=CLOSE, is_relative=True)
    if "embedding_float64" in golden.recorded:
        exact = golden.recorded["embedding_float64"].float()
        check(golden, f"{what}, against float64", found, exact, tolerance=CLOSE, is_relative=True)


def compare_inside(golden: Golden, network: nn.Module) -> None:
    """Compare what leaves the parts of a network with what is known of it."""
    seen: dict[str, Tensor] = {}
    calls: dict[str, int] = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: Tensor) -> None:
            calls[name] = calls.get(name, 0) + 1
            seen[name if calls[name] == 1 else f"{name}#{calls[name]}"] = output

        return hook

    probes = golden.probes()
    for name, module in network.named_modules():
        if name in probes:
            module.register_forward_hook(keep(name))
    with torch.no_grad():
        network(golden.input("face"))
    known = {name: about for name, about in probes.items() if name in seen}
    missing = set(probes) - set(seen) - {"dropout"}  # which is no part of ours, and does nothing
    assert known
    assert not missing
    for name, about in known.items():
        found = seen[name]
        assert list(found.shape) == about["shape"], name
        scale = about["std"] + abs(about["mean"])
        first = torch.tensor(about["first8"])
        assert torch.allclose(found.flatten()[: len(first)], first, rtol=1e-4, atol=1e-4 * scale), name
        assert float(found.mean()) == pytest.approx(about["mean"], rel=1e-4, abs=1e-4 * scale), name
        assert float(found.std(correction=0)) == pytest.approx(about["std"], rel=1e-3), name


def test_residual_networks_give_the_recorded_embeddings(residual: Golden, check: Check) -> None:
    compare(residual, network_of(residual), check)


def test_mobile_networks_give_the_recorded_embeddings(mobile: Golden, check: Check) -> None:
    compare(mobile, network_of(mobile), check)


def test_transformers_give_the_recorded_embeddings(transformer: Golden, check: Check) -> None:
    compare(transformer, network_of(transformer), check)


def test_the_inside_of_residual_networks_is_as_recorded(residual: Golden) -> None:
    compare_inside(residual, network_of(residual))


def test_the_inside_of_mobile_networks_is_as_recorded(mobile: Golden) -> None:
    compare_inside(mobile, network_of(mobile))


def test_the_inside_of_transformers_is_as_recorded(transformer: Golden) -> None:
    if not transformer.probes():
        pytest.skip(f"nothing is known of the inside of {transformer.label}")
    compare_inside(transformer, network_of(transformer))


def test_the_fast_residual_networks_give_the_same(residual: Golden, check: Check) -> None:
    compare(residual, ready(network_of(residual)), check, "fast embedding")


def test_the_fast_mobile_networks_give_the_same(mobile: Golden, check: Check) -> None:
    compare(mobile, ready(network_of(mobile)), check, "fast embedding")


def test_the_fast_transformers_give_the_same(transformer: Golden, check: Check) -> None:
    compare(transformer, ready(network_of(transformer)), check, "fast embedding")


def test_a_residual_network_learns_as_the_recorded_one_did(residual: Golden, check: Check) -> None:
    recorded = residual.tensors("train_io")
    network = network_of(residual).train()
    face = residual.input("face")
    embedding = network(torch.cat([face, face.flip(-1), face.flip(-2), -face]))
    weights = filled.tensor("input/w", tuple(embedding.shape), residual.seed)
    (embedding * weights).sum().backward()
    parameters, buffers = dict(network.named_parameters()), dict(network.named_buffers())
    found = {
        "train_embedding": embedding,
        "grad_conv1": parameters["conv1.weight"].grad,
        "grad_prelu": parameters["prelu.weight"].grad,
        "grad_l4_bn1": parameters["layer4.0.bn1.weight"].grad,
        "grad_features_bias": parameters["features.bias"].grad,
        "running_mean_bn2": buffers["bn2.running_mean"],
        "running_var_bn2": buffers["bn2.running_var"],
    }
    assert set(recorded) <= set(found)
    for name, expected in recorded.items():
        check(residual, name, found[name], expected, tolerance=LEARNED, is_relative=True)
    assert parameters["features.weight"].grad is None  # it stays one
