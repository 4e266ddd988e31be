"""A studio holds the networks of a folder, ours before the published ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from talk_fixtures import mouth_net, published_net

from phiz.errors import MissingError
from phiz.speech import files, head_network, pose_network
from phiz.speech.expression import ExpressionNet
from phiz.speech.head_motion import HEAD
from phiz.speech.head_network import HeadConfig, HeadNet
from phiz.speech.mouth_network import MouthNet
from phiz.speech.pose_network import PoseNet
from phiz.speech.stream import Networks
from phiz.studio import Studio


def test_a_folder_without_networks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"speech_mouth\.safetensors nor speech_expression"):
        Studio.open(tmp_path)


def test_ours_come_before_the_published_ones(tmp_path: Path) -> None:
    files.save(tmp_path / "speech_expression.safetensors", files.EXPRESSION, published_net())
    assert isinstance(Studio.open(tmp_path).expression, ExpressionNet)
    assert Studio.open(tmp_path).names == ()
    assert Studio.open(tmp_path).pose is None
    files.save(tmp_path / "speech_pose.safetensors", files.POSE, PoseNet(pose_network.TINY))
    assert isinstance(Studio.open(tmp_path).pose, PoseNet)
    head = HeadNet(HeadConfig(styles=("calm",), sizes=head_network.TINY))
    files.save(tmp_path / "speech_head.safetensors", HEAD, head)
    assert isinstance(Studio.open(tmp_path).pose, HeadNet)
    files.save(tmp_path / "speech_mouth.safetensors", files.MOUTH, mouth_net())
    studio = Studio.open(tmp_path)
    assert isinstance(studio.expression, MouthNet)
    assert studio.basis == "phiz"
    assert studio.names[17] == "jawOpen"
    assert isinstance(studio, Networks)


def test_the_built_in_studio_hears_or_says_what_is_missing() -> None:
    if files.MOUTH.built_in.exists():
        assert "jawOpen" in Studio.built_in().names
    else:
        with pytest.raises(MissingError, match="phiz train speech"):
            Studio.built_in()


def test_an_empty_studio_names_nothing() -> None:
    assert (Studio().basis, Studio().names) == ("", ())
