"""The discriminator's filter in compiled loops equals plain torch, gradients too."""

from __future__ import annotations

import pytest
import torch

from phiz.generator import filter_loops, pieces
from phiz.layers import resample


def _noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", [(5, 6), (1, 1), (2, 3)])
@pytest.mark.parametrize("strip", [1, 2 * 7 * 3, 2**20])
def test_maps_are_filtered_as_in_plain_torch(
    size: tuple[int, int], strip: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "STRIP", strip)
    x, found = _noise(2, 3, *size).requires_grad_(), []
    for way in (filter_loops.filter_down, resample.filter_down):
        y = way(x.square())
        (first,) = torch.autograd.grad((y * y).sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.square().sum(), x)
        found.append((y, first, second))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_not_a_digit_differs_from_plain_torch() -> None:
    """A rectifier behind the filter may stand on either side of zero where a digit differs."""
    x = _noise(2, 3, 7, 9)
    assert torch.equal(filter_loops.filter_down(x), resample.filter_down(x))


def test_bfloat16_is_rounded_once() -> None:
    x = _noise(1, 3, 5, 6).bfloat16()
    want = resample.filter_down(x.float()).bfloat16()
    torch.testing.assert_close(filter_loops.filter_down(x), want, atol=0, rtol=2**-7)


def test_double_precision_is_left_to_plain_torch() -> None:
    x = _noise(1, 3, 5, 6).double()
    assert torch.equal(filter_loops.filter_down(x), resample.filter_down(x))
