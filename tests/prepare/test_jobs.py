"""Work is cut into jobs, and cut otherwise it gives the same."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from prepare import footage
from prepare import known_people as people
from prepare.known_people import Knowing

from phiz import checkpoint
from phiz.errors import DataError
from phiz.media import video
from phiz.media.video import VideoInfo
from phiz.prepare import gather, jobs
from phiz.prepare.gather import Found
from phiz.prepare.jobs import Job, Plan
from phiz.prepare.judge import Limits
from phiz.prepare.store import Store
from phiz.prepare.work import Settings


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    root = tmp_path / "footage"
    root.mkdir()
    with checkpoint.atomic(tmp_path / "store" / jobs.TOKEN):
        pass
    return Plan(
        opener=Knowing(folder=root),
        fingerprint="truth",
        settings=Settings(size=64, limits=Limits(small=0.25)),
        root=root,
        store=Store(folder=tmp_path / "store"),
        fps=25.0,
    )


def _info(frames: int, *, has_audio: bool = True) -> VideoInfo:
    return VideoInfo(
        fps=Fraction(25), frames=frames, width=8, height=8, seconds=frames / 25, has_audio=has_audio
    )


def test_jobs_cover_everything_once(plan: Plan) -> None:
    pictures = tuple(f"a/{number}.jpg" for number in range(20))
    found = Found(person="a", pictures=pictures, films=("a/x.mp4", "a/y.mp4"), sounds=("a/z.wav",), strays=0)
    films = {"a/x.mp4": _info(5000), "a/y.mp4": None}
    made = list(jobs.cut(plan, found, films, 2))
    assert sum((job.pictures for job in made), ()) == pictures
    parts = [(job.first, job.count) for job in made if job.film == "a/x.mp4"]
    assert parts == [(k * 625, 625) for k in range(7)] + [(4375, None)]
    assert [job.sounds for job in made if job.sounds] == [("a/x.mp4",), ("a/z.wav",)]
    assert jobs.count_jobs(found, films, 25, 2) == len(made)


def test_parts_of_a_film_give_what_the_whole_gives(plan: Plan) -> None:
    people.write(plan.root / "a.png", people.nobody())
    footage.film(plan.root / "a.mp4", [people.nobody()] * 5)
    whole = jobs.do(Job(plan=plan, person="a", film="a.mp4"))
    assert [item.number for item in whole] == [0, 1, 2, 3, 4]
    halves = (0, 2), (2, None)
    again = [jobs.do(Job(plan=plan, person="a", film="a.mp4", first=f, count=c)) for f, c in halves]
    assert sum(again, ()) == whole


def test_a_film_that_is_done_is_not_opened_again(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    footage.film(plan.root / "a.mp4", [people.nobody()] * 2)
    job = Job(plan=plan, person="a", film="a.mp4")
    first = jobs.do(job)
    monkeypatch.setattr(video, "read", None)
    assert jobs.do(job) == first
    plan.store.path(first[1].key).unlink()
    with pytest.raises(TypeError):
        jobs.do(job)


def test_what_cannot_be_read_is_an_item_with_a_reason(plan: Plan) -> None:
    for name in ("a.jpg", "a.mp4", "a.wav"):
        (plan.root / name).write_bytes(b"nonsense")
    found = [
        *jobs.do(Job(plan=plan, person="a", pictures=("a.jpg", "gone.jpg"))),
        *jobs.do(Job(plan=plan, person="a", film="a.mp4")),
        *jobs.do(Job(plan=plan, person="a", film="gone.mp4")),
        *jobs.do(Job(plan=plan, person="a", sounds=("a.wav", "gone.wav"))),
    ]
    assert [item.reason.split()[-1] for item in found] == ["unreadable"] * 6
    details = [(plan.store.read(item.key) or {})["detail"] for item in found]
    assert all(details)
    assert not any(str(plan.root) in detail for detail in details)


def test_results_are_others_with_other_settings_eyes_or_bytes(plan: Plan) -> None:
    people.write(plan.root / "a.png", people.nobody())
    job = Job(plan=plan, person="a", pictures=("a.png",))
    keys = {jobs.do(job)[0].key, jobs.do(replace(job, person="b"))[0].key}
    assert len(keys) == 1
    others = (
        replace(plan, fingerprint="other"),
        replace(plan, settings=replace(plan.settings, size=32)),
    )
    keys |= {jobs.do(replace(job, plan=other))[0].key for other in others}
    people.write(plan.root / "a.png", people.dark(people.nobody()))
    keys.add(jobs.do(job)[0].key)
    assert len(keys) == 4


def test_a_machine_that_does_not_see_the_folder_says_so(plan: Plan) -> None:
    (plan.store.folder / jobs.TOKEN).unlink()
    with pytest.raises(DataError, match="all machines"):
        jobs.do(Job(plan=plan, person="a", pictures=("a.jpg",)))


def test_a_listing_gives_jobs(plan: Plan) -> None:
    people.write(plan.root / "a" / "1.png", people.nobody())
    found = list(gather.people(plan.root, plan.store.folder))
    assert [job.pictures for job in jobs.cut(plan, found[0], {}, 1)] == [("a/1.png",)]
