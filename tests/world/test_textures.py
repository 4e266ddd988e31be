"""Noise that sticks to the skin: seamless, repeatable, and looked up right."""

from __future__ import annotations

import torch

from phiz.world.body import textures


def _points(count: int = 200) -> torch.Tensor:
    return torch.rand(count, 3, generator=torch.Generator().manual_seed(3)) * 0.3 - 0.1


def test_fast_and_slow_lookup_agree() -> None:
    volume, points = textures.tones(), _points()
    fast = textures.lookup(volume, points, 0.07)
    torch.testing.assert_close(fast, textures.lookup_slow(volume, points, 0.07), atol=2e-3, rtol=1e-3)


def test_noise_repeats_after_its_period() -> None:
    volume, points = textures.pores(), _points()
    moved = textures.lookup(volume, points + 0.05, 0.05)
    torch.testing.assert_close(textures.lookup(volume, points, 0.05), moved, atol=2e-2, rtol=1e-2)


def test_noise_has_no_seam() -> None:
    for volume in (textures.tones(), textures.pores()):
        assert torch.equal(volume.values[:, 0], volume.values[:, -1])
        assert torch.equal(volume.values[..., 0], volume.values[..., -1])


def test_tones_are_balanced_and_freckles_are_shares() -> None:
    values = textures.tones().values[:, :-1, :-1, :-1]
    blotches, mottling, freckles, grain = (v for v in values)
    for noise in (blotches, mottling, grain):
        assert abs(float(noise.mean())) < 0.01
        assert abs(float(noise.std()) - 1) < 0.01
    assert 0 <= float(freckles.min()) <= float(freckles.max()) <= 1


def test_polar_noise_closes_after_one_turn() -> None:
    radius, angle = torch.rand(50), torch.rand(50)
    image = textures.fibres()
    once, again = textures.lookup_polar(image, radius, angle), textures.lookup_polar(image, radius, angle + 1)
    torch.testing.assert_close(once, again, atol=2e-3, rtol=1e-3)


def test_another_seed_is_another_skin() -> None:
    assert torch.equal(textures.offset(5), textures.offset(5))
    assert not torch.equal(textures.offset(5), textures.offset(6))
