"""What all trainers have to do alike: go on after a stop to the bit, and share work with other processes.

python tests/trainer_twins.py MODULE:VERB:CONFIG:FILE DIGESTS WORDS... trains as the words of a command line
say, and leaves a digest of the network that this process has learned.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from gan_fixtures import assert_same, curve, digest, newest
from torch import nn

from phiz import checkpoint, options
from phiz.console import Console
from phiz.train import state
from phiz.train.ranks import Ranks

SOURCE = str(Path(checkpoint.__file__).parents[1])
KILLED = """
import sys, trainer_twins as twins
trainer = twins.Trainer.named(sys.argv[1])
trainer.train(trainer.settings(sys.argv[2:]))
"""


@dataclass(frozen=True)
class Trainer:
    """A trainer by name; its module has `beginner` and `fit` beside the verb."""

    module: ModuleType
    verb: str
    config: str
    file: str
    """What the network that it writes is called."""

    @staticmethod
    def named(name: str) -> Trainer:
        module, verb, config, file = name.split(":")
        return Trainer(importlib.import_module(module), verb, config, file)

    @property
    def name(self) -> str:
        return ":".join((self.module.__name__, self.verb, self.config, self.file))

    def settings(self, words: list[str]) -> Any:
        """Return settings from the words of a command line, tiny where they do not say."""
        config = getattr(importlib.import_module(f"{self.module.__name__}_config"), self.config)
        return options.parse(config, ["--preset", "DEBUG", "--no-tensorboard", *words])

    def train(self, config: Any, console: Console | None = None) -> Mapping[str, object]:
        """Train, without a word; return what the verb returns."""
        quiet = console or Console(quiet=True, errors=io.StringIO())
        found: Mapping[str, object] = getattr(self.module, self.verb)(config, quiet)
        return found

    def written(self, folder: Path) -> dict[str, torch.Tensor]:
        """Return the tensors of the network that a run wrote."""
        path = folder / f"{self.file}.safetensors"
        return checkpoint.load(path, kind=checkpoint.read_about(path).kind).tensors


def assert_goes_on(trainer: Trainer, words: list[str], whole: Path, folder: Path) -> None:
    """Train in pieces, as one that is killed does, and compare with a training that nothing interrupted."""
    words = [*words, "-o", str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join((SOURCE, str(Path(__file__).parent)))
    program = [sys.executable, "-c", KILLED, trainer.name, *words]
    with subprocess.Popen(program, stdout=subprocess.DEVNULL, env=environment) as process:
        until = time.monotonic() + 60
        while not (folder.is_dir() and state.snapshots(folder)) and time.monotonic() < until:
            if process.poll() is not None:
                break
            time.sleep(0.005)
        process.kill()
    assert state.snapshots(folder)
    for path in state.snapshots(folder)[:-1]:
        path.unlink()  # all but the oldest, as if it had been killed right after that
    trainer.train(trainer.settings(words))
    assert curve(folder) == curve(whole)
    assert_same(newest(folder), newest(whole))
    assert_same(trainer.written(folder), trainer.written(whole))


def assert_two_agree(trainer: Trainer, words: list[str], folder: Path) -> None:
    """Train on two processes, and compare the networks that they have at the end."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    start = [sys.executable, __file__, trainer.name, str(folder / "digests"), *words]
    told = {"WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    told |= {**os.environ, **told, "PYTHONPATH": SOURCE}
    both = [
        subprocess.Popen([*start, "-o", str(folder / "run")], env={**told, "RANK": k, "LOCAL_RANK": k})
        for k in "01"
    ]
    try:
        assert [process.wait(120) for process in both] == [0, 0]
    finally:
        for process in both:
            process.kill()
            process.wait()
    ours, theirs = (json.loads((folder / f"digests-{rank}.json").read_text()) for rank in (0, 1))
    assert ours == theirs


def main(name: str, digests: str, *words: str) -> None:
    """Train, and leave a digest of the network of this process beside those of others."""
    trainer = Trainer.named(name)
    module: Any = trainer.module
    kept: list[nn.Module] = []
    ranks: list[Ranks] = []
    begin, fit = module.beginner, module.fit

    def keeping(*given: Any) -> nn.Module:
        kept.append(begin(*given))
        return kept[-1]

    def noting(*given: Any) -> Mapping[str, object]:
        ranks.extend(one for one in given if isinstance(one, Ranks))
        found: Mapping[str, object] = fit(*given)
        return found

    module.beginner, module.fit = keeping, noting
    trainer.train(trainer.settings(list(words)))
    Path(f"{digests}-{ranks[0].rank}.json").write_text(json.dumps(digest(kept[0])))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(*sys.argv[1:])
