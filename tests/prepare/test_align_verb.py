"""``phiz align``: crops of faces as files, and the way back into the photo."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from face.painted_sitter import sitter
from prepare.painted_faces import FIVE, started, write_picture

from phiz import options
from phiz.console import Console
from phiz.errors import DataError, MediaError, UsageError
from phiz.face import align, detectors, paste, warp
from phiz.face.candidates import FoundFace
from phiz.face.landmarker import BuiltInLandmarker
from phiz.face.network_files import LANDMARKS
from phiz.face.points import five_points
from phiz.media import image
from phiz.prepare import align_verb
from phiz.prepare.align_verb import AlignConfig


@pytest.fixture(autouse=True)
def _squares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detectors, "started", started)


def run(*words: str) -> dict[str, object]:
    return dict(
        align_verb.align_verb(
            options.parse(AlignConfig, [*words, "--points", "detector"]), Console(quiet=True)
        )
    )


@pytest.mark.parametrize(("kind", "size"), [("ffhq", 64), ("112", 112), ("224", 224)])
def test_crops_are_those_of_align_and_say_where_they_were_cut(kind: str, size: int, tmp_path: Path) -> None:
    path = write_picture(tmp_path / "one.png", (30, 20))
    sized = ("--size", "64") if kind == "ffhq" else ()
    result = run(str(path), "-o", str(tmp_path / "crops"), "--crop", kind, *sized)
    assert result["failed"] == 0
    photo = image.read(path)
    five = FIVE + torch.tensor([30.0, 20.0])
    expected = align_verb.cut(photo, five, kind, size)
    assert torch.equal(
        image.to_bytes(image.read(tmp_path / "crops" / "one.png")), image.to_bytes(expected.picture)
    )
    facts = json.loads((tmp_path / "crops" / "one.json").read_text())
    matrix = torch.tensor(facts["photo_from_crop"], dtype=torch.float64)
    torch.testing.assert_close(matrix, expected.photo_from_crop, rtol=0, atol=1e-12)
    if kind == "112":
        aim = torch.tensor(align.RECOGNITION_POINTS) + 0.5
        assert float((warp.apply(matrix, aim) - five).norm(dim=1).max()) < 2


def test_a_crop_goes_back_where_it_came_from(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "one.png", (30, 20))
    run(str(path), "-o", str(tmp_path / "crops"), "--size", "128")
    photo, crop = align_verb.cut_again(tmp_path / "crops" / "one.json")
    edited = image.read(tmp_path / "crops" / "one.png")
    pasted = paste.paste(photo.picture, crop, edited)
    assert float((pasted - photo.picture).abs().mean()) < 0.02
    red = torch.tensor([1.0, -1, -1])[:, None, None].expand_as(edited)
    changed = paste.paste(photo.picture, crop, red)
    x, y = (FIVE.mean(0) + torch.tensor([30.0, 20.0])).long().tolist()
    assert changed[:, y, x].tolist() == pytest.approx([1, -1, -1], abs=1e-3)


def test_the_face_may_be_chosen_or_all_be_taken(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "two.png", (70, 5), (3, 30))
    second = run(str(path), "-o", str(tmp_path / "a"), "--size", "32", "--face", "2")
    assert [one["face"] for one in second["crops"]] == [2]  # type: ignore[attr-defined]
    points = json.loads((tmp_path / "a" / "two.json").read_text())["points"]
    assert points[0] == [77, 13]
    run(str(path), "-o", str(tmp_path / "b"), "--size", "32", "--all-faces")
    assert sorted(one.name for one in (tmp_path / "b").glob("*.png")) == ["two-1.png", "two-2.png"]


def test_pictures_of_one_name_do_not_overwrite_each_other(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        write_picture(tmp_path / name / "one.png", (30, 20))
    paths = [str(tmp_path / name / "one.png") for name in "ab"]
    run(*paths, "-o", str(tmp_path / "crops"), "--crop", "112")
    names = [one.name for one in sorted((tmp_path / "crops").iterdir())]
    assert names == ["one.json", "one.png", "one_2.json", "one_2.png"]


def test_nothing_found_is_explained_and_the_rest_is_done(tmp_path: Path) -> None:
    nobody = write_picture(tmp_path / "nobody.png")
    with pytest.raises(MediaError, match="no face found"):
        run(str(nobody), "-o", str(tmp_path / "crops"))
    somebody = write_picture(tmp_path / "somebody.png", (30, 20))
    result = run(str(nobody), str(somebody), "-o", str(tmp_path / "crops"), "--crop", "112")
    assert (result["failed"], result["exit_code"]) == (1, MediaError.exit_code)
    assert len(result["crops"]) == 1  # type: ignore[arg-type]


def test_a_changed_photo_or_a_strange_file_is_refused(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "one.png", (30, 20))
    run(str(path), "-o", str(tmp_path), "--crop", "112")
    with pytest.raises(DataError, match="cannot read"):
        align_verb.cut_again(tmp_path / "absent.json")
    made = tmp_path / "one.json"
    facts = json.loads(made.read_text())
    made.write_text(json.dumps({**facts, "photo_size": [10, 10]}))
    with pytest.raises(DataError, match="is not the photo that"):
        align_verb.cut_again(made)
    made.write_text("{}")
    with pytest.raises(DataError, match="does not say where"):
        align_verb.cut_again(made)


@pytest.mark.parametrize(
    "words", [("--size", "8"), ("--crop", "112", "--size", "64"), ("--face", "1", "--all-faces")]
)
def test_senseless_settings_are_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match=r"--size is for|either --face"):
        run("a.png", *words)


def test_points_of_the_network_for_landmarks_are_finer_than_the_detectors() -> None:
    if not LANDMARKS.built_in.is_file():
        pytest.skip("no built-in network for landmarks")
    picture, truth = sitter().image, five_points(sitter().landmarks68)
    low, high = sitter().landmarks68.amin(dim=0), sitter().landmarks68.amax(dim=0)
    rough = FoundFace(box=torch.cat([low, high]), points=truth + torch.tensor([6.0, -5.0]), score=0.9)
    found = align_verb.finer(picture, rough, BuiltInLandmarker())
    assert float((found.points - truth).norm(dim=1).mean()) < 5
    assert torch.equal(found.box, rough.box)
    known = replace(rough, landmarks=truth)
    assert align_verb.finer(picture, known, BuiltInLandmarker()) is known
