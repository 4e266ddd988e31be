"""A photo becomes somebody: who begins, what is said of them, how they are looked at."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from sitter_fixtures import CONFIG, sitter
from tune_fixtures import PLANES, person

from phiz.avatar import invert
from phiz.avatar.encoder_network import TINY as TINY_ENCODER
from phiz.avatar.encoder_network import EncoderNet, config_for
from phiz.avatar.framing import Framed
from phiz.face.head import Head
from phiz.generator.generator import Generator
from phiz.graphics import frames


@pytest.fixture(scope="module")
def framed(our_head: Head) -> Framed:
    return sitter(our_head).found


def test_without_an_encoder_the_mean_person_begins(framed: Framed) -> None:
    generator = Generator(CONFIG)
    someone, name = invert.begin(framed, generator, None)
    assert name == "mean"
    assert torch.equal(someone.w[0, 0], generator.mapping.average)
    assert torch.equal(someone.camera.position, framed.camera.position)
    assert someone.photo is framed.photo


def test_an_encoder_that_fits_tells_who_begins(framed: Framed) -> None:
    generator = Generator(CONFIG)
    encoder = EncoderNet(config_for(CONFIG, TINY_ENCODER)).eval()
    torch.nn.init.normal_(encoder.tell.weight)
    someone, name = invert.begin(framed, generator, encoder)
    assert name == "encoder"
    torch.testing.assert_close(someone.w, encoder(framed.crop[None]).styles, atol=0.2, rtol=0.2)
    other = EncoderNet(replace(TINY_ENCODER, w_size=4)).eval()
    assert invert.begin(framed, generator, other)[1] == "mean"


def test_a_camera_beside_another_sees_the_head_turned() -> None:
    straight = person().camera
    aside = invert.beside(straight, 0.3, 0.0)
    assert float(aside.position.norm()) == pytest.approx(1.0, abs=1e-5)
    x, y, z = (aside.position[0] @ torch.tensor(frames.GENERATOR_AXES)).tolist()
    assert abs(math.atan2(x, z)) == pytest.approx(0.3, abs=1e-5)
    assert y == pytest.approx(0, abs=1e-6)
    above = invert.beside(straight, 0.0, 0.2)
    assert abs(float(above.position[0, 2])) == pytest.approx(math.sin(0.2), abs=1e-5)


def test_likeness_is_measured_on_the_person_alone() -> None:
    someone = person()
    with torch.no_grad():
        drawn = someone.generator.render(someone.prepare(), someone.camera).image[0].clamp(-1, 1)
    mask = torch.zeros(drawn.shape[1:])
    mask[8:24, 8:24] = 1
    outside = torch.where(mask > 0, drawn, -drawn)
    assert invert.masked_psnr(someone, outside, mask) > 60
    assert invert.masked_psnr(someone, drawn + 0.2, mask) == pytest.approx(20, abs=1)


def test_a_photo_that_is_not_reached_is_said() -> None:
    assert invert.out_of_reach(invert.LEAST_DB + 0.1) == ()
    (said,) = invert.out_of_reach(19.0)
    assert "19.0 dB" in said
    assert "--seconds" in said


def test_a_preview_shows_photo_person_and_sides() -> None:
    someone, size = person(), PLANES.resolution
    assert invert.preview(someone, (-20.0, 20.0)).shape == (3, size, 4 * size)
    crop = torch.ones(3, size, size)
    shown = invert.preview(someone, (20.0,), crop)
    assert shown.shape == (3, size, 5 * size)
    assert torch.equal(shown[:, :, :size], crop)
