"""Published generators of every kind of input come back as what they were made of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from importers import snapshots

from phiz.generator.config import TINY, GeneratorConfig
from phiz.generator.generator import Generator
from phiz.importers import stylenerf, stylenerf_names

PLANES = replace(
    TINY,
    source="planes",
    field_layers=1,
    colour="extra",
    background="none",
    planes_channels=2,
    planes_resolution=16,
    planes_base=0.00390625,
    planes_most=8,
    planes_span=2 * (TINY.far - TINY.near),
    upsampling="fir",
    kernel=3,
    path_samples=0,
)
"""The published experiments with planes, made small."""


def _made(config: GeneratorConfig) -> Generator:
    with torch.random.fork_rng():
        torch.random.set_rng_state(torch.Generator().manual_seed(5).get_state())
        return Generator(config).eval()


@pytest.mark.parametrize(
    "config",
    [
        PLANES,
        replace(TINY, upsampling="pixelshuffle"),
        replace(TINY, upsampling="nearest"),
        replace(TINY, upsampling="bilinear", colour="extra", background="none"),
    ],
    ids=["planes", "pixelshuffle", "nearest", "bilinear"],
)
def test_a_generator_of_any_kind_comes_back_bit_by_bit(config: GeneratorConfig, tmp_path: Path) -> None:
    theirs = _made(config)
    tensors = snapshots.generator_names(theirs)
    path = tmp_path / "kind.pkl"
    path.write_bytes(
        snapshots.written(G_ema=snapshots.module(tensors, _init_kwargs=snapshots.settings(config)))
    )
    ours = stylenerf.read(path).average
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    for name, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value), name
    unused = ("frequencies", "background_latent", "background_hidden", "background_layers")
    same = {name: getattr(config, name) for name in (*unused, "background_frequencies", "planes_span")}
    if config.source == "planes":
        same.pop("planes_span")
    assert replace(ours.config, **same) == replace(config, fov_deg=12, clamp=256)


def test_planes_reach_as_far_from_the_middle_as_rays_are_long() -> None:
    tensors = snapshots.generator_names(_made(PLANES))
    settings = snapshots.settings(PLANES)
    camera = settings["synthesis_kwargs"]["camera_kwargs"]
    # The published network divides points by the length of a ray and looks them up from -1 to 1.
    camera["depth_range"] = [0.5, 1.25]
    assert stylenerf_names.generator_config(settings, 32, tensors).planes_span == 1.5
    camera["depth_transform"] = "InverseWarp"
    assert stylenerf_names.generator_config(settings, 32, tensors).planes_span == 4.0


def test_two_names_for_one_place_are_both_told() -> None:
    tensors = snapshots.generator_names(_made(TINY))
    tensors["synthesis.b16.to_rgb.bias"] = tensors["synthesis.b16.torgb.bias"]
    with pytest.raises(ValueError, match=r"to_?rgb\.bias and another .* upsampler\.blocks\.0\.colour\.bias"):
        stylenerf_names.generator_tensors(tensors)
    judge = snapshots.discriminator_names(snapshots.networks()[2])
    judge["b4.dense.bias"] = judge["b4.fc.bias"]
    with pytest.raises(ValueError, match=r"another .* last\.dense\.bias"):
        stylenerf_names.discriminator_tensors(judge)
