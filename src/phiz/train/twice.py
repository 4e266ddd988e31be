"""Parts of a network computed twice, once for what they give and once for their gradient: less memory.

The second time chance draws what it drew the first time, and normalisations remember nothing: what is
learned is the same to the last bit.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


def compute_twice(parts: Iterable[nn.Module], chance: torch.Generator) -> None:
    """Make parts keep nothing but what they are given, whenever something is learned."""
    for part in parts:
        part.forward = functools.partial(_twice, part, part.forward, chance)


def _twice(part: nn.Module, forward: Callable[..., Any], chance: torch.Generator, *given: Any) -> Any:
    if not torch.is_grad_enabled() or not part.training:
        return forward(*given)
    before = chance.get_state()
    is_first = [True]

    def work(*inputs: Any) -> Any:
        if is_first:
            is_first.clear()
            return forward(*inputs)
        with _as_before(part, chance, before):
            return forward(*inputs)

    return checkpoint(work, *given, use_reentrant=False)


@contextlib.contextmanager
def _as_before(part: nn.Module, chance: torch.Generator, before: torch.Tensor) -> Iterator[None]:
    """Let chance and normalisations be what they were; put them back to what they are afterwards."""
    now = chance.get_state()
    norms = [one for one in part.modules() if isinstance(one, _BatchNorm)]
    kept = [(one.momentum, one.num_batches_tracked) for one in norms]
    chance.set_state(before)
    for one in norms:
        one.momentum = 0.0
        one.num_batches_tracked = torch.zeros_like(one.num_batches_tracked)  # type: ignore[arg-type]
    try:
        yield
    finally:
        chance.set_state(now)
        for one, (momentum, count) in zip(norms, kept, strict=True):
            one.momentum, one.num_batches_tracked = momentum, count
