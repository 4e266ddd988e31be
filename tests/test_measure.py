"""A generator is measured on strangers; numbers and sheets are left behind."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from gan_fixtures import few_portraits
from PIL import Image

from phiz import measure
from phiz.console import Console
from phiz.errors import UsageError
from phiz.generator import store
from phiz.generator.config import TINY
from phiz.generator.generator import Generator
from phiz.measure import MeasureConfig
from phiz.train import warm
from phiz.train.sitters import Sitters

__all__ = ["few_portraits"]


def test_numbers_and_sheets_are_left(few_portraits: Path, tmp_path: Path) -> None:
    sitters = Sitters(few_portraits)
    generator = warm.beginner(replace(TINY, z_size=sitters.code_size), sitters, 0)
    store.save_generator(tmp_path / "made.safetensors", generator)
    config = MeasureConfig(
        generator=tmp_path / "made.safetensors", portraits=few_portraits, output=tmp_path / "out", people=2
    )
    found = measure.measure_verb(config, Console(quiet=True))
    written = json.loads((tmp_path / "out" / "numbers.json").read_text())
    assert written == {name: value for name, value in found.items() if name != "output"}
    assert {"psnr", "ssim", "perceptual", "coverage_error", "found_aside"} <= set(written)
    assert 0 < written["psnr"] < 40
    sizes = {}
    for name in ("truth", "sheet"):
        with Image.open(tmp_path / "out" / f"{name}.png") as opened:
            sizes[name] = opened.size
    assert sizes == {"truth": (4 * 32, 2 * 32), "sheet": (10 * 32, 12 * 32)}


def test_a_generator_of_other_codes_is_refused(few_portraits: Path, tmp_path: Path) -> None:
    store.save_generator(tmp_path / "made.safetensors", Generator(TINY))
    config = MeasureConfig(generator=tmp_path / "made.safetensors", portraits=few_portraits)
    with pytest.raises(UsageError, match="do not fit a generator of 12"):
        measure.measure_verb(config, Console(quiet=True))


def test_every_picture_has_its_numbers(few_portraits: Path) -> None:
    sitters = Sitters(few_portraits)
    sitting = sitters.batch(np.array([0]), 2)
    generator = warm.beginner(replace(TINY, z_size=sitters.code_size), sitters, 0).eval()
    found = measure.compared(generator, sitting)
    assert set(found) == {"psnr", "psnr_face", "ssim", "perceptual", "depth_mm", "coverage_error"}
    assert all(values.shape == (2,) for values in found.values())
    assert measure.middle(torch.zeros(1, 3, 100, 100)).shape[-1] == 60
    assert measure.middle(torch.zeros(1, 3, 34, 34)).shape[-1] == 32
