"""Files of torch.save come through in both formats; no byte of them is run, and broken ones are refused."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import zipfile
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from phiz.errors import CheckpointError
from phiz.importers import torch_file
from phiz.importers.storage import View

FORMATS = [True, False]


def written(value: object, *, is_zip: bool = True) -> bytes:
    data = io.BytesIO()
    torch.save(value, data, _use_new_zipfile_serialization=is_zip)
    return data.getvalue()


SMALL = {is_zip: written({"a": torch.arange(4.0), "b": [1, "two"]}, is_zip=is_zip) for is_zip in FORMATS}


def opened(data: bytes, folder: Path) -> Any:
    path = folder / "foreign.pth"
    path.write_bytes(data)
    return torch_file.read(path)


def trainer_state() -> dict[str, object]:
    """Return what trainers save: a network with buffers, an optimiser, a schedule, numbers."""
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    state = {number: {"momentum_buffer": torch.randn(4, 3)} for number in range(4)}
    return {
        "network": network.state_dict(),
        "optimiser": {"state": state, "param_groups": [{"lr": 0.1, "params": [0, 1, 2, 3]}]},
        "schedule": {"last_epoch": 3, "milestones": Counter({8: 1})},
        "epoch": 3,
        "words": ("a", [1.5, None, True]),
    }


@pytest.mark.parametrize("is_zip", FORMATS)
def test_what_trainers_save_comes_through(is_zip: bool, tmp_path: Path) -> None:
    whole = trainer_state()
    found = opened(written(whole, is_zip=is_zip), tmp_path)
    tensors = torch_file.tensors_of(found["network"], tmp_path / "foreign.pth")
    expected: dict[str, torch.Tensor] = whole["network"]  # type: ignore[assignment]
    assert list(tensors) == list(expected)
    for name, value in expected.items():
        assert torch.equal(tensors[name], value)
        assert tensors[name].dtype == value.dtype
    assert found["epoch"] == 3
    assert found["words"] == ["a", [1.5, None, True]]
    assert isinstance(found["optimiser"]["state"][0]["momentum_buffer"], View)


@pytest.mark.parametrize("is_zip", FORMATS)
def test_views_parameters_and_kinds_of_numbers_come_through(is_zip: bool, tmp_path: Path) -> None:
    whole = torch.arange(12.0).reshape(3, 4)
    values = {
        "turned": whole.T,
        "part": whole[1:, ::2],
        "same": whole,
        "half": torch.ones(2).half(),
        "count": torch.tensor(7),
        "learned": nn.Parameter(torch.ones(2, 2)),
        "none": torch.zeros(0, 3),
    }
    found = opened(written(values, is_zip=is_zip), tmp_path)
    for name, value in values.items():
        tensor = found[name].tensor()
        assert torch.equal(tensor, value.detach())
        assert tensor.dtype == value.dtype
    assert found["turned"].held is found["same"].held


class Calls:
    """Pickles as a call of any function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call


@pytest.mark.parametrize("is_zip", FORMATS)
@pytest.mark.parametrize("call", [Calls(os.mkdir, "ran"), Calls(eval, "1+1"), Calls(getattr, 1, "real")])
def test_no_call_is_made(is_zip: bool, call: Calls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match=r"names .*, which files of this kind never do"):
        opened(written({"a": torch.ones(1), "b": call}, is_zip=is_zip), tmp_path)
    assert not (tmp_path / "ran").exists()


def test_tricks_with_known_names_are_refused(tmp_path: Path) -> None:
    stuffed = OrderedDict(a=torch.ones(1))
    stuffed.extra = "attribute"  # type: ignore[attr-defined]
    with pytest.raises(CheckpointError, match="becomes something else"):
        opened(written(stuffed), tmp_path)
    with pytest.raises(CheckpointError, match="never do"):
        opened(written({"a": Calls(OrderedDict, [("b", 1)])}), tmp_path)
    longer = changed(written({"a": torch.arange(4.0)}), lambda text: text.replace(b"K\x04\x85", b"K\x05\x85"))
    with pytest.raises(CheckpointError, match="reaches beyond"):
        opened(longer, tmp_path)


def changed(data: bytes, change: Any) -> bytes:
    """Return a zip with another pickle in it."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            content = old.read(info)
            new.writestr(info.filename, change(content) if info.filename.endswith("data.pkl") else content)
    return target.getvalue()


def test_zips_that_torch_would_not_write_are_refused(tmp_path: Path) -> None:
    data = written({"a": torch.arange(4.0)})
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            new.writestr(info.filename, old.read(info))
    with pytest.raises(CheckpointError, match="compressed"):
        opened(packed.getvalue(), tmp_path)
    empty = io.BytesIO()
    with zipfile.ZipFile(empty, "w") as new:
        new.writestr("words.txt", "hello")
    with pytest.raises(CheckpointError, match="not one that torch writes"):
        opened(empty.getvalue(), tmp_path)
    with pytest.raises(CheckpointError, match=r"another length|missing"):
        opened(changed(data, lambda text: text.replace(b"K\x04", b"K\x03")), tmp_path)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"hello", "no file of torch"),
        (pickle.dumps({"a": 1}), "not one that torch.save writes"),
        (b"version https://git-lfs", "git lfs pull"),
        (b"PK\x03\x04rubbish", "damaged"),
    ],
)
def test_other_files_are_refused(data: bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=words):
        opened(data, tmp_path)


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot read"):
        torch_file.read(tmp_path / "none.pth")
    with pytest.raises(CheckpointError, match="no ordinary file"):
        torch_file.read(tmp_path)


@pytest.mark.parametrize("is_zip", FORMATS)
def test_files_cut_short_are_refused(is_zip: bool, tmp_path: Path) -> None:
    data = written(trainer_state(), is_zip=is_zip)
    for length in range(1, len(data) - 1, len(data) // 12):
        with pytest.raises(CheckpointError):
            opened(data[:length], tmp_path)
    if not is_zip:
        with pytest.raises(CheckpointError, match="something behind"):
            opened(data + b"x", tmp_path)


@settings(max_examples=40)
@given(place=st.integers(0, 10**6), value=st.integers(0, 255), is_zip=st.booleans())
def test_damaged_files_are_read_or_refused_with_words(
    place: int, value: int, is_zip: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = bytearray(SMALL[is_zip])
    data[place % len(data)] = value
    with contextlib.suppress(CheckpointError):
        opened(bytes(data), tmp_path_factory.mktemp("damaged"))


@pytest.mark.parametrize(("width", "depth"), [(2, 40), (100, 8)])
def test_lists_without_end_are_refused(
    width: int, depth: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch_file, "MOST_VALUES", 2000)
    laughs: list[object] = ["ha"]
    for _ in range(depth):
        laughs = [laughs] * width
    with pytest.raises(CheckpointError, match="no end"):
        opened(written({"a": laughs}), tmp_path)


def test_only_tensors_by_name_are_a_state(tmp_path: Path) -> None:
    path = tmp_path / "foreign.pth"
    found = opened(written({"a": torch.ones(2), "b": 3}), tmp_path)
    with pytest.raises(CheckpointError, match="'b' is no tensor"):
        torch_file.tensors_of(found, path)
    with pytest.raises(CheckpointError, match="no tensors"):
        torch_file.tensors_of([], path)
    one = torch.ones(500)
    many = opened(written({str(number): one for number in range(1000)}), tmp_path)
    with pytest.raises(CheckpointError, match="more room"):
        torch_file.tensors_of(many, path)
