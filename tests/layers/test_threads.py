"""Threads of our own: as many as torch may use, none of which forks further."""

from __future__ import annotations

import threading

import torch

from phiz.layers.threads import own_threads


def test_each_thread_works_alone_and_torch_keeps_its_own() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        pool, met = own_threads(), threading.Barrier(2)

        def work() -> tuple[int, int]:
            met.wait(10)  # both are at work at once
            return threading.get_ident(), torch.get_num_threads()

        found = [task.result() for task in [pool.submit(work) for _ in range(2)]]
        assert len({thread for thread, _ in found}) == 2
        assert [count for _, count in found] == [1, 1]
        assert torch.get_num_threads() == 2
        assert own_threads() is pool
        torch.set_num_threads(1)
        assert own_threads() is not pool
    finally:
        torch.set_num_threads(before)
