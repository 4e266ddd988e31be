"""Networks of speech as files: the same numbers and sizes come back; what does not fit is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from phiz import checkpoint, trained
from phiz.errors import CheckpointError, MissingError
from phiz.speech import expression, files, pose_network
from phiz.speech.expression import ExpressionNet
from phiz.speech.files import EXPRESSION, POSE
from phiz.speech.pose_network import PoseNet


def test_networks_come_back_with_their_sizes(tmp_path: Path) -> None:
    names = ("jawOpen", "mouthClose", "browInnerUp")
    spoken = ExpressionNet(replace(expression.TINY, basis="phiz", names=names, scale=1.0))
    turned = PoseNet(pose_network.TINY)
    for kind, network in ((EXPRESSION, spoken), (POSE, turned)):
        path = tmp_path / f"{kind.name}.safetensors"
        files.save(path, kind, network, about={"trained on": "people"})  # type: ignore[arg-type]
        found = files.load(kind, path)  # type: ignore[arg-type]
        assert found.config == network.config  # type: ignore[attr-defined]
        assert not found.training
        assert files.about(kind, path) == {"trained on": "people"}  # type: ignore[arg-type]
        for name, value in network.state_dict().items():
            assert torch.equal(found.state_dict()[name], value), name


def test_half_precision_takes_half_the_room(tmp_path: Path) -> None:
    network = PoseNet(replace(pose_network.TINY, judge=(64, 64, 64)))
    for name, is_half in (("whole", False), ("half", True)):
        files.save(tmp_path / name, POSE, network, is_half=is_half)
    assert (tmp_path / "half").stat().st_size < 0.65 * (tmp_path / "whole").stat().st_size
    found = files.load(POSE, tmp_path / "half")
    assert found.netD_motion.seq[0].conv.weight.dtype == torch.float32


def test_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    network = ExpressionNet(expression.TINY)
    path = tmp_path / "net.safetensors"
    files.save(path, EXPRESSION, network)
    with pytest.raises(CheckpointError, match="'speech_expression', not 'speech_pose'"):
        files.load(POSE, path)
    saved = checkpoint.load(path, kind=EXPRESSION.name)
    for sizes, message in (
        ({**saved.config["sizes"], "odd": 1}, "knows nothing of odd"),
        ({**saved.config["sizes"], "widths": [1, 2]}, "five widths"),
        ({**saved.config["sizes"], "expressions": 4}, "does not fit its own config"),
    ):
        checkpoint.save(path, kind=EXPRESSION.name, config={"sizes": sizes}, tensors=saved.tensors)
        with pytest.raises(CheckpointError, match=message):
            files.load(EXPRESSION, path)


def test_without_a_built_in_network_the_way_to_one_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trained, "WEIGHTS", tmp_path)
    with pytest.raises(MissingError, match=r"no built-in speech_pose.*phiz train pose"):
        files.load(POSE)
