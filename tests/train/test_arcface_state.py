"""Centres and what their optimiser remembers survive a snapshot, for any number of processes."""

from __future__ import annotations

import pytest
import torch

from phiz.train.arcface_state import WholeCentres, WholeOptimiser, gathered_rows, own_rows
from phiz.train.margins import COSFACE
from phiz.train.partial_fc import Centres
from phiz.train.ranks import Ranks


def place(rank: int = 0, world: int = 1) -> Ranks:
    return Ranks(rank=rank, world=world, local_rank=rank, device=torch.device("cpu"))


def trained(kind: type[torch.optim.Optimizer]) -> tuple[Centres, torch.optim.Optimizer]:
    """Return centres that have moved twice."""
    chance = torch.Generator().manual_seed(0)
    centres = Centres(4, 7, place())
    centres.start(chance)
    more = {"momentum": 0.9} if kind is torch.optim.SGD else {}
    optimiser = kind(centres.parameters(), lr=0.1, **more)  # type: ignore[call-arg]
    for _ in range(2):
        optimiser.zero_grad()
        centres(torch.randn(5, 4, generator=chance), torch.arange(5), COSFACE).backward()
        optimiser.step()
    return centres, optimiser


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW])
@pytest.mark.parametrize("world", [1, 3])
def test_each_process_takes_its_own_rows_again(kind: type[torch.optim.Optimizer], world: int) -> None:
    centres, optimiser = trained(kind)
    whole, remembered = WholeCentres(centres).state_dict(), WholeOptimiser(optimiser, centres).state_dict()
    rows = []
    for rank in range(world):
        mine = Centres(4, 7, place(rank, world))
        twin = kind(mine.parameters(), lr=0.5)  # type: ignore[call-arg]
        WholeCentres(mine).load_state_dict(whole)
        WholeOptimiser(twin, mine).load_state_dict(remembered)
        rows.append(mine.weight.detach())
        assert twin.param_groups[0]["lr"] == 0.1
        kept = twin.state[mine.weight]
        expected = optimiser.state[centres.weight]
        assert kept.keys() == expected.keys()
        for name, value in expected.items():
            if isinstance(value, torch.Tensor) and value.dim():
                assert torch.equal(kept[name], own_rows(value, mine)), name
    assert torch.equal(torch.cat(rows), centres.weight.detach())


def test_centres_of_other_people_are_refused() -> None:
    centres, _ = trained(torch.optim.SGD)
    with pytest.raises(ValueError, match=r"shape \(7, 4\)"):
        WholeCentres(Centres(4, 8, place())).load_state_dict(WholeCentres(centres).state_dict())


def test_a_lone_process_gathers_what_it_has() -> None:
    rows = torch.arange(6.0).reshape(3, 2)
    assert torch.equal(gathered_rows(rows, 3, place()), rows)
