"""No byte of a foreign file is ever run: hostile files are refused, broken ones are refused, with words."""

from __future__ import annotations

import io
import os
import pickle
import pickletools
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from importers import snapshots

from phiz.errors import CheckpointError
from phiz.importers import storage, unpickle
from phiz.importers.storage import Storage
from phiz.importers.unpickle import Thing

GOOD = snapshots.dumped({"a": torch.arange(6.0).reshape(2, 3), "b": [1, (2, 3)], "c": {"d": None}})
NOWHERE = Path("foreign.pkl")
BROKEN = (ValueError, KeyError, TypeError, IndexError, AttributeError, EOFError, OverflowError, MemoryError)
BROKEN += (pickle.UnpicklingError, RecursionError)  # type: ignore[assignment]
"""What Python's own machine says of nonsense; `read_pickle` makes one error of ours of all of these."""


class Calls:
    """Pickles as a call of any function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call


def _read(data: bytes, folder: Path) -> Any:
    path = folder / "foreign.pkl"
    path.write_bytes(data)
    return unpickle.read_pickle(path)


def test_plain_values_and_tensors_come_through(tmp_path: Path) -> None:
    found = _read(GOOD, tmp_path)
    assert torch.equal(found["a"], torch.arange(6.0).reshape(2, 3))
    assert found["b"] == [1, (2, 3)]
    assert found["c"] == {"d": None}


def test_views_and_kinds_of_numbers_come_through(tmp_path: Path) -> None:
    whole = torch.arange(12).reshape(3, 4)
    values = {"t": whole.T, "part": whole[1:, ::2], "half": torch.ones(2).half(), "none": torch.zeros(0, 3)}
    found = _read(snapshots.dumped(values), tmp_path)
    for name, tensor in values.items():
        assert torch.equal(found[name], tensor)
        assert found[name].dtype == tensor.dtype


def test_objects_of_others_are_only_things(tmp_path: Path) -> None:
    found = _read(snapshots.dumped(snapshots.Persistent("Anything", {"x": 1})), tmp_path)
    assert found == Thing("Anything", {"x": 1})


@pytest.mark.parametrize(
    ("hostile", "named"),
    [
        (Calls(os.system, "touch ran"), "system"),
        (Calls(eval, "1+1"), "eval"),
        (Calls(getattr, "word", "upper"), "getattr"),
        (Calls(pickle.loads, GOOD), "loads"),
        (Calls(__import__, "os"), "__import__"),
    ],
)
def test_a_name_that_is_not_on_the_list_is_refused(
    hostile: Calls, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match=f"{named}.*Nothing in it was run"):
        _read(pickle.dumps({"x": hostile}), tmp_path)
    assert not (tmp_path / "ran").exists()


def test_a_name_hidden_in_a_blob_of_numbers_is_refused(tmp_path: Path) -> None:
    blob = b"".join(pickle.dumps(part, 2) for part in (storage.MAGIC, storage.VERSION, Calls(os.getcwd)))
    hidden = Calls(torch.storage._load_from_bytes, blob)
    with pytest.raises(CheckpointError, match=r"a blob of numbers (takes the step REDUCE|names)"):
        _read(pickle.dumps(hidden), tmp_path)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "it is empty"),
        (b"version https://git-lfs\noid sha256:1\n", "git lfs pull"),
        (b"PK\x03\x04rest", "zip of torch"),
        (b"hello", "it is no pickle"),
        (GOOD[:-40], "damaged or cut short"),
        (b"\x80\x09.", "protocol"),
        (b"\x80\x02\x82\x01.", "the step EXT1"),
        (b"\x80\x02Pname\n.", "the step PERSID"),
        (b"\x80\x04" + b"]" * 3 + b"\x94" * 2 + b".", "damaged|not what"),
    ],
)
def test_files_that_are_no_snapshots_are_refused_with_words(data: bytes, words: str, tmp_path: Path) -> None:
    if data.endswith(b"\x94.") or data.startswith(b"\x80\x04]]]"):
        assert _read(data, tmp_path) == []  # odd, but harmless
        return
    with pytest.raises(CheckpointError, match=words):
        _read(data, tmp_path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot read"):
        unpickle.read_pickle(tmp_path / "none.pkl")


@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [
        (0, (7,), (1,)),
        (4, (3,), (1,)),
        (-1, (2,), (1,)),
        (0, (2,), (-1,)),
        (0, (2, 2), (1,)),
        (0, (9,), (0,)),
    ],
)
def test_views_beyond_their_numbers_are_refused(
    offset: int, size: tuple[int, ...], stride: tuple[int, ...]
) -> None:
    with pytest.raises(CheckpointError, match="a tensor"):
        storage.view(Storage(torch.arange(6.0)), offset, size, stride, NOWHERE)


def test_a_blob_that_lies_about_its_length_is_refused() -> None:
    held = torch.arange(5.0).untyped_storage()
    blob = pickle.dumps(torch.storage.TypedStorage(wrap_storage=held, dtype=torch.float32, _internal=True))
    good = next(arg for step, arg, _ in pickletools.genops(blob) if isinstance(arg, bytes))
    assert storage.read(good, NOWHERE).values.tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(CheckpointError, match="should hold 5 numbers and holds 4"):
        storage.read(good[:-4], NOWHERE)


def test_settings_lose_the_containers_they_were_kept_in() -> None:
    kept = Thing("DictConfig", {"_content": {"a": Thing("AnyNode", {"_val": 3})}})
    listed = Thing("ListConfig", {"_content": [Thing("AnyNode", {"_val": 0.5}), kept]})
    assert unpickle.plain({"x": listed}) == {"x": [0.5, {"a": 3}]}


@given(st.data())
def test_no_change_of_a_file_does_harm(data: st.DataObject) -> None:
    changed = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(changed) - 1))
        changed[place] = data.draw(st.integers(0, 255))
    try:
        unpickle.check_steps(bytes(changed), NOWHERE)
        unpickle._Reader(io.BytesIO(bytes(changed)), NOWHERE).load()
    except (CheckpointError, *BROKEN):
        return  # nothing else may come out of it, and above all nothing that was run
