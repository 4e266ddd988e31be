"""The published parser becomes ours, every tensor accounted for, and nothing in its file is run."""

from __future__ import annotations

import io
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from phiz.console import Console
from phiz.errors import CheckpointError, UsageError
from phiz.face import network_files, parse
from phiz.face.network_files import PARSER
from phiz.face.parse import PUBLISHED_16, PUBLISHED_19, TINY, Parser
from phiz.importers import bisenet
from phiz.importers.bisenet import BisenetImportConfig

SMALL = replace(TINY, size=PUBLISHED_19.size, classes=16, blocks=(1, 2, 1, 1))
"""What leaves no trace in names and shapes is taken to be as published."""


@pytest.fixture(scope="module")
def network() -> Parser:
    return Parser(SMALL).eval()


def write(path: Path, held: object, *, is_zip: bool = True) -> Path:
    torch.save(held, path, _use_new_zipfile_serialization=is_zip)
    return path


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_parser_comes_back_bit_by_bit(network: Parser, tmp_path: Path, is_zip: bool, prefix: str) -> None:
    state = OrderedDict((prefix + name, value) for name, value in network.state_dict().items())
    found, count = bisenet.read(write(tmp_path / "seg.pth", state, is_zip=is_zip))
    assert found.config == SMALL
    assert count == len(state)
    for name, value in network.state_dict().items():
        assert torch.equal(found.state_dict()[name], value), name
    assert not found.training


def test_sizes_of_the_published_parsers_follow_from_their_tensors() -> None:
    for config in (PUBLISHED_19, PUBLISHED_16):
        with torch.device("meta"):
            shapes = {name: tuple(value.shape) for name, value in Parser(config).state_dict().items()}
        assert len(shapes) == 191
        assert bisenet.config_of(shapes) == config


def test_the_verb_writes_a_parser_that_parses(network: Parser, tmp_path: Path) -> None:
    path = write(tmp_path / "seg.pth", network.state_dict())
    told = io.StringIO()
    config = BisenetImportConfig(file=path, output=tmp_path / "made")
    done = bisenet.import_bisenet(config, Console(output=told))
    assert f"all of its {len(network.state_dict())} tensors are accounted for" in told.getvalue()
    assert "without commerce" in told.getvalue()
    assert (done["classes"], done["skipped"], done["network"]) == (16, [], "")
    found = network_files.load(PARSER, tmp_path / "made.safetensors")
    pictures = torch.rand(1, 3, 96, 96) * 2 - 1
    assert torch.equal(parse.parse(found, pictures), parse.parse(network, pictures))
    assert network_files.about(PARSER, tmp_path / "made.safetensors")["sha256"] == done["sha256"]


def test_safetensors_are_read_as_well(network: Parser, tmp_path: Path) -> None:
    save_file(network.state_dict(), tmp_path / "seg.safetensors")
    assert bisenet.read(tmp_path / "seg.safetensors")[0].config == SMALL


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cp.arm16.conv.conv.weight": None}, "holds no parser that phiz knows"),
        ({"cp.resnet.bn1.weight": None}, r"lack cp\.resnet\.bn1\.weight"),
        ({"extra.weight": torch.zeros(2)}, r"hold extra\.weight, which it does not have"),
        ({"cp.resnet.bn1.weight": torch.zeros(5)}, r"of shape \(5,\), not \(4,\)"),
        ({"cp.resnet.bn1.weight": torch.zeros(4, dtype=torch.int32)}, "numbers of the kind torch.int32"),
        ({"epoch": 3}, "is no tensor"),
    ],
)
def test_files_that_are_no_such_parser_are_refused(
    network: Parser, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    state = {**network.state_dict(), **change}
    held = {name: value for name, value in state.items() if value is not None}
    with pytest.raises(CheckpointError, match=message):
        bisenet.read(write(tmp_path / "seg.pth", held))


class Trap:
    """What would run when a file that holds it is loaded."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (open, ("ran", "w"))


def test_nothing_in_a_file_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match="Nothing in it was run"):
        bisenet.read(write(tmp_path / "seg.pth", {"cp.resnet.conv1.weight": Trap()}))
    assert not (tmp_path / "ran").exists()


def test_a_file_is_never_written_over(network: Parser, tmp_path: Path) -> None:
    path = write(tmp_path / "seg.safetensors", network.state_dict())
    with pytest.raises(UsageError, match="would be written over"):
        bisenet.import_bisenet(BisenetImportConfig(file=path, output=path), Console(quiet=True))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere\.pth"):
        bisenet.read(tmp_path / "nowhere.pth")
