"""``phiz prepare``: from a folder of footage to a data set that the checker finds fit."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from prepare import footage
from prepare import known_people as people
from prepare.footage import ALICE, BOB, SIZE

from phiz import options
from phiz.errors import DataError, UsageError
from phiz.media import audio, image
from phiz.prepare.prepare_verb import PrepareConfig

Problems = Callable[..., dict[str, list[tuple[str, str]]]]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return footage.make(tmp_path_factory.mktemp("prepare") / "footage")


@pytest.fixture(scope="module")
def ready(source: Path) -> Path:
    """The footage prepared; tests that change it take a copy."""
    output = source.parent / "ready"
    footage.run(source, output)
    return output


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return footage.make_few(tmp_path_factory.mktemp("few") / "footage")


@pytest.fixture(scope="module")
def few_ready(few: Path) -> Path:
    output = few.parent / "ready"
    footage.run(few, output)
    return output


@pytest.fixture
def again(ready: Path, source: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Footage and data set to play with."""
    return _copied(source, tmp_path / "footage"), _copied(ready, tmp_path / "ready")


def test_the_checker_finds_fit_what_has_a_sound(ready: Path, problems_of: Problems) -> None:
    found = problems_of(ready, side=SIZE, minimum=1)
    assert set(found) <= {"no sound", "few angles", "few expressions", "few lights"}
    assert found["no sound"] == [("audio/carol", "")]


def test_each_picture_is_kept_or_dropped_for_its_reason(ready: Path) -> None:
    report = json.loads((ready / "report.json").read_text(encoding="utf-8"))
    kept = {(one["source"], one.get("frame", -1)) for one in report["kept"].values()}
    dropped = {(one["source"], one.get("frame", -1)): one["reason"] for one in report["dropped"]}
    expected = {(f"alice/{name}", -1): why for name, why in ALICE.items()}
    expected |= {("bob/talk.mp4", number): why for number, why in enumerate(BOB)}
    expected |= {("carol/sub/1.jpg", -1): "", ("carol/sub/2.jpg", -1): "duplicate"}
    assert kept == {one for one, why in expected.items() if not why}
    assert dropped == {one: why for one, why in expected.items() if why}
    assert report["summary"]["kept"] == len(kept)
    assert report["summary"]["dropped"]["no face"] == 2


def test_names_count_up_without_gaps(ready: Path) -> None:
    found = sorted(str(path.relative_to(ready)) for path in (ready / "images").rglob("*.jpg"))
    persons = [f"images/{name}/{number:05d}.jpg" for name in ("alice", "bob") for number in (1, 2)]
    assert found == [*persons, "images/carol/00001.jpg"]
    assert image.read(ready / found[0]).shape == (3, SIZE, SIZE)


def test_sound_loses_what_its_pictures_lost(ready: Path, source: Path) -> None:
    voice = audio.read(source / "alice" / "voice.flac")
    assert torch.equal(audio.read(ready / "audio" / "alice" / "00001.wav"), voice[:1280])
    film = audio.read(source / "bob" / "talk.mp4")
    heard = audio.read(ready / "audio" / "bob" / "00001.wav")
    assert torch.allclose(heard, torch.cat([film[:640], film[1280:1920]]), atol=1e-4)
    facts = json.loads((ready / "metadata" / "sounds.json").read_text(encoding="utf-8"))["frames"]
    assert facts["bob/00001"]["seconds"] == 0.08
    assert facts["alice/00001"]["sources"] == ["alice/voice.flac"]


def test_landmarks_lie_on_the_face(ready: Path) -> None:
    found = json.loads((ready / "metadata" / "landmarks.json").read_text(encoding="utf-8"))["frames"]
    points = torch.tensor(found["alice/00001"])
    eyes, mouth = points[36:48].mean(0), points[48:].mean(0)
    assert abs(float(eyes[0]) - SIZE / 2) < 0.1 * SIZE  # where FFHQ has them
    assert 0.3 * SIZE < float(eyes[1]) < float(mouth[1]) < 0.75 * SIZE


def test_poses_are_those_of_the_rendered_heads(ready: Path) -> None:
    found = json.loads((ready / "metadata" / "poses.json").read_text(encoding="utf-8"))["frames"]
    true = {"alice/00001": (-11, -9), "alice/00002": (13, 14), "carol/00001": (-14, 3)}
    for key, angles in true.items():
        turned = torch.rad2deg(torch.tensor(found[key][:2]))
        assert (turned - torch.tensor(angles)).abs().max() < 9  # the crop is looked at from its own middle
        assert found[key][5] < 0


def test_the_sheet_shows_all(ready: Path) -> None:
    with Image.open(ready / "sheet.png") as sheet:
        assert sheet.width > 12 * 96
        colours = {colour for _, colour in sheet.getcolors(1 << 20)}
    assert (60, 190, 90) in colours  # green frames around the kept ones
    assert (240, 140, 50) in colours  # and another colour around those with several faces


def test_nothing_is_done_twice_nor_written_elsewhere(again: tuple[Path, Path]) -> None:
    source, output = again
    before, stored = footage.digests(output), _stored(output)
    made = footage.digests(source)
    result = footage.run(source, output, patience=0)  # a single look would be too many
    assert result["kept"] == 5
    assert (footage.digests(output), _stored(output)) == (before, stored)
    assert footage.digests(source) == made


def test_a_changed_picture_is_done_anew_and_a_gone_one_leaves(again: tuple[Path, Path]) -> None:
    source, output = again
    people.write(source / "alice" / "1.jpg", people.painted(8))
    shutil.rmtree(source / "carol")
    before = _stored(output)
    unchanged = (output / "images" / "alice" / "00002.jpg").read_bytes()
    (output / "images" / "carol" / "mine.txt").write_text("a user's own", encoding="utf-8")
    result = footage.run(source, output)
    assert len(_stored(output)) == len(before) + 1
    assert (output / "images" / "alice" / "00002.jpg").read_bytes() == unchanged
    assert [path.name for path in (output / "images" / "carol").iterdir()] == ["mine.txt"]
    assert (result["people"], result["kept"]) == (2, 4)


def test_an_interrupted_run_goes_on_to_the_same_bytes(few: Path, few_ready: Path, tmp_path: Path) -> None:
    output = tmp_path / "ready"
    # The estimate looks once at the first picture, four times, turned, at the second; then work begins.
    with pytest.raises(KeyboardInterrupt):
        footage.run(few, output, patience=7)
    assert len(_stored(output)) == 1
    assert not (output / "metadata").exists()
    footage.run(few, output)
    assert footage.digests(output) == footage.digests(few_ready)


def test_processes_write_what_one_process_writes(few: Path, few_ready: Path, tmp_path: Path) -> None:
    footage.run(few, tmp_path / "ready", "--workers", "2")
    assert footage.digests(tmp_path / "ready") == footage.digests(few_ready)


def test_an_estimate_writes_nothing(source: Path, tmp_path: Path) -> None:
    result = footage.run(source, tmp_path / "ready", "--estimate")
    assert (result["people"], result["pictures"], result["frames"], result["sounds"]) == (3, 11, 3, 1)
    assert not (tmp_path / "ready").exists()


def test_files_of_others_are_never_replaced(again: tuple[Path, Path]) -> None:
    source, output = again
    people.write(source / "alice" / "4.jpg", people.painted(7))
    stranger = output / "images" / "alice" / "00003.jpg"
    stranger.write_bytes(b"mine")
    with pytest.raises(DataError, match="not written by phiz prepare"):
        footage.run(source, output)
    assert stranger.read_bytes() == b"mine"


def test_a_folder_of_somebody_else_is_refused(source: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(DataError, match="not made by phiz prepare"):
        footage.run(source, tmp_path / "full")


def test_nothing_good_enough_is_an_error_that_says_why(tmp_path: Path) -> None:
    footage.grey(tmp_path / "footage", 2)
    with pytest.raises(DataError, match=r"none of 3 pictures is good enough.*no face"):
        footage.run(tmp_path / "footage", tmp_path / "ready")
    assert (tmp_path / "ready" / "report.json").is_file()
    assert (tmp_path / "ready" / "sheet.png").is_file()


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "footage").mkdir()
    with pytest.raises(DataError, match="holds no pictures"):
        footage.run(tmp_path / "footage", tmp_path / "ready")


@pytest.mark.parametrize(
    "words", [["--size", "300"], ["--fps", "0"], ["--workers", "-1"], ["--limits.sharp", "2"]]
)
def test_senseless_settings_are_refused(words: list[str]) -> None:
    with pytest.raises(UsageError):
        options.parse(PrepareConfig, ["footage", *words])


def _copied(folder: Path, to: Path) -> Path:
    shutil.copytree(folder, to, copy_function=os.link)
    return to


def _stored(output: Path) -> dict[str, Any]:
    """Return the results in a store, and when each was written."""
    return {path.name: path.stat().st_mtime_ns for path in (output / ".work").glob("??/*.json")}
