"""The verb writes what is asked for, checks it, and says whose it is."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from phiz import options
from phiz.console import Console
from phiz.errors import MissingError, UsageError
from phiz.generator import export, programs, store
from phiz.generator.config import TINY
from phiz.generator.generator import Generator
from phiz.generator.program_files import Loaded
from phiz.graphics.camera import Camera

SMALL = replace(
    TINY,
    resolution=8,
    background="none",
    is_hierarchical=False,
    mapping_layers=1,
    field_layers=1,
    upsampling="bilinear",
)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with torch.random.fork_rng(devices=[]):
        torch.random.set_rng_state(torch.Generator().manual_seed(1).get_state())
        generator = Generator(SMALL).eval()
    generator.foreground.density.bias.data.fill_(6.0)
    path = tmp_path_factory.mktemp("weights") / "network.safetensors"
    store.save_generator(path, generator, about={"licence": "Free as air"})
    return path


def config(words: str) -> export.ExportConfig:
    return options.parse(export.ExportConfig, words.split())


@torch.no_grad()
def test_a_seed_becomes_a_file_of_one_person(weights: Path, tmp_path: Path) -> None:
    said, path = io.StringIO(), tmp_path / "person.PT2"
    asked = config(f"{weights} --seed 3 --psi 0.5 -o {path}")
    found = export.export_verb(asked, Console(output=said, errors=said))
    (entry,) = found["files"]
    assert found["licence"] == "Free as air"
    assert "Free as air" in said.getvalue()
    assert "otherwise" not in said.getvalue()
    assert entry["file"] == str(path)
    assert entry["bytes"] == path.stat().st_size > 1000
    assert 0 <= entry["apart"]["mean"] <= entry["apart"]["largest"] < 1e-5
    loaded = export.load(path)
    assert loaded.about["licence"] == "Free as air"
    assert set(loaded.about["inputs"]) == set(programs.CAMERA)
    generator = store.load(weights)
    cameras = programs.example_cameras(SMALL, 1, seed=4)
    z = torch.randn(1, SMALL.z_size, generator=torch.Generator().manual_seed(3))
    expected = generator.render(generator.styles(z, psi=0.5), Camera(**cameras)).image
    torch.testing.assert_close(loaded(**cameras)["image"], expected, atol=1e-5, rtol=1e-4)


def test_the_programs_asked_for_are_chosen(weights: Path) -> None:
    generator = store.load(weights)

    def names(words: str) -> dict[str, list[str]]:
        found = export.chosen(generator, config(words))
        return {str(path): list(program.inputs) for path, program in found}

    both = names("-o a/head.onnx")
    assert list(both) == [str(Path("a/head.prepare.onnx")), str(Path("a/head.draw.onnx"))]
    assert both[str(Path("a/head.prepare.onnx"))] == ["styles"]
    assert names("-o head.pt2 --whole") == {"head.pt2": ["styles", *programs.CAMERA]}
    assert names("-o head.pt2 --whole --code z") == {"head.pt2": ["z", "psi", *programs.CAMERA]}
    assert names("-o head.pt2 --seed 1") == {"head.pt2": list(programs.CAMERA)}
    ((_, seen),) = export.chosen(generator, config("-o head.pt2 --seed 1 --views 3"))
    assert seen.outputs["image"].shape == (3, 3, 8, 8)


def test_a_difference_is_seen_from_other_cameras(weights: Path) -> None:
    program = programs.whole(store.load(weights))
    others = programs.whole(store.load(weights))

    def run(tensors: programs.Tensors) -> dict[str, torch.Tensor]:
        return others.module(**tensors)

    def first_picture_always(tensors: programs.Tensors) -> dict[str, torch.Tensor]:
        return dict(program.outputs)

    about = {"program": "whole", "inputs": {k: {"shape": v.shape} for k, v in program.inputs.items()}}
    assert export.difference(Loaded(about=about, run=run), program) == (0, 0)
    far = export.difference(Loaded(about=about, run=first_picture_always), program)
    assert far.largest > far.mean > export.FAR_APART


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--whole --seed 3", "one of them"), ("--seed -1", "--seed"), ("--views 0", "--views 0"),
        ("--code w", "styles, z"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(words: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        config(words)


def test_what_cannot_be_is_said_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = tmp_path / "nothing.safetensors"  # would be the next thing to complain about
    with pytest.raises(UsageError, match=r"neither \.onnx nor \.pt2"):
        export.export_verb(config(f"{nowhere} -o head.tflite"), Console(quiet=True))
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingError, match=r"phiz\[export\]"):
        export.export_verb(config(f"{nowhere} -o head.onnx"), Console(quiet=True))


def test_labels_make_nobody_of_a_seed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="label"):
        export.person(Generator(replace(SMALL, labels=2)).eval(), 1, 0.7)


def test_a_file_that_nothing_here_can_run_is_not_compared(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    program = programs.whole(store.load(weights))
    assert export.check(tmp_path / "head.onnx", program) is None


@pytest.mark.parametrize(
    ("apart", "words"),
    [
        (None, "onnxruntime is not there"),
        ({"mean": 2e-7, "largest": 3e-2}, "2e-07 from phiz in the mean, 3e-02 at most"),
        ({"mean": 0.1, "largest": 0.5}, "otherwise"), ({"mean": float("nan"), "largest": 0.5}, "otherwise"),
    ],
)  # fmt: skip
def test_how_far_a_file_is_from_phiz_is_told(apart: dict[str, float] | None, words: str) -> None:
    said = io.StringIO()
    entry = {"file": "head.onnx", "program": "draw", "bytes": 1_500_000, "apart": apart}
    export.tell(entry, Console(output=said, errors=said))
    assert "head.onnx: program 'draw', 1.5 MB" in said.getvalue()
    assert words in said.getvalue()
    assert ("otherwise" in said.getvalue()) == (words == "otherwise")
