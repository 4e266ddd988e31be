"""A head model by what a user calls it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from phiz import checkpoint
from phiz.errors import CheckpointError, HeadError
from phiz.face import bfm_file, models
from phiz.face.supplied import SuppliedHead


def test_a_folder_is_a_supplied_head(miniature_folder: Path) -> None:
    assert isinstance(models.open_model(str(miniature_folder)), SuppliedHead)


def test_a_name_that_is_nothing_is_refused() -> None:
    with pytest.raises(HeadError, match="'built-in'"):
        models.open_model("no such head")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("a.mat", "MATLAB"),
        ("a.pkl", "pickle"),
        ("a.npz", "no .npz archive"),
        ("a.safetensors", "cannot be read"),
    ],
)
def test_the_ending_says_who_reads_a_file(tmp_path: Path, name: str, hint: str) -> None:
    (tmp_path / name).write_bytes(b"not what it says, and long enough " * 9)
    with pytest.raises(HeadError, match=hint):
        models.open_model(str(tmp_path / name))


def test_an_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros(3))
    with pytest.raises(HeadError, match="v_template"):
        models.open_model(str(tmp_path / "a.npz"))


def test_an_imported_basel_model_is_opened(tmp_path: Path) -> None:
    arrays = {"shape": np.zeros(3, np.float32)}
    path = tmp_path / "basel.safetensors"
    checkpoint.save(
        path,
        kind=bfm_file.KIND,
        config={"about": {}},
        tensors={name: torch.from_numpy(value) for name, value in arrays.items()},
    )
    with pytest.raises(CheckpointError, match="no whole face model"):  # its own reader looks into it
        models.open_model(str(path))


def test_our_own_file_of_another_kind_is_named(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "a.safetensors", kind="motion", config={}, tensors={})
    with pytest.raises(CheckpointError, match="motion"):
        models.open_model(str(tmp_path / "a.safetensors"))
