"""A descent goes down, stops when it should, and goes on after a crash as if there had been none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from phiz import checkpoint
from phiz.avatar.descent import Descent, Keep, Progress, RandomDraws, Task, beside, seeded
from phiz.errors import CheckpointError, PhizError

STEPS = 12
GOAL = torch.tensor([1.0, -2.0, 0.5])


class Bowl:
    """A bowl with a shaking floor: its bottom is the goal, but for one draw a step."""

    def __init__(self, keep: Keep | None = None, *, seed: int = 0, goal: Tensor = GOAL) -> None:
        self.place, self.idle = torch.zeros(3), torch.ones(2)
        self.draws = seeded(seed)
        self.task = Task(
            label="rolling",
            steps=STEPS,
            losses=lambda step: self.losses(goal),
            rate=lambda step: 0.1,
            settings={"rate": 0.1},
            given={"goal": goal},
        )
        self.keep = keep

    def losses(self, goal: Tensor) -> dict[str, Tensor]:
        shaken = self.place + 0.1 * self.draws.normal(3)
        apart = (shaken - goal).square().sum()
        return {"loss": 2 * apart, "apart": apart}

    def descent(self, **changes: object) -> Descent:
        task = replace(self.task, **changes)  # type: ignore[arg-type]
        return Descent(task, {"place": self.place, "idle": self.idle}, self.draws, self.keep)


def _stop_at(step: int) -> Callable[[Progress], bool]:
    return lambda progress: progress.step == step


def test_it_goes_down_and_tells_how_far_it_is() -> None:
    bowl = Bowl()
    seen: list[Progress] = []

    def watch(progress: Progress) -> bool:
        seen.append(progress)
        return False

    course = bowl.descent().run(watch)
    assert (course.steps, course.ended_by) == (STEPS, "steps")
    assert course.losses["loss"][-1] < 0.5 * course.losses["loss"][0]
    assert course.losses["apart"] == tuple(value / 2 for value in course.losses["loss"])
    assert [one.step for one in seen] == list(range(1, STEPS + 1))
    assert seen[-1].seconds_left == 0
    assert str(seen[0]).startswith(f"rolling 1/{STEPS}, loss ")
    assert torch.equal(bowl.idle, torch.ones(2))
    assert not bowl.place.requires_grad


def test_time_left_is_that_of_the_steps_so_far() -> None:
    bowl = Bowl()
    ticks = iter([0.0, 2.0, 4.0])
    steps = iter(Descent(bowl.task, {"place": bowl.place}, bowl.draws, clock=lambda: next(ticks)))
    assert [next(steps).seconds_left for _ in range(2)] == [2.0 * 11, 2.0 * 10]


def test_a_stop_rule_holds_before_anything_is_changed() -> None:
    bowl = Bowl()
    course = bowl.descent(is_enough=lambda losses: losses["apart"] < 4.0).run()
    assert course.ended_by == "enough"
    assert 0 < course.steps < STEPS
    assert len(course.losses["loss"]) == course.steps + 1
    assert course.losses["apart"][-1] < 4.0 <= course.losses["apart"][-2]
    longer = Bowl()
    longer.descent().run(_stop_at(course.steps))
    assert torch.equal(bowl.place, longer.place)


@pytest.mark.parametrize("killed_at", [5, 7, 11])
def test_a_killed_one_goes_on_with_the_same_bits(tmp_path: Path, killed_at: int) -> None:
    whole = Bowl()
    expected = whole.descent().run()
    keep = Keep(path=tmp_path / "a.rolling.safetensors", every=3)
    for progress in Bowl(keep).descent():
        if progress.step == killed_at:
            break  # and nothing is saved
    again = Bowl(keep)
    descent = again.descent()
    assert descent.step == killed_at // 3 * 3
    assert descent.run() == expected
    assert torch.equal(again.place, whole.place)
    assert torch.equal(again.draws.generator.get_state(), whole.draws.generator.get_state())


def test_one_that_was_stopped_can_go_on_and_one_that_is_done_is_done(tmp_path: Path) -> None:
    whole = Bowl()
    expected = whole.descent().run()
    keep = Keep(path=tmp_path / "a.safetensors", every=100)
    stopped = Bowl(keep).descent().run(_stop_at(4))
    assert (stopped.steps, stopped.ended_by) == (4, "watch")
    resumed = Bowl(keep)
    assert resumed.descent().run() == expected
    assert torch.equal(resumed.place, whole.place)
    done = Bowl(keep)
    assert done.descent().run(lambda progress: pytest.fail("no step was left")) == expected
    assert torch.equal(done.place, whole.place)


@pytest.mark.parametrize("other", ["goal", "seed", "settings"])
def test_a_file_of_another_task_is_not_gone_on_with(tmp_path: Path, other: str) -> None:
    keep = Keep(path=tmp_path / "a.safetensors")
    Bowl(keep).descent().run(_stop_at(4))
    bowl = Bowl(keep, seed=int(other == "seed"), goal=GOAL + (other == "goal"))
    settings = {"rate": 0.2 if other == "settings" else 0.1}
    assert bowl.descent(settings=settings).step == 0


def test_foreign_and_damaged_files_are_said_and_stay(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    checkpoint.save(path, kind="motion", config={}, tensors={"x": torch.zeros(1)})
    with pytest.raises(CheckpointError, match="'motion'"):
        Bowl(Keep(path=path)).descent()
    Keep(path=path).discard()
    assert path.is_file()
    Bowl(Keep(path=tmp_path / "b.safetensors")).descent().run()
    saved = checkpoint.load(tmp_path / "b.safetensors", kind="descent")
    del saved.tensors["leaf/place"]
    checkpoint.save(path, kind="descent", config=saved.config, tensors=saved.tensors)
    with pytest.raises(CheckpointError, match="begin anew"):
        Bowl(Keep(path=path)).descent()
    half = tmp_path / ".a-0123abcd.part.safetensors"
    half.touch()
    Keep(path=path).discard()
    assert [left.name for left in tmp_path.iterdir()] == ["b.safetensors"]
    Keep(path=path).discard()


def test_a_loss_that_is_no_number_ends_it_with_a_reason() -> None:
    bowl = Bowl(goal=torch.tensor([float("nan"), 0.0, 0.0]))
    with pytest.raises(PhizError, match="come apart"):
        bowl.descent().run()
    assert torch.equal(bowl.place, torch.zeros(3))
    assert not bowl.place.requires_grad


def test_no_steps_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one step"):
        Bowl().descent(steps=0)


def test_draws_go_on_where_they_were() -> None:
    draws = RandomDraws(torch.Generator().manual_seed(1))
    draws.normal(3)
    state = draws.state_dict()
    expected = draws.normal(2, 2)
    other = seeded(2)
    other.load_state_dict(state)
    assert torch.equal(other.normal(2, 2), expected)


def test_it_is_kept_beside_its_output(tmp_path: Path) -> None:
    assert beside(tmp_path / "anna.avatar", "tuning") == tmp_path / "anna.tuning.safetensors"
