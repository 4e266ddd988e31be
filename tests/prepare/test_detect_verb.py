"""``phiz detect``: what is told of the faces in pictures, in words, as JSON and drawn."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from prepare.painted_faces import FIVE, SIDE, SquareDetector, started, write_picture

from phiz import options
from phiz.console import Console
from phiz.errors import MediaError, UsageError
from phiz.face import detectors
from phiz.media import image
from phiz.prepare import detect_verb
from phiz.prepare.detect_verb import DetectFacesConfig


@pytest.fixture(autouse=True)
def _squares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detectors, "started", started)


def run(*words: str) -> tuple[dict[str, object], str]:
    """Return what the command gives, and what it says."""
    output = io.StringIO()
    console = Console(output=output, errors=output)
    return dict(detect_verb.detect_verb(options.parse(DetectFacesConfig, words), console)), output.getvalue()


def test_faces_are_told_from_left_to_right(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "two.png", (70, 5), (3, 30))
    result, said = run(str(path), "-o", str(tmp_path / "faces.json"))
    (told,) = result["pictures"]  # type: ignore[misc]
    assert [face["box"][:2] for face in told["faces"]] == [[3, 30], [70, 5]]
    assert [face["number"] for face in told["faces"]] == [1, 2]
    assert told["faces"][1]["points"] == (FIVE + torch.tensor([70.0, 5.0])).tolist()
    assert "two.png: 100 x 60" in said
    assert f"face 1: {SIDE} x {SIDE} pixels at (3, 30), score 0.90" in said
    assert json.loads((tmp_path / "faces.json").read_text()) == result


def test_one_face_may_be_asked_for(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "two.png", (70, 5), (3, 30))
    result, _ = run(str(path), "--face", "2")
    assert [face["number"] for face in result["pictures"][0]["faces"]] == [2]  # type: ignore[index]
    with pytest.raises(UsageError, match=r"no face 3 .*face 1 is"):
        run(str(path), "--face", "3")


def test_what_was_done_to_a_picture_is_told_and_places_are_those_of_the_file(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "one.png", (3, 30))
    with Image.open(path) as opened:
        notes = Image.Exif()
        notes[0x0112] = 3  # the camera stood on its head
        opened.transpose(Image.Transpose.ROTATE_180).convert("RGBA").save(path, exif=notes)
    result, said = run(str(path), "--background", "black")
    assert "transparency laid over black" in said
    assert "put upright" in said
    assert result["pictures"][0]["faces"][0]["box"] == [3, 30, 3 + SIDE, 30 + SIDE]  # type: ignore[index]


def test_a_shrunk_photo_tells_places_at_full_size(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "one.png", (10, 20))
    looked = detect_verb.look(path, SquareDetector())
    shown = looked.photo
    twice = type(shown)(
        picture=shown.picture, alpha=None, stored_size=(200, 120), done=("shrunk from 200 x 120",)
    )
    full = detect_verb.at_full_size(looked.faces[0][1], twice)
    assert full.box.tolist() == [20, 40, 20 + 2 * SIDE, 40 + 2 * SIDE]


def test_previews_lie_beside_the_output(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "one.png", (10, 20))
    (tmp_path / "out").mkdir()
    result, _ = run(str(path), "--preview", "-o", str(tmp_path / "out" / "faces.json"))
    preview = tmp_path / "out" / "one-faces.jpg"
    assert result["pictures"][0]["preview"] == str(preview)  # type: ignore[index]
    apart = (image.read(preview) - image.read(path)).abs().amax(dim=0)
    assert float(apart[20, 12:32].mean()) > 0.3  # the upper edge of the box
    assert float(apart[:, 60:].mean()) < 0.05


def test_nothing_found_is_explained_and_among_many_it_does_not_stop_the_rest(tmp_path: Path) -> None:
    nobody = write_picture(tmp_path / "nobody.png")
    with pytest.raises(MediaError, match=r"no face found in .*nobody\.png.*looks for squares"):
        run(str(nobody))
    somebody = write_picture(tmp_path / "somebody.png", (3, 3))
    result, said = run(str(nobody), str(tmp_path / "absent.png"), str(somebody))
    assert result["exit_code"] == MediaError.exit_code
    assert [len(one["faces"]) for one in result["pictures"]] == [0, 0, 1]  # type: ignore[attr-defined]
    assert "There is no picture at" in said


def test_pictures_have_to_be_named_and_detectors_known() -> None:
    with pytest.raises(UsageError, match=r"name at least one picture|required"):
        run()
    with pytest.raises(UsageError, match="there is no 'yolo'"):
        run("a.png", "--detector", "yolo")
