"""How plain loops become compiled ones."""

from __future__ import annotations

import inspect
from typing import Any

import numba


def compiled(function: Any) -> Any:
    """Return the function, to be compiled at its first call; strict arithmetic, no fast-math.

    Numba wants the plain function, not what type checkers of the tests may have wrapped it in. What is
    compiled is kept on disk.
    """
    return numba.njit(inspect.unwrap(function), cache=True, nogil=True, error_model="numpy")
