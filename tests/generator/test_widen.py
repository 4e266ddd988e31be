"""A wider generator goes on where a narrow one was: it draws the same and can learn with all it has."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from phiz.generator import poses
from phiz.generator.config import TINY, GeneratorConfig
from phiz.generator.generator import Generator
from phiz.generator.widen import embed, widen
from phiz.graphics.camera import Camera

PLANES = replace(TINY, source="planes", planes_resolution=16, planes_most=8, planes_channels=3)
NARROW = {"channel_base": TINY.channel_base / 2, "channel_most": TINY.channel_most // 2}


def _both(config: GeneratorConfig, **narrower: float) -> tuple[Generator, Generator]:
    torch.manual_seed(3)
    wide, narrow = Generator(config).eval(), Generator(replace(config, **narrower)).eval()  # type: ignore[arg-type]
    with torch.no_grad():
        for name, tensor in narrow.named_parameters():
            if name.endswith("bias"):
                tensor += 0.1 * torch.randn_like(tensor)
    widen(wide, narrow)
    return wide, narrow


def _picture(generator: Generator, camera: Camera) -> torch.Tensor:
    chance = torch.Generator().manual_seed(0)
    z = torch.randn(2, generator.config.z_size, generator=chance)
    behind = torch.randn(2, generator.config.background_latent, generator=chance)
    return generator.render(generator.prepare(generator.styles(z), behind), camera).image


@pytest.mark.parametrize(
    ("config", "narrower"),
    [
        (TINY, NARROW),
        (replace(TINY, upsampling="pixelshuffle"), NARROW),
        (PLANES, {**NARROW, "planes_most": 4, "planes_channels": 2}),
        (PLANES, {}),
    ],
)
def test_a_wider_generator_draws_the_same(config: GeneratorConfig, narrower: dict[str, float]) -> None:
    wide, narrow = _both(config, **narrower)
    camera = poses.at(config, (0.4, 0.55))
    with torch.no_grad():
        torch.testing.assert_close(_picture(wide, camera), _picture(narrow, camera), atol=2e-5, rtol=1e-4)


def test_weights_from_new_channels_learn_at_once() -> None:
    wide, narrow = _both(PLANES, planes_most=4, planes_channels=2)
    wide.requires_grad_(True)
    styles = wide.styles(torch.ones(1, PLANES.z_size))
    wide.foreground.planes(styles[:, : PLANES.volume_styles]).square().sum().backward()
    key = "foreground.planes.blocks.1.second.weight"
    new, old = wide.get_parameter(key), narrow.get_parameter(key)
    outputs, inputs = old.shape[:2]
    assert new.grad is not None
    assert new.detach()[:outputs, inputs:].abs().max() == 0
    assert new.grad[:outputs, inputs:].abs().max() > 0


def test_every_part_gets_its_own_share() -> None:
    target = torch.full((6, 3), 9.0)
    embed(target, torch.arange(6.0).reshape(3, 2), 3, is_matrix=True)
    assert target.tolist() == [[0, 1, 0], [9, 9, 9], [2, 3, 0], [9, 9, 9], [4, 5, 0], [9, 9, 9]]


def test_inputs_may_be_two_maps_side_by_side() -> None:
    target = torch.full((2, 4), 9.0)
    embed(target, torch.tensor([[1.0, 2.0]]), 1, 2, is_matrix=True)
    assert target.tolist() == [[1, 0, 2, 0], [9, 9, 9, 9]]


@pytest.mark.parametrize(
    ("own", "other", "words"),
    [(NARROW, {}, "no room"), ({}, {"field_layers": TINY.field_layers + 1}, "one of them only")],
)
def test_what_does_not_fit_is_said(own: dict[str, float], other: dict[str, float], words: str) -> None:
    wide = Generator(replace(TINY, **own))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=words):
        widen(wide, Generator(replace(TINY, **other)))  # type: ignore[arg-type]
