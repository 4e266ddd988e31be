"""Recordings are found by what they hold, and filled by their rule to the last bit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from parity import filled
from safetensors.torch import save_file

SHAPES = {
    "conv.weight": [4, 3, 3, 3],
    "bn.weight": [4],
    "bn.running_mean": [4],
    "bn.running_var": [4],
    "bn.num_batches_tracked": [],
    "act.slope": [4],
    "classbias": [2, 4],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "deep" / "anything"
    path.mkdir(parents=True)
    keys = {"seed": 8, "gain": 2.0, "overrides": {"conv": 0.5}, "prelu": ["act.slope"], "shapes": SHAPES}
    keys["inputs"] = {"x": '0.5*kron(unit("in",(2,3,2,2),8),ones(2,3)).float32'}
    keys["subsampling"] = {"y": "[:,::2]"}
    (path / "keys.json").write_text(json.dumps(keys))
    save_file({"y": torch.zeros(2, 2)}, path / "io.safetensors")
    (tmp_path / "keys.json").write_text(json.dumps({"note": "no network"}))
    return tmp_path


def test_numbers_are_those_of_the_recordings() -> None:
    hexadecimal = "0x1.a01113c02f495p-2 -0x1.06e5641fd23a6p-1 0x1.d45288f601e32p-2 -0x1.7fc9b31c9b7eep-3"
    assert [float(x).hex() for x in filled.unit("conv.weight", (4,), 0)] == hexadecimal.split()


def test_each_kind_of_tensor_has_its_law(folder: Path) -> None:
    (golden,) = filled.found(folder, ["conv.weight"])
    state = golden.state()
    assert list(state) == list(SHAPES)
    units = {name: torch.from_numpy(filled.unit(name, shape, 8)) for name, shape in SHAPES.items()}
    width = 3**0.5
    expected = {
        "conv.weight": 0.5 * units["conv.weight"] / 27**0.5,
        "bn.weight": 1 + 0.2 * units["bn.weight"] / width,
        "bn.running_mean": 0.1 * units["bn.running_mean"],
        "bn.running_var": 1 + 0.5 * units["bn.running_var"] / width,
        "act.slope": 0.25 + 0.1 * units["act.slope"] / width,
        "classbias": units["classbias"],
    }
    for name, value in expected.items():
        torch.testing.assert_close(state[name], value.float(), atol=1e-6, rtol=0, msg=name)
    assert state["bn.num_batches_tracked"].dtype == torch.int64
    assert int(state["bn.num_batches_tracked"]) == 0


def test_a_wrong_digest_is_noticed(folder: Path) -> None:
    (golden,) = filled.found(folder, [])
    with pytest.raises(AssertionError, match="other weights"):
        filled.state({**golden.keys, "state_sha256": "0" * 64})


def test_folders_are_known_by_their_tensors(folder: Path) -> None:
    assert [one.label for one in filled.found(folder, ["bn.weight"], label="here/")] == ["here/deep/anything"]
    assert filled.found(folder, ["bn.weight", "fc.weight"]) == []
    assert filled.found(folder / "nowhere", []) == []


def test_inputs_are_made_of_words(folder: Path) -> None:
    (golden,) = filled.found(folder, [])
    small = torch.from_numpy(filled.unit("in", (2, 3, 2, 2), 8)).float() * 0.5
    expected = small.repeat_interleave(2, dim=2).repeat_interleave(3, dim=3)
    assert torch.equal(golden.input("x"), expected)
    words = 'uniform("in", (2, 3, 1, 1), 0, 2, 8)'
    tinted = filled.described(
        f"1*{words}.float32 + 1*{words}.float32, second image times (0,1,2) per channel"
    )
    plain = filled.described(f"2*{words}.float32")
    assert torch.equal(tinted[0], plain[0])
    assert torch.allclose(tinted[1], plain[1] * torch.arange(3.0)[:, None, None])
    with pytest.raises(AssertionError, match="nothing is known"):
        filled.described("some noise")


def test_results_are_thinned_as_they_were(folder: Path) -> None:
    (golden,) = filled.found(folder, [])
    found = torch.arange(12.0).reshape(2, 6)
    assert torch.equal(golden.thinned("y", found), found[:, ::2])
    assert torch.equal(golden.thinned("other", found), found)
