"""The Basel model as published, and as its makers give it away, become the same file of ours."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import scipy.io
import torch

from phiz import checkpoint
from phiz.console import Console
from phiz.errors import CheckpointError, HeadError, UsageError
from phiz.face import bfm, bfm_file
from phiz.face.supplied import SuppliedHead
from phiz.importers import facemodel
from phiz.importers.facemodel import FacemodelImportConfig

Fields = dict[str, npt.NDArray[np.generic]]
MORE = 7
"""Vertices that the given model has and the trimmed one has not; and modes likewise."""


@pytest.fixture
def given(miniature: SuppliedHead, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder as it is gathered: the model, its expressions, and lists of vertices."""
    folder = tmp_path_factory.mktemp("bfm")
    chance = np.random.default_rng(0)
    triangles = miniature.triangles[miniature.parts < 13].numpy()
    count = int(triangles.max()) + 1
    whole, trimmed = count + 2 * MORE, count + MORE
    to_whole = np.sort(chance.permutation(whole)[:trimmed])
    front = np.sort(chance.permutation(trimmed)[:count])
    mean = chance.standard_normal((whole, 3)) * 1e5
    mean[to_whole[front]] = 1e6 * miniature.mean[:count].double().numpy()
    model = {"shapeMU": mean.reshape(-1, 1), "texMU": chance.uniform(100, 200, (3 * whole, 1))}
    for name in ("shape", "tex"):
        model[f"{name}PC"] = chance.standard_normal((3 * whole, 80 + MORE)).astype(np.float32)
        model[f"{name}EV"] = chance.uniform(10, 20, (80 + MORE, 1))
    scipy.io.savemat(folder / "01_MorphableModel.mat", {**model, "segbin": np.zeros((whole, 4))})
    scipy.io.savemat(folder / "BFM_exp_idx.mat", {"trimIndex": to_whole[:, None] + 1.0})
    scipy.io.savemat(folder / "BFM_front_idx.mat", {"idx": front[:, None] + 1.0})
    modes = chance.standard_normal((65, 3 * trimmed)).astype("<f4")
    (folder / "Exp_Pca.bin").write_bytes(np.array([64], "<i4").tobytes() + modes.tobytes())
    (folder / "std_exp.txt").write_text(" ".join(f"{x:.4f}" for x in chance.uniform(1, 2, 64)))
    seen = np.flatnonzero(miniature.mean[:count, 2] > 0)
    place = np.full(count, -1)
    place[seen] = np.arange(len(seen))
    inner = place[triangles][(place[triangles] >= 0).all(axis=1)]
    facts = {
        "tri": triangles + 1.0,
        "keypoints": miniature.landmark_vertices.numpy()[None] + 1.0,
        "point_buf": np.ones((count, 8)),
        "frontmask2": np.ones((count, 1)),
        "frontmask2_idx": seen[:, None] + 1.0,
        "tri_mask2": inner + 1.0,
        "skinmask": (miniature.skin_mask[:count].numpy()[None] > 0).astype(np.uint8),
    }
    scipy.io.savemat(folder / "facemodel_info.mat", facts)
    return folder


def published(folder: Path) -> Fields:
    """Return the fields of the published file by the recipe, one vertex after the other."""
    model, facts = (
        scipy.io.loadmat(folder / name) for name in ("01_MorphableModel.mat", "facemodel_info.mat")
    )
    front = scipy.io.loadmat(folder / "BFM_front_idx.mat")["idx"].astype(int)[:, 0] - 1
    trimmed = scipy.io.loadmat(folder / "BFM_exp_idx.mat")["trimIndex"].astype(int)[:, 0] - 1
    data = (folder / "Exp_Pca.bin").read_bytes()
    moved = np.frombuffer(data[4:], "<f4").reshape(65, -1)[1:].T * np.loadtxt(folder / "std_exp.txt")
    shapes, colours = (model[f"{name}PC"] * model[f"{name}EV"][:, 0] for name in ("shape", "tex"))
    rows = np.array([3 * trimmed[one] + axis for one in front for axis in range(3)])
    small = np.array([3 * one + axis for one in front for axis in range(3)])
    return {
        "meanshape": model["shapeMU"][rows].T / 1e5,
        "idBase": shapes[rows, :80] / 1e5,
        "exBase": moved[small, :64] / 1e5,
        "meantex": model["texMU"][rows].T,
        "texBase": colours[rows, :80],
        **{
            name: facts[name]
            for name in ("tri", "point_buf", "tri_mask2", "keypoints", "frontmask2_idx", "skinmask")
        },
    }


def imported(file: Path, output: Path) -> tuple[bfm.Bfm, dict[str, object], str]:
    told = io.StringIO()
    config = FacemodelImportConfig(file=file, output=output)
    done = facemodel.import_facemodel(config, Console(output=told))
    return bfm_file.load(output), dict(done), told.getvalue()


def test_the_published_file_comes_back_bit_by_bit(given: Path, tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "BFM_model_front.mat", published(given), do_compression=True)
    model, done, told = imported(tmp_path / "BFM_model_front.mat", tmp_path / "bfm.safetensors")
    assert done["skipped"] == ["point_buf"]
    assert "University of Basel" in told
    for name, value in bfm.read(tmp_path / "BFM_model_front.mat").state_dict().items():
        assert torch.equal(model.state_dict()[name], value), name


def test_what_the_makers_give_becomes_the_published_model(given: Path, tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "BFM_model_front.mat", published(given))
    model, done, _ = imported(given, tmp_path / "bfm.safetensors")
    expected = bfm.read(tmp_path / "BFM_model_front.mat").state_dict()
    for name, value in expected.items():
        torch.testing.assert_close(model.state_dict()[name], value, rtol=1e-6, atol=1e-6, msg=name)
    assert done["vertices"] == len(expected["mean"])
    assert float(expected["identity_modes"].abs().max()) > 0


def test_fields_that_are_missing_or_strange_are_named(given: Path, tmp_path: Path) -> None:
    path, fields = tmp_path / "model.mat", published(given)
    scipy.io.savemat(path, {name: value for name, value in fields.items() if name != "texBase"})
    with pytest.raises(HeadError, match=r"lacks texBase\. Give BFM_model_front\.mat"):
        facemodel.read(path)
    scipy.io.savemat(path, {**fields, "brain": np.ones((2, 2))})
    with pytest.raises(HeadError, match="holds brain, which is not known"):
        facemodel.read(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("std_exp.txt", None, r"lacks std_exp\.txt"),
        ("std_exp.txt", b"one two", "should hold numbers"),
        ("Exp_Pca.bin", b"\0\0\0\0", "does not hold expressions of"),
        ("std_exp.txt", b"1 2 3", "do not belong together"),
    ],
)
def test_parts_that_are_missing_or_broken_are_named(
    given: Path, tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    for path in given.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(HeadError, match=message):
        facemodel.read(tmp_path)


def test_lists_of_vertices_have_to_be_lists(given: Path, tmp_path: Path) -> None:
    for path in given.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    for wrong, message in (
        ({"idx": np.zeros((3, 1))}, "no list 'idx'"),
        ({"other": np.ones((3, 1))}, "no list 'idx'"),
    ):
        scipy.io.savemat(tmp_path / "BFM_front_idx.mat", wrong)
        with pytest.raises(HeadError, match=message):
            facemodel.read(tmp_path)
    scipy.io.savemat(tmp_path / "BFM_front_idx.mat", {"idx": np.full((3, 1), 1e6)})
    with pytest.raises(HeadError, match="do not belong together"):
        facemodel.read(tmp_path)


def test_a_model_is_never_written_over(given: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.mat"
    scipy.io.savemat(path, published(given))
    with pytest.raises(UsageError, match="would be written over"):
        facemodel.import_facemodel(FacemodelImportConfig(file=path, output=path), Console(quiet=True))


def test_files_of_ours_that_lack_something_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bfm.safetensors"
    checkpoint.save(path, kind=bfm_file.KIND, config={}, tensors={"meanshape": torch.zeros(1, 9)})
    with pytest.raises(CheckpointError, match="holds no whole face model"):
        bfm_file.load(path)
