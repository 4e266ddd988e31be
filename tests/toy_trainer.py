"""A training of a few weights, whole in every other respect; tests also start it in processes of their own.

python tests/toy_trainer.py '{"output": "DIR", "run": {}, "steps": 20}'
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from phiz.console import Console
from phiz.errors import PhizError
from phiz.train import monitor, ranks, state
from phiz.train.ranks import Ranks
from phiz.train.run import Run, RunConfig
from phiz.train.state import GeneratorState

BATCH = 8


@dataclass(frozen=True, kw_only=True)
class ToyConfig:
    """How to train the toy."""

    run: RunConfig
    steps: int = 20
    rate: float = 0.05
    noise: float = 0.1
    sleep_s: float = 0.0
    stop_at: int = 0
    """Step at which the process sends itself SIGTERM."""
    nan_at: int = 0
    pictures_every: int = 0


@dataclass
class Parts:
    """What is learned, and with what."""

    network: nn.Module
    optimiser: torch.optim.Optimizer
    noise: torch.Generator
    stateful: dict[str, Any] = field(default_factory=dict)


def train(config: ToyConfig, here: Ranks, console: Console) -> Run:
    """Return the run of a toy that was trained."""
    parts = make_parts(config, here)
    about = {"trainer": "toy", **asdict(config)}
    free = ("steps", "sleep_s", "stop_at", "nan_at", "pictures_every")
    run = Run(config.run, about, parts.stateful, here, console, may_change=free)
    with contextlib.closing(run):
        run.restore()
        while not run.finished(config.steps):
            values = step(config, parts, run, here)
            run.advance(BATCH)
            run.log(values)
            if run.due(config.pictures_every):
                run.picture(
                    "weights", parts.network.state_dict()["0.weight"].reshape(1, 6, 2).repeat(3, 1, 1)
                )
            time.sleep(config.sleep_s)
            if run.step == config.stop_at:
                os.kill(os.getpid(), signal.SIGTERM)
    return run


def make_parts(config: ToyConfig, here: Ranks) -> Parts:
    """Return a network that every process has with the same weights, and noise that each has for itself."""
    draw = torch.Generator().manual_seed(config.run.seed + here.rank)
    network = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.BatchNorm1d(3, momentum=None), nn.Linear(3, 1))
    for parameter in network.parameters():
        parameter.data.normal_(generator=draw)
    ranks.broadcast_from_first(network)
    network.eval()  # the mean of a batch would depend on who sees which part of it
    optimiser = torch.optim.Adam(network.parameters(), lr=config.rate)
    parts = Parts(network=network, optimiser=optimiser, noise=draw)
    parts.stateful = {
        "network": network,
        "optimiser": optimiser,
        "noise": GeneratorState(draw, here),
    }
    return parts


def step(config: ToyConfig, parts: Parts, run: Run, here: Ranks) -> dict[str, float | Tensor]:
    """Learn from the pictures that are next, of which each process sees its share."""
    data = torch.Generator().manual_seed(run.images)
    given = torch.randn(BATCH, 4, generator=data)[here.rank :: here.world]
    wanted = given.sum(1, keepdim=True).sin()
    noise = torch.randn(wanted.shape, generator=parts.noise)
    parts.optimiser.zero_grad()
    loss = (parts.network(given) - wanted + config.noise * noise).square().mean()
    (loss / 2).backward()  # in two rounds, as if memory were short
    (parts.network(given) - wanted + config.noise * noise).square().mean().div(2).backward()
    ranks.average_gradients(parts.network.parameters())
    norm = monitor.gradient_norm(parts.network.parameters())
    parts.optimiser.step()
    if run.step + 1 == config.nan_at:
        loss = loss * float("nan")
    return {"loss/fit": loss, "gradient": norm, "rate": config.rate}


def exchange(here: Ranks) -> None:
    """Say everything that two processes can say to each other, and compare what came."""
    me = here.rank
    assert ranks.all_sum(torch.tensor([me + 1])).tolist() == [3]
    assert ranks.all_mean(torch.tensor(float(me))).item() == 0.5
    assert ranks.all_stacked(torch.tensor([me, 7])).tolist() == [[0, 7], [1, 7]]
    assert ranks.any_true(me == 1)
    assert not ranks.any_true(False)
    kinds = torch.float64, torch.bfloat16, torch.bool, torch.int64, torch.uint8
    mixed = [torch.full((2, 3), me, dtype=kind).t() for kind in kinds] + [torch.empty(0)]
    ranks.broadcast_from_first(mixed)
    assert [tensor.tolist() for tensor in mixed] == [[[0, 0]] * 3] * 5 + [[]]
    told = state.share({1: torch.arange(3), "word": ("x", None)} if here.is_first else None)
    assert told[1].tolist() == [0, 1, 2]
    assert told["word"] == ("x", None)
    assert state.share(None if here.is_first else {"mine": torch.ones(2)}) is None
    everywhere, here_only, nowhere = (nn.Parameter(torch.zeros(2)) for _ in range(3))
    everywhere.grad = torch.full((2,), float(me))
    here_only.grad = torch.full((2,), 4.0) if me == 1 else None
    ranks.average_gradients([everywhere, here_only, nowhere])
    grads = [p.grad.tolist() if p.grad is not None else None for p in (everywhere, here_only, nowhere)]
    assert grads == [[0.5, 0.5], [2, 2], None]
    assert ranks.on_first(here, lambda: "done") == (None if me else "done")
    words = ""
    try:
        ranks.on_first(here, _fill_the_disk)
    except PhizError as error:
        words = str(error)
    assert words, "what the first process raised stopped nobody"
    assert ("the disk is full" in words) == here.is_first
    ranks.barrier()


def _fill_the_disk() -> None:
    raise PhizError("the disk is full")


def main(text: str) -> None:
    """Train as a text in JSON says; several processes first try whether they understand each other."""
    told = json.loads(text)
    run = RunConfig(**{**told.pop("run"), "output": Path(told.pop("output"))})
    config = ToyConfig(run=run, **told)
    with ranks.start("cpu") as here:
        if here.world > 1:
            exchange(here)
            half = train(replace(config, steps=config.steps // 2), here, Console(quiet=True))
            if half.ended_by == "signal":
                return
        train(config, here, Console(quiet=True))


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    main(sys.argv[1])
