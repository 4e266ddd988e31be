"""Parts of ``phiz prepare``: which sound goes with which pictures, what may be replaced, what a run costs."""

from __future__ import annotations

import importlib.util
from fractions import Fraction
from pathlib import Path

import pytest

from phiz.errors import DataError, MissingError
from phiz.media.video import VideoInfo
from phiz.prepare import assemble, estimate, jobs, person_sound, prepare_sheet, ray_workers, written
from phiz.prepare.eyes import Networks
from phiz.prepare.gather import Found
from phiz.prepare.jobs import Item, Plan
from phiz.prepare.judge import REASONS
from phiz.prepare.store import Store
from phiz.prepare.work import Settings
from phiz.prepare.written import Written

FPS = 25.0


def item(source: str, number: int = -1, *, kind: str = "", reason: str = "") -> Item:
    return Item(
        "anna", kind or ("picture" if number < 0 else "frame"), source, number, f"{source}{number}", reason
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(folder=tmp_path / "work")


def test_a_film_keeps_the_sound_of_its_kept_frames(store: Store) -> None:
    sound = item("talk.mp4", kind="sound")
    store.write(sound.key, {"seconds": 0.16, "peak": 0.5, "rms": 0.1, "clipped": 0.0})
    frames = [item("talk.mp4", k, reason="blurred" if k == 1 else "") for k in range(4)]
    pictures = [*frames, item("a.jpg")]
    assert person_sound.in_order(pictures, [sound])[0].source == "a.jpg"
    (found,) = person_sound.parts(pictures, [sound], store, FPS)
    assert found.fits
    assert found.kept == (0, 2, 3)
    assert found.facts["peak"] == 0.5
    assert person_sound.without_pictures([item("talk.mp4", 0, reason="no face")], [sound]) == [sound]


def test_a_loose_sound_fits_pictures_that_last_as_long(store: Store) -> None:
    sound = item("voice.wav", kind="sound")
    store.write(sound.key, {"seconds": 2.0, "peak": 0.5, "rms": 0.1, "clipped": 0.0})
    many = [item(f"{k}.jpg") for k in range(50)]
    assert person_sound.are_frames(many, [sound], store, FPS)
    assert [one.fits for one in person_sound.parts(many, [sound], store, FPS)] == [True]
    few = many[:10]
    assert not person_sound.are_frames(few, [sound], store, FPS)
    assert [one.fits for one in person_sound.parts(few, [sound], store, FPS)] == [False]


def test_only_what_was_written_before_is_replaced_or_removed(tmp_path: Path, store: Store) -> None:
    folder = tmp_path / "data"
    source = tmp_path / "crop.jpg"
    source.write_bytes(b"a picture")
    first = Written(folder, store.folder, "anna")
    for name in ("images/anna/1.jpg", "images/anna/2.jpg"):
        first.link(name, source)
    first.finish()
    second = Written(folder, store.folder, "anna")
    second.link("images/anna/1.jpg", source)
    (folder / "images/anna/mine.jpg").write_bytes(b"of the user")
    with pytest.raises(DataError, match="was not written by phiz prepare"):
        second.make_room("images/anna/mine.jpg")
    second.finish()
    assert sorted(path.name for path in (folder / "images/anna").iterdir()) == ["1.jpg", "mine.jpg"]
    written.remove_others(folder, store.folder, set())
    assert [path.name for path in (folder / "images/anna").iterdir()] == ["mine.jpg"]


def test_work_is_cut_into_jobs_that_are_counted_beforehand(store: Store) -> None:
    info = VideoInfo(fps=Fraction(25), frames=1000, width=64, height=64, seconds=40.0, has_audio=True)
    found = Found(
        person="anna",
        pictures=tuple(f"{k}.jpg" for k in range(jobs.AT_ONCE + 1)),
        films=("talk.mp4",),
        sounds=("voice.wav",),
        strays=0,
    )
    plan = Plan(opener=Networks(), fingerprint="", settings=Settings(), root=Path(), store=store, fps=FPS)
    made = list(jobs.cut(plan, found, {"talk.mp4": info}, 2))
    assert len(made) == jobs.count_jobs(found, {"talk.mp4": info}, FPS, 2)


def test_every_reason_has_a_colour_and_what_is_kept_is_green() -> None:
    assert prepare_sheet.colour_of("") == prepare_sheet.GREEN
    colours = {prepare_sheet.colour_of(reason) for reason in REASONS}
    assert prepare_sheet.GREEN not in colours
    assert len(colours) > 3


def test_room_is_told_in_words() -> None:
    assert [estimate.size(count) for count in (12, 4500, 3.2e6, 7e9, 5e12)] == [
        "12 bytes",
        "4.5 kB",
        "3.2 MB",
        "7 GB",
        "5 TB",
    ]
    assert assemble.DIGITS == 5


def test_without_ray_its_remedy_is_told() -> None:
    if importlib.util.find_spec("ray") is not None:
        pytest.skip("Ray is installed")
    with pytest.raises(MissingError, match="pip install ray"), ray_workers.cluster("local", workers=1):
        pass
