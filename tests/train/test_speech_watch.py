"""Measures of a mouth against the truth."""

from __future__ import annotations

import pytest
import torch

from phiz.speech.hearing import Told
from phiz.train import speech_watch

NAMES = ("jawOpen", "mouthClose")


def _told(expression: torch.Tensor) -> Told:
    return Told(
        expression=expression, closed=torch.zeros(len(expression)), talking=torch.ones(len(expression))
    )


def test_the_truth_is_told_fully() -> None:
    true = torch.rand(20, 2) * torch.tensor([0.5, 0.0])
    true[5:7] = 0
    labels = torch.zeros(20, 3, dtype=torch.long)
    labels[5:7, 1] = labels[:15, 2] = 1
    found = speech_watch.compared(_told(true), true, labels, NAMES)
    assert found["opening r"] == pytest.approx(1.0, abs=1e-4)
    assert found["closures found"] == 1
    assert found["talk told"] == 0.75
    open_ = torch.full_like(true, 0.4)
    open_[:, 1] = 0
    assert speech_watch.compared(_told(open_), true, labels, NAMES)["closures found"] == 0


def test_modes_without_names_are_compared_one_by_one() -> None:
    true = torch.randn(30, 3)
    true[:, 2] = 1.0  # does not move, and says nothing
    found = speech_watch.compared(_told(-true), true, None, ())
    assert found == {"modes r": pytest.approx(-1.0, abs=1e-4)}


def test_lips_are_apart_by_what_is_not_closed() -> None:
    found = speech_watch.opening(torch.tensor([[0.5, 0.2], [0.1, 0.3]]), NAMES)
    torch.testing.assert_close(found, torch.tensor([0.3, 0.0]))
    assert speech_watch.correlation(torch.ones(4), torch.rand(4)) == 0
