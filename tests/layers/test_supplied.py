"""Weights that users bring: every tensor is accounted for, or refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from phiz import checkpoint
from phiz.errors import CheckpointError
from phiz.layers import supplied

RULES: supplied.Rules = [(r"old\.(weight|bias)", r"\1"), (r"steps", None)]


def test_tensors_get_our_names_and_what_is_not_needed_is_left_out() -> None:
    weight = torch.ones(2, 3)
    ours = supplied.renamed({"old.weight": weight, "steps": torch.zeros(())}, RULES, what="it")
    assert list(ours) == ["weight"]
    assert ours["weight"] is weight


def test_a_name_that_no_rule_knows_is_refused() -> None:
    with pytest.raises(CheckpointError, match=r"new\.weight"):
        supplied.renamed({"new.weight": torch.zeros(1)}, RULES, what="it")


def test_a_tensor_that_comes_twice_is_refused() -> None:
    both = [(r"a", "weight"), (r"b", "weight")]
    with pytest.raises(CheckpointError, match="twice"):
        supplied.renamed({"a": torch.zeros(1), "b": torch.zeros(1)}, both, what="it")


def test_a_network_is_filled_with_exactly_its_tensors() -> None:
    layer = nn.Linear(3, 2)
    weight, bias = torch.ones(2, 3).half(), torch.ones(2)
    supplied.fill(layer, {"weight": weight, "bias": bias}, what="it")
    assert layer.weight.dtype == torch.float32
    assert float(layer.weight.detach().sum()) == 6
    with pytest.raises(CheckpointError, match="lack bias"):
        supplied.fill(layer, {"weight": weight}, what="it")
    with pytest.raises(CheckpointError, match="hold more"):
        supplied.fill(layer, {"weight": weight, "bias": bias, "more": bias}, what="it")
    with pytest.raises(CheckpointError, match=r"\(3, 2\), not \(2, 3\)"):
        supplied.fill(layer, {"weight": weight.T, "bias": bias}, what="it")


def test_our_files_and_bare_ones_are_read_and_others_refused(tmp_path: Path) -> None:
    tensors = {"weight": torch.ones(2)}
    checkpoint.save(tmp_path / "ours.safetensors", kind="it", config={}, tensors=tensors)
    save_file(tensors, tmp_path / "bare.safetensors")
    (tmp_path / "pickle.pth").write_bytes(b"PK\x03\x04" + bytes(30))
    for name in ("ours.safetensors", "bare.safetensors"):
        assert torch.equal(supplied.read_tensors(tmp_path / name, kind="it")["weight"], torch.ones(2))
    with pytest.raises(CheckpointError, match="holds 'it', not 'other'"):
        supplied.read_tensors(tmp_path / "ours.safetensors", kind="other")
    with pytest.raises(CheckpointError, match="pickle"):
        supplied.read_tensors(tmp_path / "pickle.pth", kind="it")
    with pytest.raises(CheckpointError, match="no file"):
        supplied.read_tensors(tmp_path / "nothing.safetensors", kind="it")
