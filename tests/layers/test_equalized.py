"""Equalised layers are plain ones whose weights are scaled when used; rectifiers keep the signal's size."""

from __future__ import annotations

import math

import pytest
import torch

from phiz.layers import activation, ema, encoding
from phiz.layers.equalized import EqualConv, EqualLinear


def test_a_dense_layer_scales_its_weights_by_its_width_and_rate() -> None:
    layer = EqualLinear(9, 4, bias=2.0, rate=0.5)
    x = torch.randn(3, 9, generator=torch.Generator().manual_seed(0))
    expected = x @ (layer.weight * 0.5 / 3).T + 0.5 * layer.bias
    torch.testing.assert_close(layer(x), expected)
    rectified = EqualLinear(9, 4, is_rectified=True)
    rectified.load_state_dict(EqualLinear(9, 4).state_dict())
    plain = EqualLinear(9, 4)
    plain.load_state_dict(rectified.state_dict())
    torch.testing.assert_close(rectified(x), activation.leaky(plain(x)))


@pytest.mark.parametrize("kernel", [1, 3])
def test_a_convolution_scales_its_weights_by_its_inputs(kernel: int) -> None:
    layer = EqualConv(2, 5, kernel)
    x = torch.randn(1, 2, 6, 6, generator=torch.Generator().manual_seed(0))
    weight = layer.weight.reshape(5, 2, kernel, kernel) / math.sqrt(2 * kernel * kernel)
    torch.testing.assert_close(layer(x), torch.nn.functional.conv2d(x, weight, padding=kernel // 2))
    assert EqualConv(2, 5, kernel, has_bias=False).bias is None


def test_the_rectifier_keeps_the_mean_square_of_noise_nearly() -> None:
    x = torch.randn(100_000, generator=torch.Generator().manual_seed(0))
    assert float(activation.leaky(x).square().mean()) == pytest.approx(1.04, abs=0.02)


@pytest.mark.parametrize("clamp", [0.0, 1.0])
def test_folding_the_gain_into_weights_changes_nothing(clamp: float) -> None:
    x = torch.linspace(-3, 3, 13)
    expected = activation.leaky(x, clamp)
    torch.testing.assert_close(activation.leaky_scaled(activation.GAIN * x, clamp), expected)
    with torch.no_grad():
        torch.testing.assert_close(activation.leaky_scaled(activation.GAIN * x, clamp), expected)


def test_places_are_encoded_octave_by_octave() -> None:
    points = torch.tensor([[0.1, -0.2, 0.3]])
    expected = []
    for octave in range(3):
        for wave in (math.sin, math.cos):
            expected += [wave(2**octave * math.pi * x) for x in (0.1, -0.2, 0.3)]
    torch.testing.assert_close(encoding.encode(points, 3)[0], torch.tensor(expected))


def test_a_twin_follows_and_copies_buffers() -> None:
    fast = torch.nn.BatchNorm1d(2)
    slow = ema.twin(fast)
    fast.weight.data.fill_(3.0)
    fast.running_mean.fill_(5.0)  # type: ignore[union-attr]
    ema.follow(slow, fast, 0.75)
    assert slow.weight.tolist() == [1.5, 1.5]
    assert slow.running_mean.tolist() == [5.0, 5.0]  # type: ignore[union-attr]
    assert not slow.weight.requires_grad


def test_half_of_an_average_is_new_after_its_half_life() -> None:
    assert ema.share_kept(8, 80) ** 10 == pytest.approx(0.5)
    assert ema.share_kept(8, 80, images=100, ramp_up=0.1) == pytest.approx(0.5 ** (8 / 10))
    assert ema.share_kept(8, 80, images=10_000, ramp_up=0.1) == ema.share_kept(8, 80)
