"""Which of two twins runs: compiled loops on the processor, plain torch everywhere else.

Both give the same numbers but for rounding.
"""

from __future__ import annotations

from typing import Any

from jaxtyping import Shaped
from torch import Tensor


def ready(tensor: Shaped[Tensor, "..."]) -> bool:
    """Return whether compiled loops can work on a tensor."""
    return tensor.device.type == "cpu"


def array(tensor: Shaped[Tensor, "..."]) -> Any:
    """Return a tensor's numbers as a C-ordered array, shared where they lie that way already."""
    return tensor.detach().contiguous().numpy()
