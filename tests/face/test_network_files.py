"""A network that was written is the network that is read; files that are no networks are refused."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from phiz import checkpoint
from phiz.errors import CheckpointError, MissingError
from phiz.face import network_files, parse, regress
from phiz.face.network_files import PARSER, REGRESSOR
from phiz.face.parse import Parser
from phiz.face.regress import Regressor


def test_networks_come_back_as_they_were(tmp_path: Path) -> None:
    parser, regressor = Parser(parse.TINY), Regressor(regress.TINY)
    network_files.save(tmp_path / "p.safetensors", PARSER, parser, about={"made": "by hand"})
    network_files.save(tmp_path / "r.safetensors", REGRESSOR, regressor)
    found, other = (
        network_files.load(PARSER, tmp_path / "p.safetensors"),
        network_files.load(REGRESSOR, tmp_path / "r.safetensors"),
    )
    assert (found.config, other.config) == (parse.TINY, regress.TINY)
    for ours, theirs in ((found, parser), (other, regressor)):
        for name, value in theirs.state_dict().items():
            assert torch.equal(ours.state_dict()[name], value), name
    assert not found.training
    assert not any(p.requires_grad for p in found.parameters())
    assert network_files.about(PARSER, tmp_path / "p.safetensors") == {"made": "by hand"}
    assert network_files.about(REGRESSOR, tmp_path / "r.safetensors") == {}


def test_half_precision_takes_half_the_room(tmp_path: Path) -> None:
    parser = Parser(parse.TINY)
    network_files.save(tmp_path / "whole.safetensors", PARSER, parser)
    network_files.save(tmp_path / "half.safetensors", PARSER, parser, is_half=True)
    tensors = [
        checkpoint.load(tmp_path / f"{name}.safetensors", kind="parser").tensors for name in ("whole", "half")
    ]
    sizes = [sum(t.nbytes for t in one.values() if t.is_floating_point()) for one in tensors]
    assert sizes[0] == 2 * sizes[1]
    found = network_files.load(PARSER, tmp_path / "half.safetensors")
    assert {p.dtype for p in found.parameters()} == {torch.float32}
    assert found.cp.resnet.bn1.num_batches_tracked.dtype == torch.int64
    shown = torch.rand(1, 3, 64, 64)
    assert (found(shown) - parser.eval()(shown)).abs().max() < 0.01


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "says nothing usable"),
        ({"sizes": {"eyes": 3}}, "knows nothing of eyes"),
        ({"sizes": {"size": 4}}, "at least 32 pixels"),
        ({"sizes": asdict(parse.TINY) | {"context": 7}}, "does not fit its own config"),
        ({"sizes": asdict(parse.TINY) | {"blocks": [2, 1, 1, 1]}}, "does not fit its own config"),
    ],
)
def test_files_that_contradict_themselves_are_refused(
    tmp_path: Path, config: dict[str, object], message: str
) -> None:
    path = tmp_path / "p.safetensors"
    checkpoint.save(path, kind="parser", config=config, tensors=Parser(parse.TINY).state_dict())
    with pytest.raises(CheckpointError, match=message):
        network_files.load(PARSER, path)


def test_a_network_of_another_kind_is_refused(tmp_path: Path) -> None:
    network_files.save(tmp_path / "r.safetensors", REGRESSOR, Regressor(regress.TINY))
    with pytest.raises(CheckpointError, match="holds 'regressor', not 'parser'"):
        network_files.load(PARSER, tmp_path / "r.safetensors")


def test_a_copy_without_built_in_networks_says_how_to_make_one() -> None:
    kind = replace(PARSER, name="nothing")
    with pytest.raises(MissingError, match=r"no built-in nothing\. Train one with 'phiz train parse'"):
        network_files.load(kind)
