"""A centre for each of millions of people, shared out over processes, of which a step may use a few.

"Partial FC" (An et al., 2022). Every process owns a share of the centres and sees the faces of all, so that
what has to travel are embeddings and three numbers a face, never logits.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from phiz.train import ranks
from phiz.train.margins import Margin, with_margin
from phiz.train.ranks import Ranks

SPREAD = 0.01
"""Standard deviation of new centres, as published."""
AT_ONCE = 4096
"""Centres that are drawn together."""
LEAST = 1e-30
"""Probabilities are not taken for less, in the loss but not in its gradient."""


def share_of(classes: int, rank: int, world: int) -> range:
    """Return the classes whose centres a process owns; the first processes have one more if need be."""
    each, more = divmod(classes, world)
    first = rank * each + min(rank, more)
    return range(first, first + each + (rank < more))


class Centres(nn.Module):
    """The centres that this process owns; the loss of all faces against all centres."""

    def __init__(self, embedding: int, classes: int, here: Ranks, *, sample: float = 1.0) -> None:
        """Make room; `sample` is the share of the centres that a step uses, its own people included."""
        super().__init__()
        if not 0 <= sample <= 1 or classes < here.world:
            raise ValueError(f"{classes} classes cannot be shared by {here.world}, or no share of {sample}")
        self.classes, self.sample, self.here = classes, sample, here
        self.owned = share_of(classes, here.rank, here.world)
        self.weight = nn.Parameter(torch.zeros(len(self.owned), embedding))

    @torch.no_grad()
    def start(self, chance: torch.Generator) -> None:
        """Give the centres random places that depend on `chance` alone, not on who owns them."""
        for begin in range(0, self.classes, AT_ONCE):  # all of them might not fit into memory
            drawn = torch.randn(AT_ONCE, self.weight.shape[1], generator=chance, device=chance.device)
            first, last = max(begin, self.owned.start), min(begin + AT_ONCE, self.owned.stop)
            if first < last:
                mine = slice(first - self.owned.start, last - self.owned.start)
                self.weight[mine] = drawn[first - begin : last - begin].to(self.weight.device) * SPREAD

    def forward(
        self,
        embeddings: Float[Tensor, "b e"],
        labels: Int[Tensor, " b"],
        margin: Margin,
        chance: torch.Generator | None = None,
    ) -> Float[Tensor, ""]:
        """Return the mean loss of the faces of all processes; the same number in each of them.

        Its gradient in an embedding is larger by the number of processes, whose gradients are then
        averaged.
        """
        everybody = gathered(embeddings.float(), self.here)
        known = ranks.all_stacked(labels.long()).flatten()
        is_mine = (known >= self.owned.start) & (known < self.owned.stop)
        mine = torch.where(is_mine, known - self.owned.start, -1)
        weight: Tensor = self.weight
        if self.sample < 1:
            draws = torch.rand(len(weight), generator=chance, device=weight.device)
            used, mine = sampled(mine, draws, int(self.sample * len(weight)))
            weight = weight[used]
        with torch.autocast(weight.device.type, enabled=False):
            cosines = functional.linear(functional.normalize(everybody), functional.normalize(weight.float()))
            logits = with_margin(cosines.clamp(-1, 1), mine, margin)
            return shared_cross_entropy(logits, mine)


def sampled(
    labels: Int[Tensor, " b"], draws: Float[Tensor, " n"], count: int
) -> tuple[Int[Tensor, " m"], Int[Tensor, " b"]]:
    """Return which centres a step uses, in their order, and the labels among them.

    Those of the step's own people always; others until there are `count`, those that drew most.
    """
    own = torch.unique(labels[labels >= 0])
    if count > len(own):
        lots = draws.index_fill(0, own, 2.0)
        own = lots.topk(count).indices.sort().values
    return own, torch.where(labels >= 0, torch.searchsorted(own, labels), -1)


def gathered(mine: Float[Tensor, "b e"], here: Ranks) -> Float[Tensor, "n e"]:
    """Return the embeddings of all processes, the first one's first."""
    whole: Tensor = _Gathered.apply(mine, here)  # type: ignore[no-untyped-call]
    return whole


def shared_cross_entropy(logits: Float[Tensor, "b n"], labels: Int[Tensor, " b"]) -> Float[Tensor, ""]:
    """Return the mean cross entropy of rows whose columns lie in several processes; -1 is in another."""
    loss: Tensor = _SharedCrossEntropy.apply(logits, labels)  # type: ignore[no-untyped-call]
    return loss


class _Gathered(torch.autograd.Function):
    """The embeddings of all processes; their gradients come back to where they belong."""

    @staticmethod
    def forward(ctx: Any, mine: Tensor, here: Ranks) -> Tensor:
        ctx.here = here
        return ranks.all_stacked(mine).flatten(0, 1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        # Each process knows what its own centres ask of all embeddings. What follows averages over the
        # processes, so the sum is needed as many times.
        whole = ranks.all_sum(grads[0]).chunk(ctx.here.world)[ctx.here.rank]
        return whole * ctx.here.world, None


class _SharedCrossEntropy(torch.autograd.Function):
    """Cross entropy over columns that lie in several processes."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor) -> Tensor:
        most = ranks.all_stacked(logits.detach().amax(1)).amax(0) if logits.shape[1] else _least(logits)
        odds = (logits.detach() - most[:, None]).exp()
        odds = odds / ranks.all_sum(odds.sum(1))[:, None]
        rows = (labels >= 0).nonzero()[:, 0]
        own = odds.new_zeros(len(odds)).index_put((rows,), odds[rows, labels[rows]])
        ctx.save_for_backward(odds, rows, labels[rows])
        return -ranks.all_sum(own).clamp(min=LEAST).log().mean()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        odds, rows, columns = ctx.saved_tensors
        slope = odds.clone()
        slope[rows, columns] -= 1
        return slope * (grads[0] / len(odds)), None


def _least(logits: Tensor) -> Tensor:
    """Return the largest logit of each row in other processes, where this one uses no centres."""
    mine = logits.new_full((len(logits),), float("-inf"))
    return ranks.all_stacked(mine).amax(0)
