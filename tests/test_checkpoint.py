"""Files are written whole or not at all, and read only when they are what they should be."""

from __future__ import annotations

import json
import os
import pickle
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from phiz import checkpoint
from phiz.errors import CheckpointError, UsageError

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | FLOATS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def _save(path: Path, kind: str = "avatar") -> Path:
    checkpoint.save(path, kind=kind, config={"width": 3}, tensors={"w": torch.arange(6.0).reshape(2, 3)})
    return path


@settings(max_examples=30)
@given(config=st.dictionaries(st.text(), JSON, max_size=4))
def test_what_is_saved_comes_back(
    config: dict[str, object], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("saved") / "a.safetensors"
    tensors = {"a": torch.randn(2, 3, generator=torch.Generator().manual_seed(0)), "b": torch.tensor(7)}
    checkpoint.save(path, kind="thing", config=config, tensors=tensors)
    saved = checkpoint.load(path, kind="thing")
    assert saved.config == config
    assert saved.kind == "thing"
    assert saved.tensors.keys() == tensors.keys()
    assert all(torch.equal(saved.tensors[name], tensors[name]) for name in tensors)


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float16, torch.bfloat16, torch.uint8, torch.int64, torch.bool]
)
def test_types_and_empty_shapes_survive(dtype: torch.dtype, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    checkpoint.save(path, kind="k", config={}, tensors={"e": torch.zeros(0, 3, dtype=dtype)})
    tensor = checkpoint.load(path, kind="k").tensors["e"]
    assert (tensor.dtype, tuple(tensor.shape)) == (dtype, (0, 3))


def test_tensors_that_share_memory_or_learn_are_saved_apart(tmp_path: Path) -> None:
    whole = torch.arange(6.0).reshape(2, 3).requires_grad_()
    path = tmp_path / "a.safetensors"
    checkpoint.save(path, kind="k", config={}, tensors={"a": whole, "b": whole, "c": whole.T, "d": whole[1]})
    tensors = checkpoint.load(path, kind="k").tensors
    assert torch.equal(tensors["c"], whole.detach().T)
    assert torch.equal(tensors["d"], whole.detach()[1])
    assert torch.equal(tensors["a"], tensors["b"])


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    one, two = tmp_path / "one.safetensors", tmp_path / "two.safetensors"
    a, b = torch.ones(2), torch.zeros(3)
    checkpoint.save(one, kind="k", config={"x": 1, "y": 2}, tensors={"a": a, "b": b})
    checkpoint.save(two, kind="k", config={"y": 2, "x": 1}, tensors={"b": b, "a": a})
    assert one.read_bytes() == two.read_bytes()
    assert checkpoint.digest(one) == checkpoint.digest(two)


def test_a_file_tells_what_it_is_without_its_tensors(tmp_path: Path) -> None:
    about = checkpoint.read_about(_save(tmp_path / "a.safetensors"))
    assert (about.kind, about.config, about.shapes) == ("avatar", {"width": 3}, {"w": (2, 3)})


def test_paths_in_a_config_become_text(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    checkpoint.save(path, kind="k", config={"data": Path("toy.zip"), "size": (1, 2)}, tensors={})
    assert checkpoint.load(path, kind="k").config == {"data": "toy.zip", "size": [1, 2]}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), torch.ones(1)])
def test_a_config_that_is_no_json_is_refused(value: object, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="plain, finite JSON"):
        checkpoint.save(tmp_path / "a.safetensors", kind="k", config={"x": value}, tensors={})
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match=r"a\.safetensors holds 'avatar', not 'motion'"):
        checkpoint.load(path, kind="motion")


def _missing(path: Path) -> None:
    pass


def _folder(path: Path) -> None:
    path.mkdir()


def _empty(path: Path) -> None:
    path.touch()


def _short(path: Path) -> None:
    path.write_bytes(b"abc")


def _text(path: Path) -> None:
    path.write_text("dear reader, this is a letter and not a network")


def _pointer(path: Path) -> None:
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")


def _pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps({"w": 1}, protocol=4))


def _torch_file(path: Path) -> None:
    torch.save({"w": torch.ones(2)}, path)


def _foreign(path: Path) -> None:
    save_file({"w": torch.ones(2)}, path, metadata={"format": "pt"})


def _truncated(path: Path) -> None:
    _save(path).write_bytes(path.read_bytes()[:-4])


def _truncated_header(path: Path) -> None:
    _save(path).write_bytes(path.read_bytes()[:40])


def _longer(path: Path) -> None:
    _save(path).write_bytes(path.read_bytes() + b"\0")


def _garbled(path: Path) -> None:
    _save(path).write_bytes(path.read_bytes().replace(b'"w"', b'"w\\'))


def _newer(path: Path) -> None:
    about = json.dumps({"format": 99, "kind": "k", "config": {}})
    save_file({"w": torch.ones(2)}, path, metadata={"phiz": about})


def _vague(path: Path) -> None:
    save_file({"w": torch.ones(2)}, path, metadata={"phiz": '{"format": 1}'})


def _wrong_type(path: Path) -> None:
    header = json.dumps({"__metadata__": {"phiz": '{"format":1,"kind":"k","config":{}}'},
                         "w": {"dtype": "Q9", "shape": [1], "data_offsets": [0, 4]}}).encode()  # fmt: skip
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"\0" * 4)


FAULTS: dict[Callable[[Path], None], str] = {
    _missing: "there is no file",
    _folder: "is a folder",
    _empty: "it is empty",
    _short: "it ends too early",
    _text: "is not a .safetensors file",
    _pointer: "git lfs pull",
    _pickle: "is a pickle",
    _torch_file: "is a pickle",
    _foreign: "phiz did not write it",
    _truncated: "it should have",
    _truncated_header: "it ends too early",
    _longer: "it should have",
    _garbled: "its header cannot be read",
    _newer: "format 99; this phiz reads up to 1",
    _vague: "its description cannot be read",
    _wrong_type: "is damaged",
}


@pytest.mark.parametrize("make", FAULTS, ids=lambda make: make.__name__)
def test_a_wrong_file_is_refused_with_advice(make: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "wrong.safetensors"
    make(path)
    with pytest.raises(CheckpointError, match=FAULTS[make]) as caught:
        checkpoint.load(path, kind="k")
    assert str(path) in str(caught.value)
    assert str(caught.value).count(".") >= 2 or "git lfs" in str(caught.value)


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _save(tmp_path / "a.safetensors")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(CheckpointError, match="Permission denied"):
        checkpoint.read_about(path)
    with pytest.raises(CheckpointError, match="Permission denied"):
        checkpoint.digest(path)


def test_the_digest_is_the_known_one_of_no_bytes(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    assert checkpoint.digest(path) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_the_old_file_and_nothing_else(error: type[BaseException], tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_text("old")
    with pytest.raises(error):  # noqa: SIM117, PT012
        with checkpoint.atomic(path) as temporary:
            temporary.write_text("half")
            raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_new_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "film.mp4"
    with checkpoint.atomic(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
        assert (temporary.parent, temporary.suffix) == (path.parent, ".mp4")
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_permissions_stay_and_new_files_obey_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "a"
    old = os.umask(0o027)
    try:
        with checkpoint.atomic(path) as temporary:
            temporary.write_text("1")
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.chmod(0o604)
    with checkpoint.atomic(path) as temporary:
        temporary.write_text("2")
    assert stat.S_IMODE(path.stat().st_mode) == 0o604


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_text("old")
    link.symlink_to(real)
    with checkpoint.atomic(link) as temporary:
        temporary.write_text("new")
    assert link.is_symlink()
    assert real.read_text() == "new"


def test_folders_and_devices_are_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, words in [(tmp_path, "is a folder"), (pipe, "not an ordinary file")]:
        with pytest.raises(UsageError, match=words), checkpoint.atomic(path):
            pass
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot write"), checkpoint.atomic(tmp_path / "file" / "inside"):
        pass
