"""BFM 2009 against numbers recorded from the published face reconstruction."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from phiz.face import bfm
from phiz.face.bfm import Bfm
from phiz.graphics import rotation

PIXEL = 1e-4
CLOSE = 1e-5


@pytest.fixture(scope="module")
def recorded(goldens: Path) -> dict[str, Tensor]:
    path = goldens / "bfm" / "io.safetensors"
    if not path.is_file():
        pytest.skip(f"no recorded numbers in {path}")
    return load_file(path)


@pytest.fixture(scope="module")
def model(goldens: Path, recorded: dict[str, Tensor]) -> Bfm:
    return bfm.read(goldens / "bfm" / "BFM_model_front.mat")


def _assert_close(found: Tensor, expected: Tensor, tolerance: float) -> None:
    torch.testing.assert_close(found, expected, atol=tolerance, rtol=0)


def test_shapes_match(model: Bfm, recorded: dict[str, Tensor]) -> None:
    _assert_close(model.mean.reshape(-1, 1), recorded["mean_shape_recentred"], CLOSE)
    _assert_close(model.vertices(bfm.from_vector(recorded["coeffs"])), recorded["shape"], CLOSE)


def test_rotations_match(recorded: dict[str, Tensor]) -> None:
    angles = bfm.from_vector(recorded["coeffs"]).rotation
    _assert_close(rotation.from_euler(angles).transpose(1, 2), recorded["rotation"], CLOSE)


def test_normals_match(model: Bfm, recorded: dict[str, Tensor]) -> None:
    normals = model.normals(recorded["shape"])
    _assert_close(normals, recorded["normal"], CLOSE)
    _assert_close(normals @ recorded["rotation"], recorded["normal_rotated"], CLOSE)


def test_skin_and_its_shading_match(model: Bfm, recorded: dict[str, Tensor]) -> None:
    face = bfm.from_vector(recorded["coeffs"])
    _assert_close(model.colours(face), recorded["texture"], CLOSE)
    _assert_close(model.lit_colours(face), recorded["color"], CLOSE)


def test_pictures_of_points_match(model: Bfm, recorded: dict[str, Tensor]) -> None:
    face = bfm.from_vector(recorded["coeffs"])
    seen = bfm.to_camera(model.vertices(face), face)
    _assert_close(seen, recorded["vertex_camera"], CLOSE)
    _assert_close(bfm.project(seen), recorded["projection"], PIXEL)
    _assert_close(bfm.project(model.landmarks(seen)), recorded["landmarks"], PIXEL)


def test_the_published_vector_comes_back(recorded: dict[str, Tensor]) -> None:
    _assert_close(bfm.to_vector(bfm.from_vector(recorded["coeffs"])), recorded["coeffs"], 1e-6)
