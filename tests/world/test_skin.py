"""Skin: colours that people have, and laws of light on it."""

from __future__ import annotations

import torch

from phiz.world.body import skin
from phiz.world.drawn import develop, shading
from phiz.world.drawn.shading import Lamp, Light


def _tone(melanin: float, blood: float = 0.3) -> torch.Tensor:
    return skin.tone(torch.tensor([[melanin]]), torch.tensor([[blood]]))[0]


def _light(colour: float = 1.0, visible: float = 1.0, count: int = 1) -> Light:
    lamp = Lamp(
        direction=torch.tensor([0.0, 0.0, 1.0]),
        colour=torch.full((3,), colour),
        softness=0.1,
        visible=torch.full((count,), visible),
    )
    return Light(ambient=torch.zeros(9, 3), open=torch.ones(count), lamps=(lamp,))


def test_more_melanin_is_darker_in_every_channel() -> None:
    tones = torch.stack([_tone(m) for m in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)])
    assert (tones[1:] < tones[:-1]).all()


def test_the_range_of_tones_is_the_human_one() -> None:
    """Published sRGB values run from about (244, 215, 190) to about (60, 40, 30)."""
    fair, dark = develop.srgb(_tone(0.0)) * 255, develop.srgb(_tone(1.0)) * 255
    assert 205 < float(fair[0]) < 250
    assert 150 < float(fair[2]) < 200
    assert 60 < float(dark[0]) < 115
    assert 35 < float(dark[2]) < 75


def test_skin_is_always_redder_than_green_and_greener_than_blue() -> None:
    for melanin in (0.0, 0.3, 0.7, 1.0):
        red, green, blue = _tone(melanin).tolist()
        assert red > green > blue


def test_blood_takes_green_most() -> None:
    less, more = _tone(0.1, 0.1), _tone(0.1, 1.0)
    ratio = more / less
    assert ratio[1] < ratio[2] < ratio[0] < 1


def test_red_light_reaches_past_the_terminator_furthest() -> None:
    normal = torch.tensor([[1.0, 0.0, -0.08]])
    out = shading.subsurface(_light(), shading.unit(normal), torch.zeros(1))[0]
    assert out[0] > out[1] >= out[2]


def test_a_hidden_lamp_neither_lights_nor_shines() -> None:
    normal = torch.tensor([[0.0, 0.0, 1.0]])
    dark = _light(visible=0.0)
    assert float(shading.matt(dark, normal).abs().max()) == 0
    assert float(shading.gloss(dark, normal, normal, torch.full((1,), 0.4), 0.03).abs().max()) == 0


def test_a_matt_white_surface_returns_what_falls_on_it() -> None:
    normal = torch.tensor([[0.0, 0.6, 0.8]])
    torch.testing.assert_close(shading.matt(_light(), normal), torch.full((1, 3), 0.8))


def test_a_smoother_surface_has_a_brighter_highlight() -> None:
    normal = torch.tensor([[0.0, 0.0, 1.0]])
    rough, smooth = (shading.gloss(_light(), normal, normal, torch.full((1,), r), 0.03) for r in (0.7, 0.3))
    assert (smooth > rough).all()
