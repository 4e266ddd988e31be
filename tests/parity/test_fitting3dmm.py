"""The published fitting against recorded numbers: its maths, its losses, its descent step for step."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from phiz.face import bfm, fit_published
from phiz.face.bfm import Bfm
from phiz.face.coeffs import FaceCoeffs
from phiz.face.fit_published import PublishedConfig
from phiz.graphics import rotation

FILE = "io.safetensors"
MARKS = frozenset(("lms_proj", "vs_t", "lm_weights"))
"""Names by which a recording of this kind is known."""
SIZE = 224
"""Side of the recorded pictures, unless a name or the recording itself says another."""
NOTHING = "no recorded fits are at hand; name their folder with --goldens"
CLOSE, PIXEL, COLOUR, DESCENT = 1e-5, 1e-4, 1e-3, 1e-4
"""What maths, points, colours (0 to 255) and results of many steps may deviate by."""


@dataclass(frozen=True)
class Fits:
    """A folder of recorded fits."""

    path: Path

    @cached_property
    def tensors(self) -> dict[str, Tensor]:
        return load_file(self.path / FILE)

    @cached_property
    def about(self) -> dict[str, Any]:
        path = self.path / "keys.json"
        about: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return about

    @cached_property
    def model(self) -> Bfm:
        path = self.path / self.about.get("bfm", "../bfm/BFM_model_front.mat")
        if not path.is_file():
            pytest.skip(f"{self.path.name} has no head model at {path}")
        return bfm.read(path)

    @property
    def size(self) -> int:
        return int(self.about.get("size", SIZE))

    @property
    def face(self) -> FaceCoeffs:
        return bfm.from_vector(self["coeffs"])

    def __getitem__(self, name: str) -> Tensor:
        if name not in self.tensors:
            pytest.skip(f"{self.path.name} has no {name}")
        return self.tensors[name]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test every folder that holds recorded fits."""
    if "fits" not in metafunc.fixturenames:
        return
    goldens: Path = metafunc.config.getoption("--goldens")
    found = [Fits(file.parent) for file in sorted(goldens.rglob(FILE)) if _is_one(file)]
    marked = found or [pytest.param(None, marks=pytest.mark.skip(reason=NOTHING))]
    metafunc.parametrize("fits", marked, ids=[one.path.name for one in found] or None)


def _is_one(file: Path) -> bool:
    with safe_open(file, framework="pt") as opened:
        return set(opened.keys()) >= MARKS


def _assert_close(found: Tensor, expected: Tensor, tolerance: float) -> None:
    torch.testing.assert_close(found.double(), expected.double().reshape(found.shape), atol=tolerance, rtol=0)


def test_surfaces_match(fits: Fits) -> None:
    surface = fits.model.vertices(fits.face)
    _assert_close(surface, fits["vs"], CLOSE)
    turned = rotation.from_euler(fits.face.rotation)
    _assert_close(turned.mT, fits["rotation"], CLOSE)
    seen = fit_published.before_camera(surface, fits.face, fits.model)
    placed = fits["vs_t"]
    _assert_close(seen[..., :2], placed[..., :2], CLOSE)
    _assert_close(bfm.CAMERA_DISTANCE - seen[..., 2], placed[..., 2], CLOSE)


def test_colours_match(fits: Fits) -> None:
    lit, plain = fit_published.lit_colours(fits.model.vertices(fits.face), fits.face, fits.model)
    _assert_close(plain, fits["face_texture"], COLOUR)
    _assert_close(lit, fits["face_color"], COLOUR)


def test_landmarks_match_in_pictures_of_every_recorded_size(fits: Fits) -> None:
    seen = fit_published.before_camera(fits.model.vertices(fits.face), fits.face, fits.model)
    for name, expected in fits.tensors.items():
        if found := re.fullmatch(r"lms_proj(?:_(\d+))?", name):
            size = int(found[1]) if found[1] else fits.size
            _assert_close(fit_published.project(seen, fits.model, size), expected, PIXEL)


def test_losses_match(fits: Fits) -> None:
    _assert_close(fit_published.landmark_weights(fits["lms_proj"]), fits["lm_weights"], 1e-8)
    landmarks = fit_published.landmark_loss(fits["lms_proj"], fits["lms_gt"], fits.size)
    _assert_close(landmarks, fits["lm_loss"], CLOSE)
    photo = fits["photo_pred"], fits["photo_gt"], fits["photo_mask"]
    for nan_safe in (True, False):
        found = fit_published.photo_loss(*photo, nan_safe=nan_safe)
        _assert_close(found, fits["photo_loss"], CLOSE)
    reflectance = fit_published.reflectance_loss(fits["face_texture"], fits.model.skin_mask)
    _assert_close(reflectance, fits["reflectance_loss"], CLOSE)
    _assert_close(fits.face.expression.square().sum(), fits["l2_exp"], 1e-4 * float(fits["l2_exp"]))


def test_crops_match(fits: Fits) -> None:
    cases = [value.tolist() for name, value in fits.tensors.items() if name.startswith("pad_bbox")]
    if not cases:
        pytest.skip(f"{fits.path.name} has no crops")
    for case in cases:
        found = fit_published.padded_box(case[:4], int(case[4]), int(case[5]))
        assert found == tuple(int(value) for value in case[6:])


def test_the_descent_matches_step_for_step(fits: Fits) -> None:
    target, rigid, free = (fits[n] for n in ("rigid_target", "rigid_loss_history", "nonrigid_total_history"))
    config = PublishedConfig(rigid_steps=len(rigid), free_steps=len(free), one_person=True)
    found = fit_published.fit_published(fits.model, target, fits.size, config=config)
    weighed = torch.tensor(found.rigid_losses) / config.landmark_weight  # recorded before it was weighed
    _assert_close(weighed, rigid, CLOSE)
    _assert_close(torch.tensor(found.free_losses), free, DESCENT)
    _assert_close(bfm.to_vector(found.face), fits["nonrigid_coeffs"], DESCENT)
