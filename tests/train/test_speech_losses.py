"""Each loss is nothing for the truth, and what it says for what is not."""

from __future__ import annotations

import pytest
import torch

from phiz.face import models
from phiz.speech.mouth_network import Told
from phiz.train import speech_losses

KNOWN = torch.ones(1, 3, dtype=torch.bool)


def test_modes_count_in_their_own_spreads() -> None:
    true = torch.zeros(1, 3, 2)
    told = torch.tensor([[[1.0, 0.0], [0.0, 0.2], [9.0, 9.0]]])
    known = torch.tensor([[True, True, False]])
    found = speech_losses.modes_apart(told, true, torch.tensor([1.0, 0.1]), known)
    assert float(found) == pytest.approx((0.5 + 2.0) / 2)
    assert float(speech_losses.modes_apart(true, true, torch.ones(2), KNOWN)) == 0


def test_speeds_know_no_lasting_error() -> None:
    true = torch.randn(1, 3, 2)
    assert float(speech_losses.speeds_apart(true + 5, true, torch.ones(2), KNOWN)) < 1e-10
    jitter = true + torch.tensor([1.0, -1.0, 1.0])[None, :, None]
    assert float(speech_losses.speeds_apart(jitter, true, torch.ones(2), KNOWN)) == pytest.approx(4.0)


def test_labels_are_likely_where_they_are_told() -> None:
    labels = torch.tensor([[[2, 1, 1], [0, 0, 0], [1, 0, 1]]])
    visemes = torch.nn.functional.one_hot(labels[..., 0], 4).float()
    sure = 2.0 * labels.float() - 1
    right = Told(torch.zeros(1, 3, 1), 30 * visemes, 30 * sure[..., 1], 30 * sure[..., 2])
    wrong = Told(torch.zeros(1, 3, 1), -30 * visemes, -30 * sure[..., 1], -30 * sure[..., 2])
    assert float(speech_losses.labels_apart(right, labels, KNOWN)) < 1e-6
    assert float(speech_losses.labels_apart(wrong, labels, KNOWN)) > 50


def test_points_move_where_the_head_moves_them() -> None:
    head = models.open_model("built-in")
    names = head.expression_names
    places = speech_losses.visible_places(head, tuple(range(len(names))), eyes_share=0.2)
    moved = dict(zip(names, places.norm(dim=1).tolist(), strict=True))
    assert moved["jawOpen"] > moved["mouthSmileLeft"] > moved["browInnerUp"]
    assert moved["mouthClose"] > 0.3  # an open mouth is closed by it
    opposite = torch.cosine_similarity(
        places[names.index("jawOpen")], places[names.index("mouthClose")], dim=0
    )
    assert float(opposite) < -0.3
    told = torch.zeros(1, 3, len(names))
    true = told.clone()
    true[..., names.index("jawOpen")] = 1.0
    assert float(speech_losses.places_apart(true, true, places, KNOWN)) == 0
    expected = places[names.index("jawOpen")].square().mean()
    torch.testing.assert_close(speech_losses.places_apart(told, true, places, KNOWN), expected)
