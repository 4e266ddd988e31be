"""``phiz detect``, ``landmarks``, ``align``, ``track``: from the command line's words to what is written."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from face.painted_sitter import sitter

from phiz import options
from phiz.console import Console
from phiz.errors import DataError, MediaError, UsageError
from phiz.face import archive, detectors, fit_points
from phiz.face.candidates import Detector
from phiz.face.coeffs import Motion
from phiz.face.network_files import DETECTOR, LANDMARKS
from phiz.face.points import five_points
from phiz.media import image, video
from phiz.prepare import align_verb, detect_verb, landmarks_verb, track_verb
from phiz.prepare.align_verb import AlignConfig
from phiz.prepare.detect_verb import DetectFacesConfig
from phiz.prepare.landmarks_verb import LandmarksVerbConfig
from phiz.prepare.track_verb import TrackConfig


@pytest.fixture(autouse=True)
def weights() -> None:
    if not (LANDMARKS.built_in.is_file() and DETECTOR.built_in.is_file()):
        pytest.skip("no built-in networks")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a portrait, two faces side by side, and a wall."""
    folder = tmp_path_factory.mktemp("pictures")
    image.write(folder / "one.png", sitter().image)
    two = torch.full((3, 256, 560), -0.3)
    two[:, :, :256] = sitter().image
    two[:, 64:192, 400:528] = torch.nn.functional.avg_pool2d(sitter().image[None], 2)[0]
    image.write(folder / "two.png", two)
    image.write(folder / "wall.png", torch.zeros(3, 200, 300))
    return folder


def run(verb: Any, config: type[Any], words: list[str]) -> tuple[dict[str, Any], str]:
    told = io.StringIO()
    result = verb(options.parse(config, words), Console(output=told, errors=told))
    return dict(result), told.getvalue()


def test_faces_are_told_from_left_to_right(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "faces.json"
    result, words = run(
        detect_verb.detect_verb, DetectFacesConfig, [str(folder / "two.png"), "-o", str(output), "--preview"]
    )
    assert json.loads(output.read_text())["pictures"] == result["pictures"]
    first, second = result["pictures"][0]["faces"]
    assert first["box"][0] < second["box"][0]
    truth = five_points(sitter().landmarks68)
    off = (torch.tensor(first["points"]) - truth).norm(dim=1)
    assert float(off.mean()) < 0.2 * float((truth[1] - truth[0]).norm())
    assert "560 x 256" in words
    assert (tmp_path / "two-faces.jpg").is_file()
    result, _ = run(detect_verb.detect_verb, DetectFacesConfig, [str(folder / "two.png"), "--face", "2"])
    assert [face["number"] for face in result["pictures"][0]["faces"]] == [2]


def test_pictures_without_a_face_are_said(folder: Path) -> None:
    with pytest.raises(MediaError, match=r"no face found in .*wall.png"):
        run(detect_verb.detect_verb, DetectFacesConfig, [str(folder / "wall.png")])
    result, words = run(
        detect_verb.detect_verb, DetectFacesConfig, [str(folder / "wall.png"), str(folder / "one.png")]
    )
    assert result["exit_code"] == MediaError.exit_code
    assert "no face found" in words
    assert len(result["pictures"][1]["faces"]) == 1
    with pytest.raises(UsageError, match="there is no face 7"):
        run(detect_verb.detect_verb, DetectFacesConfig, [str(folder / "one.png"), "--face", "7"])
    for verb, config in (
        (detect_verb.detect_verb, DetectFacesConfig),
        (landmarks_verb.landmarks_verb, LandmarksVerbConfig),
        (align_verb.align_verb, AlignConfig),
    ):
        with pytest.raises(UsageError, match="are required: pictures"):
            run(verb, config, [])


def test_points_are_written_where_fits_look_for_them(folder: Path, tmp_path: Path) -> None:
    picture = tmp_path / "one.png"
    picture.write_bytes((folder / "one.png").read_bytes())
    result, _ = run(landmarks_verb.landmarks_verb, LandmarksVerbConfig, [str(picture), "--preview"])
    assert result["pictures"][0]["score"] > 0.9
    file = fit_points.find_file(picture)
    assert file == tmp_path / "one.npz"
    points = fit_points.read(file, picture)
    assert points.xy.shape[1] == 478
    assert bool((points.sigma > 0).all())
    found = archive.read(file)
    assert found["landmarks68"].shape == (68, 2)
    assert found["landmarks"].shape == (478, 2)
    assert (tmp_path / "one-points.jpg").is_file()
    result, _ = run(
        landmarks_verb.landmarks_verb,
        LandmarksVerbConfig,
        [str(folder / "wall.png"), str(picture), "-o", str(tmp_path / "out")],
    )
    assert result["exit_code"] == MediaError.exit_code


@pytest.mark.parametrize(("crop", "size"), [("ffhq", 96), ("112", 112), ("224", 224)])
def test_crops_say_where_they_were_cut(folder: Path, tmp_path: Path, crop: str, size: int) -> None:
    words = [str(folder / "two.png"), "-o", str(tmp_path), "--crop", crop, "--all-faces"]
    result, _ = run(
        align_verb.align_verb, AlignConfig, [*words, *(["--size", "96"] if crop == "ffhq" else [])]
    )
    assert len(result["crops"]) == 2
    for one in result["crops"]:
        shown = image.read(Path(one["file"]))
        assert shown.shape == (3, size, size)
        photo, again = align_verb.cut_again(Path(one["file"]).with_suffix(".json"))
        assert photo.picture.shape == (3, 256, 560)
        assert float((again.picture.clamp(-1, 1) - shown).abs().max()) < 0.01


def test_a_crop_of_something_else_is_refused(folder: Path, tmp_path: Path) -> None:
    run(align_verb.align_verb, AlignConfig, [str(folder / "one.png"), "-o", str(tmp_path), "--crop", "112"])
    facts = json.loads((tmp_path / "one.json").read_text())
    (tmp_path / "one.json").write_text(json.dumps({**facts, "photo": str(folder / "two.png")}))
    with pytest.raises(DataError, match="is not the photo"):
        align_verb.cut_again(tmp_path / "one.json")
    (tmp_path / "one.json").write_text("{}")
    with pytest.raises(DataError, match="does not say where"):
        align_verb.cut_again(tmp_path / "one.json")
    with pytest.raises(UsageError, match="--size is for ffhq"):
        options.parse(AlignConfig, ["a.png", "--crop", "112", "--size", "64"])


def test_detectors_have_names() -> None:
    with detectors.started() as found:
        assert isinstance(found, Detector)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return frames in which a face moves to the right, goes, and comes back."""
    folder = tmp_path_factory.mktemp("film") / "frames"
    folder.mkdir()
    for k in range(8):
        frame = torch.full((3, 256, 320), -0.4)
        if k not in (3, 4):
            frame[:, :, 4 * k : 4 * k + 256] = sitter().image
        image.write(folder / f"{k}.png", frame)
    return folder


def test_a_video_becomes_a_motion_with_all_that_was_asked_for(film: Path, tmp_path: Path) -> None:
    output = tmp_path / "motion.safetensors"
    words = [str(film), "-o", str(output), "--landmarks", str(tmp_path / "p.npz"), "--points", "478"]
    result, told = run(
        track_verb.track_verb, TrackConfig, [*words, "--preview", str(tmp_path / "preview.mp4")]
    )
    motion = Motion.load(output)
    assert len(motion) == 8
    assert (result["found"], result["bridged"]) == (6, 2)
    assert "frames 3 to 4 were drawn through: no face to be seen" in told
    shift = motion.translation[:, 0]
    assert float(shift[-1]) > float(shift[0])
    found = archive.read(tmp_path / "p.npz")
    assert found["landmarks"].shape == (8, 478, 2)
    assert (found["score"] > 0.5).tolist() == [True] * 3 + [False] * 2 + [True] * 3
    assert len(list(video.read(tmp_path / "preview.mp4"))) == 8
    assert not (tmp_path / "motion.safetensors.points.npz").exists()


def test_an_interrupted_track_goes_on(film: Path, tmp_path: Path) -> None:
    words = [str(film), "-o", str(tmp_path / "motion.safetensors")]
    config = options.parse(TrackConfig, words)
    whole = track_verb.found_points(config, 25.0, 8, Console(quiet=True))
    key = track_verb._key(config, 25.0)
    track_verb._remember(config, key, whole[:5])
    assert len(track_verb._remembered(config, key)) == 5
    assert track_verb._remembered(config, "another film") == []
    told = io.StringIO()
    again = track_verb.found_points(config, 25.0, 8, Console(output=told))
    assert "Going on from frame 5" in told.getvalue()
    assert len(again) == 8
    for one, other in zip(whole, again, strict=True):
        np.testing.assert_allclose(one.xy.numpy(), other.xy.numpy(), atol=1e-4)
    track_verb._cache(config).write_bytes(b"PK broken")
    assert track_verb._remembered(config, key) == []


def test_words_that_cannot_be_are_refused(film: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--fps lies between"):
        options.parse(TrackConfig, [str(film), "--fps", "0"])
    with pytest.raises(UsageError, match="counted from 1"):
        options.parse(TrackConfig, [str(film), "--face", "0"])
    with pytest.raises(UsageError, match=r"written as \.npz"):
        run(
            track_verb.track_verb,
            TrackConfig,
            [str(film), "-o", str(tmp_path / "m.safetensors"), "--landmarks", str(tmp_path / "p.json")],
        )
