"""The rectifier in compiled loops equals plain torch, gradients too."""

from __future__ import annotations

import pytest
import torch

from phiz.generator import pieces
from phiz.generator.rectifier_loops import plainly_rectified, rectified


def _noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("gain", "clamp"), [(1.0, 0.0), (2**0.5, 0.0), (1.0, 0.7), (2**0.5, 0.7)])
@pytest.mark.parametrize("strip", [1, 20, 2**20])
def test_loops_equal_plain_torch_to_the_second_gradient(
    gain: float, clamp: float, strip: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "STRIP", strip)
    found = []
    for work in (rectified, plainly_rectified):
        x, bias = _noise(2, 3, 4, 5).requires_grad_(), _noise(5, seed=1).requires_grad_()
        w = _noise(5, seed=2).requires_grad_()
        y = work(x * w, bias, gain, clamp)
        grad = torch.autograd.grad((y * _noise(2, 3, 4, 5, seed=3)).sum(), (x, bias), create_graph=True)
        second = torch.autograd.grad(grad[0].square().sum() + grad[1].square().sum(), w)
        found.append((y, *grad, *second))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_maps_of_any_layout_are_read_right() -> None:
    x, bias = _noise(2, 5, 3, 4).permute(0, 2, 3, 1).requires_grad_(), _noise(5, seed=1)
    grad = _noise(2, 5, 4, 3, seed=2).permute(0, 3, 2, 1)
    results = []
    for work in (rectified, plainly_rectified):
        y = work(x, bias, 1.0, 0.5)
        results.append((y, torch.autograd.grad(y, x, grad)[0]))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)


def test_bfloat16_is_rounded_once_as_torch_rounds() -> None:
    x, bias = _noise(9, 7, 8).bfloat16(), _noise(8, seed=1).requires_grad_()
    y = rectified(x, bias, 1.0, 1.5)
    want = torch.nn.functional.leaky_relu(x.float() + bias, 0.2).clamp(-1.5, 1.5)
    assert y.equal(want.bfloat16())
    y.float().sum().backward()
    assert bias.grad is not None
    assert bias.grad.dtype == torch.float32
