"""What is drawn follows from seed and step; the file is a cache that may be lost."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from phiz.generator.config import TINY
from phiz.generator.generator import Generator
from phiz.train import encoder_samples
from phiz.train.encoder_samples import Kept, Plan, Reservoir, Samples, chance_of, draw, subjects

PLAN = Plan(size=32, people=2, views=2, kept=16, first=2, steps_a_draw=2.0, seed=5)


@pytest.fixture(scope="module")
def generator() -> Generator:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return Generator(TINY).eval().requires_grad_(False)


def assert_same(one: Samples, other: Samples) -> None:
    assert torch.equal(one.layers, other.layers)
    for name, value in one.who.__dict__.items():
        assert torch.equal(value, getattr(other.who, name)), name


def test_pictures_are_those_of_the_people_that_come_with_them(generator: Generator, tmp_path: Path) -> None:
    found = Reservoir(generator, PLAN, tmp_path).take(0, 6)
    again = draw(generator, found.who, 1, PLAN.size)
    assert found.layers.shape == (6, 4, 32, 32)
    assert int((found.layers.int() - again.int()).abs().max()) <= 1


def test_views_of_a_person_differ_in_their_angles_alone() -> None:
    who = subjects(TINY, 3, 2, chance_of(1))
    assert torch.equal(who.z[::2], who.z[1::2])
    assert torch.equal(who.background[::2], who.background[1::2])
    assert not torch.equal(who.angles[::2], who.angles[1::2])


def test_people_are_seen_from_where_portraits_are() -> None:
    angles = torch.rad2deg(subjects(TINY, 2000, 1, chance_of(1)).angles)
    assert float(angles[:, 0].abs().max()) <= 50.01
    assert float(angles[:, 1].abs().max()) <= 20.01
    assert 15 < float(angles[:, 0].std()) < 23
    assert 7 < float(angles[:, 1].std()) < 10


def test_a_step_takes_the_same_whenever_it_is_asked(generator: Generator, tmp_path: Path) -> None:
    whole = Reservoir(generator, PLAN, tmp_path / "whole")
    steps = [whole.take(step, 5) for step in range(9)]
    late = Reservoir(generator, PLAN, tmp_path / "late")
    assert_same(late.take(6, 5), steps[6])
    early = Reservoir(generator, PLAN, tmp_path / "whole")  # its file is from later steps
    assert_same(early.take(3, 5), steps[3])
    assert not torch.equal(steps[3].layers, steps[4].layers)


def test_what_is_in_the_file_is_not_drawn_again_but_what_is_damaged_is(
    generator: Generator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Reservoir(generator, PLAN, tmp_path)
    expected = first.take(4, 8)
    drawn: list[int] = []

    def counting(*given: object) -> torch.Tensor:
        drawn.append(1)
        return draw(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(encoder_samples, "draw", counting)
    assert_same(Reservoir(generator, PLAN, tmp_path).take(4, 8), expected)
    assert not drawn
    pictures = np.load(tmp_path / "drawn-0.npy", mmap_mode="r+")
    pictures[1, 0, 0, 0, 0] ^= 1
    pictures.flush()
    assert_same(Reservoir(generator, PLAN, tmp_path).take(4, 8), expected)
    assert len(drawn) == 1
    (tmp_path / "drawn-0.npy").write_bytes(b"no array")
    assert_same(Reservoir(generator, PLAN, tmp_path).take(4, 8), expected)
    assert len(drawn) == 1 + 4


def test_a_draw_takes_the_place_of_the_oldest(tmp_path: Path) -> None:
    kept = Kept(tmp_path, PLAN)
    chance = torch.Generator().manual_seed(0)
    pictures = [torch.randint(0, 256, (4, 4, 32, 32), generator=chance).to(torch.uint8) for _ in range(2)]
    assert not kept.holds(0)
    kept.put(0, pictures[0])
    assert kept.holds(0)
    assert torch.equal(kept.picture(3), pictures[0][3])
    kept.put(4, pictures[1])
    assert [kept.holds(number) for number in (0, 4)] == [False, True]
    assert torch.equal(kept.picture(4 * 4 + 1), pictures[1][1])


def test_windows_move_on_and_stay_within_what_is_kept() -> None:
    assert [PLAN.window(step) for step in (0, 1, 2, 5, 6, 20)] == [
        (0, 2), (0, 2), (0, 3), (0, 4), (1, 5), (8, 12),
    ]  # fmt: skip


def test_a_picture_is_learned_from_about_as_often_as_is_asked() -> None:
    reuse, batch = 4, 6
    plan = replace(PLAN, kept=64, steps_a_draw=reuse * PLAN.each / batch)
    taken: Counter[int] = Counter()
    for step in range(400):
        first, last = plan.window(step)
        chance = chance_of(plan.seed, encoder_samples.CHOICES, plan.rank, step)
        taken.update(chance.integers(first * plan.each, last * plan.each, batch).tolist())
    settled = [taken[number] for number in range(100, 500)]
    assert sum(settled) / len(settled) == pytest.approx(reuse, rel=0.05)


def test_processes_draw_other_people(generator: Generator, tmp_path: Path) -> None:
    one, other = (Reservoir(generator, replace(PLAN, rank=k), tmp_path).take(0, 4) for k in range(2))
    assert not torch.equal(one.who.z, other.who.z)
    assert {path.name for path in tmp_path.iterdir()} >= {"drawn-0.npy", "drawn-1.npy"}
