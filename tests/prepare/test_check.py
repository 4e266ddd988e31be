from __future__ import annotations

import io
import json
import os
import shutil
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from phiz import cli
from phiz.console import Console
from phiz.errors import DataError
from phiz.prepare.check import CheckConfig, check
from phiz.prepare.problems import KINDS

Problems = Callable[..., dict[str, list[tuple[str, str]]]]
ONE = "images/0001/00003.jpg"
NEEDS_USER = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is forbidden to the administrator"
)


def wav(path: Path, samples: np.ndarray, rate: int = 16_000, channels: int = 1) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())


def tone(seconds: float, rate: int = 16_000) -> np.ndarray:
    return np.asarray(8000 * np.sin(np.arange(round(seconds * rate)) * 0.05))


def edit(folder: Path, kind: str, change: Callable[[dict[str, dict[str, object]]], object]) -> None:
    path = folder / "metadata" / f"{kind}.json"
    about = json.loads(path.read_text())
    change(about)
    path.write_text(json.dumps(about))


def test_what_the_guide_writer_writes_is_fit(talkers: Path, problems_of: Problems) -> None:
    assert problems_of(talkers) == {}


def test_two_workers_find_what_one_finds(talkers: Path, tmp_path: Path) -> None:
    for k in range(300):  # enough that processes are worth starting
        os.link(talkers / ONE, talkers / f"images/0002/1{k:04d}.jpg")
    (talkers / "images/0002/10007.jpg").unlink()
    (talkers / "images/0002/10007.jpg").write_bytes(b"")
    reports = []
    for workers in (1, 2):
        report = tmp_path / f"{workers}.json"
        config = CheckConfig(data=talkers, side=32, minimum=12, workers=workers, report=report)
        check(config, Console(quiet=True, errors=io.StringIO()))
        reports.append(json.loads(report.read_text())["problems"])
    assert reports[0] == reports[1]
    assert len(reports[0]) == 1 + 300 + 1  # empty, without entries, sound too short


def test_a_faulty_set_ends_with_the_exit_code_of_data(
    talkers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "problems.json"
    words = ["data", "check", str(talkers), "--workers", "1", "--report", str(report)]
    assert cli.main([*words, "--side", "32", "--minimum", "10"]) == 0
    told = capsys.readouterr().out
    assert "side 32 instead of 1024, minimum 10 instead of 1000" in told
    assert "Nothing is wrong" in told
    assert cli.main(words) == DataError.exit_code
    output, errors = capsys.readouterr()
    assert "picture size" in output
    assert "not fit to train on: 26 errors" in errors
    full = json.loads(report.read_text())
    assert len(full["problems"]) == full["summary"]["errors"] == 26


def test_a_script_gets_the_whole_report_of_a_faulty_set(
    talkers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (talkers / ONE).write_bytes(b"")
    words = ["data", "check", str(talkers), "--workers", "1", "--side", "32", "--minimum", "12", "--json"]
    assert cli.main(words) == DataError.exit_code
    told = json.loads(capsys.readouterr().out)
    assert (told["errors"], told["exit_code"], told["fit"]) == (1, DataError.exit_code, False)
    assert told["problems"][0]["examples"] == [
        {"kind": "picture unreadable", "where": ONE, "detail": "it is empty"}
    ]


def test_no_folder_is_explained(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        check(CheckConfig(data=tmp_path / "nowhere"), Console(quiet=True))


def test_an_empty_folder_lacks_every_part(tmp_path: Path, problems_of: Problems) -> None:
    found = problems_of(tmp_path)
    assert [where for where, _ in found["folder missing"]] == ["images", "audio"]
    assert len(found["metadata missing"]) == 3


def test_damaged_pictures_are_told_apart(talkers: Path, problems_of: Problems) -> None:
    data = (talkers / ONE).read_bytes()
    harms = {"00001": b"", "00002": data[:-100], "00003": b"<html>no</html>", "00004": data[:10]}
    for stem, harmed in harms.items():
        (talkers / f"images/0001/{stem}.jpg").write_bytes(harmed)
    found = problems_of(talkers)
    assert set(found) == {"picture unreadable"}
    told = dict(found["picture unreadable"])
    assert set(told) == {f"images/0001/{stem}.jpg" for stem in harms}
    assert told["images/0001/00001.jpg"] == "it is empty"
    assert "truncated" in told["images/0001/00002.jpg"]
    assert told["images/0001/00003.jpg"] == "it is no picture"


def test_wrong_pictures_are_told_apart(talkers: Path, problems_of: Problems) -> None:
    picture = Image.open(talkers / ONE)
    picture.resize((40, 30)).save(talkers / "images/0001/00001.jpg")
    picture.convert("L").save(talkers / "images/0001/00002.jpg")
    picture.convert("CMYK").save(talkers / "images/0001/00004.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(talkers / "images/0001/00005.jpg", exif=exif)
    Image.new("RGB", (32, 32), (9, 9, 9)).save(talkers / "images/0001/00006.jpg")
    (talkers / "images/0001/00007.jpg").unlink()
    picture.convert("RGBA").save(talkers / "images/0001/00007.PNG")
    found = problems_of(talkers)
    assert found == {
        "picture size": [("images/0001/00001.jpg", "40 x 30, not 32 x 32")],
        "picture colours": [
            ("images/0001/00002.jpg", "its mode is L"),
            ("images/0001/00004.jpg", "its mode is CMYK"),
            ("images/0001/00007.PNG", "its mode is RGBA"),
        ],
        "picture turned": [("images/0001/00005.jpg", "")],
        "picture blank": [("images/0001/00006.jpg", "")],
    }


def test_quick_reads_headers_only(talkers: Path, problems_of: Problems) -> None:
    data = (talkers / ONE).read_bytes()
    (talkers / ONE).write_bytes(data[:-300])
    assert "picture unreadable" in problems_of(talkers)
    assert problems_of(talkers, quick=True) == {}


def test_pictures_without_entries_and_entries_without_pictures_are_named(
    talkers: Path, problems_of: Problems
) -> None:
    (talkers / ONE).rename(talkers / "images/0001/00099.jpg")
    edit(talkers, "poses", lambda about: about["frames"].pop("0002/00001"))
    found = problems_of(talkers)
    assert found == {
        "entry missing": [
            ("images/0001/00099.jpg", "in poses, expressions, landmarks"),
            ("images/0002/00001.jpg", "in poses"),
        ],
        "entry without picture": [
            (f"metadata/{kind}.json: 0001/00003", "") for kind in ("poses", "expressions", "landmarks")
        ],
    }


def test_numbers_that_cannot_be_are_named(talkers: Path, problems_of: Problems) -> None:
    def spoil(about: dict[str, dict[str, object]]) -> None:
        frames = about["frames"]
        frames["0001/00001"] = [1, 2, 3]
        frames["0001/00002"] = [0, 90, 0, 0, 0, 0]
        frames["0001/00003"] = [0, float("nan"), 0, 0, 0, 0]
        frames["0001/00004"] = ["0", "0", "0", "0", "0", "0"]
        frames["0001/00005"] = [[1], [1, 2]]
        frames["0001/00006"] = {}
        frames["0001/00007"] = [10**400] * 6

    edit(talkers, "poses", spoil)
    found = problems_of(talkers)
    assert set(found) == {"entry wrong"}
    assert [where[-2:] for where, _ in found["entry wrong"]] == [f"0{i}" for i in range(1, 8)]
    assert found["entry wrong"][1][1] == "an angle of 90 radians; are these degrees?"


def test_metadata_at_another_rate_and_wild_landmarks_are_named(talkers: Path, problems_of: Problems) -> None:
    edit(talkers, "expressions", lambda about: about["header"].update(fps=30))
    edit(talkers, "landmarks", lambda about: about["frames"].update({"0001/00002": [[500, 5]] * 68}))
    found = problems_of(talkers)
    assert found["metadata rate"] == [("metadata/expressions.json", "30 frames a second, not 25")]
    assert found["landmarks outside"] == [("metadata/landmarks.json: 0001/00002", "68 of 68 points")]


def test_sound_is_held_against_the_guide_and_the_pictures(talkers: Path, problems_of: Problems) -> None:
    path = talkers / "audio/0001/00001.wav"
    seconds = 12 / 25
    for samples, rate, channels, kind in (
        (tone(0), 16_000, 1, "sound empty"),
        (np.zeros(7680), 16_000, 1, "sound silent"),
        (tone(seconds, 44_100), 44_100, 1, "sound rate"),
        (tone(2 * seconds), 16_000, 2, "sound channels"),
        (np.sign(tone(seconds)) * 32767, 16_000, 1, "sound clipped"),
        (tone(1.0), 16_000, 1, "sound length"),
    ):
        wav(path, samples, rate, channels)
        found = problems_of(talkers)
        assert kind in found, kind
        assert set(found) <= {kind, "sound length"}, kind
    wav(path, tone(seconds, 22_050), 22_050)
    assert problems_of(talkers) == {}
    for data in (b"", b"RIFF", b"ID3" + bytes(100), path.read_bytes()[:-1000], path.read_bytes()[:30]):
        path.write_bytes(data)
        assert set(problems_of(talkers)) == {"sound unreadable"}


def test_sound_in_several_files_counts_together(talkers: Path, problems_of: Problems) -> None:
    wav(talkers / "audio/0001/00001.wav", tone(0.2))
    wav(talkers / "audio/0001/00002.WAV", tone(0.28))
    assert problems_of(talkers) == {}


def test_people_without_a_counterpart_are_named(talkers: Path, problems_of: Problems) -> None:
    (talkers / "audio/0001").rename(talkers / "audio/0003")
    found = problems_of(talkers)
    assert found["no sound"] == [("audio/0001", "")]
    assert found["sound without pictures"] == [("audio/0003", "")]


def test_too_few_pictures_are_counted(talkers: Path, problems_of: Problems) -> None:
    assert problems_of(talkers, minimum=13) == {
        "too few pictures": [("images/0001", "12, not 13"), ("images/0002", "12, not 13")]
    }


def test_names_of_all_scripts_are_fine(talkers: Path, problems_of: Problems) -> None:
    name = "Zoë 李"  # composed here, decomposed on the disk, as some disks do
    for part in ("images", "audio"):
        (talkers / part / "0001").rename(talkers / part / "Zoe\u0308 李")
    for kind in ("poses", "expressions", "landmarks"):
        path = talkers / "metadata" / f"{kind}.json"
        path.write_text(path.read_text().replace('"0001/', f'"{name}/'), encoding="utf-8")
    assert problems_of(talkers) == {}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_strange_names_and_clutter_do_no_harm(talkers: Path, problems_of: Problems) -> None:
    folder = talkers / "images/0001"
    for name in (".DS_Store", "Thumbs.db", "._00001.jpg"):
        (folder / name).write_bytes(b"clutter")
    (folder / "00001.JPEG").write_bytes((talkers / ONE).read_bytes())
    (folder / "notes.txt").write_text("stray")
    (folder / "more").mkdir()
    (talkers / "images/readme.md").write_text("stray")
    shutil.copy(talkers / ONE, folder / "con.jpg")
    shutil.copy(talkers / ONE, folder / "a:b.jpg")
    shutil.copy(talkers / ONE, folder / os.fsdecode(b"\xff\n.jpg"))
    os.mkfifo(folder / "pipe.jpg")
    found = problems_of(talkers)
    assert len(found["entry missing"]) == 3
    del found["entry missing"]
    assert {kind: sorted(where for where, _ in places) for kind, places in found.items()} == {
        "name taken twice": ["images/0001/00001.jpg"],
        "stray": ["images/0001/more", "images/0001/notes.txt", "images/readme.md"],
        "name not portable": ["images/0001/a:b.jpg", "images/0001/con.jpg"],
        "name undecodable": ["images/0001/\\udcff\\n.jpg"],
        "not a file": ["images/0001/pipe.jpg"],
        "sound length": ["audio/0001"],
    }


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_links_that_go_in_circles_or_nowhere_are_named(talkers: Path, problems_of: Problems) -> None:
    (talkers / "images/self").symlink_to("self")
    (talkers / "images/around").symlink_to("..")
    (talkers / "images/0001/gone.jpg").symlink_to("nowhere.jpg")
    (talkers / "images/0001/ring.jpg").symlink_to("ring.jpg")
    (talkers / "aside").mkdir()
    shutil.move(talkers / "images/0002", talkers / "aside/0002")
    (talkers / "images/0002").symlink_to("../aside/0002")  # this one is fine
    found = problems_of(talkers)
    assert {kind: [where for where, _ in places] for kind, places in found.items()} == {
        "link loop": ["images/0001/ring.jpg", "images/around", "images/self"],
        "link broken": ["images/0001/gone.jpg"],
    }


@NEEDS_USER
def test_forbidden_folders_and_files_are_named(talkers: Path, problems_of: Problems) -> None:
    (talkers / "images/0001").chmod(0)
    (talkers / "images/0002/00001.jpg").chmod(0)
    try:
        found = problems_of(talkers)
    finally:
        (talkers / "images/0001").chmod(0o755)
    assert found["folder unreadable"] == [("images/0001", "Permission denied")]
    assert found["picture unreadable"][0][0] == "images/0002/00001.jpg"


def test_variety_that_is_missing_is_a_warning(talkers: Path, problems_of: Problems) -> None:
    same = (talkers / ONE).read_bytes()
    for path in talkers.glob("images/*/*.jpg"):
        path.write_bytes(same)

    def level(about: dict[str, dict[str, object]]) -> None:
        about["frames"] = dict.fromkeys(about["frames"], [0.1] * 6)

    for kind in ("poses", "expressions"):
        edit(talkers, kind, level)
    found = problems_of(talkers)
    assert set(found) == {"few angles", "few expressions", "few lights"}
    assert {KINDS[kind].severity for kind in found} == {"warning"}


def test_many_problems_are_counted_but_not_kept(talkers: Path) -> None:
    for k in range(250):
        (talkers / f"images/0001/x{k:03d}.jpg").touch()
    summary = check(
        CheckConfig(data=talkers, side=32, minimum=1, workers=1), Console(quiet=True, errors=io.StringIO())
    )
    problems = {p["kind"]: p for p in summary["problems"]}  # type: ignore[attr-defined]
    assert problems["picture unreadable"]["count"] == 250
    assert len(problems["picture unreadable"]["examples"]) == 100
