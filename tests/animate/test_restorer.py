"""A user's own ONNX network makes frames finer, or is refused with a reason."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from phiz.animate.restorer import Restorer
from phiz.errors import CheckpointError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def network(path: Path, shape_in: list[object], op: str, **attributes: object) -> Path:
    """Write a network of one operation on a picture."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [helper.make_node(op, ["picture"], ["made"], **attributes)]
    graph = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info("picture", kind, shape_in)],
        [helper.make_tensor_value_info("made", kind, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def test_a_network_that_takes_any_size(tmp_path: Path) -> None:
    restorer = Restorer(network(tmp_path / "neg.onnx", [1, 3, "h", "w"], "Neg"))
    frame = torch.rand(3, 24, 32) * 2 - 1
    assert torch.allclose(restorer(frame), -frame)


def test_a_network_of_one_size_gets_frames_of_that_size(tmp_path: Path) -> None:
    restorer = Restorer(network(tmp_path / "neg.onnx", [1, 3, 48, 48], "Neg"))
    assert restorer(torch.rand(3, 24, 24)).shape == (3, 48, 48)


def test_networks_that_make_no_pictures_are_refused(tmp_path: Path) -> None:
    made = network(tmp_path / "flat.onnx", [1, 3, "h", "w"], "Flatten")
    with pytest.raises(CheckpointError, match="not a picture"):
        Restorer(made)(torch.rand(3, 8, 8))
    with pytest.raises(CheckpointError, match="one picture"):
        Restorer(network(tmp_path / "line.onnx", [1, 3], "Neg"))
    (tmp_path / "no.onnx").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="cannot be run"):
        Restorer(tmp_path / "no.onnx")
    with pytest.raises(CheckpointError, match="no file"):
        Restorer(tmp_path / "none.onnx")
