"""Threads of our own, each of which does a piece of work from end to end.

Torch shares every single product among its threads, which wait for the next one so eagerly that compiled
loops find no room beside them. On these threads torch does not fork any further.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import torch


def own_threads() -> ThreadPoolExecutor:
    """Return as many threads as torch may use now; a forked process has none of its parent's."""
    return _pool(torch.get_num_threads(), os.getpid())


@lru_cache(maxsize=2)
def _pool(threads: int, _process: int) -> ThreadPoolExecutor:
    met = threading.Barrier(threads)

    def begin() -> None:
        torch.set_num_threads(1)
        torch.get_num_threads()  # a thread takes over what others set until it first asks
        met.wait()

    pool = ThreadPoolExecutor(threads, thread_name_prefix="phiz-pieces", initializer=begin)
    for task in [pool.submit(met.wait) for _ in range(threads)]:
        task.result()
    torch.set_num_threads(threads)  # what a thread sets also counts for those that have not begun
    return pool
