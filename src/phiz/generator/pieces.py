"""Work in pieces, on threads of our own, and numbers as compiled loops see them.

A large map is made in strips that stay in the cache and use the same memory one after the other. Each thread
does a piece of work from end to end. Torch shares every single product among its threads, which wait for the
next one so eagerly that loops find no room beside them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from phiz.layers.threads import own_threads

BITS = {torch.float32: (torch.uint32, 0), torch.bfloat16: (torch.uint16, 16)}
"""How loops see numbers: as bits, which are the upper ones of a float32."""
STRIP = 2**20
"""Numbers in a strip of a map."""


def fits(x: Float[Tensor, "*b"]) -> bool:
    """Return whether compiled loops can work on a map: on a processor, and not while torch records."""
    return (
        x.device.type == "cpu"
        and computed(x) in BITS
        and x.dtype in BITS
        and not torch.compiler.is_compiling()
    )


def computed(x: Float[Tensor, "*b"]) -> torch.dtype:
    """Return the precision that products of a tensor have."""
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype


def bits(x: Float[Tensor, "*b"]) -> Any:
    """Return the bits of a tensor's numbers, where they lie."""
    return x.detach().view(BITS[x.dtype][0]).numpy()


def shift(x: Float[Tensor, "*b"]) -> Any:
    """Return by how much a tensor's bits are to be shifted to be those of a float32."""
    return np.uint32(BITS[x.dtype][1])


def plain(x: Float[Tensor, "*b"]) -> Any:
    """Return a small tensor's numbers as loops read biases: in float32."""
    return x.detach().float().contiguous().numpy()


def rows(numbers: int, least: int = 1) -> int:
    """Return how many rows of so many numbers make a strip."""
    return max(least, STRIP // max(numbers, 1))


def pieces(whole: int, size: int) -> int:
    """Return how many pieces of a size make a whole; the last may be smaller."""
    return -(-whole // size)


def share(count: int, worker: Callable[[], Callable[[int], None]]) -> None:
    """Do so many pieces of work on as many threads as torch may use, without gradients.

    Each thread makes itself a `worker`, with memory of its own, and hands it the number of a piece until
    there are none left. The order in which pieces are done does not matter to what comes out.
    """
    numbers, threads = iter(range(count)), min(torch.get_num_threads(), count)
    is_inference = torch.is_inference_mode_enabled()
    is_mixed, kind = torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")

    def run() -> None:
        mixed = torch.autocast("cpu", kind, enabled=is_mixed)
        with torch.inference_mode(is_inference), torch.no_grad(), mixed:
            work = worker()
            for number in numbers:
                work(number)

    if threads <= 1:
        run()
        return
    pool = own_threads()
    for task in [pool.submit(run) for _ in range(threads)]:
        task.result()
