"""Programs as ONNX: what stands in for words that ONNX lacks, and what a runtime draws."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from phiz.generator import onnx_files, program_files, programs
from phiz.generator.config import TINY
from phiz.generator.generator import Generator
from phiz.generator.program_files import Loaded
from phiz.generator.programs import Program

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
SMALL = replace(
    TINY,
    source="planes",
    planes_resolution=8,
    planes_most=8,
    planes_channels=3,
    resolution=16,
    mapping_layers=1,
    field_layers=1,
    background_layers=1,
    background_frequencies=1,
    samples=3,
    upsampling="nearest",
)


@pytest.fixture(scope="module")
def program() -> Program:
    with torch.random.fork_rng(devices=[]):
        torch.random.set_rng_state(torch.Generator().manual_seed(1).get_state())
        generator = Generator(SMALL).eval()
    generator.foreground.density.bias.data.fill_(6.0)
    return programs.whole(generator)


@pytest.fixture(scope="module")
def path(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    for name in PACKAGES:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"no package {name} here; pip install 'phiz[export]'")
    path = tmp_path_factory.mktemp("files") / "head.onnx"
    about = program_files.describe(program, SMALL, licence="Free as air", told={})
    onnx_files.write_onnx(path, program, about)
    return path


@pytest.fixture(scope="module")
def loaded(path: Path) -> Loaded:
    return onnx_files.load_onnx(path)


@pytest.mark.parametrize("seed", [1, 2])
@torch.no_grad()
def test_a_runtime_draws_what_torch_draws(loaded: Loaded, program: Program, seed: int) -> None:
    """For other people and other cameras than those that the file was made with."""
    chance = torch.Generator().manual_seed(seed)
    codes = {
        name: torch.randn(program.inputs[name].shape, generator=chance) for name in ("styles", "background")
    }
    cameras = programs.example_cameras(SMALL, 1, seed)
    expected, found = program.module(**codes, **cameras), loaded(**cameras, **codes)
    assert set(found) == {"image", "depth", "opacity"}
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], atol=1e-4, rtol=1e-4)
        assert not torch.allclose(value, program.outputs[name], atol=1e-3)


def test_a_file_says_what_it_is(loaded: Loaded, path: Path, program: Program) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load(path)
    assert loaded.about["licence"] == "Free as air"
    assert [value.name for value in model.graph.input] == list(program.inputs) == list(loaded.about["inputs"])
    assert [value.name for value in model.graph.output] == list(program.outputs)
    for value in (*model.graph.input, *model.graph.output):
        assert value.doc_string == programs.MEANINGS[value.name]


def test_planes_are_sampled_as_pictures(path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.shape_inference.infer_shapes(onnx.load(path))
    ranks = {value.name: len(value.type.tensor_type.shape.dim) for value in model.graph.value_info}
    sampled = [node for node in model.graph.node if node.op_type == "GridSample"]
    assert len(sampled) == 2
    assert [ranks[node.output[0]] for node in sampled] == [4, 4]


def test_other_tensors_than_wanted_are_refused(loaded: Loaded, program: Program) -> None:
    with pytest.raises(ValueError, match="'whole' takes"):
        loaded(**{**program.inputs, "intrinsics": torch.zeros(2, 3, 3)})


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_a_running_product_is_torch_s(axis: int) -> None:
    x = torch.rand(3, 4, 5, generator=torch.Generator().manual_seed(0)).clamp(max=0.9)
    torch.testing.assert_close(onnx_files.running_product(x, axis), x.cumprod(axis))


def test_places_are_those_of_torch_equal_values_and_ends_included() -> None:
    chance = torch.Generator().manual_seed(0)
    ascending = torch.rand(4, 6, 7, generator=chance).sort(dim=-1).values
    ascending[..., 3] = ascending[..., 2]
    values = torch.cat([ascending, torch.rand(4, 6, 9, generator=chance), ascending * 2 - 0.5], dim=-1)
    found = onnx_files.places_in(ascending, values)
    assert torch.equal(found, torch.searchsorted(ascending, values))
    assert found.min() == 0
    assert found.max() == 7
