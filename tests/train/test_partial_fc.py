"""Centres in one process are centres in two; a sample keeps its own people and as many others as asked."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from phiz.train import partial_fc
from phiz.train.margins import ARCFACE, COSFACE, Margin, with_margin
from phiz.train.partial_fc import Centres, sampled, share_of
from phiz.train.ranks import Ranks

ALONE = Ranks(rank=0, world=1, local_rank=0, device=torch.device("cpu"))


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(st.integers(1, 1000), st.integers(1, 16))
def test_every_class_belongs_to_one_process(classes: int, world: int) -> None:
    shares = [share_of(classes, rank, world) for rank in range(world)]
    assert [number for share in shares for number in share] == list(range(classes))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize("kind", [ARCFACE, COSFACE])
def test_the_loss_is_the_cross_entropy_of_the_logits(kind: Margin) -> None:
    margin = replace(kind, scale=8.0)
    centres = Centres(6, 9, ALONE)
    centres.start(chance())
    embeddings = torch.randn(5, 6, generator=chance(1), requires_grad=True)
    labels = torch.tensor([0, 8, 3, 3, 5])
    loss = centres(embeddings, labels, margin)
    loss.backward()
    mine = embeddings.grad
    embeddings.grad = None
    cosines = functional.normalize(embeddings) @ functional.normalize(centres.weight).T
    plain = functional.cross_entropy(with_margin(cosines, labels, margin), labels)
    plain.backward()
    assert float(loss.detach()) == pytest.approx(float(plain.detach()), rel=1e-5)
    assert mine is not None
    assert embeddings.grad is not None
    assert torch.allclose(mine, embeddings.grad, atol=1e-5)


def test_gradients_go_on_where_probabilities_are_too_small_to_tell() -> None:
    logits = torch.tensor([[200.0, 0.0]], requires_grad=True)
    loss = partial_fc.shared_cross_entropy(logits, torch.tensor([1]))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(69.0776, abs=1e-3)  # minus the logarithm of 1e-30
    assert logits.grad is not None
    assert torch.allclose(logits.grad, torch.tensor([[1.0, -1.0]]))


@given(st.lists(st.integers(-1, 19), min_size=1, max_size=12), st.integers(0, 20), st.integers(0, 99))
def test_a_sample_has_its_own_people_and_no_more_than_asked(labels: list[int], count: int, seed: int) -> None:
    given_ = torch.tensor(labels)
    used, among = sampled(given_, torch.rand(20, generator=chance(seed)), count)
    own = {label for label in labels if label >= 0}
    assert own <= set(used.tolist())
    assert len(used) == max(count, len(own))
    assert used.tolist() == sorted(set(used.tolist()))
    for label, place in zip(labels, among.tolist(), strict=True):
        assert (place == -1) if label < 0 else (int(used[place]) == label)


def test_centres_that_are_not_used_do_not_move() -> None:
    centres = Centres(4, 10, ALONE, sample=0.0)  # the published wf42m_pfc0008: its own people alone
    centres.start(chance())
    centres(torch.randn(3, 4, generator=chance(1)), torch.tensor([7, 2, 7]), COSFACE, chance(2)).backward()
    moving = centres.weight.grad.abs().sum(1).nonzero().flatten()  # type: ignore[union-attr]
    assert moving.tolist() == [2, 7]


def test_centres_start_in_the_same_places_whoever_owns_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partial_fc, "AT_ONCE", 4)
    whole = Centres(3, 11, ALONE)
    whole.start(chance(5))
    parts = []
    for rank in range(3):
        here = Ranks(rank=rank, world=3, local_rank=rank, device=torch.device("cpu"))
        part = Centres(3, 11, here)
        part.start(chance(5))
        parts.append(part.weight)
    assert torch.equal(torch.cat(parts), whole.weight)
    assert float(whole.weight.detach().std()) == pytest.approx(0.01, rel=0.4)


@pytest.mark.parametrize(("classes", "sample"), [(0, 1.0), (5, 1.5), (5, -0.1)])
def test_centres_that_cannot_be_are_refused(classes: int, sample: float) -> None:
    with pytest.raises(ValueError, match="cannot be shared"):
        Centres(4, classes, ALONE, sample=sample)
