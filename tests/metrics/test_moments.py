"""Moments: however the features come in, the same mean and covariance."""

from __future__ import annotations

import pytest
import torch

from phiz.metrics import moments
from phiz.metrics.moments import Moments


def _features(count: int = 40) -> torch.Tensor:
    return 1000 + torch.randn(count, 5, generator=torch.Generator().manual_seed(0)).cumsum(1)


def _same(a: Moments, b: Moments) -> None:
    assert a.count == b.count
    torch.testing.assert_close(a.mean, b.mean, rtol=1e-12, atol=0)
    torch.testing.assert_close(a.scatter, b.scatter, rtol=1e-9, atol=1e-9)


def test_moments_of_a_batch_are_mean_and_covariance() -> None:
    features = _features().double()
    found = moments.of(features)
    torch.testing.assert_close(found.mean, features.mean(0))
    torch.testing.assert_close(found.covariance, torch.cov(features.T))


@pytest.mark.parametrize("cut", [0, 1, 13, 40])
def test_merging_parts_equals_the_whole(cut: int) -> None:
    features = _features()
    parts = moments.merge(moments.of(features[:cut]), moments.of(features[cut:]))
    _same(parts, moments.of(features))


def test_order_and_grouping_of_batches_do_not_matter() -> None:
    a, b, c = (moments.of(part) for part in _features().split([3, 30, 7]))
    _same(moments.merge(moments.merge(a, b), c), moments.merge(c, moments.merge(b, a)))
    _same(moments.merge(moments.empty(5), a), a)
    assert moments.merge(moments.empty(5), moments.empty(5)).count == 0


def test_moments_survive_the_way_between_ranks() -> None:
    found = moments.of(_features())
    row = moments.pack(found)
    assert row.shape == (1 + 5 + 25,)
    again = moments.unpack(row, 5)
    assert again.count == 40
    assert torch.equal(again.mean, found.mean)
    assert torch.equal(again.scatter, found.scatter)


def test_one_picture_has_no_covariance() -> None:
    with pytest.raises(ValueError, match="two or more"):
        _ = moments.of(_features(1)).covariance
