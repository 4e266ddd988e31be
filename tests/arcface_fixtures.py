"""Tiny trainings of recognisers, shared by tests; another process trains by itself:

python tests/arcface_fixtures.py DIGESTS WORDS... trains as the words of a command line say, and leaves a
digest of what this process has learned.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import gan_fixtures
import pytest
import torch

from phiz import checkpoint, options
from phiz.console import Console
from phiz.train import arcface
from phiz.train.arcface_presets import ArcfaceConfig
from phiz.train.arcface_step import Learners

PLAIN = "--preset DEBUG --no-tensorboard"
THEN, PORTS = "+", "PORTS"
"""Between the words of one training and the next; what tells both processes where to meet for each."""


def settings(output: Path, words: str = "") -> ArcfaceConfig:
    """Return the settings of a tiny training of eight steps."""
    return options.parse(ArcfaceConfig, command(output, words))


def command(output: Path, words: str = "") -> list[str]:
    """Return the words of a tiny training's command line."""
    return [*PLAIN.split(), "-o", str(output), *words.split()]


def trained(config: ArcfaceConfig, errors: io.StringIO | None = None) -> Mapping[str, object]:
    """Train without a word; return what the verb returns."""
    return arcface.train_arcface(config, Console(quiet=True, errors=errors or io.StringIO()))


@contextlib.contextmanager
def beside(words: list[str], environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Let a second process train, and end it whatever happens."""
    paths = [str(Path(checkpoint.__file__).parents[1]), str(Path(__file__).parent)]
    whole = {**os.environ, **environment, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen([sys.executable, *words], env=whole, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def of_two(rank: int, ports: list[str]) -> dict[str, str]:
    """Return what torchrun would tell one of two processes, and where they meet for each training."""
    numbers = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "MASTER_PORT": ports[0]}
    return {**numbers, "MASTER_ADDR": "localhost", PORTS: ",".join(ports)}


def free_ports(count: int) -> list[str]:
    """Return ports that nobody uses."""
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in found:
            one.bind(("localhost", 0))
        return [str(one.getsockname()[1]) for one in found]


def main(digests: str, *words: str) -> None:
    """Train as often as words say, and leave a digest of the last network of this process beside others'."""
    kept: list[Learners] = []
    begin = arcface.beginners

    def keeping(*given: object) -> Learners:
        kept.append(begin(*given))  # type: ignore[arg-type]
        return kept[-1]

    trainings = [part.split() for part in " ".join(words).split(THEN)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arcface, "beginners", keeping)
        for port, (stop, *rest) in zip(os.environ[PORTS].split(","), trainings, strict=True):
            patch.setenv("MASTER_PORT", port)
            with stopped_at(int(stop)):
                trained(options.parse(ArcfaceConfig, rest))
    learners = kept[0]
    rank = learners.centres.here.rank
    found = {"network": gan_fixtures.digest(learners.network), "owned": len(learners.centres.owned)}
    Path(f"{digests}-{rank}.json").write_text(json.dumps(found))


@contextlib.contextmanager
def stopped_at(step: int) -> Iterator[None]:
    """Let trainings stop at a step as if somebody had asked them to; 0 lets them go on."""
    run = arcface.Run

    class Impatient(run):  # type: ignore[misc,valid-type]
        def finished(self, total_steps: int) -> bool:
            return bool(super().finished(min(step, total_steps) if step else total_steps))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arcface, "Run", Impatient)
        yield


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    main(*sys.argv[1:])
