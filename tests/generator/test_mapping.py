"""Codes become styles; the mean draws them; groups are choices."""

from __future__ import annotations

from dataclasses import replace

import plain_generator as plain
import pytest
import torch

from phiz.generator.config import TINY
from phiz.generator.mapping import Mapping, normalised
from phiz.layers.equalized import EqualLinear


def _codes(count: int = 3, size: int = TINY.z_size) -> torch.Tensor:
    return torch.randn(count, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("labels", [0, 2])
def test_styles_are_what_layer_after_layer_makes_of_a_code(labels: int) -> None:
    mapping = Mapping(replace(TINY, labels=labels)).double().eval()
    z, known = _codes().double(), plain.noise(3, labels, seed=1) if labels else None
    x = z / (z.square().mean(1, keepdim=True) + 1e-8).sqrt()
    if known is not None:
        y = plain.dense(mapping.embed, known)
        x = torch.cat([x, y / (y.square().mean(1, keepdim=True) + 1e-8).sqrt()], dim=1)
    for layer in mapping.layers:
        assert isinstance(layer, EqualLinear)
        assert layer.rate == 0.01
        x = plain.rectified(plain.dense(layer, x))
    torch.testing.assert_close(mapping(z, known), x)


def test_only_the_direction_of_a_code_counts() -> None:
    mapping = Mapping(TINY).eval()
    torch.testing.assert_close(mapping(_codes()), mapping(7 * _codes()))
    torch.testing.assert_close(normalised(_codes()).square().mean(1), torch.ones(3))
    assert float(normalised(torch.zeros(1, 4)).abs().max()) == 0


def test_truncation_draws_towards_the_mean() -> None:
    mapping = Mapping(TINY).eval()
    mapping.average.copy_(_codes(1, TINY.w_size)[0])
    w = mapping(_codes())
    whole = mapping.truncate(w)
    assert whole.shape == (3, TINY.styles, TINY.w_size)
    assert bool((whole == w[:, None]).all())
    torch.testing.assert_close(mapping.truncate(w, 0.0), mapping.average.expand_as(whole))
    torch.testing.assert_close(mapping.truncate(w, 0.5), (whole + mapping.average) / 2)
    torch.testing.assert_close(mapping.truncate(w, 2.0), 2 * whole - mapping.average)
    torch.testing.assert_close(mapping.truncate(w, -1.0), 2 * mapping.average - whole)


@pytest.mark.parametrize("cutoff", [0, 2, TINY.styles, 99])
def test_only_the_first_styles_are_drawn_where_a_cutoff_says_so(cutoff: int) -> None:
    mapping = Mapping(TINY).eval()
    mapping.average.fill_(3.0)
    w = mapping(_codes())
    part = mapping.truncate(w, 0.25, cutoff=cutoff)
    assert part.shape == (3, TINY.styles, TINY.w_size)
    torch.testing.assert_close(part[:, :cutoff], mapping.truncate(w, 0.25)[:, :cutoff])
    torch.testing.assert_close(part[:, cutoff:], mapping.truncate(w)[:, cutoff:])


def test_the_mean_follows_in_training_only() -> None:
    mapping = Mapping(TINY).eval()
    mapping(_codes())
    assert float(mapping.average.abs().max()) == 0
    w = mapping.train()(_codes()).detach()
    torch.testing.assert_close(mapping.average, 0.005 * w.mean(0))
    mapping(_codes())
    torch.testing.assert_close(mapping.average, (0.005 + 0.995 * 0.005) * w.mean(0))
    assert not mapping.average.requires_grad


def test_labels_condition_the_style_and_have_to_be_there() -> None:
    mapping = Mapping(replace(TINY, labels=2)).eval()
    one, other = (mapping(_codes(), row.expand(3, -1)) for row in torch.eye(2))
    assert not torch.allclose(one, other)
    with pytest.raises(ValueError, match="labels of 2 numbers"):
        mapping(_codes())


def test_a_group_says_which_of_its_numbers_is_largest() -> None:
    mapping = Mapping(replace(TINY, groups=(3,), group_bias=(0.0, 0.0, 9.0))).eval()
    one, same, other = _codes(1), _codes(1), _codes(1)
    one[0, -3:] = torch.tensor([5.0, 0.0, -20.0])
    same[0, -3:] = torch.tensor([6.0, -1.0, -30.0])
    other[0, -3:] = torch.tensor([0.0, 0.0, 0.0])  # the bias decides
    torch.testing.assert_close(mapping(one), mapping(same))
    assert not torch.allclose(mapping(one), mapping(other))


def test_choices_have_the_size_of_ordinary_numbers_and_leave_the_others_alone() -> None:
    """Read by a mapping whose one layer hands on what it gets: z is normalised, groups are one-hot."""
    config = replace(TINY, z_size=9, w_size=9, mapping_layers=1, mapping_rate=1.0, groups=(2, 4))
    mapping = Mapping(config).double().eval()
    layer = mapping.layers[0]
    assert isinstance(layer, EqualLinear)
    layer.weight.data.copy_(3 * torch.eye(9))
    layer.bias.data.fill_(100.0)  # keeps the rectifier out of the way
    z = _codes(5, 9).double()
    z[:, 3:5] = torch.tensor([30.0, 0.0])
    z[:, 5:] = torch.tensor([0.0, 0.0, 40.0, 0.0])
    read = mapping(z) / 2**0.5 - 100
    expected = z.clone()
    expected[:, 3:5] = torch.tensor([1.0, -1.0])
    expected[:, 5:] = torch.tensor([-1.0, -1.0, 3.0, -1.0]) / 3**0.5
    torch.testing.assert_close(read, normalised(expected))
    for part in (expected[:, 3:5], expected[:, 5:]):
        torch.testing.assert_close(part.square().mean(1), torch.ones(5).double())
        torch.testing.assert_close(part.mean(1), torch.zeros(5).double())


def test_a_choice_can_be_learned_through() -> None:
    mapping = Mapping(replace(TINY, groups=(3,))).eval()
    z = (0.1 * _codes()).requires_grad_()
    mapping(z).sum().backward()
    assert z.grad is not None
    assert bool((z.grad[:, -3:].abs().sum(0) > 0).all())
