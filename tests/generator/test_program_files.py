"""A program in a file is the program that was written, and says what it is; other files are refused."""

from __future__ import annotations

import io
import json
import logging
import warnings
import zipfile
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from phiz.errors import CheckpointError
from phiz.generator import program_files, programs
from phiz.generator.config import TINY
from phiz.generator.generator import Generator
from phiz.generator.program_files import Loaded
from phiz.generator.programs import Program

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
    path = tmp_path_factory.mktemp("files") / "head.pt2"
    about = program_files.describe(program, SMALL, licence="Free as air", told={"code": {"size": 12}})
    program_files.write_pt2(path, program, about)
    return path


@pytest.fixture(scope="module")
def loaded(path: Path) -> Loaded:
    return program_files.load_pt2(path)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_file_draws_what_the_program_draws(loaded: Loaded, program: Program, seed: int) -> None:
    """For other people and other cameras than those that it was made with."""
    chance = torch.Generator().manual_seed(seed)
    codes = {
        name: torch.randn(program.inputs[name].shape, generator=chance) for name in ("styles", "background")
    }
    cameras = programs.example_cameras(SMALL, 1, seed)
    with torch.no_grad():
        expected = program.module(**codes, **cameras)
    found = loaded(**cameras, **codes)  # in another order
    assert set(found) == {"image", "depth", "opacity"}
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], atol=1e-5, rtol=1e-4)
        assert not torch.allclose(value, program.outputs[name], atol=1e-3)


def test_a_file_says_what_it_is(path: Path, program: Program) -> None:
    about = program_files.read_about(path)
    assert about["program"] == "whole"
    assert about["licence"] == "Free as air"
    assert about["about"] == {"code": {"size": 12}}
    assert about["generator"] == json.loads(json.dumps(asdict(SMALL)))
    assert about["inputs"]["intrinsics"]["shape"] == [1, 3, 3]
    assert "-z" in about["inputs"]["world_from_camera"]["meaning"]
    assert about["outputs"]["image"]["shape"] == [1, 3, 16, 16]
    assert {*about["inputs"], *about["outputs"]} == {*program.inputs, *program.outputs}


def test_a_file_does_not_tell_where_it_was_made(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        content = b"".join(archive.read(name) for name in archive.namelist())
    assert b"render" not in content
    assert b"site-packages" not in content
    assert str(Path(program_files.__file__).parent).encode() not in content
    assert [entry.name for entry in path.parent.iterdir()] == ["head.pt2"]


def test_graphs_are_of_torch_alone_and_sample_pictures_only(loaded: Loaded, path: Path) -> None:
    """No loops of ours, no gradients of ours, and no 5-D sampling, which few runtimes know."""
    with program_files.quiet():
        graph = torch.export.load(path).graph
    calls = [node for node in graph.nodes if node.op == "call_function"]
    names = {str(node.target).partition(".")[0] for node in calls if "getitem" not in str(node.target)}
    assert names == {"aten"}
    sampled = [node for node in calls if "grid_sampler" in str(node.target)]
    assert len(sampled) == 2
    assert all(node.args[0].meta["val"].ndim == 4 for node in sampled)


def test_other_tensors_than_wanted_are_refused(loaded: Loaded, program: Program) -> None:
    with pytest.raises(ValueError, match=r"'whole' takes .*'intrinsics': \(1, 3, 3\)"):
        loaded(**{**program.inputs, "intrinsics": torch.zeros(2, 3, 3)})
    with pytest.raises(ValueError, match="takes"):
        loaded(**program.inputs, extra=torch.zeros(1))


def rewritten(path: Path, target: Path, ending: str, old: bytes, new: bytes) -> Path:
    """Write an archive again, with other words in the parts whose names have that ending."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(buffer, "w") as made:
        for name in source.namelist():
            content = source.read(name)
            made.writestr(name, content.replace(old, new) if name.endswith(ending) else content)
    target.write_bytes(buffer.getvalue())
    return target


@pytest.mark.parametrize(
    ("old", "new"), [(b'"use_pickle": false', b'"use_pickle": true'), (b'"weight_', b'"custom_obj_')]
)
def test_what_would_be_unpickled_is_refused(path: Path, tmp_path: Path, old: bytes, new: bytes) -> None:
    untouched = rewritten(path, tmp_path / "same.pt2", "_config.json", old, old)
    assert program_files.read_about(untouched) == program_files.read_about(path)
    hostile = rewritten(path, tmp_path / "hostile.pt2", "_config.json", old, new)
    with pytest.raises(CheckpointError, match="pickles"):
        program_files.load_pt2(hostile)


def test_other_files_are_refused(path: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no file"):
        program_files.load_pt2(tmp_path / "nothing.pt2")
    (tmp_path / "half.pt2").write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="damaged"):
        program_files.load_pt2(tmp_path / "half.pt2")
    with zipfile.ZipFile(tmp_path / "foreign.pt2", "w") as archive:
        archive.writestr("archive/version", "1")
    with pytest.raises(CheckpointError, match="not exported by phiz"):
        program_files.load_pt2(tmp_path / "foreign.pt2")


def test_what_torch_says_about_itself_is_kept_back_and_no_longer() -> None:
    before = logging.root.manager.disable
    with program_files.quiet():
        warnings.warn("old", FutureWarning, stacklevel=1)
        assert not logging.getLogger("torch").isEnabledFor(logging.WARNING)
        assert logging.getLogger("torch").isEnabledFor(logging.ERROR)
    assert logging.root.manager.disable == before
    with pytest.raises(FutureWarning):
        warnings.warn("old", FutureWarning, stacklevel=1)
