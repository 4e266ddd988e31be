"""A recogniser as ONNX gives what the network gives, for any number of crops."""

from __future__ import annotations

import importlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from face.identity.conftest import FAMILIES, learned

from phiz import options
from phiz.console import Console
from phiz.errors import CheckpointError, UsageError
from phiz.face.identity import export, store
from phiz.face.identity.export import Program, RecogniserExportConfig, export_recogniser
from phiz.face.identity.networks import unit


def packages() -> None:
    for name in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(name)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "identity.safetensors"
    store.save(path, learned(FAMILIES["mobile"]), about={"people": 3})
    return path


@pytest.mark.parametrize("family", FAMILIES)
def test_a_file_gives_the_same_for_any_number_of_crops(family: str, tmp_path: Path) -> None:
    packages()
    runtime = importlib.import_module("onnxruntime")
    network = learned(FAMILIES[family])
    path = tmp_path / "identity.onnx"
    export.write_onnx(path, Program(network, is_unit=False).eval(), {})
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for count in (1, 4):
        crops = torch.rand(count, 3, 32, 32) * 2 - 1
        (found,) = session.run(None, {"crops": crops.numpy()})
        assert np.allclose(found, network(crops).numpy(), atol=1e-5)


def test_the_verb_writes_compares_and_tells(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packages()
    output = saved.with_suffix(".onnx")
    config = options.parse(RecogniserExportConfig, [str(saved), "-o", str(output), "--unit"])
    told = export_recogniser(config, Console())
    assert float(str(told["apart"])) < export.FAR_APART
    assert "any number, 3, 32, 32" in capsys.readouterr().out
    runtime = importlib.import_module("onnxruntime")
    session = runtime.InferenceSession(str(output), providers=["CPUExecutionProvider"])
    crops = torch.rand(2, 3, 32, 32)
    (found,) = session.run(None, {"crops": crops.numpy()})
    assert np.allclose(found, unit(store.load(saved)(crops)).numpy(), atol=1e-5)
    about = json.loads(session.get_modelmeta().custom_metadata_map["phiz"])
    assert about["unit"] is True
    assert about["about"]["people"] == 3
    assert about["network"]["embedding"] == 8


def test_a_file_that_differs_is_told_of(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages()
    errors = io.StringIO()
    monkeypatch.setattr(export, "compare", lambda *_: 0.5)
    config = RecogniserExportConfig(network=str(saved), output=saved.with_suffix(".onnx"))
    export_recogniser(config, Console(quiet=True, errors=errors))
    assert "differ from those of phiz" in errors.getvalue()


def test_what_cannot_be_is_refused(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"exported as \.onnx"):
        options.parse(RecogniserExportConfig, ["-o", "identity.pt"])
    twin = saved.rename(tmp_path / "mine.onnx")
    with pytest.raises(UsageError, match="written over"):
        export_recogniser(RecogniserExportConfig(network=str(twin), output=twin), Console(quiet=True))
    pytest.importorskip("onnxruntime")
    with pytest.raises(CheckpointError, match="cannot be run"):
        export.compare(twin, Program(learned(FAMILIES["mobile"]), is_unit=False))
