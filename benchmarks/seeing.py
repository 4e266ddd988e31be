"""How fast faces are seen, against the published arithmetic with the same weights, in one run.

    python benchmarks/seeing.py [--threads 2] [--rounds 7] [--only parse]

Ours and theirs take turns; a ratio is the median of the rounds' ratios (theirs / ours, so more is better).
"folded" has the normalisation inside the weights, channels innermost, and does each convolution with what
follows it in one pass; "ready", which the program uses, has large 3 x 3 convolutions by tiles besides.
"bfloat16" is folded, in half precision. "apart" is the largest difference of
ours and theirs, and the largest number of theirs; of labels, the share of pixels that differ.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from published_seeing import parsed, regressed
from torch import Tensor, nn

from phiz.face import parse, regress
from phiz.face.parse import PUBLISHED_19, Parser
from phiz.face.ready import ready
from phiz.face.regress import DEEP3D, DEEP3D_R18, RegressConfig, Regressor
from phiz.layers import residual
from phiz.layers.folding import folded

Work = Callable[[], Tensor]


@dataclass(frozen=True)
class Case:
    """One network on one input: theirs, and ours in several ways."""

    name: str
    theirs: Work
    ours: Mapping[str, Work]


def seconds(work: Work) -> float:
    """Return how long a piece of work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def shaken(network: nn.Module) -> nn.Module:
    """Return a network with random weights, statistics and all, whose signals keep their size."""
    chance = torch.Generator().manual_seed(0)
    residual.start(list(network.modules()), chance)
    for name, value in network.state_dict().items():
        if name.endswith("running_var"):
            value.copy_(0.5 + torch.rand(value.shape, generator=chance))
        elif name.endswith("running_mean"):
            value.copy_(0.1 * torch.randn(value.shape, generator=chance))
    return network.eval().requires_grad_(False)


def regression(name: str, config: RegressConfig, batch: int) -> Case:
    """Return the case of a regressor."""
    network = shaken(Regressor(config))
    state, crops = network.state_dict(), torch.rand(batch, 3, config.size, config.size)
    whole, tiled, half = folded(network), ready(network), folded(network, dtype=torch.bfloat16)
    ours = {
        "plain": lambda: network(crops),
        "folded": lambda: whole(crops),
        "bfloat16": lambda: half(crops),
        "ready": lambda: tiled(crops),
    }
    return Case(f"{name}, {batch} a batch", lambda: regressed(state, crops), ours)


def parsing() -> list[Case]:
    """Return the cases of the published parser: its scores, and the labels of its pixels."""
    network = shaken(Parser(PUBLISHED_19))
    assert isinstance(network, Parser)
    size = PUBLISHED_19.size
    state, pictures = network.state_dict(), torch.rand(1, 3, size, size) * 2 - 1
    read = parse.normalised(pictures)
    whole, tiled, half = folded(network), ready(network), folded(network, dtype=torch.bfloat16)
    several = {"plain": network, "folded": whole, "bfloat16": half, "ready": tiled}
    scores = {label: partial(one, read) for label, one in several.items()}
    labels = {label: partial(parse.parse, one, pictures) for label, one in several.items()}
    return [
        Case("BiSeNet 512, scores", lambda: parsed(state, read)[0], scores),
        Case("BiSeNet 512, labels", lambda: parsed(state, parse.normalised(pictures))[0].argmax(1), labels),
    ]


def built_in() -> list[tuple[str, Work]]:
    """Return what the built-in kinds of network do with one picture."""
    parser = ready(shaken(Parser(parse.BUILTIN)))
    regressor = ready(shaken(Regressor(regress.BUILTIN)))
    assert isinstance(parser, Parser)
    assert isinstance(regressor, Regressor)
    pictures = torch.rand(1, 3, parse.BUILTIN.size, parse.BUILTIN.size) * 2 - 1
    crops = torch.rand(1, 3, regress.BUILTIN.size, regress.BUILTIN.size)
    return [
        (f"parse, {parse.BUILTIN.size} pixels", lambda: parse.parse(parser, pictures)),
        (f"regress, {regress.BUILTIN.size} pixels", lambda: regressor(crops)),
    ]


def measured(case: Case, rounds: int) -> str:
    """Return one line of the table."""
    base = case.theirs()
    apart = distance(case.ours["ready"](), base)
    for work in case.ours.values():
        work()
    ratios: dict[str, list[float]] = {label: [] for label in case.ours}
    times: dict[str, list[float]] = {label: [] for label in ("theirs", *case.ours)}
    for _ in range(rounds):
        times["theirs"].append(seconds(case.theirs))
        for label, work in case.ours.items():
            times[label].append(seconds(work))
            ratios[label].append(times["theirs"][-1] / times[label][-1])
    found = "  ".join(f"{statistics.median(values):8.2f}" for values in ratios.values())
    least = f"{1e3 * min(times['theirs']):8.1f} {1e3 * min(times['ready']):8.1f}"
    return f"{case.name:26} {found}  {least}   {apart}"


def distance(ours: Tensor, theirs: Tensor) -> str:
    """Return how far results are apart, in words."""
    if not theirs.is_floating_point():
        return f"{float((ours != theirs).float().mean()):.1e} of all pixels"
    return f"{float((ours.float() - theirs).abs().max()):.1e} of {float(theirs.abs().max()):.1f}"


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", choices=("parse", "regress", "built-in", ""), default="")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    cases: list[Callable[[], list[Case]]] = []
    if asked.only in ("", "parse"):
        cases.append(parsing)
    if asked.only in ("", "regress"):
        cases += [lambda: [regression("ReconNet, ResNet-50", DEEP3D, batch) for batch in (1, 8)]]
        cases += [lambda: [regression("ReconNet, ResNet-18", DEEP3D_R18, 1)]]
    print(f"{asked.threads} threads; theirs / ours, medians of {asked.rounds} rounds; least ms of both")
    print(f"{'':26}    plain    folded  bfloat16     ready    theirs    ready   apart")
    for make in cases:
        for case in make():
            print(measured(case, asked.rounds), flush=True)
    if asked.only in ("", "built-in"):
        for name, work in built_in():
            work()
            taken = sorted(seconds(work) for _ in range(10 * asked.rounds))
            print(f"{name:26} {1 / taken[len(taken) // 2]:6.1f} a second, at best {1 / taken[0]:6.1f}")


if __name__ == "__main__":
    main()
