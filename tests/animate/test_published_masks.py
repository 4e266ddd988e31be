"""Masks are averaged as published, or without delay."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from phiz.animate.published_masks import WINDOW, averaged

TIMES = 12


def masks() -> Tensor:
    return torch.rand(TIMES, 1, 1, 4, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("is_causal", "before", "after"), [(True, 6, 0), (False, 3, 3)])
@pytest.mark.parametrize("times", [TIMES, 5, 1, 0])
def test_each_is_the_mean_of_those_about_it(is_causal: bool, before: int, after: int, times: int) -> None:
    given = masks()[:times]
    found = list(averaged(enumerate(given), is_causal=is_causal))
    assert [number for number, _ in found] == list(range(times))
    for number, mask in found:
        expected = given[max(0, number - before) : number + after + 1].mean(dim=0)
        torch.testing.assert_close(mask, expected)


def test_the_published_mean_is_late_and_the_other_is_not() -> None:
    opened = torch.zeros(30, 1, 1, 1, 1)
    opened[10:20] = 1

    def middle(is_causal: bool) -> float:
        shares = torch.stack([mask for _, mask in averaged(enumerate(opened), is_causal=is_causal)])[
            :, 0, 0, 0, 0
        ]
        return float((shares * torch.arange(30.0)).sum() / shares.sum())

    assert middle(is_causal=False) == pytest.approx(14.5, abs=1e-4)
    assert middle(is_causal=True) == pytest.approx(14.5 + (WINDOW - 1) / 2, abs=1e-4)


def test_items_come_as_soon_as_they_can() -> None:
    def some() -> object:
        for number, mask in enumerate(masks()):
            taken.append(number)
            yield number, mask

    taken: list[int] = []
    next(averaged(some(), is_causal=True))  # type: ignore[arg-type]
    assert taken == [0]
    taken.clear()
    next(averaged(some(), is_causal=False))  # type: ignore[arg-type]
    assert taken == [0, 1, 2, 3]
