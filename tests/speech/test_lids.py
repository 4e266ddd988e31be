"""Blinks of a stream are as frequent, as long and as well placed as those that are planned."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from phiz.speech import lids
from phiz.speech.lids import Blinks


def pushed(gate: Tensor, *, seed: int = 0, dial: float = 1.0, size: int | None = None) -> Tensor:
    stream = Blinks(torch.Generator().manual_seed(seed), dial=dial)
    return torch.cat([stream.push(piece) for piece in torch.split(gate, size or len(gate))])


def begun(lid: Tensor) -> Tensor:
    """Return the frames in which a blink has begun."""
    return ((lid[1:, 0] > 0) & (lid[:-1, 0] == 0)).nonzero()[:, 0] + 1


HUSH = torch.zeros(15_000)


@pytest.mark.parametrize(("dial", "least", "most"), [(1.0, 14, 26), (2.0, 28, 50), (0.5, 7, 13)])
def test_eyes_blink_as_often_as_people_do(dial: float, least: float, most: float) -> None:
    count = len(begun(pushed(HUSH, dial=dial)))
    assert least < count / 10 < most


def test_at_zero_eyes_stay_open_even_at_the_ends_of_phrases() -> None:
    gate = torch.cat([torch.ones(40), torch.zeros(40)]).repeat(10)
    assert pushed(gate, dial=0.0).max() == 0


def test_blinks_are_short_whole_and_never_twice_at_once() -> None:
    lid = pushed(HUSH[:10_000])
    starts = begun(lid)
    assert starts.diff().min() >= 16
    lengths = [int((lid[start : start + 14, 0] > 0).sum()) for start in starts[:-1].tolist()]
    assert 4 <= min(lengths) <= max(lengths) <= 9
    assert all(float(lid[start : start + 6].max()) == 1 for start in starts[:-1].tolist())
    assert torch.equal(lid[:, 0], lid[:, 1])


def test_most_phrases_end_with_a_blink() -> None:
    phrase = torch.cat([torch.ones(60), torch.zeros(40)])
    lid = pushed(phrase.repeat(200))
    places = begun(lid) % 100
    after = ((places >= 60) & (places < 74)).float().sum() / 200
    by_chance = len(places) / 200 * 14 / 100
    assert after > max(0.45, 2 * by_chance)


def test_cuts_change_nothing_and_seeds_do() -> None:
    gate = torch.cat([torch.ones(60), torch.zeros(40)]).repeat(5)
    assert torch.equal(pushed(gate), pushed(gate, size=7))
    assert not torch.equal(pushed(gate), pushed(gate, seed=1))


def test_a_lid_goes_down_faster_than_up() -> None:
    curve = [lids.closed(k / 1000, 1.0) for k in range(400)]
    shut = curve.index(1.0)
    opens = len(curve) - curve[::-1].index(1.0)
    assert 60 < shut < 80
    assert opens - shut >= 1000 // lids.FPS - 1
    assert curve.index(0.0, opens) - opens > 1.8 * shut
