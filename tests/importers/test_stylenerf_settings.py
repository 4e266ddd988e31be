"""Settings that change pictures but no tensor are taken over, or the file is refused: never passed over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from importers import snapshots

from phiz.errors import CheckpointError
from phiz.importers import stylenerf, stylenerf_names, stylenerf_settings
from phiz.importers.stylenerf import Published

TENSORS = snapshots.generator_names(snapshots.networks()[0])
GROWN = 1.0


def _settings(group: str, name: str, value: object) -> dict[str, Any]:
    """Return a tiny generator's settings with one of them changed; no group is the synthesis itself."""
    settings = snapshots.settings()
    if group == "mapping_kwargs":
        return {**settings, group: {name: value}}
    synthesis = settings["synthesis_kwargs"]
    (synthesis.setdefault(group, {}) if group else synthesis)[name] = value
    return settings


def _read(folder: Path, **changes: Any) -> Published:
    path = folder / "odd.pkl"
    path.write_bytes(snapshots.written(**changes))
    return stylenerf.read(path)


@pytest.mark.parametrize(
    ("group", "name", "value"),
    [
        ("", "upsample_mode", "bicubic"),
        ("", "upsample_mode", "bilinear_all"),
        ("", "upsample_mode", ["nn_cat"]),
        ("", "activation", "relu"),
        ("", "margin", 2),
        ("", "rectangular", [384, 512]),
        ("camera_kwargs", "depth_transform", "LogWarp"),
        ("camera_kwargs", "angular_camera", False),
        ("renderer_kwargs", "sigma_type", "shiftedsoftplus"),
        ("renderer_kwargs", "white_background", True),
        ("renderer_kwargs", "bound", 1.0),
        ("foreground_kwargs", "downscale_p_by", 2),
        ("foreground_kwargs", "activation", "relu"),
        ("foreground_kwargs", "final_sigmoid_act", True),
        ("foreground_kwargs", "use_sdf", "volsdf"),
        ("background_kwargs", "normalized_feat", True),
        ("upsampler_kwargs", "no_residual_img", True),
        ("upsampler_kwargs", "shared_rgb_style", True),
        ("input_kwargs", "output_mode", "tri_plane_concat"),
        ("mapping_kwargs", "activation", "relu"),
    ],
)
def test_a_generator_that_draws_otherwise_is_refused_by_name(group: str, name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{name} in its .* is "):
        stylenerf_settings.check_generator(_settings(group, name, value), GROWN)


def test_such_a_file_is_refused_as_a_whole(tmp_path: Path) -> None:
    odd = snapshots.module(TENSORS, _init_kwargs=_settings("renderer_kwargs", "sigma_type", "trunc_exp"))
    with pytest.raises(CheckpointError, match=r"G is built .*sigma_type in its renderer_kwargs"):
        _read(tmp_path, G=odd)


@pytest.mark.parametrize(
    ("group", "name"), [("block_kwargs", "activation"), ("mapping_kwargs", "lr_multiplier")]
)
def test_a_discriminator_that_judges_otherwise_is_refused(group: str, name: str, tmp_path: Path) -> None:
    judged = {"conv_clamp": 256, "lowres_head": 8, group: {name: 1}}
    stylenerf_settings.check_discriminator({**judged, group: {}})
    with pytest.raises(ValueError, match=name):
        stylenerf_settings.check_discriminator(judged)
    judge = snapshots.module(snapshots.discriminator_names(snapshots.networks()[2]), _init_kwargs=judged)
    with pytest.raises(CheckpointError, match=f"D is built .*{name}"):
        _read(tmp_path, D=judge)


@pytest.mark.parametrize("word", ["camera_kwargs", "renderer_kwargs", "upsampler_kwargs"])
def test_old_files_that_keep_everything_in_one_group_are_looked_through_as_well(word: str) -> None:
    name = {"camera": "angular_camera", "renderer": "white_background", "upsampler": "no_residual_img"}
    flat = snapshots.settings()
    flat["synthesis_kwargs"].pop(word, None)
    key = name[word.removesuffix("_kwargs")]
    stylenerf_settings.check_generator(flat, GROWN)
    flat["synthesis_kwargs"][key] = key != "angular_camera"
    with pytest.raises(ValueError, match=key):
        stylenerf_settings.check_generator(flat, GROWN)


def test_a_generator_saved_while_it_grew_otherwise_than_ours_is_refused() -> None:
    odd = (_settings("", "progressive", False), _settings("", "resolution_start", 4))
    for settings in odd:
        for progress in (1.0, -1.0):
            stylenerf_settings.check_generator(settings, progress)
        with pytest.raises(ValueError, match=r"while it grew \(at 0\.50\)"):
            stylenerf_settings.check_generator(settings, 0.5)
    stylenerf_settings.check_generator(snapshots.settings(), 0.5)


def test_what_ours_can_do_as_well_is_taken_over(tmp_path: Path) -> None:
    settings = _settings("camera_kwargs", "depth_transform", "InverseWarp")
    settings["mapping_kwargs"] = {"lr_multiplier": 0.1}
    found = _read(tmp_path, G_ema=snapshots.module(TENSORS, _init_kwargs=settings)).average.config
    assert (found.spacing, found.mapping_rate) == ("inverse", 0.1)
    settings["synthesis_kwargs"]["camera_kwargs"]["depth_transform"] = "None"
    assert stylenerf_names.generator_config(settings, 32, TENSORS).spacing == "depth"


def test_without_a_clamp_large_features_stay_large(tmp_path: Path) -> None:
    settings = snapshots.settings()
    del settings["synthesis_kwargs"]["conv_clamp"]
    average = _read(tmp_path, G_ema=snapshots.module(TENSORS, _init_kwargs=settings)).average
    assert torch.tensor(1e4).clamp(max=average.config.clamp) == 1e4
    assert torch.tensor(average.config.clamp).half().isfinite()
