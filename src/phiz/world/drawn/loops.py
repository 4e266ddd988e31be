"""Which of two twins runs: compiled loops on the processor, plain torch everywhere else.

Both give the same numbers but for rounding. Compilation happens at the first call and is kept on disk.
"""

from __future__ import annotations

import inspect
from typing import Any

import numba
from jaxtyping import Shaped
from torch import Tensor


def ready(tensor: Shaped[Tensor, "..."]) -> bool:
    """Return whether compiled loops can work on a tensor."""
    return tensor.device.type == "cpu"


def compiled(function: Any) -> Any:
    """Return the function, to be compiled at its first call; strict arithmetic, no fast-math.

    Numba wants the plain function, not what type checkers of the tests may have wrapped it in.
    """
    return numba.njit(inspect.unwrap(function), cache=True, nogil=True, error_model="numpy")


def array(tensor: Shaped[Tensor, "..."]) -> Any:
    """Return a tensor's numbers as a C-ordered array, shared where they lie that way already."""
    return tensor.detach().contiguous().numpy()
