"""Layers in strips equal plain torch, to the second gradient."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from phiz.generator import dense, pieces
from phiz.generator.rectifier_loops import plainly_rectified
from phiz.layers.modulated import Folded, apply

INPUTS, OUTPUTS = 5, 7
Numbers = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
"""A map, a layer's weights and bias, and those of colours."""


def _noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _numbers(pictures: int, styles: int) -> Numbers:
    shapes = ((pictures, 11, INPUTS), (styles, OUTPUTS, INPUTS), (OUTPUTS,), (styles, 3, OUTPUTS), (3,))
    x, weight, bias, tint, offset = (_noise(*shape, seed=k) for k, shape in enumerate(shapes))
    return x, weight, bias, tint, offset


def _plainly(numbers: Numbers, gain: float, clamp: float) -> tuple[Tensor, Tensor]:
    x, weight, bias, tint, offset = numbers
    y = plainly_rectified(apply(Folded(weight, torch.zeros_like(bias)), x), bias, gain, clamp)
    seen = apply(Folded(tint, offset), y)
    return y, seen.clamp(-clamp, clamp) if clamp else seen


def _results(found: tuple[Tensor, Tensor], numbers: Numbers, used: tuple[int, ...]) -> list[Tensor]:
    """Return what was found, its gradients, and those of the gradients' squares."""
    parts = [(found[k] * _noise(*found[k].shape, seed=8 + k).to(found[k])).sum() for k in used]
    asked = numbers if 1 in used else numbers[:3]
    plain = torch.autograd.grad(sum(parts), asked, retain_graph=True)  # type: ignore[arg-type]
    kept = torch.autograd.grad(sum(parts), asked, create_graph=True)  # type: ignore[arg-type]
    total = torch.stack([grad.square().sum() for grad in kept]).sum()
    second = torch.autograd.grad(total, asked, materialize_grads=True)
    return [*(found[k] for k in used), *plain, *kept, *second]


@pytest.mark.parametrize(("pictures", "styles"), [(1, 1), (1, 2), (2, 2), (2, 1)])
@pytest.mark.parametrize("strip", [1, 4 * OUTPUTS, 2**20])
@pytest.mark.parametrize("used", [(0,), (1,), (0, 1)])
def test_a_layer_and_its_colours_are_the_same_in_strips(
    pictures: int, styles: int, strip: int, used: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "STRIP", strip)
    numbers = _numbers(pictures, styles)
    for x in numbers:
        x.requires_grad_()
    x, weight, bias, tint, offset = numbers
    quick = dense.coloured(Folded(weight, bias), Folded(tint, offset), x, 1.5)
    found = _results(quick, numbers, used)
    for one, other in zip(found, _results(_plainly(numbers, 1.0, 1.5), numbers, used), strict=True):
        torch.testing.assert_close(one, other, atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize(("gain", "clamp"), [(1.0, 0.0), (2**0.5, 0.7)])
def test_a_layer_without_colours_has_a_gain(gain: float, clamp: float) -> None:
    numbers = _numbers(2, 2)
    for x in numbers:
        x.requires_grad_()
    x, weight, bias, _, offset = numbers
    quick = dense.rectified(Folded(weight, bias), x, gain, clamp)
    found = _results((quick, offset), numbers, (0,))
    for one, other in zip(found, _results(_plainly(numbers, gain, clamp), numbers, (0,)), strict=True):
        torch.testing.assert_close(one, other, atol=2e-5, rtol=2e-5)


def test_weights_that_do_not_learn_get_no_gradient() -> None:
    x, weight, bias, tint, offset = _numbers(1, 1)
    x.requires_grad_()
    _, seen = dense.coloured(Folded(weight, bias), Folded(tint, offset), x, 1.5)
    seen.sum().backward()
    assert x.grad is not None
    assert weight.grad is None


def test_layers_of_nothing_give_nothing() -> None:
    x, weight, bias, _, _ = _numbers(1, 1)
    weight.requires_grad_()
    found = dense.rectified(Folded(weight, bias), x[:, :0], 1.0, 0.0)
    assert found.shape == (1, 0, OUTPUTS)
    found.sum().backward()
    assert weight.grad is not None
    assert not weight.grad.any()


def test_gradients_in_bfloat16_are_as_near_as_it_allows() -> None:
    numbers = _numbers(2, 1)
    for x in numbers:
        x.requires_grad_()
    x, weight, bias, tint, offset = numbers
    with torch.autocast("cpu", torch.bfloat16):
        y, seen = dense.coloured(Folded(weight, bias), Folded(tint, offset), x, 1.5)
    assert (y.dtype, seen.dtype) == (torch.bfloat16, torch.float32)
    half = torch.autograd.grad(y.float().square().sum() + seen.square().sum(), numbers)
    plain, shown = _plainly(numbers, 1.0, 1.5)
    exact = torch.autograd.grad(plain.square().sum() + shown.square().sum(), numbers)
    for one, other in zip(half, exact, strict=True):
        assert one.dtype == torch.float32
        assert (one - other).square().mean() < 2e-3 * other.square().mean()
