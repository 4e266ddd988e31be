"""A run that was killed or stopped goes on as if nothing had happened, and touches no other folder."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
import toy_trainer
from toy_trainer import ToyConfig

from phiz import checkpoint
from phiz.console import Console
from phiz.errors import CheckpointError, PhizError, UsageError
from phiz.options import parse
from phiz.train import monitor, state
from phiz.train.ranks import Ranks
from phiz.train.run import Run, RunConfig, Stateful, run_config

ALONE = Ranks(rank=0, world=1, local_rank=0, device=torch.device("cpu"))


def toy(folder: Path, **changes: Any) -> ToyConfig:
    run = RunConfig(output=folder, snapshot_every=3, log_every=1, tensorboard=False)
    names = {"minutes", "keep", "resume", "seed", "log_every", "snapshot_every"} & set(changes)
    return ToyConfig(run=replace(run, **{name: changes.pop(name) for name in names}), **changes)


def trained(folder: Path, **changes: Any) -> Run:
    return toy_trainer.train(toy(folder, **changes), ALONE, Console(quiet=True, errors=io.StringIO()))


def curve(folder: Path) -> list[tuple[object, ...]]:
    return [(line.step, line.images, dict(line.values)) for line in monitor.read_lines(folder)]


def newest(folder: Path) -> dict[str, torch.Tensor]:
    return checkpoint.load(state.snapshots(folder)[0], kind="snapshot").tensors


def assert_same_runs(one: Path, other: Path) -> None:
    assert curve(one) == curve(other)
    ours, theirs = newest(one), newest(other)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_run_that_was_killed_goes_on_with_the_same_numbers(tmp_path: Path) -> None:
    killed = tmp_path / "killed"
    told = {"output": str(killed), "run": {"snapshot_every": 3, "log_every": 1, "tensorboard": False}}
    command = [sys.executable, toy_trainer.__file__, json.dumps({**told, "steps": 10**6, "sleep_s": 0.03})]
    source = str(Path(checkpoint.__file__).parents[1])
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1"}
    )
    try:
        until = time.monotonic() + 60
        while not (killed.is_dir() and len(curve(killed)) > 10) and time.monotonic() < until:
            assert process.poll() is None, "the training ended by itself"
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
    reached = len(curve(killed))
    total = reached + 5
    trained(killed, steps=total)
    trained(tmp_path / "whole", steps=total)
    assert reached > 10
    assert_same_runs(killed, tmp_path / "whole")
    assert len(curve(killed)) == total


def test_a_run_in_pieces_is_the_same_as_one_in_one_piece(tmp_path: Path) -> None:
    for steps in (2, 3, 7, 12):
        assert trained(tmp_path / "pieces", steps=steps).step == steps
    trained(tmp_path / "whole", steps=12)
    assert_same_runs(tmp_path / "pieces", tmp_path / "whole")


def test_what_was_written_after_the_snapshot_is_written_anew(tmp_path: Path) -> None:
    trained(tmp_path / "whole", steps=9)
    trained(tmp_path / "torn", steps=9)
    state.snapshots(tmp_path / "torn")[0].unlink()  # as if the machine had stopped between 6 and 9 ...
    with (tmp_path / "torn" / monitor.METRICS).open("a") as file:
        file.write('{"step": 10, "imag')  # ... in the middle of a line
    again = trained(tmp_path / "torn", steps=9)
    assert again.step == 9
    assert_same_runs(tmp_path / "torn", tmp_path / "whole")


def test_a_run_without_a_snapshot_begins_anew_in_its_folder(tmp_path: Path) -> None:
    trained(tmp_path / "whole", steps=2)
    trained(tmp_path / "early", steps=2)
    state.snapshots(tmp_path / "early")[0].unlink()
    trained(tmp_path / "early", steps=2)
    assert_same_runs(tmp_path / "early", tmp_path / "whole")


@pytest.mark.parametrize("size", [0, 5, 500, -1])
def test_a_damaged_snapshot_is_passed_over_with_a_warning(tmp_path: Path, size: int) -> None:
    trained(tmp_path / "whole", steps=9)
    trained(tmp_path / "damaged", steps=9)
    last = state.snapshots(tmp_path / "damaged")[0]
    last.write_bytes(last.read_bytes()[:size])
    errors = io.StringIO()
    config = toy(tmp_path / "damaged", steps=9)
    toy_trainer.train(config, ALONE, Console(quiet=True, errors=errors))
    assert f"warning: {last}" in errors.getvalue()
    assert_same_runs(tmp_path / "damaged", tmp_path / "whole")


def test_sigterm_ends_the_run_after_its_step_with_a_snapshot(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    stopped = trained(tmp_path / "stopped", steps=9, stop_at=5)
    assert (stopped.step, stopped.ended_by) == (5, "signal")
    assert state.snapshots(tmp_path / "stopped")[0].name == "snapshot-00000005.safetensors"
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    assert trained(tmp_path / "stopped", steps=9).ended_by == "steps"
    trained(tmp_path / "whole", steps=9)
    assert_same_runs(tmp_path / "stopped", tmp_path / "whole")


def test_a_second_ctrl_c_does_not_wait(tmp_path: Path) -> None:
    run = Run(
        RunConfig(output=tmp_path, tensorboard=False), {"trainer": "toy"}, {}, ALONE, Console(quiet=True)
    )
    os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
    run.close()


def test_minutes_end_the_run_with_a_snapshot(tmp_path: Path) -> None:
    output = io.StringIO()
    config = toy(tmp_path, steps=10**6, minutes=0.1 / 60, sleep_s=0.01)
    run = toy_trainer.train(config, ALONE, Console(output=output))
    assert run.ended_by == "minutes"
    assert 1 <= run.step <= 11
    assert state.snapshots(tmp_path)[0] == state.snapshot_path(tmp_path, run.step)
    assert f"The time is over at step {run.step} of 1000000" in output.getvalue()
    assert trained(tmp_path, steps=run.step + 2).step == run.step + 2


def test_only_the_newest_snapshots_of_this_run_stay(tmp_path: Path) -> None:
    trained(tmp_path, steps=3)
    strange = tmp_path / "snapshot-00000001.safetensors"
    mine = tmp_path / "snapshot-00000002.safetensors"
    checkpoint.save(strange, kind="snapshot", config={"run": "another"}, tensors={})
    mine.write_text("my own notes")
    trained(tmp_path, steps=13, keep=3)
    names = [path.name for path in state.snapshots(tmp_path)]
    steps = [int(name[9:17]) for name in names]
    assert steps == [13, 12, 9, 2, 1]
    assert mine.read_text() == "my own notes"


def test_a_loss_that_is_no_number_ends_the_run_and_spoils_no_snapshot(tmp_path: Path) -> None:
    with pytest.raises(PhizError, match=r"loss/fit is nan at step 6.*Lower the learning rate"):
        trained(tmp_path, steps=9, nan_at=6, log_every=4)
    assert state.snapshots(tmp_path) == [state.snapshot_path(tmp_path, 3)]
    assert [line.step for line in monitor.read_lines(tmp_path)] == [4]
    trained(tmp_path, steps=9, log_every=4)
    trained(tmp_path / "whole", steps=9, log_every=4)
    assert_same_runs(tmp_path, tmp_path / "whole")


def test_a_folder_that_holds_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match=r"thesis\.txt.*nothing in it was touched"):
        trained(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_run_with_other_settings_is_refused(tmp_path: Path) -> None:
    trained(tmp_path, steps=3)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(UsageError, match=r"rate 0\.05; you ask for 0\.5, .* another folder"):
        trained(tmp_path, steps=3, rate=0.5)
    with pytest.raises(UsageError, match=r"run\.seed 0; you ask for 1.*choose another folder"):
        trained(tmp_path, steps=3, seed=1)
    with pytest.raises(UsageError, match=r"holds a run already.*Choose another folder"):
        trained(tmp_path, steps=3, resume=False)
    assert before == {path: path.read_bytes() for path in tmp_path.iterdir()}


def test_a_run_of_another_trainer_is_refused(tmp_path: Path) -> None:
    trained(tmp_path, steps=3)
    with pytest.raises(UsageError, match="is a run of 'toy', not of 'gan'"):
        Run(RunConfig(output=tmp_path), {"trainer": "gan"}, {}, ALONE, Console(quiet=True))


def test_a_training_with_other_parts_does_not_go_on(tmp_path: Path) -> None:
    config = RunConfig(output=tmp_path, tensorboard=False)
    network: Stateful = torch.nn.Linear(2, 2)
    first = Run(config, {"trainer": "toy"}, {"network": network}, ALONE, Console(quiet=True))
    first.snapshot()
    first.close()
    for parts, words in [
        ({"network": network, "more": network}, "this training has more, network"),
        ({"network": torch.nn.Linear(2, 3)}, "does not fit this training"),
    ]:
        run = Run(config, {"trainer": "toy"}, parts, ALONE, Console(quiet=True))
        with pytest.raises(CheckpointError, match=words):
            run.restore()
        run.close()


def test_no_step_is_counted_before_the_run_was_restored(tmp_path: Path) -> None:
    run = Run(RunConfig(output=tmp_path), {"trainer": "toy"}, {}, ALONE, Console(quiet=True))
    with pytest.raises(ValueError, match="restore"):
        run.advance(8)
    run.close()


def test_a_value_is_kept_as_it_was_when_it_was_noted(tmp_path: Path) -> None:
    config = RunConfig(output=tmp_path, tensorboard=False, log_every=2)
    run = Run(config, {"trainer": "toy"}, {}, ALONE, Console(quiet=True))
    run.restore()
    score = torch.ones(())
    for step in range(1, 6):
        run.advance(4)
        run.log({"score": score, "inverse": 1 / step})
        if step == 3:
            run.log({"fid": 7.5}, always=True)
        score += 1
    run.close()
    rows = [(line.step, dict(line.values)) for line in monitor.read_lines(tmp_path)]
    assert rows == [
        (2, {"score": 2, "inverse": 1 / 2}),
        (3, {"score": 3, "inverse": 1 / 3, "fid": 7.5}),
        (4, {"score": 4, "inverse": 1 / 4}),
    ]


def test_a_run_leaves_a_report_and_pictures(tmp_path: Path) -> None:
    trained(tmp_path, steps=4, pictures_every=2)
    names = [path.name for path in sorted((tmp_path / "pictures").iterdir())]
    assert names == ["weights-00000002.png", "weights-00000004.png"]
    page = (tmp_path / "report.html").read_text()
    assert "data:image/png;base64," in page
    assert "fit" in page


def test_tensorboard_is_told_if_it_is_there_and_missed_if_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, errors = tmp_path / "there", io.StringIO()
    config = replace(toy(there, steps=2), run=RunConfig(output=there, log_every=1))
    toy_trainer.train(config, ALONE, Console(quiet=True, errors=errors))
    assert list((there / "tensorboard").glob("events.*"))
    assert errors.getvalue() == ""
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    config = replace(config, run=RunConfig(output=tmp_path / "missing", log_every=1))
    toy_trainer.train(config, ALONE, Console(quiet=True, errors=errors))
    assert "warning: no TensorBoard" in errors.getvalue()
    assert curve(tmp_path / "missing") == curve(there)


@dataclass(frozen=True, kw_only=True)
class Flat:
    """A trainer's own config with names that a run knows."""

    data: str = "faces"
    output: Path = Path("elsewhere")
    minutes: float = 0.0
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Nested:
    """A trainer's config that holds the run's."""

    run: RunConfig = RunConfig(keep=5)  # noqa: RUF009


def test_settings_of_the_run_are_found_in_flat_and_nested_configs() -> None:
    flat = parse(Flat, ["--minutes", "3", "--seed", "4"])
    assert run_config(flat) == RunConfig(output=Path("elsewhere"), minutes=3, seed=4)
    nested = parse(Nested, ["--run.minutes", "3", "-o", "there"])
    assert run_config(nested) == RunConfig(output=Path("there"), minutes=3, keep=5)
    assert run_config(nested.run) is nested.run


@pytest.mark.parametrize("words", [["--keep", "0"], ["--log-every", "0"], ["--minutes", "-1"]])
def test_settings_that_make_no_sense_are_refused(words: list[str]) -> None:
    with pytest.raises(UsageError):
        parse(RunConfig, words)
