"""Pairs are judged by thresholds found on others, and curves know what a mistake costs."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy import stats

from phiz.face.identity.config import TINY
from phiz.face.identity.networks import begin, embed, unit
from phiz.metrics import verification
from phiz.metrics.pairs import Pairs


def people(count: int, noise: float, seed: int = 0) -> tuple[torch.Tensor, np.ndarray]:  # type: ignore[type-arg]
    """Return embeddings of pairs, half of them of one person."""
    chance = torch.Generator().manual_seed(seed)
    first = torch.randn(count, 16, generator=chance)
    other = torch.randn(count, 16, generator=chance)
    are_same = torch.rand(count, generator=chance) < 0.5
    second = torch.where(are_same[:, None], first, other) + noise * torch.randn(count, 16, generator=chance)
    return torch.stack([first, second], 1).flatten(0, 1), are_same.numpy()


def test_pairs_that_are_easy_are_all_told_apart() -> None:
    embeddings, are_same = people(200, 0.01)
    found = verification.judge(embeddings, embeddings, are_same)
    assert found.accuracy == found.accepted == found.area == 1
    assert found.spread == 0
    assert found.accepted_false < 0.05
    assert found.length == pytest.approx(float(embeddings.norm(dim=1).mean()))


def test_pairs_that_say_nothing_are_guessed() -> None:
    embeddings = torch.randn(4000, 16, generator=torch.Generator().manual_seed(0))
    are_same = np.random.default_rng(1).random(2000) < 0.5
    found = verification.judge(embeddings, embeddings, are_same)
    assert found.accuracy == pytest.approx(0.5, abs=0.05)
    assert found.area == pytest.approx(0.5, abs=0.05)
    assert found.accepted < 0.02


def test_a_fold_is_judged_by_a_threshold_of_the_others() -> None:
    away = np.concatenate([np.tile([0.5, 2.0], 45), np.tile([2.0, 3.0], 5)])  # the last fold is shifted
    are_same = np.tile([True, False], 50)
    found = verification.accuracies(away, are_same)
    assert found[:9].tolist() == [1.0] * 9
    assert found[9] == 0.5  # with a threshold of its own it would be 1


def test_the_mirror_image_is_added_before_the_length_is_taken() -> None:
    plain, are_same = people(20, 0.1)
    mirrored = torch.randn(plain.shape, generator=torch.Generator().manual_seed(9))
    whole = torch.nn.functional.normalize((plain + mirrored).double(), dim=1)
    away = (whole[0::2] - whole[1::2]).square().sum(1).numpy()
    found = verification.judge(plain, mirrored, are_same)
    assert found.accuracy == pytest.approx(verification.accuracies(away, are_same).mean())


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=2, max_size=40))
def test_the_area_is_the_chance_that_a_true_pair_scores_more(pairs: list[tuple[int, bool]]) -> None:
    scores = np.array([score for score, _ in pairs], dtype=np.float64)
    claims = np.array([claim for _, claim in pairs])
    if claims.all() or not claims.any():
        return
    ranked = stats.mannwhitneyu(scores[claims], scores[~claims]).statistic
    curve = verification.curve(scores, claims)
    assert curve.area == pytest.approx(ranked / (claims.sum() * (~claims).sum()))
    assert curve.false[0] == curve.true[0] == 0
    assert curve.false[-1] == curve.true[-1] == 1
    assert (np.diff(curve.false) >= 0).all()


def test_true_pairs_at_a_rate_of_false_ones() -> None:
    scores = np.array([9.0, 8.0, 7.0, 6.0, 5.0, 4.0])
    claims = np.array([True, False, True, True, False, True])
    curve = verification.curve(scores, claims)
    assert curve.true_at([0.0, 0.25, 0.5, 1.0]) == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert curve.nearest([0.0, 0.2, 0.3, 0.6, 1.0]) == [0.25, 0.25, 0.75, 0.75, 1.0]


def test_acceptance_needs_no_interpolation_that_breaks_on_equal_rates() -> None:
    embeddings, are_same = people(400, 0.9)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        away = verification.distances(unit(embeddings))
        found = list(verification.acceptances(away, are_same, rate=0.05))
    true, false = np.array(found).mean(0)
    assert false == pytest.approx(0.05, abs=0.05)
    assert true > 0.5


def test_nothing_is_accepted_where_even_the_most_lenient_threshold_is_too_strict() -> None:
    away, are_same = np.full(20, 5.0), np.tile([True, False], 10)
    assert set(verification.acceptances(away, are_same)) == {(0.0, 0.0)}


def test_too_few_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="10 folds"):
        verification.accuracies(np.zeros(9), np.zeros(9, dtype=bool))


def test_a_network_is_tried_on_pictures(tmp_path: Path) -> None:
    rng, files = np.random.default_rng(0), []
    for number in range(20):
        base = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        for copy in range(2):
            shown = base if number % 2 == 0 else rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            noisy = np.clip(shown.repeat(4, 0).repeat(4, 1).astype(int) + copy, 0, 255).astype(np.uint8)
            data = io.BytesIO()
            Image.fromarray(noisy).save(data, "PNG")
            files.append(data.getvalue())
    pairs = Pairs(name="noise", pictures=files, are_same=np.arange(20) % 2 == 0)
    network = begin(TINY, torch.Generator().manual_seed(0)).eval()
    found = verification.verify(network, pairs, at_once=7)
    assert found.accuracy > 0.9
    crops = torch.cat(list(pairs.batches(3)))
    both = torch.cat([embed(network, crops), embed(network, crops.flip(-1))])
    assert found.length == pytest.approx(float(both.norm(dim=1).mean()), rel=1e-5)
    assert set(found.numbers()) >= {"accuracy", "tar_at_far_1e-3", "auc"}
