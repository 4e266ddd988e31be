"""The losses of the published face reconstruction against numbers recorded from it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from phiz.face import bfm
from phiz.face.coeffs import FaceCoeffs
from phiz.graphics import shade
from phiz.train import regress_losses as losses
from phiz.train.regress_config import PhotoWeights

RELATIVE = 1e-5


@pytest.fixture(scope="module")
def recorded(goldens: Path) -> dict[str, Tensor]:
    folder = goldens / "bfm"
    if not (folder / "losses.safetensors").is_file():
        pytest.skip(f"no recorded losses in {folder}")
    return load_file(folder / "io.safetensors") | load_file(folder / "losses.safetensors")


@pytest.fixture(scope="module")
def face(recorded: dict[str, Tensor]) -> FaceCoeffs:
    return bfm.from_vector(recorded["coeffs"][:2])


def _assert_close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found.reshape(1).to(expected), expected, rtol=RELATIVE, atol=1e-7)


def test_colours_match(recorded: dict[str, Tensor]) -> None:
    drawn, wanted, mask = (recorded[f"photo_{name}"] for name in ("a", "b", "mask"))
    _assert_close(losses.photo_loss(drawn, wanted, mask), recorded["photo_loss"])
    _assert_close(losses.photo_loss(drawn, wanted, mask * 0), recorded["photo_loss_empty"])


def test_landmarks_match(recorded: dict[str, Tensor]) -> None:
    found = losses.landmark_loss(recorded["lm_pred"], recorded["lm_gt"])
    _assert_close(found, recorded["landmark_loss"])


def test_likeness_matches(recorded: dict[str, Tensor]) -> None:
    _assert_close(losses.perceptual_loss(recorded["feat_a"], recorded["feat_b"]), recorded["perceptual_loss"])


def test_regularisers_match(recorded: dict[str, Tensor], face: FaceCoeffs) -> None:
    weights = PhotoWeights()
    each = (weights.identity, weights.expression, weights.texture)
    found = losses.coefficient_loss(face.identity, face.expression, face.texture, weights=each)
    _assert_close(found, recorded["reg_loss"])
    gamma = face.light - shade.with_ambient(torch.zeros_like(face.light))
    _assert_close(losses.gamma_loss(gamma), recorded["gamma_loss"])


def test_reflectance_matches(recorded: dict[str, Tensor], goldens: Path) -> None:
    model = bfm.read(goldens / "bfm" / "BFM_model_front.mat")
    found = losses.reflectance_loss(recorded["texture"][:2], model.skin_mask)
    _assert_close(found, recorded["reflectance_loss"])
