"""The published judge of lips and sound becomes ours; files that are something else are refused.

The published file is not here; one of the same names and chance numbers takes its place.
"""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from torch import Tensor

from phiz.console import Console
from phiz.errors import CheckpointError, UsageError
from phiz.importers import syncnet
from phiz.importers.syncnet import SyncnetImportConfig
from phiz.speech import published_sync, sync_files
from phiz.speech.published_sync import PixelSyncNet
from phiz.speech.sync_files import PIXEL_SYNC


@pytest.fixture(scope="module")
def tensors() -> dict[str, Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return dict(PixelSyncNet(published_sync.TINY).state_dict())


def test_the_verb_writes_a_network_that_is_loaded(tensors: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(tensors, tmp_path / "syncnet_v2.model", _use_new_zipfile_serialization=False)
    told = io.StringIO()
    config = SyncnetImportConfig(file=tmp_path / "syncnet_v2.model", output=tmp_path / "made")
    done = syncnet.import_syncnet(config, Console(output=told))
    assert f"all of its {len(tensors)} tensors are accounted for" in told.getvalue()
    assert done["output"] == str(tmp_path / "made.safetensors")
    found = sync_files.load(PIXEL_SYNC, tmp_path / "made.safetensors")
    assert found.config == published_sync.TINY
    assert all(torch.equal(value, tensors[name]) for name, value in found.state_dict().items())
    with pytest.raises(UsageError, match="would be written over"):
        syncnet.import_syncnet(SyncnetImportConfig(file=config.file, output=config.file), Console(quiet=True))


def test_counters_that_old_files_lack_are_not_needed(tensors: dict[str, Tensor], tmp_path: Path) -> None:
    old = {name: value for name, value in tensors.items() if not name.endswith("num_batches_tracked")}
    torch.save(old, tmp_path / "old.model")
    network, count = syncnet.read(tmp_path / "old.model")
    assert count == len(old) == len(tensors) - 14
    assert torch.equal(network.state_dict()["netfcaud.0.weight"], old["netfcaud.0.weight"])


def test_published_sizes_follow_from_the_tensors() -> None:
    with torch.device("meta"):
        network = PixelSyncNet(published_sync.PUBLISHED)
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert syncnet.config_of(shapes) == published_sync.PUBLISHED


def test_files_that_hold_something_else_are_refused(tensors: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / "other.model"
    torch.save({"conv.weight": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match=r"no SyncNet that phiz knows.*Give syncnet_v2\.model"):
        syncnet.read(path)
    torch.save({**tensors, "spy.weight": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match=r"hold spy\.weight, which it does not have"):
        syncnet.read(path)
    torch.save({n: v for n, v in tensors.items() if n != "netfclip.3.bias"}, path)
    with pytest.raises(CheckpointError, match=r"lack netfclip\.3\.bias"):
        syncnet.read(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="Nothing in it was run"):
        syncnet.read(path)
