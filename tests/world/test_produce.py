from __future__ import annotations

import pickle

import torch

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
