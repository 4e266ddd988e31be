"""How fast recognisers are, against the published arithmetic with the same weights, in one run.

    python benchmarks/identity.py [--threads 2] [--rounds 9] [--only r50] [--batches 1 8 16]

Ours and theirs take turns; the ratio is the median of the rounds' ratios (theirs / ours, so more is better).
"Theirs" is the network as it was published: normalisations, rectifiers and convolutions one by one, channels
outermost. `apart` is how far the embeddings are from each other, as a share of their length.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

from phiz.face.identity.config import NETWORKS
from phiz.face.identity.fast import ready
from phiz.face.identity.networks import Recogniser, begin

NAMES = ("r18", "r50", "r100", "mbf", "vit_t", "builtin")


def seconds(work: Callable[[], object]) -> float:
    """Return how long a piece of work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def network(name: str) -> Recogniser:
    """Return a network with random weights and statistics."""
    chance = torch.Generator().manual_seed(0)
    found = begin(NETWORKS[name], chance).eval().requires_grad_(False)
    for part in found.modules():
        if isinstance(part, (nn.BatchNorm1d, nn.BatchNorm2d)):
            part.running_mean.normal_(0, 0.2, generator=chance)
            part.running_var.uniform_(0.5, 1.5, generator=chance)
        if isinstance(part, nn.Conv2d):
            part.weight.normal_(0, (2 / part.weight[0].numel()) ** 0.5, generator=chance)
    return found


@torch.no_grad()
def compare(name: str, batch: int, rounds: int) -> str:
    """Return one line of the table."""
    theirs = network(name)
    ours = ready(network(name))
    crops = torch.rand(batch, 3, 112, 112, generator=torch.Generator().manual_seed(1)) * 2 - 1
    expected, found = theirs(crops), ours(crops)
    apart = float((found - expected).norm() / expected.norm())
    times = [(seconds(lambda: theirs(crops)), seconds(lambda: ours(crops))) for _ in range(rounds)]
    ratio = statistics.median(a / b for a, b in times)
    mine, other = (
        1000 / batch * statistics.median(column) for column in reversed(list(zip(*times, strict=True)))
    )
    best = min(a for a, _ in times) / min(b for _, b in times)
    return f"{name:8} {batch:6}  {ratio:6.2f} {best:6.2f}  {other:8.1f} {mine:8.1f}  {apart:.1e}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", default="")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 16])
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    print(f"{asked.threads} threads; theirs / ours: median of {asked.rounds} rounds, and best against best;")
    print("milliseconds a crop: medians, theirs and ours")
    print("network   batch  median   best    theirs     ours  apart")
    for name in NAMES:
        for batch in asked.batches:
            if asked.only in ("", name):
                print(compare(name, batch, asked.rounds), flush=True)


if __name__ == "__main__":
    main()
