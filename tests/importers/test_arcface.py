"""Published recognisers become ours, whole; what they are follows from names and shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from phiz.console import Console
from phiz.errors import CheckpointError, UsageError
from phiz.face.identity import store
from phiz.face.identity.config import (
    NETWORKS,
    TINY,
    TINY_RESIDUAL,
    TINY_TRANSFORMER,
    RecogniserConfig,
    TransformerConfig,
)
from phiz.face.identity.networks import begin, build
from phiz.importers import arcface
from phiz.importers.arcface import ArcfaceImportConfig, config_of, import_arcface

FAMILIES = {
    "residual": TINY_RESIDUAL,
    "mobile": TINY,
    "mobile with a long beginning": replace(TINY, blocks=(2, 1, 1, 1), inner=(64, *TINY.inner[1:])),
    "transformer": replace(TINY_TRANSFORMER, heads=8),
}


def made(config: RecogniserConfig) -> dict[str, Tensor]:
    return dict(begin(config, torch.Generator().manual_seed(0)).state_dict())


def saved(content: object, folder: Path, name: str = "backbone.pth") -> Path:
    path = folder / name
    torch.save(content, path)
    return path


@pytest.mark.parametrize("family", FAMILIES)
def test_a_published_file_becomes_the_same_network(family: str, tmp_path: Path) -> None:
    state = made(FAMILIES[family])
    found = arcface.read(saved(state, tmp_path))
    assert found.tensors == len(state)
    assert found.skipped == ()
    for name, value in found.network.state_dict().items():
        assert torch.equal(value, state[name])
    crops = torch.randn(2, 3, 32, 32)
    twin = build(FAMILIES[family]).eval()
    twin.load_state_dict(state)
    with torch.no_grad():
        assert torch.equal(found.network(crops), twin(crops))


@pytest.mark.parametrize(
    "name", [name for name in NETWORKS if name not in ("r200", "r2060", "vit_h", "tiny_transformer")]
)
def test_every_network_is_known_by_its_tensors(name: str) -> None:
    with torch.device("meta"):
        network = build(NETWORKS[name])
    found = config_of({key: tuple(value.shape) for key, value in network.state_dict().items()})
    known = NETWORKS[name]
    if isinstance(known, TransformerConfig) and isinstance(found, TransformerConfig):
        found = replace(found, drop_path=known.drop_path, mask=known.mask)  # which leave no trace
    assert found == known


def test_what_wraps_a_network_is_taken_off(tmp_path: Path) -> None:
    state = made(TINY)
    wrapped = {f"module.{name}": value for name, value in state.items()}
    whole = {"epoch": 3, "state_dict_backbone": wrapped, "state_optimizer": {"state": {}}}
    found = arcface.read(saved(whole, tmp_path, "checkpoint_gpu_0.pt"))
    assert found.skipped == ("epoch", "state_optimizer")
    assert torch.equal(
        found.network.state_dict()["layers.0.layers.0.weight"], state["layers.0.layers.0.weight"]
    )


def test_half_precision_is_made_whole(tmp_path: Path) -> None:
    half = {name: v.half() if v.is_floating_point() else v for name, v in made(TINY).items()}
    assert all(
        v.dtype != torch.float16 for v in arcface.read(saved(half, tmp_path)).network.state_dict().values()
    )


def without(state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    return {key: value for key, value in state.items() if key != name}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_tensor_more_or_less_or_of_another_shape_is_refused(family: str, tmp_path: Path) -> None:
    state = made(FAMILIES[family])
    last = list(state)[-2]
    for wrong in (
        without(state, last),
        {**state, "stranger": torch.ones(1)},
        {**state, last: torch.ones(7, 7)},
    ):
        with pytest.raises(CheckpointError, match=r"backbone\.pth"):
            arcface.read(saved(wrong, tmp_path))


def test_other_networks_and_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no recogniser that phiz knows"):
        arcface.read(saved({"conv.weight": torch.ones(2)}, tmp_path))
    state = made(TINY)
    with pytest.raises(CheckpointError, match=r"numbers of the kind torch\.int32"):
        arcface.read(saved({**state, "conv_sep.layers.0.weight": torch.ones(2, dtype=torch.int32)}, tmp_path))
    with pytest.raises(CheckpointError, match="no tensors"):
        arcface.read(saved([1, 2], tmp_path))


def test_the_verb_writes_a_file_that_can_be_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = saved(made(TINY), tmp_path)
    told = import_arcface(ArcfaceImportConfig(file=path, output=tmp_path / "mine"), Console())
    assert told["network"] == "tiny"
    assert told["tensors"] == len(made(TINY))
    network = store.load(tmp_path / "mine.safetensors")
    with torch.no_grad():
        assert network(torch.randn(1, 3, 32, 32)).shape == (1, 8)
    assert store.about(tmp_path / "mine.safetensors")["imported from"] == "backbone.pth"
    assert "research only" in capsys.readouterr().out


def test_a_file_is_not_written_over(tmp_path: Path) -> None:
    path = saved(made(TINY), tmp_path)
    with pytest.raises(UsageError, match="written over"):
        import_arcface(ArcfaceImportConfig(file=path, output=path), Console())
