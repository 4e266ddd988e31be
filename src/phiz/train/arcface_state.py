"""What belongs to one process alone, in snapshots as one: centres, and what their optimiser remembers.

The first process gathers the rows of all; when a training goes on, each takes its own again, however many
they are then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor, distributed

from phiz.train.partial_fc import Centres, share_of
from phiz.train.ranks import Ranks


class WholeCentres:
    """The centres of all processes as a part of a training; a class because `Run` asks for one."""

    def __init__(self, centres: Centres) -> None:
        self._centres = centres

    def state_dict(self) -> dict[str, Shaped[Tensor, "n e"]]:
        """Return all centres in the first process, none in others; all of them have to ask."""
        centres = self._centres
        return {"weight": gathered_rows(centres.weight, centres.classes, centres.here)}

    def load_state_dict(self, state: Mapping[str, Shaped[Tensor, "n e"]]) -> None:
        """Take this process's centres out of all."""
        whole = state["weight"]
        if whole.shape != (self._centres.classes, self._centres.weight.shape[1]):
            raise ValueError(f"there are centres of the shape {tuple(whole.shape)}")
        with torch.no_grad():
            self._centres.weight.copy_(own_rows(whole, self._centres))


class WholeOptimiser:
    """What the optimiser of all centres remembers as a part of a training."""

    def __init__(self, optimiser: torch.optim.Optimizer, centres: Centres) -> None:
        self._optimiser, self._centres = optimiser, centres

    def state_dict(self) -> dict[str, Any]:
        """Return the state with the rows of all processes in the first one; all of them have to ask."""
        centres, state = self._centres, self._optimiser.state_dict()
        inner = {
            number: {
                name: gathered_rows(value, centres.classes, centres.here)
                if _has_rows(value, centres.weight)
                else value
                for name, value in sorted(kept.items())
            }
            for number, kept in state["state"].items()
        }
        return {**state, "state": inner}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take this process's rows out of all."""
        centres = self._centres
        inner = {
            number: {
                name: own_rows(value, centres)
                if isinstance(value, Tensor) and value.shape[:1] == (centres.classes,)
                else value
                for name, value in kept.items()
            }
            for number, kept in state["state"].items()
        }
        self._optimiser.load_state_dict({**state, "state": inner})


def gathered_rows(rows: Shaped[Tensor, "n e"], count: int, here: Ranks) -> Shaped[Tensor, "m e"]:
    """Return the rows of all processes in the first one and no rows in others; they meet on CPUs."""
    mine = rows.detach().cpu()
    if here.world == 1:
        return mine
    most = len(share_of(count, 0, here.world))
    padded = torch.cat([mine, mine.new_zeros(most - len(mine), *mine.shape[1:])])
    parts = [torch.empty_like(padded) for _ in range(here.world)] if here.is_first else None
    distributed.gather(padded, parts, dst=0)
    if parts is None:
        return mine[:0]
    lengths = [len(share_of(count, rank, here.world)) for rank in range(here.world)]
    return torch.cat([part[:length] for part, length in zip(parts, lengths, strict=True)])


def own_rows(whole: Shaped[Tensor, "n e"], centres: Centres) -> Shaped[Tensor, "m e"]:
    """Return the rows of this process out of all."""
    return whole[centres.owned.start : centres.owned.stop]


def _has_rows(value: object, weight: Tensor) -> bool:
    return isinstance(value, Tensor) and value.shape == weight.shape
