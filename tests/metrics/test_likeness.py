"""PSNR and SSIM: formulas, a slow twin, masks."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from phiz.metrics import likeness


def _pictures(size: int = 18) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    a = torch.rand(2, 3, size, size, generator=generator) * 2 - 1
    return a, (a + 0.3 * torch.randn(a.shape, generator=generator)).clamp(-1, 1)


def _slow_ssim(a: Tensor, b: Tensor, mask: Tensor | None = None) -> float:
    """Return SSIM of one picture, window after window, of bytes, as published."""
    weights = [
        [math.exp(-((i - 5) ** 2 + (j - 5) ** 2) / (2 * 1.5**2)) for j in range(11)] for i in range(11)
    ]
    window = torch.tensor(weights, dtype=torch.float64)
    window /= window.sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    total, weight = 0.0, 0.0
    for i in range(a.shape[1] - 10):
        for j in range(a.shape[2] - 10):
            share = 1.0 if mask is None else float(mask[0, i + 5, j + 5])
            for k in range(3):
                x, y = (((p[k, i : i + 11, j : j + 11].double() + 1) * 127.5) for p in (a, b))
                mx, my = float((window * x).sum()), float((window * y).sum())
                vx, vy = float((window * (x - mx) ** 2).sum()), float((window * (y - my) ** 2).sum())
                cov = float((window * (x - mx) * (y - my)).sum())
                value = (2 * mx * my + c1) * (2 * cov + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2))
                total, weight = total + share * value, weight + share
    return total / weight


def test_psnr_is_its_formula() -> None:
    flat = torch.zeros(1, 3, 12, 12)
    # 0.2 of a range of 2 is a tenth: 20 decibels
    torch.testing.assert_close(likeness.psnr(flat, flat + 0.2), torch.tensor([20.0]))
    assert math.isinf(float(likeness.psnr(flat, flat)))


def test_each_picture_has_its_own_number() -> None:
    a, b = _pictures()
    for measure in (likeness.psnr, likeness.ssim):
        both = measure(a, b)
        torch.testing.assert_close(both[1:], measure(a[1:], b[1:]))


def test_ssim_of_a_picture_with_itself_is_one() -> None:
    a, _ = _pictures()
    torch.testing.assert_close(likeness.ssim(a, a), torch.ones(2))


def test_ssim_equals_a_slow_twin() -> None:
    a, b = _pictures()
    mask = torch.rand(2, 1, 18, 18, generator=torch.Generator().manual_seed(1))
    slow = torch.tensor([_slow_ssim(a[i], b[i]) for i in range(2)])
    torch.testing.assert_close(likeness.ssim(a, b), slow, atol=1e-5, rtol=1e-5)
    slow = torch.tensor([_slow_ssim(a[i], b[i], mask[i]) for i in range(2)])
    torch.testing.assert_close(likeness.ssim(a, b, mask), slow, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("measure", [likeness.psnr, likeness.ssim])
def test_a_mask_of_ones_changes_nothing(measure: object) -> None:
    assert callable(measure)
    a, b = _pictures()
    torch.testing.assert_close(measure(a, b, torch.ones(2, 1, 18, 18)), measure(a, b))


def test_what_lies_outside_the_mask_does_not_count() -> None:
    a, b = _pictures()
    mask = torch.zeros(2, 1, 18, 18)
    mask[..., 5:8, 5:8] = 1
    changed = b.clone()
    changed[..., 13:, :] = 0  # no window of the mask reaches here
    assert torch.equal(likeness.psnr(a, b, mask), likeness.psnr(a, changed, mask))
    assert torch.equal(likeness.ssim(a, b, mask), likeness.ssim(a, changed, mask))
    inside = likeness.psnr(a[..., 5:8, 5:8], b[..., 5:8, 5:8])
    torch.testing.assert_close(likeness.psnr(a, b, mask), inside)
    assert bool(likeness.psnr(a, b, 0 * mask).isnan().all())


def test_pictures_smaller_than_a_window_are_refused() -> None:
    small = torch.zeros(1, 3, 10, 20)
    with pytest.raises(ValueError, match="too small"):
        likeness.ssim(small, small)
