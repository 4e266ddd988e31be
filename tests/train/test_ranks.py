"""Two processes learn what one learns from both their pictures; one process notices nothing."""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import toy_trainer
from torch import nn

from phiz import checkpoint
from phiz.console import Console
from phiz.errors import UsageError
from phiz.train import monitor, ranks, state
from phiz.train.ranks import Ranks
from phiz.train.run import RunConfig

ALONE = Ranks(rank=0, world=1, local_rank=0, device=torch.device("cpu"))
TORCHRUN = {
    "RANK": "1",
    "WORLD_SIZE": "2",
    "LOCAL_RANK": "1",
    "MASTER_ADDR": "localhost",
    "MASTER_PORT": "29400",
}


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run of two processes, of which this one was the first."""
    folder = tmp_path_factory.mktemp("two")
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    run = {"snapshot_every": 4, "log_every": 1, "tensorboard": False}
    told = json.dumps({"output": str(folder), "run": run, "steps": 6, "noise": 0.0})
    command = [sys.executable, toy_trainer.__file__, told]
    other = {**os.environ, **shared, "RANK": "1", "LOCAL_RANK": "1"}
    other["PYTHONPATH"] = str(Path(checkpoint.__file__).parents[1])
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**shared, "RANK": "0", "LOCAL_RANK": "0"}.items():
            patch.setenv(name, value)
        with subprocess.Popen(command, env=other, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                assert process.stdout.readline() == "ready\n"  # nobody waits for one that cannot even begin
                toy_trainer.main(told)
                assert process.wait(60) == 0
            finally:
                process.kill()
    return folder


def newest(folder: Path) -> dict[str, Any]:
    """Return the last state of a run."""
    run = str(json.loads((folder / "config.json").read_text())["run"])
    found = state.read_newest(folder, run, Console())
    assert found is not None
    return found


def test_two_processes_learn_what_one_learns_from_both_shares(two: Path, tmp_path: Path) -> None:
    run = RunConfig(output=tmp_path, snapshot_every=4, log_every=1, tensorboard=False)
    toy_trainer.train(toy_trainer.ToyConfig(run=run, steps=6, noise=0.0), ALONE, Console(quiet=True))
    ours, theirs = newest(tmp_path), newest(two)
    assert theirs["processes"] == 2
    for name, value in ours["parts"]["network"].items():
        assert torch.allclose(theirs["parts"]["network"][name], value, atol=1e-6), name
    for mine, line in zip(monitor.read_lines(tmp_path), monitor.read_lines(two), strict=True):
        assert (mine.step, mine.images) == (line.step, line.images)
        assert dict(mine.values) == pytest.approx(dict(line.values), rel=1e-5)


def test_two_processes_go_on_where_they_were(two: Path) -> None:
    lines = monitor.read_lines(two)
    assert [line.step for line in lines] == [1, 2, 3, 4, 5, 6]  # stopped after 3, and began again
    assert [path.name for path in state.snapshots(two)] == [state.snapshot_path(two, n).name for n in (6, 4)]


def test_each_process_has_noise_of_its_own(two: Path) -> None:
    rows = newest(two)["parts"]["noise"]["rows"]
    assert rows.shape[0] == 2
    assert not torch.equal(rows[0], rows[1])


def test_one_process_goes_on_from_two_with_a_warning(two: Path, tmp_path: Path) -> None:
    folder, errors = shutil.copytree(two, tmp_path / "one"), io.StringIO()
    config = toy_trainer.ToyConfig(run=RunConfig(output=folder, tensorboard=False), steps=8, noise=0.0)
    alone = toy_trainer.train(config, ALONE, Console(quiet=True, errors=errors))
    assert alone.step == 8
    assert "written by 2 processes" in errors.getvalue()


def test_a_lone_process_keeps_what_it_has() -> None:
    network = nn.Linear(2, 2)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.weight.grad = torch.ones(2, 2)
    ranks.broadcast_from_first(network)
    ranks.average_gradients(network.parameters())
    ranks.barrier()
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert network.weight.grad.tolist() == [[1, 1], [1, 1]]
    assert network.bias.grad is None
    value = torch.tensor([1.0, 2.0], requires_grad=True)
    assert ranks.all_sum(value).tolist() == ranks.all_mean(value).tolist() == [1, 2]
    assert ranks.all_stacked(value).shape == (1, 2)
    assert not ranks.all_sum(value).requires_grad
    assert ranks.any_true(True)
    assert ranks.on_first(ALONE, lambda: 3) == 3


def test_a_lone_process_is_first_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in TORCHRUN:
        monkeypatch.delenv(name, raising=False)
    with ranks.start("cpu") as here:
        assert here == ALONE
        assert here.is_first


def test_the_environment_of_torchrun_is_read() -> None:
    assert ranks.read_environment(TORCHRUN) == (1, 2, 1)
    assert ranks.read_environment({"MASTER_ADDR": "node0"}) == (0, 1, 0)


@pytest.mark.parametrize("missing", list(TORCHRUN))
def test_half_an_environment_is_refused(missing: str) -> None:
    half = {name: value for name, value in TORCHRUN.items() if name != missing}
    with pytest.raises(UsageError, match=f"but {missing} not.*torchrun"):
        ranks.read_environment(half)


@pytest.mark.parametrize("changes", [{"RANK": "two"}, {"RANK": "2"}, {"RANK": "-1"}, {"LOCAL_RANK": "-1"}])
def test_an_environment_that_contradicts_itself_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="torchrun"):
        ranks.read_environment({**TORCHRUN, **changes})


@pytest.mark.parametrize(
    ("device", "world", "words"),
    [("gpu", 1, "no device 'gpu'"), ("mps", 2, "several processes"), ("cuda:63", 1, "CUDA GPU|GPU 63")],
)
def test_a_device_that_is_not_there_is_refused(device: str, world: int, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        ranks.choose_device(device, world=world)


def test_a_device_is_chosen() -> None:
    assert ranks.choose_device("cpu", world=8, local_rank=3) == torch.device("cpu")
    if not torch.cuda.is_available():
        assert ranks.choose_device("auto", world=2).type == "cpu"
        return
    assert ranks.choose_device("auto") == torch.device("cuda", 0)
    with pytest.raises(UsageError, match="each takes its own"):
        ranks.choose_device("cuda:0", world=2)
