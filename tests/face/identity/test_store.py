"""Recognisers survive a file, whole or in half precision; files of others are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from phiz import checkpoint
from phiz.errors import CheckpointError, MissingError
from phiz.face.identity import store
from phiz.face.identity.networks import Recogniser


def test_a_network_survives_a_file(network: Recogniser, crops: torch.Tensor, tmp_path: Path) -> None:
    path = tmp_path / "identity.safetensors"
    store.save(path, network, about={"faces": 12})
    again = store.load(path)
    assert torch.equal(again(crops), network(crops))
    assert again.config == network.config
    assert not again.training
    assert store.about(path) == {"faces": 12}


def test_half_precision_takes_half_the_room(network: Recogniser, crops: torch.Tensor, tmp_path: Path) -> None:
    whole, half = tmp_path / "whole.safetensors", tmp_path / "half.safetensors"
    store.save(whole, network)
    store.save(half, network, is_half=True)
    assert torch.allclose(store.load(half)(crops), network(crops), atol=0.05)
    saved = checkpoint.load(half, kind=store.KIND).tensors.values()
    assert all(t.dtype == torch.float16 for t in saved if t.is_floating_point())


def test_a_file_that_contradicts_itself_is_refused(network: Recogniser, tmp_path: Path) -> None:
    path = tmp_path / "identity.safetensors"
    tensors = dict(network.state_dict())
    checkpoint.save(path, kind=store.KIND, config={"network": {"family": "cubist"}}, tensors=tensors)
    with pytest.raises(CheckpointError, match="nothing usable"):
        store.load(path)
    store.save(path, network)
    about = checkpoint.read_about(path)
    tensors.pop(next(iter(tensors)))
    checkpoint.save(path, kind=store.KIND, config=about.config, tensors=tensors)
    with pytest.raises(CheckpointError, match="lack"):
        store.load(path)
    checkpoint.save(path, kind="motion", config={}, tensors=tensors)
    with pytest.raises(CheckpointError, match="not 'recogniser'"):
        store.load(path)


def test_without_a_built_in_network_one_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(store, "BUILT_IN", tmp_path / "none.safetensors")
    with pytest.raises(MissingError, match="phiz train arcface"):
        store.load()
