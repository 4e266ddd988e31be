"""ONNX files: described inside, without notes of where they were made, refused in words when damaged."""

from __future__ import annotations

import importlib
import logging
import warnings
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from phiz import exporting
from phiz.errors import CheckpointError, MissingError

ABOUT = {"licence": "Free as air", "numbers": [1, 2]}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for name in (*exporting.WRITERS, "onnxruntime"):
        pytest.importorskip(name)
    with torch.no_grad(), exporting.quiet():
        made = torch.onnx.export(
            nn.Linear(2, 3).eval(), (torch.ones(1, 2),), input_names=["x"], output_names=["y"], dynamo=True
        )
    path = tmp_path_factory.mktemp("files") / "line.onnx"
    exporting.write(path, made, ABOUT, {"x": "two numbers"})
    return path


def test_a_file_says_what_it_is(path: Path) -> None:
    model = importlib.import_module("onnx").load(path)
    assert exporting.told(exporting.opened(path), path) == ABOUT
    assert (model.graph.input[0].doc_string, model.graph.output[0].doc_string) == ("two numbers", "")
    assert model.producer_name == "phiz"


def test_a_file_does_not_tell_where_it_was_made(path: Path) -> None:
    content = path.read_bytes()
    assert b"site-packages" not in content
    assert str(Path(__file__).parent).encode() not in content
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_an_opened_file_computes(path: Path) -> None:
    (found,) = exporting.opened(path).run(None, {"x": torch.zeros(1, 2).numpy()})
    assert found.shape == (1, 3)


def test_other_files_are_refused(path: Path, tmp_path: Path) -> None:
    onnx = importlib.import_module("onnx")
    with pytest.raises(CheckpointError, match="there is no file"):
        exporting.opened(tmp_path / "nothing.onnx")
    half = tmp_path / "half.onnx"
    half.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="cannot be run"):
        exporting.opened(half)
    model = onnx.load(path)
    del model.metadata_props[:]
    foreign = tmp_path / "foreign.onnx"
    onnx.save(model, foreign)
    with pytest.raises(CheckpointError, match="not exported by phiz"):
        exporting.told(exporting.opened(foreign), foreign)


@pytest.mark.parametrize("missing", exporting.WRITERS)
def test_missing_packages_are_asked_for(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.import_module

    def importing(name: str) -> ModuleType:
        if name == missing:
            raise ImportError(f"No module named {name!r}")
        return logging if name in exporting.WRITERS else found(name)

    monkeypatch.setattr(importlib, "import_module", importing)
    with pytest.raises(MissingError, match=rf"'{missing}'.*pip install 'phiz\[export\]'"):
        exporting.check_packages()


def test_quiet_is_over_afterwards(caplog: pytest.LogCaptureFixture) -> None:
    with exporting.quiet():
        logging.getLogger("torch").warning("not heard")
        warnings.warn("not heard either", stacklevel=1)
    logging.getLogger("torch").warning("heard")
    assert [record.message for record in caplog.records] == ["heard"]
