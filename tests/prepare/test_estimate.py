"""What a run will take is told before it begins."""

from __future__ import annotations

import io
import itertools
from pathlib import Path

import pytest
from prepare import footage
from prepare import known_people as people
from prepare.known_people import Knowing

from phiz.console import Console
from phiz.prepare import estimate, gather
from phiz.prepare.jobs import Plan
from phiz.prepare.judge import Limits
from phiz.prepare.store import Store, key_of
from phiz.prepare.work import Settings


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    root = tmp_path / "footage"
    for name in ("a", "b"):
        for number in range(6):
            people.write(root / name / f"{number}.png", people.nobody())
    return Plan(
        opener=Knowing(folder=root),
        fingerprint="",
        settings=Settings(size=64, limits=Limits(small=0.25)),
        root=root,
        store=Store(folder=tmp_path / "store"),
        fps=25.0,
    )


def _survey(plan: Plan) -> estimate.Amount:
    return estimate.survey(gather.people(plan.root, plan.store.folder), plan.root, plan.fps, 2)


def _cost(plan: Plan, amount: estimate.Amount) -> estimate.Cost:
    ticks = itertools.count(0, 3)
    return estimate.measure(amount, plan, plan.opener(), workers=2, clock=lambda: float(next(ticks)))


def test_everything_is_counted(plan: Plan) -> None:
    footage.film(plan.root / "b" / "talk.mp4", [people.nobody()] * 3)
    (plan.root / "b" / "broken.mp4").write_bytes(b"nonsense")
    amount = _survey(plan)
    assert (amount.people, amount.pictures, amount.frames, len(amount.films)) == (2, 12, 3, 2)
    assert amount.seconds == pytest.approx(0.12)
    assert amount.strays == 12 + 3  # what the test knows about them
    assert len(amount.samples) == estimate.SAMPLES
    assert {sample[0] for sample in amount.samples} == {"a", "b"}


def test_time_and_room_grow_with_what_is_left(plan: Plan) -> None:
    amount = _survey(plan)
    cost = _cost(plan, amount)
    assert (cost.seconds_each, cost.measured_on) == (3, 3)
    assert cost.seconds == 12 * 3 / 2
    assert 12 * estimate.RESULT_BYTES < cost.disk < 12 * (estimate.RESULT_BYTES + 3 * 64 * 64)
    for number in range(6):
        plan.store.write(key_of(number), {})
    half = _cost(plan, amount)
    assert (half.done, half.seconds, half.disk) == (6, cost.seconds / 2, cost.disk / 2)
    for number in range(20):
        plan.store.write(key_of(number), {})
    assert _cost(plan, amount).measured_on == 0


def test_a_film_alone_is_measured_by_its_first_frames(plan: Plan, tmp_path: Path) -> None:
    footage.film(tmp_path / "films" / "a" / "talk.mp4", [people.nobody()] * 3)
    amount = estimate.survey(
        gather.people(tmp_path / "films", plan.store.folder), tmp_path / "films", plan.fps, 2
    )
    other = Plan(**{**vars(plan), "root": tmp_path / "films"})
    assert _cost(other, amount).measured_on == 2


def test_a_disk_that_is_too_small_is_warned_of(plan: Plan) -> None:
    amount = _survey(plan)
    cost = estimate.Cost(seconds_each=1, measured_on=3, done=2, seconds=90, disk=3e9, free=2e9)
    said, warned = io.StringIO(), io.StringIO()
    estimate.tell(amount, cost, 2, Console(output=said, errors=warned))
    assert "1:30 on 2 processes" in said.getvalue()
    assert "2 of them are done" in said.getvalue()
    assert "3 GB are needed at most, 2 GB are free" in warned.getvalue()
    assert estimate.plain(amount, cost)["pictures"] == 12


def test_sizes_have_units() -> None:
    assert [estimate.size(n) for n in (12, 3400, 5.6e6, 7e9, 8e12)] == [
        "12 bytes", "3.4 kB", "5.6 MB", "7 GB", "8 TB",
    ]  # fmt: skip
