"""The published network that draws mouths becomes ours; files that are something else are refused.

The published file is not here; one of the same names and chance numbers takes its place.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from phiz import trained
from phiz.animate import lipaint_network
from phiz.animate.lipaint_network import LIPAINT, LipaintNet
from phiz.console import Console
from phiz.errors import CheckpointError, UsageError
from phiz.importers import lipaintnet
from phiz.importers.lipaintnet import LipaintnetImportConfig


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    """Return what a trainer writes: the network after a step, and the state of the optimiser that took it."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = LipaintNet(lipaint_network.TINY)
    optimiser = torch.optim.Adam(network.parameters())
    network(torch.ones(2, 10), torch.ones(2, 52)).square().sum().backward()
    optimiser.step()
    return {"model_state_dict": network.state_dict(), "optimizer_state_dict": optimiser.state_dict()}


def tensors_of(written: dict[str, Any]) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = dict(written["model_state_dict"])
    return tensors


def test_the_verb_writes_a_network_that_is_loaded(written: dict[str, Any], tmp_path: Path) -> None:
    torch.save(written, tmp_path / "LipaintNet.pt")
    told = io.StringIO()
    config = LipaintnetImportConfig(file=tmp_path / "LipaintNet.pt", output=tmp_path / "made")
    done = lipaintnet.import_lipaintnet(config, Console(output=told))
    assert "all of its 8 tensors are accounted for" in told.getvalue()
    assert "left out: optimizer_state_dict" in told.getvalue()
    assert done["skipped"] == ["optimizer_state_dict"]
    assert done["output"] == str(tmp_path / "made.safetensors")
    found = trained.load(LIPAINT, tmp_path / "made.safetensors")
    assert (found.config.w_size, found.config.expression, found.config.hidden) == (10, 52, 6)
    assert found.config.basis == "bfm2009"
    for name, value in found.state_dict().items():
        assert torch.equal(value, tensors_of(written)[name])
    with pytest.raises(UsageError, match="would be written over"):
        lipaintnet.import_lipaintnet(
            LipaintnetImportConfig(file=config.file, output=config.file), Console(quiet=True)
        )


def test_a_network_alone_is_read_as_well(written: dict[str, Any], tmp_path: Path) -> None:
    torch.save(tensors_of(written), tmp_path / "alone.pt")
    found = lipaintnet.read(tmp_path / "alone.pt")
    assert found.skipped == ()
    assert torch.equal(found.network.fc1.weight, tensors_of(written)["fc1.weight"])


def test_published_sizes_follow_from_the_tensors() -> None:
    with torch.device("meta"):
        network = LipaintNet(lipaint_network.PUBLISHED)
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert lipaintnet.config_of(shapes) == lipaint_network.PUBLISHED


def test_files_that_hold_something_else_are_refused(written: dict[str, Any], tmp_path: Path) -> None:
    path, tensors = tmp_path / "other.pt", tensors_of(written)
    torch.save({"model_state_dict": {"conv.weight": torch.zeros(1)}}, path)
    with pytest.raises(CheckpointError, match=r"no LipaintNet that phiz knows.*Give LipaintNet\.pt"):
        lipaintnet.read(path)
    torch.save({"model_state_dict": {**tensors, "spy.weight": torch.zeros(1)}}, path)
    with pytest.raises(CheckpointError, match=r"hold spy\.weight, which it does not have"):
        lipaintnet.read(path)
    torch.save({"model_state_dict": {n: v for n, v in tensors.items() if n != "fc3.bias"}}, path)
    with pytest.raises(CheckpointError, match=r"lack fc3\.bias"):
        lipaintnet.read(path)
    torch.save({**written, "other_network": tensors}, path)
    with pytest.raises(CheckpointError, match="other_network, which is not known"):
        lipaintnet.read(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="Nothing in it was run"):
        lipaintnet.read(path)
