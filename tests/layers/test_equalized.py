"""Equalised layers are plain ones whose weights are scaled when used."""

from __future__ import annotations

import math

import plain_generator as plain
import pytest
import torch

from phiz.layers.equalized import EqualConv, EqualLinear


def test_a_dense_layer_scales_its_weights_by_its_width_and_rate() -> None:
    layer = EqualLinear(9, 4, bias=2.0, rate=0.5).double()
    x = plain.noise(3, 9)
    expected = x @ (layer.weight * 0.5 / 3).T + 0.5 * layer.bias
    torch.testing.assert_close(layer(x), expected)
    torch.testing.assert_close(layer(x), plain.dense(layer, x))
    assert layer.bias.tolist() == [2.0] * 4


def test_a_rectifier_may_stand_behind_a_dense_layer() -> None:
    rectified, bare = EqualLinear(9, 4, is_rectified=True).double(), EqualLinear(9, 4).double()
    bare.load_state_dict(rectified.state_dict())
    x = plain.noise(3, 9)
    torch.testing.assert_close(rectified(x), plain.rectified(bare(x)))


def test_a_folded_layer_is_a_linear_map_that_still_learns() -> None:
    layer = EqualLinear(6, 3, bias=1.0, rate=0.1).double()
    x, folded = plain.noise(2, 5, 6), layer.folded()
    torch.testing.assert_close(torch.nn.functional.linear(x, *folded), layer(x))
    (folded.weight.sum() + folded.bias.sum()).backward()
    torch.testing.assert_close(layer.weight.grad, torch.full((3, 6), 0.1 / math.sqrt(6)).double())
    torch.testing.assert_close(layer.bias.grad, torch.full((3,), 0.1).double())


@pytest.mark.parametrize("rate", [1.0, 0.01])
def test_new_layers_keep_the_size_of_noise_at_any_rate(rate: float) -> None:
    layer = EqualLinear(256, 128, rate=rate)
    out = layer(torch.randn(500, 256, generator=torch.Generator().manual_seed(0)))
    assert float(out.detach().std()) == pytest.approx(1, abs=0.05)
    assert float(layer.weight.detach().std()) == pytest.approx(
        1 / rate, rel=0.05
    )  # as published files hold it


@pytest.mark.parametrize("kernel", [1, 3, 4])
def test_a_convolution_scales_its_weights_by_its_inputs(kernel: int) -> None:
    layer = EqualConv(2, 5, kernel).double()
    assert layer.bias is not None
    layer.bias.data.copy_(plain.noise(5, seed=1))
    x = plain.noise(2, 2, 6, 7)
    torch.testing.assert_close(layer(x), plain.seen(layer, x, padding=kernel // 2))
    torch.testing.assert_close(layer(x, stride=2, padding=0), plain.seen(layer, x, stride=2))
    assert layer.scaled().shape == (5, 2, kernel, kernel)
    assert EqualConv(2, 5, kernel, has_bias=False).bias is None


def test_convolutions_of_noise_have_the_size_of_noise() -> None:
    layer = EqualConv(32, 32, 3)
    out = layer(torch.randn(2, 32, 24, 24, generator=torch.Generator().manual_seed(0)), padding=0)
    assert float(out.detach().std()) == pytest.approx(1, abs=0.05)
