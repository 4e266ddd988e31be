"""Losses of encoders vanish at the truth, are 1 at the mean, and weigh styles by what is seen of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from phiz.avatar.encoder_network import Told, resized
from phiz.generator.config import TINY
from phiz.generator.generator import Generator
from phiz.train import encoder_losses
from phiz.world.portrait import NEAR_PITCH, NEAR_YAW, view_camera


def _chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _told(styles: torch.Tensor, yaw: torch.Tensor, pitch: torch.Tensor) -> Told:
    return Told(styles=styles, background=torch.zeros(len(yaw), 4), yaw=yaw, pitch=pitch)


def _generator() -> Generator:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return Generator(TINY).eval().requires_grad_(False)


def test_style_errors_are_none_at_the_truth_and_one_at_the_mean() -> None:
    true = torch.randn(4000, 5, generator=_chance()) * torch.tensor([0.1, 1.0, 2.0, 0.5, 3.0]) + 2
    changes = torch.randn(5, 5, generator=_chance(1))
    changes = changes @ changes.T
    stick = encoder_losses.yardstick(changes, true)
    mean = true.mean(dim=0).expand(4000, 2, 5)
    assert float(encoder_losses.seen_error(true[:, None], true, stick)) == 0
    assert float(encoder_losses.seen_error(mean, true, stick)) == pytest.approx(1, rel=1e-3)
    assert float(encoder_losses.style_error(true[:, None], true, true.std(dim=0))) == 0
    assert float(encoder_losses.style_error(mean, true, true.std(dim=0))) == pytest.approx(1, rel=1e-3)


def test_a_style_that_is_not_seen_hardly_counts() -> None:
    true = torch.randn(500, 3, generator=_chance())
    stick = encoder_losses.yardstick(torch.diag(torch.tensor([4.0, 1.0, 0.0])), true)
    lost = []
    for number in range(3):
        told = true.clone()
        told[:, number] += 1
        lost.append(float(encoder_losses.seen_error(told[:, None], true, stick)))
    assert lost[0] == pytest.approx(4 * lost[1], rel=1e-2)
    assert 0 < lost[2] < 0.01 * lost[1]


def test_probes_find_how_much_styles_change_pictures() -> None:
    generator, count = _generator(), 100
    w = generator.styles(torch.randn(1, TINY.z_size, generator=_chance()))[:, 0].expand(count, -1)
    still = torch.zeros(count)
    background, camera = torch.zeros(count, TINY.background_latent), view_camera(still, still)
    noise = torch.randn(count, 3, 4, 4, generator=_chance(1))
    found = encoder_losses.sensitivity(generator, w, camera, background, noise)

    def small(styles: torch.Tensor) -> torch.Tensor:
        rows = styles[None, None].expand(1, TINY.styles, -1)
        made = generator.render(rows, camera[:1], background=background[:1]).image
        return resized(made, 4)[0].flatten()

    true = torch.autograd.functional.jacobian(small, w[0])  # type: ignore[no-untyped-call]
    expected = true.T @ true
    wrong = (found - expected).norm() / expected.norm()
    assert float(wrong) < 0.5  # chance alone gives about the root of w_size over count: 0.3


def test_camera_errors_are_shares_of_how_views_vary() -> None:
    angles = torch.randn(4000, 2, generator=_chance()) * torch.tensor([NEAR_YAW, NEAR_PITCH])
    styles = torch.zeros(4000, 1, 2)
    front = _told(styles, torch.zeros(4000), torch.zeros(4000))
    assert float(encoder_losses.camera_error(front, angles)) == pytest.approx(1, rel=0.1)
    assert float(encoder_losses.camera_error(_told(styles, *angles.T), angles)) == 0


def test_backgrounds_that_are_not_there_do_not_count() -> None:
    told, true = torch.zeros(3, 2), torch.tensor([[1.0, 1.0], [9.0, 9.0], [3.0, 3.0]])
    counts = torch.tensor([1.0, 0.0, 1.0])
    assert float(encoder_losses.background_error(told, true, counts)) == pytest.approx(5)
    assert float(encoder_losses.background_error(told, true, torch.zeros(3))) == 0


def test_pixels_beside_the_head_count_less() -> None:
    true = torch.rand(2, 3, 64, 64, generator=_chance()) * 2 - 1
    cover = torch.zeros(2, 1, 64, 64)
    cover[..., :32] = 1
    on, beside = (true + 0.2 * mask for mask in (cover, 1 - cover))
    for error in (encoder_losses.pixel_error, encoder_losses.look_error):
        assert float(error(true, true, cover, 0.2)) == pytest.approx(0, abs=1e-6)
        assert float(error(on, true, cover, 0.2)) > 2 * float(error(beside, true, cover, 0.2)) > 0
    assert float(encoder_losses.pixel_error(on, true, cover, 0.0)) == pytest.approx(0.2, rel=1e-4)


def test_what_is_drawn_from_the_truth_is_the_picture() -> None:
    generator = _generator()
    styles = generator.styles(torch.randn(2, TINY.z_size, generator=_chance()))
    told = _told(styles, torch.tensor([0.1, -0.3]), torch.tensor([0.0, 0.2]))
    made = encoder_losses.redrawn(generator, told, 16)
    whole = generator.render(styles, told.camera, background=told.background).image
    torch.testing.assert_close(made, resized(whole, 16))
    assert float(encoder_losses.psnr(made, made.clamp(-1, 1)).min()) > 90
    turned = encoder_losses.redrawn(generator, replace(told, yaw=told.yaw + 0.3), 16)
    assert float(encoder_losses.psnr(turned, made.clamp(-1, 1)).max()) < 60


def test_decibels_are_those_of_the_formula() -> None:
    true = torch.zeros(1, 3, 4, 4)
    assert float(encoder_losses.psnr(true + 0.2, true)) == pytest.approx(20, abs=1e-3)
