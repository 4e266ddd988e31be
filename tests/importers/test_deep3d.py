"""The published face reconstruction becomes our regressor; what else its files hold is named."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from phiz.console import Console
from phiz.errors import CheckpointError, UsageError
from phiz.face import network_files
from phiz.face.network_files import REGRESSOR
from phiz.face.regress import DEEP3D, DEEP3D_R18, Regressor, regress
from phiz.importers import deep3d
from phiz.importers.deep3d import Deep3dImportConfig

SMALL = replace(DEEP3D, blocks=(1, 2, 1, 1), widths=(2, 3, 4, 5))


@pytest.fixture(scope="module")
def network() -> Regressor:
    made = Regressor(SMALL).eval()
    for head in made.final_layers:
        torch.nn.init.normal_(head.weight)  # type: ignore[arg-type]
    return made


@pytest.fixture(scope="module")
def epoch(network: Regressor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file as the published trainer writes it, after a step."""
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-4)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, step_size=10, gamma=0.2)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network(torch.rand(1, 3, 32, 32)).sum().backward()
    optimiser.step()
    path = tmp_path_factory.mktemp("published") / "epoch_20.pth"
    network.load_state_dict(before)
    held = {"net_recon": before, "opt_00": optimiser.state_dict(), "sched_00": schedule.state_dict()}
    torch.save(held, path)
    return path


def test_the_network_comes_back_bit_by_bit_and_its_trainer_is_left_out(
    epoch: Path, network: Regressor
) -> None:
    found = deep3d.read(epoch)
    assert found.network.config == SMALL
    assert found.tensors == len(network.state_dict())
    assert found.skipped == ("opt_00", "sched_00")
    for name, value in network.state_dict().items():
        assert torch.equal(found.network.state_dict()[name], value), name


def collected(network: Regressor, prefix: str = "face_3drecon.") -> dict[str, Tensor]:
    """Return the tensors of a file that holds the networks of a talking head together."""
    ours = {prefix + name: value for name, value in network.state_dict().items()}
    return {"audio2exp.mapping1.weight": torch.zeros(2), "generator.face_3drecon.w": torch.zeros(1), **ours}


def test_the_network_is_found_among_others_by_its_prefix(network: Regressor, tmp_path: Path) -> None:
    save_file(collected(network), tmp_path / "all.safetensors")
    found = deep3d.read(tmp_path / "all.safetensors")
    assert found.skipped == ("generator.* (1 tensors)", "audio2exp.* (1 tensors)")
    for name, value in network.state_dict().items():
        assert torch.equal(found.network.state_dict()[name], value), name


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_a_bare_network_is_read_as_well(network: Regressor, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"net.{suffix}"
    if suffix == "pth":
        torch.save(network.state_dict(), path)
    else:
        save_file(network.state_dict(), path)
    assert deep3d.read(path).skipped == ()
    assert deep3d.read(path).network.config == SMALL


def test_strangers_among_the_networks_are_refused(network: Regressor, tmp_path: Path) -> None:
    save_file({**collected(network), "spy.weight": torch.zeros(1)}, tmp_path / "all.safetensors")
    with pytest.raises(CheckpointError, match=r"spy\.weight, which belongs to no network that is known"):
        deep3d.read(tmp_path / "all.safetensors")
    torch.save({"net_recon": network.state_dict(), "notes": [1]}, tmp_path / "epoch.pth")
    with pytest.raises(CheckpointError, match="besides net_recon it holds notes"):
        deep3d.read(tmp_path / "epoch.pth")


def test_files_without_the_network_are_refused(network: Regressor, tmp_path: Path) -> None:
    for name, held in (
        ("other", {"audio2exp.mapping1.weight": torch.zeros(2)}),
        ("short", {n: v for n, v in network.state_dict().items() if not n.startswith("final_layers.6")}),
        ("small", {n: v for n, v in network.state_dict().items() if "layer1.0.conv2" not in n}),
    ):
        torch.save(held, tmp_path / f"{name}.pth")
        with pytest.raises(CheckpointError, match=r"no face reconstruction that phiz knows|lack backbone"):
            deep3d.read(tmp_path / f"{name}.pth")


def test_heads_of_another_model_are_refused(tmp_path: Path) -> None:
    torch.save(Regressor(replace(SMALL, identity=100)).state_dict(), tmp_path / "net.pth")
    with pytest.raises(CheckpointError, match="not those of the Basel model"):
        deep3d.read(tmp_path / "net.pth")


@pytest.mark.parametrize("config", [DEEP3D, DEEP3D_R18])
def test_sizes_of_the_published_networks_follow_from_their_tensors(config: object) -> None:
    with torch.device("meta"):
        shapes = {name: tuple(value.shape) for name, value in Regressor(config).state_dict().items()}  # type: ignore[arg-type]
    assert deep3d.config_of(shapes) == config


def test_the_verb_writes_a_regressor_that_regresses(epoch: Path, network: Regressor, tmp_path: Path) -> None:
    told = io.StringIO()
    config = Deep3dImportConfig(file=epoch, output=tmp_path / "made.safetensors")
    done = deep3d.import_deep3d(config, Console(output=told))
    assert "are accounted for" in told.getvalue()
    assert "left out: opt_00, sched_00" in told.getvalue()
    assert done["skipped"] == ["opt_00", "sched_00"]
    crops = torch.rand(2, 3, 224, 224) * 2 - 1
    ours, theirs = (
        regress(network_files.load(REGRESSOR, tmp_path / "made.safetensors"), crops),
        regress(network, crops),
    )
    assert torch.equal(ours.identity, theirs.identity)
    assert float(ours.identity.abs().max()) > 0
    with pytest.raises(UsageError, match="would be written over"):
        deep3d.import_deep3d(Deep3dImportConfig(file=epoch, output=epoch), Console(quiet=True))


@pytest.mark.parametrize("keep", [0, 5, 200])
def test_files_that_were_cut_short_are_refused(network: Regressor, tmp_path: Path, keep: int) -> None:
    save_file(collected(network), tmp_path / "all.safetensors")
    data = (tmp_path / "all.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(data[:keep])
    with pytest.raises(CheckpointError, match="Nothing in it was run"):
        deep3d.read(tmp_path / "cut.safetensors")
