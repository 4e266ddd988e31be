"""SadTalker's speech networks become ours; what else its files hold is named."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from phiz.console import Console
from phiz.errors import CheckpointError, UsageError
from phiz.importers import sadtalker
from phiz.importers.sadtalker import SadtalkerImportConfig
from phiz.speech import encoder, expression, files, pose_network
from phiz.speech.expression import ExpressionNet
from phiz.speech.files import EXPRESSION, POSE
from phiz.speech.pose_network import PoseNet

SMALL = replace(expression.PUBLISHED, widths=encoder.TINY)


@pytest.fixture(scope="module")
def spoken() -> ExpressionNet:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ExpressionNet(SMALL).eval()


@pytest.fixture(scope="module")
def turned() -> PoseNet:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return PoseNet(pose_network.TINY).eval()


def behind(prefix: str, network: nn.Module) -> dict[str, Tensor]:
    return {prefix + name: value for name, value in network.state_dict().items()}


@pytest.fixture
def collected(spoken: ExpressionNet, turned: PoseNet) -> dict[str, Tensor]:
    """Return the tensors of a file that holds the networks of a talking head together."""
    others = {
        "generator.audio2exp.weight": torch.zeros(1),
        "kp_extractor.fc.weight": torch.zeros(2),
        "face_3drecon.fc.weight": torch.zeros(3),
    }
    return {**others, **behind("audio2exp.", spoken), **behind("audio2pose.", turned)}


def assert_same(found: nn.Module | None, expected: nn.Module) -> None:
    assert found is not None
    assert found.config == expected.config
    for name, value in expected.state_dict().items():
        assert torch.equal(found.state_dict()[name], value), name


def test_both_networks_are_found_among_others_by_their_prefix(
    collected: Mapping[str, Tensor], spoken: ExpressionNet, turned: PoseNet, tmp_path: Path
) -> None:
    save_file(dict(collected), tmp_path / "all.safetensors")
    found = sadtalker.read(tmp_path / "all.safetensors")
    assert_same(found.expression, spoken)
    assert_same(found.pose, turned)
    assert found.tensors == {"audio2exp": len(spoken.state_dict()), "audio2pose": len(turned.state_dict())}
    assert found.skipped == (
        "face_3drecon.* (1 tensors)",
        "generator.* (1 tensors)",
        "kp_extractor.* (1 tensors)",
    )


def test_a_file_may_hold_one_of_the_two(
    collected: Mapping[str, Tensor], spoken: ExpressionNet, turned: PoseNet, tmp_path: Path
) -> None:
    for missing in ("audio2exp.", "audio2pose."):
        some = {name: value for name, value in collected.items() if not name.startswith(missing)}
        save_file(some, tmp_path / f"without {missing}safetensors")
    found = sadtalker.read(tmp_path / "without audio2exp.safetensors")
    assert found.expression is None
    assert_same(found.pose, turned)
    assert len(found.skipped) == 3
    found = sadtalker.read(tmp_path / "without audio2pose.safetensors")
    assert found.pose is None
    assert_same(found.expression, spoken)


def test_older_files_are_read_and_their_trainers_left_out(
    spoken: ExpressionNet, turned: PoseNet, tmp_path: Path
) -> None:
    for name, network in (("exp", spoken), ("pose", turned)):
        optimiser = torch.optim.Adam(network.parameters(), lr=1e-4)
        held = {"model": network.state_dict(), "optimizer": optimiser.state_dict(), "epoch": 300}
        torch.save(held, tmp_path / f"{name}.pth")
    found = sadtalker.read(tmp_path / "exp.pth")
    assert_same(found.expression, spoken)
    assert (found.pose, found.skipped) == (None, ("epoch", "optimizer"))
    found = sadtalker.read(tmp_path / "pose.pth")
    assert_same(found.pose, turned)
    assert found.expression is None


def test_strangers_among_the_tensors_are_refused(
    collected: Mapping[str, Tensor], spoken: ExpressionNet, tmp_path: Path
) -> None:
    path = tmp_path / "all.safetensors"
    save_file({**collected, "spy.weight": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match=r"spy\.weight, which belongs to no network that is known"):
        sadtalker.read(path)
    save_file({**collected, "audio2exp.spy.weight": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match=r"audio2exp in all\.safetensors hold spy\.weight"):
        sadtalker.read(path)
    save_file({n: v for n, v in collected.items() if n != "audio2pose.netD_motion.seq.3.bias"}, path)
    with pytest.raises(CheckpointError, match=r"audio2pose in .* lack netD_motion\.seq\.3\.bias"):
        sadtalker.read(path)
    torch.save({"model": spoken.state_dict(), "notes": [1]}, tmp_path / "exp.pth")
    with pytest.raises(CheckpointError, match="besides model it holds notes"):
        sadtalker.read(tmp_path / "exp.pth")


def test_files_without_the_networks_are_refused(tmp_path: Path) -> None:
    torch.save({"net_recon": {"conv.weight": torch.zeros(1)}}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="Nothing in it was run"):
        sadtalker.read(tmp_path / "other.pth")
    torch.save({"conv.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="neither audio2exp nor audio2pose"):
        sadtalker.read(tmp_path / "other.pth")
    wrong = ExpressionNet(replace(SMALL, expressions=52))
    torch.save(wrong.state_dict(), tmp_path / "wrong.pth")
    with pytest.raises(CheckpointError, match="52 expressions, not the 64 of the Basel model"):
        sadtalker.read(tmp_path / "wrong.pth")


def test_published_sizes_follow_from_the_tensors() -> None:
    with torch.device("meta"):
        spoken, turned = ExpressionNet(expression.PUBLISHED), PoseNet(pose_network.PUBLISHED)
    for network, config_of in ((spoken, sadtalker.expression_config), (turned, sadtalker.pose_config)):
        shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
        assert config_of(shapes) == network.config


def test_the_verb_writes_networks_that_are_loaded(
    collected: Mapping[str, Tensor], spoken: ExpressionNet, turned: PoseNet, tmp_path: Path
) -> None:
    save_file(dict(collected), tmp_path / "all.safetensors")
    told = io.StringIO()
    config = SadtalkerImportConfig(file=tmp_path / "all.safetensors", output=tmp_path / "made")
    done = sadtalker.import_sadtalker(config, Console(output=told))
    assert "are accounted for" in told.getvalue()
    assert "phiz import deep3d" in told.getvalue()
    assert set(done["output"]) == {"expression", "pose"}  # type: ignore[call-overload]
    assert_same(files.load(EXPRESSION, tmp_path / "made" / "speech_expression.safetensors"), spoken)
    assert_same(files.load(POSE, tmp_path / "made" / "speech_pose.safetensors"), turned)
    again = SadtalkerImportConfig(
        file=tmp_path / "made" / "speech_pose.safetensors", output=tmp_path / "made"
    )
    with pytest.raises(UsageError, match="would be written over"):
        sadtalker.import_sadtalker(again, Console(quiet=True))


@pytest.mark.parametrize("keep", [0, 5, 200])
def test_files_that_were_cut_short_are_refused(
    collected: Mapping[str, Tensor], tmp_path: Path, keep: int
) -> None:
    save_file(dict(collected), tmp_path / "all.safetensors")
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "all.safetensors").read_bytes()[:keep])
    with pytest.raises(CheckpointError, match="Nothing in it was run"):
        sadtalker.read(tmp_path / "cut.safetensors")
