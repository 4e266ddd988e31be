"""Codes become styles; the mean draws them; groups are choices."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from phiz.generator.config import TINY
from phiz.generator.mapping import Mapping, normalised


def _codes(count: int = 3, size: int = TINY.z_size) -> torch.Tensor:
    return torch.randn(count, size, generator=torch.Generator().manual_seed(0))


def test_only_the_direction_of_a_code_counts() -> None:
    mapping = Mapping(TINY).eval()
    torch.testing.assert_close(mapping(_codes()), mapping(7 * _codes()))
    torch.testing.assert_close(normalised(_codes()).square().mean(1), torch.ones(3))


def test_truncation_draws_towards_the_mean() -> None:
    mapping = Mapping(TINY).eval()
    mapping.average.copy_(_codes(1, TINY.w_size)[0])
    w = mapping(_codes())
    whole = mapping.truncate(w)
    assert whole.shape == (3, TINY.styles, TINY.w_size)
    torch.testing.assert_close(mapping.truncate(w, 0.0), mapping.average.expand_as(whole))
    torch.testing.assert_close(mapping.truncate(w, 0.5), (whole + mapping.average) / 2)
    part = mapping.truncate(w, 0.5, cutoff=2)
    torch.testing.assert_close(part[:, 2:], whole[:, 2:])
    torch.testing.assert_close(part[:, :2], mapping.truncate(w, 0.5)[:, :2])


def test_the_mean_follows_in_training_only() -> None:
    mapping = Mapping(TINY).eval()
    mapping(_codes())
    assert float(mapping.average.abs().max()) == 0
    w = mapping.train()(_codes()).detach()
    torch.testing.assert_close(mapping.average, 0.005 * w.mean(0))


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
