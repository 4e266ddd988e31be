from __future__ import annotations

import pickle

import torch

from phiz.face import models
from phiz.world.data.produce import PaintedPeople, one_thread


def test_what_was_loaded_does_not_travel_to_other_processes() -> None:
    make = PaintedPeople(head="some/folder", size=64, seed=3, per_person=4)
    before = pickle.dumps(make)
    make._dressed = (0, None, torch.zeros(10_000))  # type: ignore[assignment]
    assert pickle.dumps(make) == before
    there = pickle.loads(before)
    assert (there.head, there.size, there.seed, there.per_person) == ("some/folder", 64, 3, 4)


def test_one_thread_is_for_the_block_only() -> None:
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_new_looks_leave_the_person_as_they_are() -> None:
    make = PaintedPeople(head=models.BUILT_IN, size=16, seed=3, per_person=4, has_new_looks=True)
    head = make.model()
    (first, _), (second, _), (other, _) = (make._person(number, head) for number in (0, 1, 4))
    assert first.number == second.number != other.number
    assert torch.equal(first.identity, second.identity)
    assert (first.hair.style, first.cloth_colour) != (second.hair.style, second.cloth_colour)
    assert make._person(1, head)[0].hair == second.hair
