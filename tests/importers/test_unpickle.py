"""No byte of a foreign file is ever run: hostile files are refused, broken ones are refused, with words."""

from __future__ import annotations

import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from importers import snapshots

from phiz.errors import CheckpointError
from phiz.importers import storage, unpickle
from phiz.importers.storage import View
from phiz.importers.unpickle import Thing

GOOD = snapshots.dumped({"a": torch.arange(6.0).reshape(2, 3), "b": [1, (2, 3)], "c": {"d": None}})
NOWHERE = Path("foreign.pkl")
START = b"\x80\x04"
ONE_TENSOR = snapshots.dumped(torch.arange(6.0))[11:-1]
"""The steps that leave a tensor on the stack, without what stands before and after."""


class Calls:
    """Pickles as a call of any function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call


def _name(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def _number(n: int) -> bytes:
    return b"\x8a\x08" + struct.pack("<q", n)


def _word(text: str) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text.encode()


def _read(data: bytes) -> Any:
    return unpickle.parse(data, NOWHERE)


def _refusal(data: bytes) -> str:
    """Return what is said about bytes that are refused; nothing about others."""
    try:
        _read(data)
    except CheckpointError as error:
        return str(error)
    return ""


def test_plain_values_and_tensors_come_through(tmp_path: Path) -> None:
    path = tmp_path / "foreign.pkl"
    path.write_bytes(GOOD)
    found = unpickle.read_pickle(path)
    assert torch.equal(found["a"].tensor(), torch.arange(6.0).reshape(2, 3))
    assert found["b"] == [1, (2, 3)]
    assert found["c"] == {"d": None}


def test_views_and_kinds_of_numbers_come_through() -> None:
    whole = torch.arange(12).reshape(3, 4)
    values = {"t": whole.T, "part": whole[1:, ::2], "half": torch.ones(2).half(), "none": torch.zeros(0, 3)}
    found = _read(snapshots.dumped(values))
    for name, tensor in values.items():
        assert torch.equal(found[name].tensor(), tensor)
        assert found[name].tensor().dtype == tensor.dtype


def test_parameters_are_tensors_too() -> None:
    found = _read(snapshots.dumped(torch.nn.Parameter(torch.ones(3))))
    assert isinstance(found, View)
    assert found.size == (3,)


def test_objects_of_others_are_only_things() -> None:
    found = _read(snapshots.dumped(snapshots.Persistent("Anything", {"x": 1})))
    assert isinstance(found, Thing)
    assert (found.kind, found.state) == ("Anything", {"x": 1})


@pytest.mark.parametrize(
    "number", [np.float64(0.25), np.float32(0.5), np.int64(-7), np.int32(9), np.bool_(True)]
)
def test_numbers_of_numpy_keep_kind_and_value(number: np.generic) -> None:
    found = _read(pickle.dumps(number, 4))
    assert found == number.item()
    assert type(found) is type(number.item())


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (np.float64("nan"), "not finite"),
        (np.complex128(1), "a kind that is not expected"),
        (np.dtype(">f8"), "another byte order"),
    ],
)
def test_odd_numbers_of_numpy_are_refused(number: object, words: str) -> None:
    assert words in _refusal(pickle.dumps(number, 4))


@pytest.mark.parametrize(
    ("hostile", "named"),
    [
        (Calls(os.system, "touch ran"), "system"),
        (Calls(eval, "1+1"), "eval"),
        (Calls(getattr, "word", "upper"), "getattr"),
        (Calls(pickle.loads, GOOD), "loads"),
        (Calls(__import__, "os"), "__import__"),
        (Calls(set, [1]), "builtins.set"),
    ],
)
def test_a_name_that_is_not_on_the_list_is_refused(
    hostile: Calls, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match=f"{named}.*Nothing in it was run"):
        _read(pickle.dumps({"x": hostile}, 4))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["Tensor.__class__", "_utils", "os.system"])
def test_names_with_dots_lead_nowhere(name: str) -> None:
    with pytest.raises(CheckpointError, match="names torch"):
        _read(START + _word("torch") + _word(name) + b"\x93.")


def test_words_of_a_hostile_file_neither_steer_the_terminal_nor_flood_it() -> None:
    for name in ("\x1b[2Jred", "\x07bell", "\ud800", "\u202eback"):
        word = name.encode("utf-8", "surrogatepass")
        said = _refusal(START + _word("os") + b"\x8c" + bytes([len(word)]) + word + b"\x93.")
        assert "names os." in said
        assert said.isprintable()
    long = b"X" + struct.pack("<I", 100_000) + b"n" * 100_000
    said = _refusal(START + _word("os") + long + b"\x93.")
    assert "names os.nnn" in said
    assert len(said) < 600


def test_a_name_hidden_in_a_blob_of_numbers_is_refused() -> None:
    blob = b"".join(pickle.dumps(part, 2) for part in (storage.MAGIC, storage.VERSION, Calls(os.getcwd)))
    with pytest.raises(CheckpointError, match="a blob of numbers takes the step REDUCE"):
        _read(pickle.dumps(Calls(torch.storage._load_from_bytes, blob), 4))


def test_a_tensor_cannot_be_grown_over_memory_that_is_not_its_own() -> None:
    # torch would take this as: lay the first tensor over a thousand numbers of the second, which has six.
    state = b"(" + ONE_TENSOR + _number(0) + b"(" + _number(1000) + b"t(" + _number(1) + b"tt"
    with pytest.raises(CheckpointError, match="changes a tensor"):
        _read(START + ONE_TENSOR + state + b"b.")


@pytest.mark.parametrize("fill", [b"K\x00K\x01s", b"(K\x01\x90", b"K\x01a"])
def test_a_tensor_cannot_be_written_to_or_added_to(fill: bytes) -> None:
    with pytest.raises(CheckpointError, match="damaged"):
        _read(START + ONE_TENSOR + fill + b".")


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("torch._utils", "_rebuild_parameter"),
        ("torch._utils", "_rebuild_tensor_v2"),
        ("builtins", "int"),
        ("omegaconf.nodes", "AnyNode"),
        ("collections", "OrderedDict"),
    ],
)
def test_what_stands_for_a_name_cannot_be_changed(module: str, name: str) -> None:
    change = b"N}" + _word("__defaults__") + b")s\x86"
    with pytest.raises(CheckpointError, match="changes what its names stand for"):
        _read(START + _name(module, name) + change + b"b.")
    with pytest.raises(CheckpointError, match="changes what its names stand for"):
        _read(START + _name(module, name) + b"}" + _word("x") + b"K\x01sb.")


def test_numbers_cannot_be_changed_after_they_were_read() -> None:
    numbers = snapshots.blob(torch.arange(5.0))
    blob = b"B" + struct.pack("<I", len(numbers)) + numbers
    held = _name("torch.storage", "_load_from_bytes") + blob + b"\x85R"
    assert _read(START + held + b".").values.tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(CheckpointError, match="changes numbers"):
        _read(START + held + b"}" + _word("values") + b"K\x01sb.")


def test_one_blob_of_numbers_cannot_be_read_over_and_over() -> None:
    numbers = snapshots.blob(torch.zeros(1000))
    blob = b"B" + struct.pack("<I", len(numbers)) + numbers + b"\x94"
    start = START + b"](" + _name("torch.storage", "_load_from_bytes") + b"\x94" + blob
    once, again = b"\x85R", b"h\x00h\x01\x85R"
    assert len(_read(start + once + b"e.")) == 1
    with pytest.raises(CheckpointError, match="over and over"):
        _read(start + once + again * 50 + b"e.")


def test_things_do_not_keep_copies_of_what_they_are_made_of() -> None:
    node = START + _name("omegaconf.nodes", "AnyNode")
    assert _read(node + b")\x81.").kind == "AnyNode"
    for made in (b"NN\x86R.", b"N\x85\x81."):
        with pytest.raises(CheckpointError, match="makes a AnyNode of something"):
            _read(node + made)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_what_is_no_ordinary_file_is_not_opened(tmp_path: Path) -> None:
    pipe = tmp_path / "foreign.pkl"
    os.mkfifo(pipe)  # to open it would wait for somebody to write
    with pytest.raises(CheckpointError, match="no ordinary file"):
        unpickle.read_pickle(pipe)
    with pytest.raises(CheckpointError, match="cannot read"):
        unpickle.read_pickle(tmp_path)


def test_an_ordered_dict_cannot_hide_its_items() -> None:
    with pytest.raises(CheckpointError, match="damaged"):
        _read(START + _name("collections", "OrderedDict") + b")R}" + _word("items") + b"K\x01sb.")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "it is empty"),
        (b"version https://git-lfs\noid sha256:1\n", "git lfs pull"),
        (b"PK\x03\x04rest", "zip of torch"),
        (b"hello", "it is no pickle"),
        (GOOD[:-40], "damaged or cut short"),
        (GOOD[:-1], "damaged or cut short"),
        (b"\x80\x04})" + b"\x85" * 100_000 + b"K\x01s.", "nested too deeply"),
        (b"\x80\x04]r\xff\xff\xff\x7f.", "number what it keeps"),
        (b"\x80\x02\x82\x01.", "the step EXT1"),
    ],
)
def test_files_that_are_no_snapshots_are_refused_with_words(data: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "foreign.pkl"
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=words) as caught:
        unpickle.read_pickle(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot read"):
        unpickle.read_pickle(tmp_path / "none.pkl")


def test_settings_lose_the_containers_they_were_kept_in() -> None:
    kept = Thing("DictConfig", {"_content": {"a": Thing("AnyNode", {"_val": 3})}})
    listed = Thing("ListConfig", {"_content": [Thing("AnyNode", {"_val": 0.5}), kept]})
    assert unpickle.plain({"x": listed}) == {"x": [0.5, {"a": 3}]}


def test_settings_without_end_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpickle, "MOST_SETTINGS", 2000)
    around: list[Any] = []
    around.append(around)
    doubled: list[Any] = []
    for _ in range(60):
        doubled = [doubled, doubled]
    for endless in (around, doubled):
        with pytest.raises(ValueError, match="no end"):
            unpickle.plain({"x": endless})


@settings(max_examples=60)
@given(st.data())
def test_a_changed_file_is_read_or_refused_and_nothing_else(data: st.DataObject) -> None:
    changed = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(changed) - 1))
        changed[place] = data.draw(st.integers(0, 255))
    said = _refusal(bytes(changed))  # whatever else comes out fails the test
    assert not said or "foreign.pkl is not read" in said


@settings(max_examples=60)
@given(
    st.lists(
        st.sampled_from([bytes([n]) for n in b")](}t\x85\x86Nsubea\x94h\x00K\x01R\x81\x90\x8f."]), max_size=30
    )
)
def test_any_row_of_steps_is_read_or_refused(row: list[bytes]) -> None:
    body = _name("torch._utils", "_rebuild_parameter") + ONE_TENSOR + _name("omegaconf.nodes", "AnyNode")
    said = _refusal(START + body + b"".join(row) + b".")
    assert not said or "foreign.pkl is not read" in said
