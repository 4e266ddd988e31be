"""From light to pictures."""

from __future__ import annotations

import torch

from phiz.world.drawn import develop
from phiz.world.scene import Develop

PLAIN = Develop(
    exposure=1.0,
    white_balance=(1.0, 1.0, 1.0),
    blur=0.0,
    noise=0.0,
    jpeg_quality=0,
    vignette=0.0,
    saturation=1.0,
    contrast=1.0,
)


def _light() -> torch.Tensor:
    return torch.rand(3, 24, 24, generator=torch.Generator().manual_seed(1))


def test_srgb_and_linear_undo_each_other() -> None:
    values = torch.linspace(0, 1, 101)
    torch.testing.assert_close(develop.linear(develop.srgb(values)), values, atol=1e-5, rtol=1e-5)


def test_more_light_is_never_darker_and_never_leaves_the_range() -> None:
    ramp = torch.linspace(0, 8, 300).expand(3, 1, 300)
    shown = develop.develop(ramp, PLAIN, 0)
    assert (shown.diff(dim=-1) >= -1e-6).all()
    assert float(shown.min()) >= -1
    assert float(shown.max()) <= 1


def test_blur_keeps_the_mean_of_an_even_picture() -> None:
    even = torch.full((3, 16, 16), 0.4)
    torch.testing.assert_close(develop.blur(even, 2.0), even)


def test_a_wide_blur_on_a_tiny_picture_works() -> None:
    assert develop.blur(_light()[:, :4, :4], 9.0).shape == (3, 4, 4)


def test_the_same_seed_gives_the_same_noise() -> None:
    noisy = Develop(**{**vars(PLAIN), "noise": 0.05, "jpeg_quality": 60})
    first, second, other = (develop.develop(_light(), noisy, seed) for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_a_good_jpeg_changes_little() -> None:
    smooth = torch.linspace(0, 1, 32).expand(3, 32, 32)
    assert float((develop.jpeg(smooth, 95) - smooth).abs().max()) < 0.05


def test_a_vignette_darkens_corners_only() -> None:
    even = torch.full((3, 33, 33), 0.3)
    shown = develop.develop(even, Develop(**{**vars(PLAIN), "vignette": 0.5}), 0)
    assert float(shown[0, 0, 0]) < float(shown[0, 16, 16])
    torch.testing.assert_close(shown[:, 16, 16], develop.develop(even, PLAIN, 0)[:, 16, 16])
