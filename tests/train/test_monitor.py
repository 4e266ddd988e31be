"""What a training told can be read again, whoever was told."""

from __future__ import annotations

import gc
import importlib.util
import math
import mmap
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from phiz.errors import DataError, MissingError
from phiz.train import monitor
from phiz.train.monitor import Line

CPU = torch.device("cpu")
PICTURE = torch.linspace(-1, 1, 3 * 4 * 6).reshape(3, 4, 6)


def line(step: int, loss: float | None = 0.5) -> Line:
    return Line(step=step, images=8 * step, values={"loss": loss}, speed={"step_s": 0.1})


def test_lines_come_back_to_the_last_bit(tmp_path: Path) -> None:
    lines = [line(1, 0.1 + 0.2), line(2, 1e-300), line(3, -math.pi)]
    for one in lines:
        monitor.append_line(tmp_path, one)
    monitor.to_disk(tmp_path)
    assert monitor.read_lines(tmp_path) == lines


def test_what_is_no_finite_number_becomes_null(tmp_path: Path) -> None:
    for value in (math.nan, math.inf, None):
        monitor.append_line(tmp_path, line(1, value))
    assert [dict(one.values) for one in monitor.read_lines(tmp_path)] == [{"loss": None}] * 3
    text = (tmp_path / monitor.METRICS).read_text()
    assert text.count("null") == 3
    assert "NaN" not in text


def test_half_a_line_at_the_end_is_left_out_and_one_inside_is_named(tmp_path: Path) -> None:
    assert monitor.read_lines(tmp_path) == []
    monitor.append_line(tmp_path, line(1))
    path = tmp_path / monitor.METRICS
    whole = path.read_text()
    path.write_text(whole + whole[:-1])
    assert monitor.read_lines(tmp_path) == [line(1)]
    path.write_text(whole[:9] + "\n" + whole)
    with pytest.raises(DataError, match="line 1 is damaged"):
        monitor.read_lines(tmp_path)


@pytest.mark.parametrize("step", range(6))
def test_lines_after_a_step_are_cut(tmp_path: Path, step: int) -> None:
    for number in range(1, 5):
        monitor.append_line(tmp_path, line(number))
    with (tmp_path / monitor.METRICS).open("a") as file:
        file.write('{"step": 1, "ima')
    monitor.cut_lines(tmp_path, step)
    assert monitor.read_lines(tmp_path) == [line(number) for number in range(1, min(step, 4) + 1)]
    assert list(tmp_path.iterdir()) == [tmp_path / monitor.METRICS]
    monitor.append_line(tmp_path, line(9))
    assert monitor.read_lines(tmp_path)[-1] == line(9)


def test_a_clock_measures_from_line_to_line_and_in_all() -> None:
    times = iter([100.0, 101.0, 105.0, 106.0, 110.0, 111.0])
    clock = monitor.Clock(lambda: next(times))
    clock.begin(20, 160, earlier_s=50.0)
    first = clock.lap(30, 240, CPU)
    assert (first["step_s"], first["images_per_s"]) == (0.4, 20.0)
    assert first["elapsed_s"] == 56.0
    second = clock.lap(32, 250, CPU)
    assert (second["step_s"], second["images_per_s"], second["elapsed_s"]) == (2.5, 2.0, 61.0)
    assert second["memory_mib"] > 20 or sys.platform != "linux"


def test_memory_that_is_used_shows() -> None:
    if not monitor.STATM.exists():
        pytest.skip("this system does not tell a process how much memory it holds")
    gc.collect()
    before = monitor.memory_mib(CPU)
    size = 64 * monitor.MIB
    # A large tensor may get memory that was freed before; these pages are new.
    fresh = np.frombuffer(mmap.mmap(-1, size), np.uint8)
    fresh[:] = 1
    assert monitor.memory_mib(CPU) - before > 0.9 * size / monitor.MIB


def test_the_gradient_norm_is_the_length_of_all_gradients_as_one_vector() -> None:
    one, other, still = (
        nn.Parameter(torch.zeros(2, 3)),
        nn.Parameter(torch.zeros(1)),
        nn.Parameter(torch.zeros(9)),
    )
    one.grad, other.grad = torch.full((2, 3), 2.0), torch.full((1,), 5.0)
    whole = torch.cat([one.grad.reshape(-1), other.grad]).norm()
    assert torch.allclose(monitor.gradient_norm([one, other, still]), whole)
    assert monitor.gradient_norm([still]) == 0


def test_tensorboard_is_told_and_forgets_what_a_resumed_run_does_again(tmp_path: Path) -> None:
    if importlib.util.find_spec("tensorboard") is None:
        pytest.skip("tensorboard is not installed: pip install 'phiz[train]'")
    reading = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")
    for begin, loss in ((0, 1.0), (2, 5.0)):
        told = monitor.tensorboard(tmp_path, begin)
        for step in range(begin + 1, 5):
            told.scalars({"loss/g": loss * step}, step)
        told.picture("faces", PICTURE, begin)
        told.close()
    events = reading.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(one.step, one.value) for one in events.Scalars("loss/g")] == [(1, 1), (2, 2), (3, 15), (4, 20)]
    assert {(one.width, one.height) for one in events.Images("faces")} == {(6, 4)}


def test_weights_and_biases_is_told_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("wandb") is None:
        pytest.skip("wandb is not installed: pip install wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    told = monitor.wandb(tmp_path, "abcd1234", {"trainer": "toy"}, "offline")
    told.scalars({"loss/g": 0.25}, 1)
    told.picture("faces", PICTURE, 1)
    told.close()
    importlib.import_module("wandb").teardown()  # its helper process writes the file's end on its way out
    (folder,) = (tmp_path / "wandb").glob("offline-run-*-abcd1234")
    written = next(folder.glob("*.wandb")).read_bytes()
    assert b"loss/g" in written
    assert b"0.25" in written
    assert list(folder.rglob("faces*.png"))


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("wandb", "torch.utils.tensorboard"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingError, match="Get it with: pip install wandb"):
        monitor.wandb(tmp_path, "abcd1234", {}, "offline")
    with pytest.raises(MissingError, match="Get it with: pip install 'phiz"):
        monitor.tensorboard(tmp_path, 0)
    assert list(tmp_path.iterdir()) == []
