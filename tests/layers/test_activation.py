"""Rectifiers keep the signal's size, limit it, and may be folded into weights."""

from __future__ import annotations

import math

import pytest
import torch

from phiz.layers import activation


def _line() -> torch.Tensor:
    return torch.linspace(-9, 9, 13)  # beyond both limits, though a fifth of it is left below zero


@pytest.mark.parametrize("clamp", [0.0, 1.0, 256.0])
def test_every_element_is_bent_stretched_and_limited(clamp: float) -> None:
    expected = []
    for x in _line().tolist():
        y = (x if x > 0 else 0.2 * x) * math.sqrt(2)
        expected.append(max(-clamp, min(clamp, y)) if clamp else y)
    torch.testing.assert_close(activation.leaky(_line(), clamp), torch.tensor(expected))


def test_the_rectifier_keeps_the_mean_square_of_noise_nearly() -> None:
    x = torch.randn(100_000, generator=torch.Generator().manual_seed(0))
    assert float(activation.leaky(x).square().mean()) == pytest.approx(1.04, abs=0.02)


@pytest.mark.parametrize("clamp", [0.0, 1.0])
def test_folding_the_gain_into_weights_changes_nothing(clamp: float) -> None:
    expected = activation.leaky(_line(), clamp)
    torch.testing.assert_close(activation.leaky_scaled(activation.GAIN * _line(), clamp), expected)
    with torch.no_grad():
        torch.testing.assert_close(activation.leaky_scaled(activation.GAIN * _line(), clamp), expected)


@pytest.mark.parametrize("clamp", [0.0, 1.0])
def test_the_answer_takes_the_place_of_its_input_only_where_no_gradient_is_wanted(clamp: float) -> None:
    kept = _line()
    activation.leaky(kept, clamp)
    activation.leaky_scaled(kept, clamp)
    assert torch.equal(kept, _line())
    with torch.no_grad():
        activation.leaky(kept, clamp)
        assert torch.equal(kept, _line())
        assert activation.leaky_scaled(kept, clamp) is kept


def test_a_negative_number_lets_a_fifth_of_the_gradient_through_and_a_limit_none() -> None:
    x = torch.tensor([-2.0, 2.0, 9.0], requires_grad=True)
    activation.leaky(x, 5.0).sum().backward()
    torch.testing.assert_close(x.grad, torch.tensor([0.2, 1.0, 0.0]) * math.sqrt(2))
