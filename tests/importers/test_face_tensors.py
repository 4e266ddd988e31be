"""Tensors of one network are found in a file of many things, under bare names and in single precision."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from phiz.errors import CheckpointError
from phiz.importers import face_tensors


def test_names_lose_the_wrapping_that_all_of_them_have() -> None:
    wrapped = {"module.a": torch.ones(2).half(), "module.b.num_batches_tracked": torch.tensor(3)}
    found = face_tensors.bare(wrapped, Path("some.pth"))
    assert found["a"].dtype == torch.float32
    assert found["b.num_batches_tracked"].item() == 3
    assert set(face_tensors.bare({**wrapped, "c": torch.ones(1)}, Path("some.pth"))) == {*wrapped, "c"}


@pytest.mark.parametrize(
    ("name", "value"), [("a", torch.tensor([1])), ("a.num_batches_tracked", torch.ones(1))]
)
def test_numbers_of_other_kinds_are_refused(name: str, value: torch.Tensor) -> None:
    with pytest.raises(CheckpointError, match="holds numbers of the kind"):
        face_tensors.bare({name: value}, Path("some.pth"))


def test_one_network_of_a_collected_file_is_taken_and_the_others_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "all.safetensors"
    save_file({"mine.a": torch.ones(2), "theirs.a": torch.ones(1), "theirs.b": torch.ones(1)}, path)
    found = face_tensors.read(path, prefix="mine.", others=("theirs.",))
    assert {name: value.tolist() for name, value in found.tensors.items()} == {"a": [1.0, 1.0]}
    assert found.rest == ("theirs.* (2 tensors)",)


def test_a_network_that_nobody_knows_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "all.safetensors"
    save_file({"mine.a": torch.ones(2), "strange.a": torch.ones(1)}, path)
    with pytest.raises(CheckpointError, match="strange"):
        face_tensors.read(path, prefix="mine.", others=("theirs.",))


def test_what_stands_beside_the_network_has_to_be_known(tmp_path: Path) -> None:
    path = tmp_path / "epoch.pth"
    torch.save({"net": {"a": torch.ones(2)}, "opt_00": {}, "odd": {}}, path)
    with pytest.raises(CheckpointError, match="odd"):
        face_tensors.read(path, inside="net", beside=r"opt_\d+")
    torch.save({"net": {"a": torch.ones(2)}, "opt_00": {}}, path)
    assert face_tensors.read(path, inside="net", beside=r"opt_\d+").rest == ("opt_00",)
