"""Masks that do not tremble: each the mean of those about it, frame after frame in constant memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

WINDOW = 7
"""Masks that are averaged."""

T = TypeVar("T")


def averaged(
    items: Iterable[tuple[T, Float[Tensor, "1 1 n n"]]], *, is_causal: bool
) -> Iterator[tuple[T, Float[Tensor, "1 1 n n"]]]:
    """Yield the same items, each with the mean of its mask and those about it.

    As published, these are the six before it: what closes fast closes late. Otherwise they are three before
    and three after; an item is then held back until those are there. Where there are fewer, fewer count.
    """
    after = 0 if is_causal else WINDOW // 2
    before = WINDOW - 1 - after
    masks: deque[tuple[int, Tensor]] = deque(maxlen=WINDOW)
    waiting: deque[tuple[int, T]] = deque()
    for number, (item, mask) in enumerate(items):
        masks.append((number, mask))
        waiting.append((number, item))
        if len(waiting) > after:
            yield _first(waiting, masks, before)
    while waiting:
        yield _first(waiting, masks, before)


def _first(waiting: deque[tuple[int, T]], masks: deque[tuple[int, Tensor]], before: int) -> tuple[T, Tensor]:
    """Take the first item that waits; return it with the mean of the masks that are near enough."""
    place, item = waiting.popleft()
    near = [mask for number, mask in masks if number >= place - before]
    return item, torch.stack(near).mean(dim=0)
